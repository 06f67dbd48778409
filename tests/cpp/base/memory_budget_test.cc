// Counting, limits, spilling order, errors, life time of the pool.
#include "base/memory_budget.h"

#include <arrow/buffer.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "base/environment.h"
#include "base/status.h"

namespace gristmill::base {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// Holds a reservation and gives back as much of it as it is told to.
class Holder final : public Spillable {
 public:
  Holder(std::string name, std::shared_ptr<QueryMemory> memory, int64_t bytes) : name_(std::move(name)), memory_(std::move(memory)) {
    held_ = memory_->reserve(bytes, "holder").ValueOrDie();
    size_ = bytes;
    memory_->register_spillable(this);
  }
  ~Holder() override { memory_->unregister_spillable(this); }
  std::string spill_name() const override { return name_; }
  int64_t spillable_bytes() const override { return size_; }
  arrow::Result<int64_t> spill(int64_t bytes) override {
    EXPECT_FALSE(running_.exchange(true)) << "two spills of one holder at once";
    if (during) during();
    ++spills;
    const int64_t freed = stubborn ? 0 : std::min(bytes, held_.bytes());
    held_.shrink_to(held_.bytes() - freed);
    size_ = held_.bytes();
    running_ = false;
    if (!failure.ok()) return failure;
    return freed;
  }

  std::atomic<int> spills{0};
  bool stubborn = false;
  arrow::Status failure;
  std::function<void()> during;

 private:
  std::string name_;
  std::shared_ptr<QueryMemory> memory_;
  Reservation held_;
  std::atomic<int64_t> size_{0};
  std::atomic<bool> running_{false};
};

TEST(QueryMemory, CountsPoolAndReservationsInQueryAndProcess) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  EXPECT_TRUE(memory->limited());
  {
    auto buffer = arrow::AllocateBuffer(10 * kMiB, memory->pool()).ValueOrDie();
    auto reserved = memory->reserve(5 * kMiB, "test").ValueOrDie();
    EXPECT_EQ(memory->used(), 15 * kMiB);
    EXPECT_EQ(process.used(), 15 * kMiB);
    EXPECT_EQ(memory->pool()->bytes_allocated(), 10 * kMiB);
    EXPECT_NEAR(memory->pressure(), 0.15, 1e-9);
    ASSERT_TRUE(reserved.grow_to(8 * kMiB).ok());
    EXPECT_EQ(memory->used(), 18 * kMiB);
    reserved.shrink_to(1 * kMiB);
    EXPECT_EQ(memory->used(), 11 * kMiB);
    Reservation moved = std::move(reserved);
    EXPECT_EQ(reserved.bytes(), 0);
    EXPECT_EQ(moved.bytes(), 1 * kMiB);
    moved = memory->reserve(2 * kMiB, "test").ValueOrDie();
    EXPECT_EQ(memory->used(), 12 * kMiB);
  }
  EXPECT_EQ(memory->used(), 0);
  EXPECT_EQ(process.used(), 0);
  EXPECT_EQ(memory->peak(), 18 * kMiB);
  memory->count_spilled(7);
  EXPECT_EQ(memory->spilled_bytes(), 7);
}

TEST(QueryMemory, CountsResizedBuffers) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(0, process);
  EXPECT_FALSE(memory->limited());
  auto buffer = arrow::AllocateResizableBuffer(kMiB, memory->pool()).ValueOrDie();
  ASSERT_TRUE(buffer->Resize(4 * kMiB).ok());
  EXPECT_EQ(memory->used(), 4 * kMiB);
  ASSERT_TRUE(buffer->Resize(2 * kMiB, true).ok());
  EXPECT_EQ(memory->used(), 2 * kMiB);
  EXPECT_FALSE(buffer->Resize(2000 * kMiB).ok());
  EXPECT_EQ(memory->used(), 2 * kMiB);
  buffer.reset();
  EXPECT_EQ(memory->used(), 0);
}

