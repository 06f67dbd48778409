// No lost wake: a run makes its work visible (under its own lock) before it invites (under the pool's), and a thread
// looks at all runs under the pool's lock before it sleeps. Lock order: pool, then run; runs invite without their lock.

#include "sched/worker_pool.h"

#include <algorithm>
#include <utility>

#include "base/cpu.h"
#include "base/topology.h"
#include "sched/background_thread.h"

namespace gristmill::sched {
namespace {

// Of each worker; none where there is one node only.
std::vector<int> nodes_of(const base::Topology& topology, int workers) {
  std::vector<int> nodes;
  if (topology.numa_nodes() < 2) return nodes;
  for (int w = 0; w < workers; ++w) nodes.push_back(topology.numa_node_of(w));
  return nodes;
}

// Whether `happened` within a time that is shorter than a thread's sleep and waking; asked without a lock.
template <typename F>
bool soon(F happened) {
  constexpr std::chrono::microseconds kSoon{50};
  constexpr int kLooks = 32;  // between looks at the clock
  const auto until = std::chrono::steady_clock::now() + kSoon;
  do {
    for (int i = 0; i < kLooks; ++i) {
      if (happened()) return true;
      base::pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace

PooledRun::PooledRun(const Query& query, int workers, bool pin, const base::Topology& topology, std::shared_ptr<WorkerPool> pool)
    : QueryRun(query, workers, nodes_of(topology, workers)),
      busy(static_cast<size_t>(workers)),
      pin_(pin),
      topology_(topology),
      pool_(std::move(pool)) {
  for (int n = workers - 1; n >= 1; --n) free_numbers_.push_back(n);
}

void PooledRun::wait(std::chrono::milliseconds at_most) {
  std::unique_lock lock(bell_mutex_);
  caller_sleeps_ = true;  // also while it only looks: whoever rings need not call another
  const auto rung = [this] { return rung_.load(std::memory_order_acquire); };
  if (!rung() && seated_.load(std::memory_order_relaxed) > 0) {
    lock.unlock();
    soon(rung);
    lock.lock();
  }
  if (at_most.count() > 0) {
    bell_.wait_for(lock, at_most, rung);
  } else {
    bell_.wait(lock, rung);
  }
  caller_sleeps_ = false;
  rung_ = false;
}

void PooledRun::wake_caller() {
  std::lock_guard lock(bell_mutex_);
  rung_ = true;
  bell_.notify_one();
}

void PooledRun::rouse(int n) {
  {
    std::lock_guard lock(bell_mutex_);
    // A sleeping caller takes the first piece of work; one that is up finds it by itself, but maybe late.
    if (caller_sleeps_ && !rung_) --n;
    rung_ = true;
    bell_.notify_one();
  }
  if (n > 0 && pool_ && !over()) pool_->invite(n);
}

void WorkerPool::stop() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    threads.swap(threads_);
  }
  work_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void WorkerPool::add(const std::shared_ptr<PooledRun>& run) {
  std::lock_guard lock(mutex_);
  runs_.push_back(run);
  if (runs_.size() > 1) arrivals_.fetch_add(1, std::memory_order_relaxed);
  while (!stop_ && static_cast<int>(threads_.size()) < run->workers() - 1) {
    auto thread = start_thread("gm-worker-" + std::to_string(threads_.size() + 1), [this] { loop(); });
    if (!thread) break;
    threads_.push_back(std::move(*thread));
  }
}

void WorkerPool::remove(const std::shared_ptr<PooledRun>& run, bool settle) {
  std::unique_lock lock(mutex_);
  runs_.remove(run);
  const auto left = [&] { return run->seated_.load(std::memory_order_acquire) == 0; };
  if (settle && !left()) {
    lock.unlock();
    soon(left);
    lock.lock();
  }
  if (settle) left_.wait(lock, [&] { return static_cast<int>(run->free_numbers_.size()) == run->workers() - 1; });
}

int WorkerPool::threads() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(threads_.size());
}

void WorkerPool::invite(int n) {
  std::lock_guard lock(mutex_);
  if (idle_ == 0) return;
  if (n >= idle_) {
    work_.notify_all();
  } else {
    for (int i = 0; i < n; ++i) work_.notify_one();
  }
}

std::optional<WorkerPool::Seat> WorkerPool::find_seat() {
  for (auto it = runs_.begin(); it != runs_.end(); ++it) {
    std::shared_ptr<PooledRun> run = *it;
    if (run->free_numbers_.empty() || !run->can_move(run->free_numbers_.back())) continue;
    const int number = run->free_numbers_.back();
    run->free_numbers_.pop_back();
    run->seated_.fetch_add(1, std::memory_order_relaxed);
    runs_.splice(runs_.end(), runs_, it);  // the next thread looks at the others first
    return Seat{std::move(run), number};
  }
  return std::nullopt;
}

bool WorkerPool::has_too_many(const PooledRun& run) const {
  std::lock_guard lock(mutex_);
  if (runs_.size() < 2) return false;
  const size_t here = static_cast<size_t>(run.workers()) - 1 - run.free_numbers_.size();
  const size_t share = (threads_.size() + runs_.size() - 1) / runs_.size();
  return here > share;
}

void WorkerPool::loop() {
  const base::Topology* bound = nullptr;  // what this thread was last bound by
  std::unique_lock lock(mutex_);
  while (!stop_) {
    std::optional<Seat> seat = find_seat();
    if (!seat) {
      ++idle_;
      work_.wait(lock);
      --idle_;
      continue;
    }
    lock.unlock();
    serve(*seat->run, seat->number, &bound);
    lock.lock();
    // The lowest number goes first: numbers are kept sorted, the smallest last.
    auto& numbers = seat->run->free_numbers_;
    numbers.insert(std::lower_bound(numbers.begin(), numbers.end(), seat->number, std::greater<>()), seat->number);
    seat->run->seated_.fetch_sub(1, std::memory_order_release);
    left_.notify_all();
  }
}

void WorkerPool::serve(PooledRun& run, int number, const base::Topology** bound) {
  if (*bound != nullptr && (!run.pin_ || *bound != &run.topology_)) {
    base::Topology::system().bind_thread(-1);
    *bound = nullptr;
  }
  if (run.pin_) {
    run.topology_.bind_thread(run.topology_.cpu_of(number));
    *bound = &run.topology_;
  }
  const auto begin = std::chrono::steady_clock::now();
  uint64_t arrivals = arrivals_.load(std::memory_order_relaxed);
  while (!stop_.load(std::memory_order_relaxed) && run.advance(number) == Move::kMoved) {
    const uint64_t now = arrivals_.load(std::memory_order_relaxed);
    if (now == arrivals) continue;
    arrivals = now;
    if (has_too_many(run)) break;
  }
  run.leave(number);
  run.busy[static_cast<size_t>(number)] += std::chrono::steady_clock::now() - begin;
}

}  // namespace gristmill::sched
