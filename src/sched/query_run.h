// The state of one running query, and every decision about it: which (task, slot) is next, what an answer means, who
// is parked, what an error or a cancellation ends. It has no thread and never waits, so the
// real and the simulated scheduler run the same code and differ only in who calls advance() when.
//
// A worker calls advance(worker) again and again; one call is one move (a prepare, a step, a finish, an abandon). After a step
// that made progress the worker keeps its slot, and the next call takes no lock unless something changed (`epoch_`).
//
// Thread safe; advance() for one worker by one thread at a time. Wakes that come after the end do nothing.
#pragma once

#include <arrow/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sched/task.h"

namespace gristmill::sched {

enum class Move : uint8_t {
  kMoved,  // call again
  kIdle,   // nothing to do until rouse(); the worker holds nothing
  kOver,   // every task is over
};

class QueryRun : public std::enable_shared_from_this<QueryRun> {
 public:
  // `query` must live until advance() said kOver to someone; check start() before the first advance().
  // `nodes`: of each worker; none: memory has one place.
  QueryRun(const Query& query, int workers, std::vector<int> nodes = {});
  virtual ~QueryRun() = default;
  arrow::Status start();  // indices in range, no cycle

  Move advance(int worker);
  void leave(int worker);           // gives back the slot that `worker` keeps
  bool can_move(int worker) const;  // advance(worker) would not say kIdle or kOver
  int workers() const { return static_cast<int>(seats_.size()); }
  bool over() const { return over_.load(std::memory_order_acquire); }

  // After kOver.
  arrow::Status result() const;
  int64_t moves(int worker) const { return seats_[static_cast<size_t>(worker)].moves; }
  std::string waiting() const;  // who waits, for the report of a deadlock

  // True while this thread is inside a task: a query it runs must run inline.
  static bool inside_task();

 protected:
  // `n` more workers may find work (or the query is over). Called without the lock, from any thread.
  virtual void rouse(int n) {}

 private:
  enum class Phase : uint8_t { kWaiting, kToPrepare, kPreparing, kRunning, kToFinish, kFinishing, kToAbandon, kAbandoning, kOver };
  enum class Lane : uint8_t { kUnstarted, kReady, kHeld, kParked, kDone };
  struct TaskState {
    Phase phase = Phase::kWaiting;
    bool exhausted = false;  // a slot said kDone: no further slot starts
    bool ending = false;     // abandon as soon as nobody is inside
    int unmet = 0;           // dependencies not finished
    int held = 0;            // slots with a worker
    int started = 0;
    int done = 0;
    std::vector<Lane> lanes;
    std::vector<int> dependents;
    arrow::Status error;
  };
  // What a worker has in hand; written by that worker only.
  struct alignas(64) Seat {
    int task = -1;
    int lane = -1;
    uint64_t epoch = 0;
    int64_t moves = 0;
  };
  enum class Job : uint8_t { kNone, kPrepare, kStep, kFinish, kAbandon };
  struct Pick {
    Job job = Job::kNone;
    int task = -1;
    int lane = -1;
  };

  Pick look(int worker) const;
  static int free_lane(const TaskState& task, int worker);
  void take(const Pick& pick, Seat& seat);
  void put_back(Seat& seat);
  void perform(const Pick& pick, Seat& seat);
  void run_step(Seat& seat);
  void settle_prepared(int task, const arrow::Status& status, int max_slots);
  void task_over(int task, bool finished);
  void fail(int task, const arrow::Status& status);
  void end(int task);
  void stop();
  void lane_left(int task);
  void wake(int task, int lane);
  void changed(int n);
  void offer(TaskState& task, Phase phase);
  void announce();
  void unlock_and_rouse(std::unique_lock<std::mutex>& lock);

  const Query* query_;
  const std::vector<int> nodes_;
  const base::CancelToken cancel_;
  mutable std::mutex mutex_;
  std::vector<TaskState> tasks_;
  std::vector<Seat> seats_;
  int first_open_ = 0;    // all tasks before it are over
  int open_ = 0;          // tasks not over
  int inside_ = 0;        // workers inside a task or holding a slot
  int to_rouse_ = 0;      // asked for under the lock, done after it
  int unannounced_ = 0;   // prepares, finishes, abandons that nobody was roused for: whoever takes other work does it
  arrow::Status reason_;  // of the cancellation
  std::atomic<bool> stopping_{false};
  std::atomic<bool> over_{false};
  std::atomic<uint64_t> epoch_{1};
};

}  // namespace gristmill::sched
