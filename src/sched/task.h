// What the scheduler runs: tasks (pipelines, to the layers above) that step, in a DAG.
//
// The scheduler knows no data. Every task has slots 0..S-1, S = min(workers of the query, max_slots()): the places of
// its local states. A worker takes a free slot of the runnable task with the lowest index and calls step(slot)
// again and again; one step is short (a claim, one batch through the operators, a delivery): between two steps
// the scheduler looks at cancellation, and the simulator may let somebody else go first. At most one step per
// (task, slot) at a time; steps of different slots run at once. A worker prefers the slot of its own number but
// may go on with any, so a slot may change threads between steps (never without synchronisation).
//
// A task is over when one of its slots answered kDone and every slot that was ever stepped did: kDone says that
// nothing is left to claim, so a slot that never started (its worker serves another query) would find nothing.
//
// Errors of rows stay inside the task (it knows their order) and come out of finish(). The smallest
// (index in the query, error) wins: when task k fails, tasks before k run on, tasks after k are abandoned, and
// so is whatever depends on k. When the query is cancelled, all that are not finished are abandoned in order.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/cancellation.h"
#include "base/clock.h"
#include "base/waiting.h"

namespace gristmill::base {
class Topology;
}

namespace gristmill::sched {

enum class StepKind : uint8_t {
  kProgress,  // something was done, call again
  kBlocked,   // nothing for this slot until `wait` fires; the worker goes to other work
  kDone,      // this slot will never have work again
};

struct Step {
  StepKind kind = StepKind::kProgress;
  base::WaitHandlePtr wait;
  static Step progress() { return {StepKind::kProgress, nullptr}; }
  static Step done() { return {StepKind::kDone, nullptr}; }
  static Step blocked(base::WaitHandlePtr w) { return {StepKind::kBlocked, std::move(w)}; }
};

struct Statistics;

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  // Before the first step, by one worker, after all dependencies finished; `slots` is the most that will step.
  virtual arrow::Status prepare(int slots) { return arrow::Status::OK(); }
  // Before prepare(), where memory has more than one place: the NUMA node of each slot's usual worker.
  virtual void place(const std::vector<int>& node_of_slot) {}
  // How many slots can be of use (1 = sequential). Asked after prepare.
  virtual int max_slots() const = 0;
  // An error here ends the task at once (our own bug, cancellation, memory); row errors wait for finish().
  virtual arrow::Result<Step> step(int slot) = 0;
  // After every started slot is done, once, by one worker; may take long (merge of local states) and may itself be
  // split over a following task. Returns the task's smallest row error.
  virtual arrow::Status finish() = 0;
  // Instead of finish(), once, when the query is cancelled, a step or prepare() failed, or an earlier task did; also for a
  // task that never was prepared. No step is running. Must release whoever waits for this task (a
  // consumer discards its window), or a task before it that runs on could wait for ever.
  virtual void abandon() {}
  // After the run, when statistics were asked for: adds what only the task knows (morsels, rows, steals, queue sizes).
  virtual void report(Statistics& statistics) const {}
};

// Tasks in plan order; an edge says "b starts after a finished". Tasks joined by a stream edge
// (async boundary) have no such edge and run side by side.
struct Query {
  struct Node {
    std::shared_ptr<Task> task;
    std::vector<int> after;  // indices of tasks that must finish first
  };
  std::vector<Node> nodes;
  base::CancelToken cancel;
  // Polled about every 20 ms on the calling thread while it waits (Ctrl-C of Python); an error cancels the query.
  std::function<arrow::Status()> interrupt;
};

// Work outside the workers: I/O threads and timers. The simulator replaces it with seeded choices.
class Background {
 public:
  virtual ~Background() = default;
  // Runs on an I/O thread once `bytes` fit the byte budget (always at least one at a time).
  virtual void submit_io(int64_t bytes, std::function<void()> work) = 0;
  // `work` must be short: it runs on the one timer thread.
  virtual void after(int64_t microseconds, std::function<void()> work) = 0;
  // The clock by which after() counts; moved by hand under the simulator.
  virtual const base::Clock& clock() const { return base::Clock::system(); }
};

// Names as in get_stats() of the stream face. The scheduler fills processed_count (steps) and busy_seconds of the
// workers and the times; morsels, rows, steals and queue sizes come from Task::report().
struct WorkerStatistics {
  int numa_node = 0;
  int64_t processed_count = 0;
  int64_t rows = 0;
  double busy_seconds = 0;
  int64_t queue_size = 0;
  bool is_idle = true;
};

struct Statistics {
  int num_workers = 0;
  double morsel_size_kb = 0;
  int64_t total_morsels_created = 0;
  int64_t total_morsels_processed = 0;
  double processing_time_seconds = 0;
  double morsels_per_second = 0;
  int64_t steals = 0;
  std::vector<WorkerStatistics> workers;
};

struct RunOptions {
  int workers = 0;  // 0 = all cores this process may use
  bool pin = false;
  const base::Topology* topology = nullptr;  // null: this machine; outlives the run
  bool inline_on_caller = false;             // small input: no pool, the caller's thread is the only worker
};

// Runs queries on the process's one pool (it grows to the largest number asked for; a query holds at most its own).
// Thread safe: many queries may run at once, and a task may itself run a query, which then runs inline. The calling
// thread is worker 0; when it has nothing to do it sleeps. An idle scheduler uses no CPU.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // Blocks the calling thread until the query ended; the smallest error, or OK.
  virtual arrow::Status run(const Query& query, const RunOptions& options, Statistics* statistics = nullptr) = 0;
  virtual Background& background() = 0;
  static Scheduler& process();  // the real one; rebuilt after fork, joined at exit
};

// One thread, a seeded choice of who moves next: a worker, an I/O request, the earliest timer (virtual time jumps to it; read
// it by background().clock()). Same seed, same schedule. Of the workers asked for the seed decides how many ever
// come, as with a busy pool. What a query leaves in the background may happen during the next.
// A deadlock (nobody can move, the query is not over) is an internal error naming the seed and who waits for what.
std::unique_ptr<Scheduler> simulated_scheduler(uint64_t seed);

// Resolved worker count: option, else GRISTMILL_WORKERS, else usable cores.
int resolve_workers(int requested, const base::Topology& topology);
int resolve_workers(int requested);  // on this machine

}  // namespace gristmill::sched
