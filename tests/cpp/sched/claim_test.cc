// Every number below the final bound is handed out exactly once, by both kinds, on one thread and on many.

#include "sched/claim.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

namespace gristmill::sched {
namespace {

using Make = std::unique_ptr<Claims> (*)(uint64_t count, int slots);
std::unique_ptr<Claims> counter(uint64_t count, int) { return counter_claims(count); }
std::unique_ptr<Claims> ranges(uint64_t count, int slots) { return range_claims(count, slots); }

std::vector<uint64_t> drain(Claims& claims, int slot) {
  std::vector<uint64_t> got;
  while (auto seq = claims.next(slot)) got.push_back(*seq);
  return got;
}

TEST(Claims, CounterGivesNumbersInOrder) {
  auto claims = counter_claims(3);
  EXPECT_EQ(claims->remaining(0), 3);
  EXPECT_EQ(drain(*claims, 0), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(claims->remaining(0), 0);
  EXPECT_FALSE(claims->next(1).has_value());
}

TEST(Claims, RangeTakesItsOwnFrontFirstThenHalfOfTheFullestBack) {
  auto claims = range_claims(12, 3);  // 0-3, 4-7, 8-11
  EXPECT_EQ(claims->next(1), 4u);
  EXPECT_EQ(claims->next(0), 0u);
  for (uint64_t seq : {1, 2, 3}) EXPECT_EQ(claims->next(0), seq);
  EXPECT_EQ(claims->next(0), 10u);  // of 8-11 the back half
  EXPECT_EQ(claims->steals(), 1);
  EXPECT_EQ(claims->remaining(2), 2);
  EXPECT_EQ(drain(*claims, 0), (std::vector<uint64_t>{11, 6, 7, 9, 5, 8}));
  EXPECT_EQ(claims->steals_of(0), claims->steals());
  EXPECT_GT(claims->steals_of(0), 1);
  EXPECT_EQ(claims->steals_of(1), 0);
}

TEST(Claims, ASlotWithoutWorkerIsEmptiedByTheOthers) {
  auto claims = range_claims(1000, 8);
  std::vector<uint64_t> got = drain(*claims, 5);
  std::sort(got.begin(), got.end());
  ASSERT_EQ(got.size(), 1000u);
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(got[i], i);
}

TEST(Claims, TheBoundOnlyFalls) {
  for (Make make : {&counter, &ranges}) {
    auto claims = make(10, 2);
    claims->close_from(4);
    claims->close_from(9);
    std::vector<uint64_t> got = drain(*claims, 1);
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (std::vector<uint64_t>{0, 1, 2, 3}));
  }
}

TEST(Claims, NothingComesOfNothing) {
  for (Make make : {&counter, &ranges}) {
    EXPECT_FALSE(make(0, 4)->next(3).has_value());
    EXPECT_EQ(drain(*make(1, 4), 2).size(), 1u);
  }
}

TEST(Claims, MoreThanFourBillionMorselsAreStillHandedOut) {
  auto claims = range_claims(uint64_t{1} << 40, 2);
  EXPECT_EQ(claims->next(0), 0u);
  EXPECT_EQ(claims->next(1), 1u);
}

// Threads claim while one of them lowers the bound at random.
void race(Make make, uint32_t seed) {
  std::mt19937 random(seed);
  const int slots = 1 + static_cast<int>(random() % 8);
  const uint64_t count = random() % 5000;
  const uint64_t final_bound = random() % 3 == 0 ? random() % (count + 1) : count;
  auto claims = make(count, slots);
  std::vector<std::vector<uint64_t>> got(static_cast<size_t>(slots));
  std::vector<std::thread> threads;
  for (int s = 0; s < slots; ++s) {
    threads.emplace_back([&, s, lower_at = random() % 50] {
      uint64_t n = 0;
      while (auto seq = claims->next(s)) {
        got[static_cast<size_t>(s)].push_back(*seq);
        if (++n == lower_at && s == 0) claims->close_from(final_bound);
      }
      if (s == 0) claims->close_from(final_bound);
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<int> times(count);
  for (const auto& numbers : got) {
    for (uint64_t seq : numbers) ++times.at(seq);
  }
  for (uint64_t seq = 0; seq < count; ++seq) {
    ASSERT_LE(times[seq], 1) << "seed " << seed << " number " << seq;
    if (seq < final_bound) {
      ASSERT_EQ(times[seq], 1) << "seed " << seed << " number " << seq;
    }
  }
}

TEST(Claims, EveryNumberBelowTheFinalBoundIsHandedOutOnce) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    race(&counter, seed);
    race(&ranges, seed);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace gristmill::sched
