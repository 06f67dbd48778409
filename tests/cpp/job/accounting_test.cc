// What does not add up is said, and by the step that it is about.

#include "job/accounting.h"

#include <gtest/gtest.h>

namespace gristmill::job {
namespace {

std::vector<StepTotals> balanced() {
  return {{"csv", StepKind::kSource, {.rows_in = 10, .rows_out = 9, .rejected = 1}, {}},
          {"filter", StepKind::kTransform, {.rows_in = 9, .rows_out = 6, .filtered = 3}, {}},
          {"a", StepKind::kSink, {.rows_in = 4, .rows_out = 4}, {}},
          {"b", StepKind::kSink, {.rows_in = 2, .rows_out = 2}, {}}};
}

TEST(Accounting, BalancesOrNamesTheStep) {
  EXPECT_TRUE(balance_of(balanced()).ok());
  const auto broken = [](auto change, const char* word) {
    auto steps = balanced();
    change(steps);
    const arrow::Status s = balance_of(steps);
    EXPECT_FALSE(s.ok());
    EXPECT_NE(s.message().find(word), std::string::npos) << s.message();
  };
  broken([](auto& s) { s[0].counts.rows_out = 10; }, "\"csv\"");
  broken([](auto& s) { s[1].counts.rows_in = 8, s[1].counts.filtered = 2; }, "\"filter\" got 8 of the 9");
  broken([](auto& s) { s[2].counts.rows_in = s[2].counts.rows_out = 3; }, "the sinks got 5 of the 6");
  broken([](auto& s) { s[3].counts.rows_out = 1; }, "\"b\"");
}

}  // namespace
}  // namespace gristmill::job
