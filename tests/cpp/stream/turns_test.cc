// Whose turn it is: how far a feed gets ahead of others, and that nobody waits for ever. The clock is moved by hand.

#include "stream/turns.h"

#include <functional>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace gristmill::stream {
namespace {

class ByHand final : public sched::Background {
 public:
  void submit_io(int64_t, std::function<void()> work) override { work(); }
  void after(int64_t micros, std::function<void()> work) override { timers_.emplace(now_ + micros, std::move(work)); }
  void pass(int64_t micros) {
    const int64_t to = now_ + micros;
    while (!timers_.empty() && timers_.begin()->first <= to) {
      auto timer = timers_.extract(timers_.begin());
      now_ = timer.key();
      timer.mapped()();
    }
    now_ = to;
  }
  size_t timers() const { return timers_.size(); }

 private:
  int64_t now_ = 0;
  std::multimap<int64_t, std::function<void()>> timers_;
};

constexpr int64_t kLong = 50'000;  // microseconds after which nobody waits any more for one that does not move

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
  bool b_at_work_ = false;
  size_t a_ = turns_->add(), b_ = turns_->add([this] { return b_at_work_; });
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
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), 16);
  int64_t most = 1;
  for (; most <= 4096; most *= 2) {
    clock_.pass(kLong - 1);
    EXPECT_FALSE(pause_->ready());
    clock_.pass(1);
    EXPECT_TRUE(pause_->ready());
    EXPECT_EQ(until_pause(*turns_, a_, &pause_), most);
  }
  clock_.pass(kLong);
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), most / 2);
  turns_->claimed(b_);  // it moves: as at first, and what it missed is not owed to it
  for (int i = 0; i < 15; ++i) turns_->claimed(b_);
  EXPECT_TRUE(pause_->ready());
  EXPECT_LE(until_pause(*turns_, a_, &pause_), 17);
}

// A slow step behind one of them takes longer than anybody waits: still they give one in turn.
TEST_F(TurnsOfTwo, OneThatIsSlowIsNotLeftBehind) {
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), 16);
  int64_t ahead = 16;
  for (int i = 0; i < 100; ++i) {
    clock_.pass(3 * kLong);
    if (pause_->ready()) ahead += until_pause(*turns_, a_, &pause_);
    turns_->claimed(b_);
    --ahead;
    ASSERT_LE(ahead, 16 + 1 + 2 + 4);
  }
}

TEST_F(TurnsOfTwo, EveryWorkerThatPausesIsWoken) {
  until_pause(*turns_, a_, &pause_);
  const auto other = turns_->pause(a_);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(clock_.timers(), 1u);
  clock_.pass(kLong);
  EXPECT_TRUE(pause_->ready() && other->ready());
  clock_.pass(kLong);
  EXPECT_EQ(clock_.timers(), 0u);
}

TEST_F(TurnsOfTwo, OneThatMovesSlowlyIsNotGivenUp) {
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), 16);
  for (int i = 0; i < 15; ++i) {
    clock_.pass(kLong - 5'000);
    EXPECT_FALSE(pause_->ready());
    turns_->claimed(b_);
  }
  turns_->claimed(b_);
  EXPECT_TRUE(pause_->ready());
}

// A slow sink: what is on its way waits for room, and others would only take it.
TEST_F(TurnsOfTwo, OneWhoseChunkIsOnItsWayIsWaitedForMuchLonger) {
  until_pause(*turns_, a_, &pause_);
  b_at_work_ = true;
  clock_.pass(80 * kLong);
  EXPECT_FALSE(pause_->ready());
  clock_.pass(20 * kLong);
  EXPECT_TRUE(pause_->ready());
  EXPECT_EQ(until_pause(*turns_, a_, &pause_), 1);
  clock_.pass(2 * kLong);
  EXPECT_FALSE(pause_->ready());
  b_at_work_ = false;
  clock_.pass(kLong);
  EXPECT_TRUE(pause_->ready());
}

// The clock of one ticks faster than its ticks are worked on: it could always move.
TEST_F(TurnsOfTwo, TicksTakeTurnsToo) {
  turns_->waits(a_);
  int64_t ticks = 0;
  for (; !(pause_ = turns_->pause(a_)); ++ticks) turns_->ticked(a_);
  EXPECT_EQ(ticks, 16);
  for (int i = 0; i < 16; ++i) turns_->claimed(b_);
  EXPECT_TRUE(pause_->ready());
  // Nobody waits for it because it ticks.
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(turns_->pause(b_), nullptr);
    turns_->claimed(b_);
  }
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
        if (g == chosen || idle[g]) continue;
        ASSERT_LE(++since[chosen * kFeeds + g], 64) << "seed " << seed << ": " << chosen << " before " << g;
      }
    }
  }
}

}  // namespace
}  // namespace gristmill::stream
