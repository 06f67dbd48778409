// The process's worker threads. They belong to no query: one that idles takes a free worker number of a run that has
// work, moves it on until it finds nothing more, and gives the number back. When another run arrives, runs
// with more than their share of the threads let some go.
//
// A run's number 0 is its calling thread, which sleeps in PooledRun::wait() when it has nothing to do; so each query goes on
// even when all threads of the pool serve others. Idle threads sleep without a clock. A caller whose run others work on looks for their
// news for some microseconds before it sleeps: waking it takes longer than what small runs last.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "sched/query_run.h"

namespace gristmill::sched {

class WorkerPool;

// A run whose worker 0 is the calling thread and whose others, if any, come from a pool.
class PooledRun final : public QueryRun {
 public:
  // `pool` null: the caller is the only worker.
  PooledRun(const Query& query, int workers, bool pin, const base::Topology& topology, std::shared_ptr<WorkerPool> pool);

  // The caller sleeps until there may be work, the query is over, somebody called wake_caller(), or `at_most` went by (0 = no limit).
  void wait(std::chrono::milliseconds at_most);
  void wake_caller();

  // Busy time per worker, written by the thread that has the number.
  std::vector<std::chrono::nanoseconds> busy;

 protected:
  void rouse(int n) override;

 private:
  friend class WorkerPool;
  const bool pin_;
  const base::Topology& topology_;
  const std::shared_ptr<WorkerPool> pool_;
  std::vector<int> free_numbers_;  // guarded by the pool's mutex
  std::atomic<int> seated_{0};     // threads that have a number; changed under the pool's mutex
  std::mutex bell_mutex_;
  std::condition_variable bell_;
  bool caller_sleeps_ = false;
  std::atomic<bool> rung_{false};  // set under the bell's mutex
};

class WorkerPool {
 public:
  ~WorkerPool() { stop(); }
  void stop();  // joins; a run still in work goes on with its caller alone
  // Lets threads join `run` until remove(); the pool grows to its workers less the caller.
  void add(const std::shared_ptr<PooledRun>& run);
  // No thread joins any more; with `settle` also none is in it when this returns.
  void remove(const std::shared_ptr<PooledRun>& run, bool settle);
  int threads() const;

 private:
  friend class PooledRun;
  struct Seat {
    std::shared_ptr<PooledRun> run;
    int number = 0;
  };
  void invite(int n);
  std::optional<Seat> find_seat();
  void loop();
  void serve(PooledRun& run, int number, const base::Topology** bound);
  bool has_too_many(const PooledRun& run) const;

  mutable std::mutex mutex_;
  std::condition_variable work_;  // for idle threads
  std::condition_variable left_;  // a thread gave a number back
  std::list<std::shared_ptr<PooledRun>> runs_;
  std::vector<std::thread> threads_;
  int idle_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> arrivals_{0};  // runs added: those in work give up what exceeds their share
};

}  // namespace gristmill::sched
