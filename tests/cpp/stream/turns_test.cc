// Whose turn it is: how far a feed gets ahead of others, and that nobody waits for ever. The clock is moved by hand.

#include "stream/turns.h"

#include <functional>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace gristmill::stream {
namespace {

class ByHand final : public sched::Background {
 public:
  void submit_io(int64_t, std::function<void()> work) override { work(); }
  void after(int64_t, std::function<void()> work) override { timers_.push_back(std::move(work)); }
  void fire() {
    for (auto& timer : std::exchange(timers_, {})) timer();
  }
  size_t timers() const { return timers_.size(); }

 private:
  std::vector<std::function<void()>> timers_;
};

// Chunks that the feed gives until it is to pause.
int64_t until_pause(Turns& turns, size_t feed, base::WaitHandlePtr* pause) {
  for (int64_t chunks = 0;; ++chunks) {
    if (*pause = turns.pause(feed); *pause) return chunks;
    turns.claimed(feed);
  }
}

class TurnsOfTwo : public ::testing::Test {
 protected:
  ByHand clock_;
  std::shared_ptr<Turns> turns_ = std::make_shared<Turns>(clock_);
  size_t a_ = turns_->add(), b_ = turns_->add();
  base::WaitHandlePtr pause_;
};

TEST_F(TurnsOfTwo, OneThatIsAheadPausesUntilItIsCaughtUpWith) {
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), 16);
  for (int i = 0; i < 15; ++i) turns_->claimed(b_);
  EXPECT_FALSE(pause_->ready());
  turns_->claimed(b_);
  EXPECT_TRUE(pause_->ready());
  EXPECT_EQ(until_pause(*turns_, b_, &pause_), 16);
}

TEST_F(TurnsOfTwo, NobodyWaitsForOneThatHasNothing) {
  until_pause(*turns_, a_, &pause_);
  turns_->waits(b_);
  EXPECT_TRUE(pause_->ready());
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(turns_->pause(a_), nullptr);
    turns_->claimed(a_);
  }
  // What it did not take meanwhile is not owed to it: both are even again.
  turns_->ready(b_);
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), 16);
}

TEST_F(TurnsOfTwo, NobodyWaitsForOneThatHasEnded) {
  until_pause(*turns_, a_, &pause_);
  turns_->ended(b_);
  EXPECT_TRUE(pause_->ready());
  EXPECT_EQ(turns_->pause(a_), nullptr);
}

TEST_F(TurnsOfTwo, OneThatDoesNotMoveIsWaitedForLessOften) {
  int64_t before = 0;
  for (int i = 0; i < 8; ++i) {
    const int64_t chunks = until_pause(*turns_, a_, &pause_);
    EXPECT_GE(chunks, before);
    before = chunks;
    clock_.fire();
    EXPECT_TRUE(pause_->ready());
  }
  EXPECT_EQ(before, 2048);
  turns_->claimed(b_);  // it moves: as at first
  EXPECT_LE(until_pause(*turns_, a_, &pause_), 17);
}

TEST_F(TurnsOfTwo, EveryWorkerThatPausesIsWoken) {
  until_pause(*turns_, a_, &pause_);
  const auto other = turns_->pause(a_);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(clock_.timers(), 1u);
  clock_.fire();
  EXPECT_TRUE(pause_->ready() && other->ready());
}

// Feeds that are always read as soon as they may be, some of them idle at times: nobody is ever further ahead of one with rows than the
// lead.
TEST(Turns, AFeedWithRowsIsNeverFarBehind) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    ByHand clock;
    const auto turns = std::make_shared<Turns>(clock);
    constexpr size_t kFeeds = 4;
    std::vector<base::WaitHandlePtr> paused(kFeeds);
    std::vector<bool> idle(kFeeds, false);
    std::vector<int64_t> since(kFeeds * kFeeds, 0);  // chunks of one since another, which has rows, was read
    for (size_t f = 0; f < kFeeds; ++f) turns->add();
    for (int step = 0; step < 20'000; ++step) {
      const size_t f = random() % kFeeds;
      if (random() % 50 == 0) {
        idle[f] = !idle[f];
        idle[f] ? turns->waits(f) : turns->ready(f);
        for (size_t g = 0; g < kFeeds; ++g) since[g * kFeeds + f] = 0;
        continue;
      }
      // The first ones get far more turns, as tasks with small numbers do.
      const size_t chosen = random() % 3 == 0 ? f : 0;
      if (idle[chosen] || (paused[chosen] && !paused[chosen]->ready())) continue;
      paused[chosen] = turns->pause(chosen);
      if (paused[chosen]) continue;
      turns->claimed(chosen);
      for (size_t g = 0; g < kFeeds; ++g) {
        since[g * kFeeds + chosen] = 0;
        if (g != chosen && !idle[g]) ASSERT_LE(++since[chosen * kFeeds + g], 64) << "seed " << seed << ": " << chosen << " before " << g;
      }
    }
  }
}

}  // namespace
}  // namespace gristmill::stream