TEST(QueryMemory, RefusesAllocationsBeyondTheOverdraftWithAnErrorThatHelps) {
  ProcessBudget process(10'000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  const auto inside = arrow::AllocateBuffer(104 * kMiB, memory->pool());  // 31/32 of the limit and an overdraft of 8 MiB
  ASSERT_TRUE(inside.ok());
  const arrow::Status refused = arrow::AllocateBuffer(3 * kMiB, memory->pool()).status();
  EXPECT_TRUE(refused.IsOutOfMemory());
  EXPECT_EQ(error_kind(refused), ErrorKind::kMemory);
  EXPECT_EQ(describe_error(refused),
            "out of memory in an allocation: wanted 3.0 MiB, 104.0 MiB of the 100.0 MiB the query may use are in use and nothing is "
            "left to spill; raise memory_limit or GRISTMILL_MEMORY");
  EXPECT_EQ(memory->used(), 104 * kMiB);
  EXPECT_EQ(process.used(), 104 * kMiB);
}

TEST(QueryMemory, NeverPassesTheProcessLimit) {
  ProcessBudget process(64 * kMiB);
  const auto memory = QueryMemory::make(0, process);
  const auto other = QueryMemory::make(0, process);
  const auto inside = arrow::AllocateBuffer(40 * kMiB, memory->pool()).ValueOrDie();
  EXPECT_TRUE(arrow::AllocateBuffer(24 * kMiB, other->pool()).ok());  // up to the last byte
  const arrow::Status refused = arrow::AllocateBuffer(25 * kMiB, other->pool()).status();
  EXPECT_NE(refused.message().find("64.0 MiB the process may use"), std::string::npos) << refused.message();
  // Reservations leave the overdraft (1/8 here) to allocations.
  EXPECT_TRUE(other->reserve(16 * kMiB, "test").ok());
  EXPECT_FALSE(other->reserve(17 * kMiB, "test").ok());
  EXPECT_EQ(process.used(), 40 * kMiB);
}

TEST(QueryMemory, AskedForMoreThanThereCanBeRefusesWithoutSpillingAnybody) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  Holder holder("h", memory, 50 * kMiB);
  EXPECT_FALSE(memory->reserve(101 * kMiB, "test").ok());
  EXPECT_FALSE(memory->reserve(int64_t{1} << 62, "test").ok());
  EXPECT_FALSE(memory->pool()->Allocate(int64_t{1} << 62, nullptr).ok());
  EXPECT_EQ(holder.spills, 0);
}

TEST(QueryMemory, SpillsTheLargestHolderFirst) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  Holder small("small", memory, 20 * kMiB), large("large", memory, 50 * kMiB), middle("middle", memory, 25 * kMiB);
  auto first = memory->reserve(30 * kMiB, "test");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(large.spills, 1);  // 25 missing; 25 left of it
  EXPECT_EQ(small.spills + middle.spills, 0);
  ASSERT_TRUE(memory->ensure_headroom(60 * kMiB, "test").ok());
  EXPECT_LE(memory->used(), 40 * kMiB);
  EXPECT_EQ(first->bytes(), 30 * kMiB);
}

TEST(QueryMemory, NamesWhoWantedWhatWhenNothingIsLeftToSpill) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  Holder holder("h", memory, 60 * kMiB);
  holder.stubborn = true;
  const arrow::Status refused = memory->reserve(50 * kMiB, "hash join").status();
  EXPECT_EQ(error_kind(refused), ErrorKind::kMemory);
  EXPECT_EQ(describe_error(refused),
            "out of memory in hash join: wanted 50.0 MiB, 60.0 MiB of the 100.0 MiB the query may use are in use and nothing is left to "
            "spill; raise memory_limit or GRISTMILL_MEMORY");
  EXPECT_GE(holder.spills, 1);
  EXPECT_EQ(memory->used(), 60 * kMiB);
  EXPECT_FALSE(memory->ensure_headroom(50 * kMiB, "sort").ok());
  EXPECT_TRUE(memory->ensure_headroom(36 * kMiB, "sort").ok());
}

TEST(QueryMemory, GoesOnToTheNextHolderWhenOneFreesNothing) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  Holder stubborn("stubborn", memory, 60 * kMiB), willing("willing", memory, 30 * kMiB);
  stubborn.stubborn = true;
  EXPECT_TRUE(memory->reserve(30 * kMiB, "test").ok());
  EXPECT_EQ(stubborn.spills, 1);
  EXPECT_EQ(willing.spills, 1);
}

TEST(QueryMemory, HandsOnTheErrorOfASpillThatFailed) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  Holder holder("h", memory, 90 * kMiB);
  holder.failure = io_error("disk full while spilling");
  EXPECT_EQ(memory->reserve(30 * kMiB, "test").status().message(), "disk full while spilling");
}

TEST(QueryMemory, SpillsAnotherQueryOnlyWhenTheProcessIsFull) {
  ProcessBudget process(800 * kMiB);  // 775 for reservations
  const auto mine = QueryMemory::make(400 * kMiB, process), other = QueryMemory::make(0, process);
  Holder foreign("foreign", other, 500 * kMiB);
  const auto filling = mine->reserve(200 * kMiB, "test").ValueOrDie();
  EXPECT_FALSE(mine->reserve(300 * kMiB, "test").ok());  // its own cap: no use asking the other
  EXPECT_EQ(foreign.spills, 0);
  EXPECT_TRUE(mine->reserve(150 * kMiB, "test").ok());
  EXPECT_EQ(foreign.spills, 1);
}

