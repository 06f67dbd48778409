// What the scheduler runs: tasks (pipelines, to the layers above) that step, in a DAG.
//
// The scheduler knows no data. A worker is bound to a query under a slot number 0..W-1 and calls
// step(slot) of a runnable task again and again; one step is short (a claim, one batch through the operators, a
// delivery): between two steps the scheduler looks at cancellation, and the simulator may
// let somebody else go first. At most one step per (task, slot) at a time; steps of different slots run at once.
//
// Errors of rows stay inside the task (it knows their order) and come out of finish(). The smallest
// (index in the query, error) wins: when task k fails, tasks before k run on, tasks after k are abandoned.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "base/cancellation.h"
#include "base/waiting.h"

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

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  // Before the first step, by one worker, after all dependencies finished; `slots` is the most that will step.
  virtual arrow::Status prepare(int slots) { return arrow::Status::OK(); }
  // How many slots can be of use (1 = sequential). Asked after prepare.
  virtual int max_slots() const = 0;
  // An error here ends the task at once (our own bug, cancellation, memory); row errors wait for finish().
  virtual arrow::Result<Step> step(int slot) = 0;
  // After every slot is done, once, by one worker; may take long (merge of local states) and may itself be split
  // over a following task. Returns the task's smallest row error.
  virtual arrow::Status finish() = 0;
  // Instead of finish() when the query is cancelled or an earlier task failed. No step is running.
  virtual void abandon() {}
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
  virtual void after(int64_t microseconds, std::function<void()> work) = 0;
};

// Names as in get_stats() of the stream face.
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
  int workers = 0;       // 0 = all cores this process may use
  bool pin = false;
  bool inline_on_caller = false;  // small input: no pool, the caller's thread is slot 0
};

// Runs queries on the process's one pool (it grows to the largest number asked for; a query holds at most its own).
// Thread safe: many queries may run at once, and a task may itself run a query inline.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // Blocks the calling thread until the query ended; the smallest error, or OK.
  virtual arrow::Status run(const Query& query, const RunOptions& options, Statistics* statistics = nullptr) = 0;
  virtual Background& background() = 0;
  static Scheduler& process();  // the real one; rebuilt after fork, joined at exit
};

// One thread, a seeded choice of who steps next: workers, I/O completions, timers. Same seed, same schedule.
// A deadlock (nobody can move, the query is not over) is an internal error naming the seed and who waits for what.
std::unique_ptr<Scheduler> simulated_scheduler(uint64_t seed);

// Resolved worker count: option, else GRISTMILL_WORKERS, else usable cores.
int resolve_workers(int requested);

}  // namespace gristmill::sched
