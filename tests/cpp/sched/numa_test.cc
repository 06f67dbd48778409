// Workers, claims and statistics on machines with several NUMA nodes that do not exist.

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "base/topology.h"
#include "sched/claim.h"
#include "sched/task.h"

namespace gristmill::sched {
namespace {

// Nodes and cores made up, CPUs numbered as the workers; remembers which thread was bound where.
class PinnedMachine final : public base::Topology {
 public:
  explicit PinnedMachine(std::vector<int> cores_per_node) : shape_(base::synthetic_topology(std::move(cores_per_node))) {}
  int usable_cores() const override { return shape_->usable_cores(); }
  int numa_nodes() const override { return shape_->numa_nodes(); }
  int numa_node_of(int worker) const override { return shape_->numa_node_of(worker); }
  int cpu_of(int worker) const override { return worker < usable_cores() ? worker : -1; }
  int64_t memory_limit() const override { return shape_->memory_limit(); }
  int64_t l2_bytes() const override { return shape_->l2_bytes(); }
  int64_t l3_bytes() const override { return shape_->l3_bytes(); }
  void bind_thread(int cpu) const override {
    std::lock_guard lock(mutex_);
    bound_[std::this_thread::get_id()] = cpu;
  }
  int bound_to() const {  // the calling thread; -1: to nothing
    std::lock_guard lock(mutex_);
    const auto at = bound_.find(std::this_thread::get_id());
    return at == bound_.end() ? -1 : at->second;
  }

 private:
  std::unique_ptr<base::Topology> shape_;
  mutable std::mutex mutex_;
  mutable std::map<std::thread::id, int> bound_;
};

// Ends when a worker sits on every slot at the same time.
class EveryoneComes final : public Task {
 public:
  explicit EveryoneComes(const PinnedMachine& machine) : machine_(machine) {}
  std::string name() const override { return "everyone"; }
  void place(const std::vector<int>& node_of_slot) override { nodes = node_of_slot; }
  arrow::Status prepare(int slots) override {
    slots_ = slots;
    return arrow::Status::OK();
  }
  int max_slots() const override { return slots_; }
  arrow::Result<Step> step(int slot) override {
    std::unique_lock lock(mutex_);
    cpu_of_slot[slot] = machine_.bound_to();
    all_here_.notify_all();
    const bool came = all_here_.wait_for(lock, std::chrono::seconds(30), [&] { return std::ssize(cpu_of_slot) == slots_; });
    return came ? arrow::Result<Step>(Step::done()) : arrow::Status::UnknownError("a worker did not come");
  }
  arrow::Status finish() override { return arrow::Status::OK(); }

  std::vector<int> nodes;
  std::map<int, int> cpu_of_slot;

 private:
  const PinnedMachine& machine_;
  int slots_ = 0;
  std::mutex mutex_;
  std::condition_variable all_here_;
};

TEST(Numa, WorkersAreBoundToTheirCpusAndTasksLearnTheNodes) {
  const PinnedMachine machine({2, 3});
  auto task = std::make_shared<EveryoneComes>(machine);
  Query query;
  query.nodes.push_back({task, {}});
  RunOptions options;
  options.pin = true;
  options.topology = &machine;
  Statistics statistics;
  ASSERT_TRUE(Scheduler::process().run(query, options, &statistics).ok());
  EXPECT_EQ(task->nodes, (std::vector<int>{0, 0, 1, 1, 1}));
  // The caller's thread is the user's own and is left alone.
  std::set<int> cpus;
  for (const auto& [slot, cpu] : task->cpu_of_slot) cpus.insert(cpu);
  EXPECT_EQ(cpus, (std::set<int>{-1, 1, 2, 3, 4}));
  EXPECT_EQ(machine.bound_to(), -1);
  ASSERT_EQ(statistics.workers.size(), 5u);
  for (int w = 0; w < 5; ++w) EXPECT_EQ(statistics.workers[static_cast<size_t>(w)].numa_node, w < 2 ? 0 : 1);
}

TEST(Numa, WithoutPinningNobodyIsBound) {
  const PinnedMachine machine({2, 2});
  auto task = std::make_shared<EveryoneComes>(machine);
  Query query;
  query.nodes.push_back({task, {}});
  RunOptions options;
  options.topology = &machine;
  ASSERT_TRUE(Scheduler::process().run(query, options).ok());
  for (const auto& [slot, cpu] : task->cpu_of_slot) EXPECT_EQ(cpu, -1) << slot;
}

TEST(Numa, OneNodeHasNoPlaces) {
  const PinnedMachine machine({3});
  auto task = std::make_shared<EveryoneComes>(machine);
  Query query;
  query.nodes.push_back({task, {}});
  RunOptions options;
  options.topology = &machine;
  ASSERT_TRUE(Scheduler::process().run(query, options).ok());
  EXPECT_TRUE(task->nodes.empty());
  EXPECT_EQ(task->cpu_of_slot.size(), 3u);
}

TEST(Numa, AThiefEmptiesItsOwnNodeFirst) {
  auto claims = range_claims(40, 4, {0, 1, 0, 1});
  std::vector<uint64_t> got;
  while (auto seq = claims->next(0)) got.push_back(*seq);
  ASSERT_EQ(got.size(), 40u);
  // Node 0's slots own the first half: slot 0 has 0-9, slot 2 has 10-19.
  std::vector<uint64_t> near(got.begin(), got.begin() + 20);
  std::sort(near.begin(), near.end());
  std::vector<uint64_t> first_half(20);
  std::iota(first_half.begin(), first_half.end(), uint64_t{0});
  EXPECT_EQ(near, first_half);
}

TEST(Numa, EveryMorselIsClaimedOnceWhateverTheNodes) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const int slots = 1 + static_cast<int>(random() % 9);
    const uint64_t count = random() % 3000;
    std::vector<int> nodes;
    for (int s = 0; s < slots; ++s) nodes.push_back(static_cast<int>(random() % 4));
    auto claims = range_claims(count, slots, nodes);
    std::vector<std::vector<uint64_t>> got(static_cast<size_t>(slots));
    std::vector<std::thread> threads;
    for (int s = 0; s < slots; ++s) {
      threads.emplace_back([&, s] {
        while (auto seq = claims->next(s)) got[static_cast<size_t>(s)].push_back(*seq);
      });
    }
    for (auto& t : threads) t.join();
    std::vector<int> times(count);
    for (const auto& mine : got) {
      for (const uint64_t seq : mine) ++times[seq];
    }
    EXPECT_TRUE(std::all_of(times.begin(), times.end(), [](int n) { return n == 1; })) << "seed " << seed;
  }
}

}  // namespace
}  // namespace gristmill::sched