TEST(QueryMemory, LetsASpillUseTheOverdraftAndNeverSpillInside) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  Holder outer("outer", memory, 60 * kMiB), inner("inner", memory, 40 * kMiB);
  bool small_ok = false, large_ok = true;
  outer.during = [&] {
    small_ok = memory->reserve(4 * kMiB, "write buffer").ok();
    large_ok = memory->reserve(20 * kMiB, "write buffer").ok();
  };
  EXPECT_TRUE(memory->reserve(10 * kMiB, "test").ok());
  EXPECT_TRUE(small_ok);
  EXPECT_FALSE(large_ok);
  EXPECT_EQ(inner.spills, 0);
}

TEST(QueryMemory, WaitsInUnregisterForASpillThatRuns) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  std::atomic<bool> started{false}, ended{false};
  auto holder = std::make_unique<Holder>("h", memory, 90 * kMiB);
  holder->during = [&] {
    started = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ended = true;
  };
  std::thread asking([&] { EXPECT_TRUE(memory->reserve(50 * kMiB, "test").ok()); });
  while (!started) std::this_thread::yield();
  memory->unregister_spillable(holder.get());
  EXPECT_TRUE(ended);
  asking.join();
}

TEST(QueryMemory, WaitsAMomentForReservationsOfOtherThreads) {
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(100 * kMiB, process);
  auto held = memory->reserve(90 * kMiB, "morsel").ValueOrDie();
  std::thread other([held = std::move(held)]() mutable {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    held.release();
  });
  EXPECT_TRUE(memory->reserve(50 * kMiB, "morsel").ok());
  other.join();
}

TEST(QueryMemory, HoldsItsLimitUnderManyThreads) {
  const uint64_t seed = 20240607;
  SCOPED_TRACE("seed " + std::to_string(seed));
  ProcessBudget process(1000 * kMiB);
  const auto memory = QueryMemory::make(64 * kMiB, process);
  std::vector<std::unique_ptr<Holder>> holders;
  for (int i = 0; i < 4; ++i) holders.push_back(std::make_unique<Holder>(std::string(1, static_cast<char>('a' + i)), memory, 12 * kMiB));
  std::atomic<int64_t> worst{0}, refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(seed + static_cast<uint64_t>(t));
      for (int i = 0; i < 400; ++i) {
        auto reserved = memory->reserve(static_cast<int64_t>(random() % static_cast<uint64_t>(4 * kMiB)), "thread");
        if (!reserved.ok()) ++refused;
        auto buffer = arrow::AllocateBuffer(static_cast<int64_t>(random() % static_cast<uint64_t>(kMiB)), memory->pool());
        if (!buffer.ok()) ++refused;
        const int64_t used = memory->used();
        for (int64_t seen = worst; used > seen && !worst.compare_exchange_weak(seen, used);) {
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(refused, 0);
  EXPECT_LE(worst, 72 * kMiB);
  EXPECT_LE(memory->peak(), 72 * kMiB);
  int64_t left = 0;
  for (const auto& h : holders) left += h->spillable_bytes();
  EXPECT_EQ(memory->used(), left);
  holders.clear();
  EXPECT_EQ(memory->used(), 0);
  EXPECT_EQ(process.used(), 0);
}

TEST(Pool, OutlivesItsQueryAndItsOwnersUntilTheLastBufferIsFreed) {
  ProcessBudget process(1000 * kMiB);
  std::shared_ptr<arrow::Buffer> buffer, empty;
  std::shared_ptr<void> owner;
  {
    const auto memory = QueryMemory::make(0, process);
    owner = memory->pool_owner();
    buffer = arrow::AllocateBuffer(kMiB, memory->pool()).ValueOrDie();
    empty = arrow::AllocateBuffer(0, memory->pool()).ValueOrDie();
  }
  EXPECT_GE(process.used(), kMiB);
  owner.reset();
  buffer->mutable_data()[0] = 1;
  buffer.reset();
  empty.reset();  // the address sanitizer sees a pool that went too early, or never
  EXPECT_EQ(process.used(), 0);
}

TEST(Pool, IsDestroyedOnceWhenOwnersAndBuffersGoAtTheSameTime) {
  ProcessBudget process(1000 * kMiB);
  for (int round = 0; round < 200; ++round) {
    auto memory = QueryMemory::make(0, process);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([buffer = std::shared_ptr<arrow::Buffer>(arrow::AllocateBuffer(1000, memory->pool()).ValueOrDie())]() mutable {
        buffer.reset();
      });
    }
    memory.reset();
    for (std::thread& t : threads) t.join();
  }
  EXPECT_EQ(process.used(), 0);
}

TEST(ProcessBudget, OfTheProcessIsPartOfTheMachine) {
  EXPECT_GT(ProcessBudget::instance().limit(), 0);
  EXPECT_EQ(&ProcessBudget::instance(), &ProcessBudget::instance());
}

}  // namespace
}  // namespace gristmill::base
