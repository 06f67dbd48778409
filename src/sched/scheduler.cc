// The real scheduler: the loop of the calling thread, and the process-wide pool and I/O threads behind it.
//
// The caller is worker 0. Between its moves, and inside long ones where poll_caller_interrupt() is called, it looks at
// the clock (only when there is an interrupt to poll), and it sleeps when it finds nothing. A deadline is a timer that makes the token look
// at it.
//
// fork: the threads of the parent do not exist in the child, so the child forgets pool and I/O threads (leaks
// what is left of them) and makes new ones when asked. exit: the static's destructor joins.

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/settings.h"
#include "base/topology.h"
#include "sched/caller_interrupt.h"
#include "sched/io_threads.h"
#include "sched/statistics.h"
#include "sched/task.h"
#include "sched/worker_pool.h"

namespace gristmill::sched {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kInterruptPoll{20};
constexpr int64_t kIoByteBudget = int64_t{256} << 20;
constexpr int kMostWorkers = 1024;

class ProcessScheduler final : public Scheduler, private Background {
 public:
  ProcessScheduler() {
    instance_ = this;
    pthread_atfork([] { instance_->mutex_.lock(); }, [] { instance_->mutex_.unlock(); }, [] { instance_->after_fork(); });
  }

  ~ProcessScheduler() override {
    io_.reset();
    if (pool_) pool_->stop();  // a late wake-up may still hold the pool itself
  }

  arrow::Status run(const Query& query, const RunOptions& options, Statistics* statistics) override;
  Background& background() override { return *this; }

 private:
  void submit_io(int64_t bytes, std::function<void()> work) override { io()->submit_io(bytes, std::move(work)); }
  void after(int64_t microseconds, std::function<void()> work) override { io()->after(microseconds, std::move(work)); }

  std::shared_ptr<WorkerPool> pool() {
    std::lock_guard lock(mutex_);
    if (!pool_) pool_ = std::make_shared<WorkerPool>();
    return pool_;
  }

  std::shared_ptr<IoThreads> io() {
    std::lock_guard lock(mutex_);
    if (!io_) io_ = std::make_shared<IoThreads>(std::clamp(base::Topology::system().usable_cores(), 2, 4), kIoByteBudget);
    return io_;
  }

  void after_fork() {
    // Never destroyed: that would join threads which are not there.
    new std::shared_ptr<WorkerPool>(std::move(pool_));
    new std::shared_ptr<IoThreads>(std::move(io_));
    pool_ = nullptr;
    io_ = nullptr;
    mutex_.unlock();
  }

  static inline ProcessScheduler* instance_ = nullptr;
  std::mutex mutex_;
  std::shared_ptr<WorkerPool> pool_;
  std::shared_ptr<IoThreads> io_;
};

// Wakes the sleeping caller when the query is cancelled; subscribed to only when it first sleeps.
class CancelBell {
 public:
  CancelBell(const base::CancelToken& cancel, const std::shared_ptr<PooledRun>& run) : cancel_(cancel), run_(run) {}
  ~CancelBell() {
    if (id_ != 0) cancel_.unsubscribe(id_);
  }
  void subscribe() {
    if (std::exchange(subscribed_, true)) return;
    id_ = cancel_.subscribe([run = run_] { run->wake_caller(); });
  }

 private:
  const base::CancelToken& cancel_;
  const std::shared_ptr<PooledRun>& run_;
  uint64_t id_ = 0;
  bool subscribed_ = false;
};

// Makes the token look at its deadline in time.
class DeadlineTimer {
 public:
  DeadlineTimer(const base::CancelToken& cancel, std::shared_ptr<IoThreads> io) : io_(std::move(io)) {
    id_ = io_->timers().add(*cancel.deadline(), [cancel] { (void)cancel.check(); });
  }
  ~DeadlineTimer() { io_->timers().remove(id_); }

 private:
  std::shared_ptr<IoThreads> io_;
  TimerThread::Id id_;
};

class InterruptPoll;
thread_local InterruptPoll* callers_poll = nullptr;

// Asks the caller's interrupt about every 20 ms; its error cancels the query. Queries nest on a thread, so do their polls.
class InterruptPoll {
 public:
  explicit InterruptPoll(const Query& query)
      : query_(query), on_(static_cast<bool>(query.interrupt)), outer_(std::exchange(callers_poll, this)) {
    if (on_) next_ = Clock::now() + kInterruptPoll;
  }
  ~InterruptPoll() { callers_poll = outer_; }
  InterruptPoll(const InterruptPoll&) = delete;
  InterruptPoll& operator=(const InterruptPoll&) = delete;
  void poll() {
    if (!on_) return;
    const auto now = Clock::now();
    if (now < next_) return;
    next_ = now + kInterruptPoll;
    const arrow::Status status = query_.interrupt();
    if (!status.ok()) query_.cancel.cancel(status);
  }
  std::chrono::milliseconds patience() const { return on_ ? kInterruptPoll : std::chrono::milliseconds(0); }

 private:
  const Query& query_;
  const bool on_;
  InterruptPoll* const outer_;
  Clock::time_point next_;
};

void serve_as_caller(const Query& query, const std::shared_ptr<PooledRun>& run, bool timed) {
  InterruptPoll interrupt(query);
  CancelBell bell(query.cancel, run);
  auto begin = timed ? Clock::now() : Clock::time_point{};
  for (;;) {
    const Move move = run->advance(0);
    if (move == Move::kOver) break;
    if (move == Move::kIdle) {
      if (timed) run->busy[0] += Clock::now() - begin;
      bell.subscribe();
      run->wait(interrupt.patience());
      if (timed) begin = Clock::now();
    }
    interrupt.poll();
  }
  if (timed) run->busy[0] += Clock::now() - begin;
}

arrow::Status ProcessScheduler::run(const Query& query, const RunOptions& options, Statistics* statistics) {
  const bool alone = options.inline_on_caller || QueryRun::inside_task();
  const base::Topology& topology = options.topology != nullptr ? *options.topology : base::Topology::system();
  const int workers = alone ? 1 : resolve_workers(options.workers, topology);
  const std::shared_ptr<WorkerPool> pool = workers > 1 ? this->pool() : nullptr;
  const auto run = std::make_shared<PooledRun>(query, workers, options.pin, topology, pool);
  ARROW_RETURN_NOT_OK(run->start());
  const auto begin = statistics != nullptr ? Clock::now() : Clock::time_point{};
  {
    std::optional<DeadlineTimer> deadline;
    if (query.cancel.deadline()) deadline.emplace(query.cancel, io());
    if (pool) pool->add(run);
    serve_as_caller(query, run, statistics != nullptr);
    if (pool) pool->remove(run, statistics != nullptr);
  }
  if (statistics != nullptr) fill_statistics(query, *run, topology, run->busy, Clock::now() - begin, statistics);
  return run->result();
}

}  // namespace

void poll_caller_interrupt() {
  if (callers_poll != nullptr) callers_poll->poll();
}

Scheduler& Scheduler::process() {
  static ProcessScheduler scheduler;
  return scheduler;
}

int resolve_workers(int requested) { return resolve_workers(requested, base::Topology::system()); }

int resolve_workers(int requested, const base::Topology& topology) {
  if (requested <= 0) requested = static_cast<int>(std::min<int64_t>(base::setting_int("GRISTMILL_WORKERS").ValueOr(0), kMostWorkers));
  if (requested <= 0) requested = topology.usable_cores();
  return std::clamp(requested, 1, kMostWorkers);
}

}  // namespace gristmill::sched
