// Sizes are tried, the fastest is used, and a change of the data is noticed. Time comes from the test.

#include "job/batch_tuner.h"

#include <gtest/gtest.h>

#include <array>

namespace gristmill::job {
namespace {

// Nanoseconds a row at each number of halvings.
using Costs = std::array<int64_t, 6>;

void run(BatchTuner& tuner, const Costs& costs, int batches, int64_t rows = 32768) {
  for (int i = 0; i < batches; ++i) {
    const BatchTuner::Trial trial = tuner.next(rows);
    ASSERT_GE(trial.rows, std::min(rows, BatchTuner::kSmallest));
    ASSERT_LE(trial.rows, rows);
    tuner.took(trial, rows, rows * costs[static_cast<size_t>(trial.halvings)]);
  }
}

TEST(BatchTuner, TakesTheFastestSize) {
  BatchTuner tuner;
  run(tuner, {900, 700, 500, 300, 400, 800}, 40);
  EXPECT_EQ(tuner.chosen(), 3);
  EXPECT_EQ(tuner.rows(), 32768 / 8);
}

TEST(BatchTuner, SmallerOnlyWhenItIsClearlyBetter) {
  BatchTuner tuner;
  run(tuner, {100, 98, 97, 97, 98, 99}, 40);
  EXPECT_EQ(tuner.chosen(), 0);
}

TEST(BatchTuner, NoticesThatTheDataHasChanged) {
  BatchTuner tuner;
  run(tuner, {900, 700, 500, 300, 400, 800}, 40);
  run(tuner, {100, 200, 300, 400, 500, 600}, 6000);
  EXPECT_EQ(tuner.chosen(), 0);
}

TEST(BatchTuner, OneSlowTurnDecidesNothing) {
  BatchTuner tuner;
  for (int i = 0; i < 40; ++i) {
    const BatchTuner::Trial trial = tuner.next(32768);
    const int64_t disturbed = i % 3 == 0 ? 50'000 : 0;  // somebody else had the core
    tuner.took(trial, 32768, 32768 * (trial.halvings == 2 ? 100 : 200) + 32768 * disturbed);
  }
  EXPECT_EQ(tuner.chosen(), 2);
}

TEST(BatchTuner, SmallBatchesStayWhole) {
  BatchTuner tuner;
  for (int i = 0; i < 100; ++i) {
    const BatchTuner::Trial trial = tuner.next(500);
    EXPECT_EQ(trial.rows, 500);
    tuner.took(trial, 500, 1000);
  }
}

}  // namespace
}  // namespace gristmill::job
