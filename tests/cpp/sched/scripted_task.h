// Tasks made of functions, and the few words in which the scheduler's tests are written.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "sched/claim.h"
#include "sched/task.h"

namespace gristmill::sched {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A task made of functions; counts what the scheduler calls.
struct Scripted final : Task {
  std::function<arrow::Result<Step>(int)> on_step = [](int) { return Step::done(); };
  std::function<arrow::Status()> on_prepare = [] { return arrow::Status::OK(); };
  std::function<arrow::Status()> on_finish = [] { return arrow::Status::OK(); };
  std::function<void()> on_abandon = [] {};
  std::function<void(Statistics&)> on_report = [](Statistics&) {};
  int slots = 64;
  std::atomic<int> prepared{0}, steps{0}, finished{0}, abandoned{0}, inside{0};
  std::mutex mutex;
  std::set<std::thread::id> threads;

  std::string name() const override { return "scripted"; }
  arrow::Status prepare(int) override {
    ++prepared;
    return on_prepare();
  }
  int max_slots() const override { return slots; }
  arrow::Result<Step> step(int slot) override {
    EXPECT_EQ(prepared, 1);
    EXPECT_EQ(finished + abandoned, 0);
    EXPECT_LT(slot, slots);
    {
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    struct Inside {
      explicit Inside(std::atomic<int>& n) : count(n) { ++count; }
      ~Inside() { --count; }
      std::atomic<int>& count;
    } here(inside);
    ++steps;
    return on_step(slot);
  }
  arrow::Status finish() override {
    EXPECT_EQ(inside, 0);
    ++finished;
    return on_finish();
  }
  void report(Statistics& statistics) const override { on_report(statistics); }
  void abandon() override {
    EXPECT_EQ(inside, 0);
    ++abandoned;
    on_abandon();
  }
};

inline std::shared_ptr<Scripted> scripted() { return std::make_shared<Scripted>(); }

// Steps `n` times in all, then is done.
inline std::shared_ptr<Scripted> counted(int n, std::function<void(int)> work = [](int) {}) {
  auto task = scripted();
  std::shared_ptr<Claims> claims = counter_claims(static_cast<uint64_t>(n));
  task->on_step = [claims, work](int slot) {
    auto seq = claims->next(slot);
    if (!seq) return Step::done();
    work(static_cast<int>(*seq));
    return Step::progress();
  };
  return task;
}

inline Query query_of(std::vector<std::shared_ptr<Scripted>> tasks, std::vector<std::vector<int>> after = {}) {
  Query query;
  for (size_t t = 0; t < tasks.size(); ++t) query.nodes.push_back({tasks[t], t < after.size() ? after[t] : std::vector<int>{}});
  return query;
}

inline arrow::Status run(const Query& query, int workers, Statistics* statistics = nullptr) {
  RunOptions options;
  options.workers = workers;
  return Scheduler::process().run(query, options, statistics);
}

// Endless, by stepping or by sleeping.
inline std::shared_ptr<Scripted> endless(bool sleeping) {
  auto task = counted(1 << 30);
  if (sleeping) task->on_step = [never = std::make_shared<base::WaitHandle>()](int) { return Step::blocked(never); };
  return task;
}

// Meets another thread inside `count` within ten seconds.
inline bool met(std::atomic<int>& count) {
  ++count;
  const auto until = steady_clock::now() + std::chrono::seconds(10);
  while (count < 2 && steady_clock::now() < until) std::this_thread::yield();
  return count >= 2;
}

}  // namespace gristmill::sched
