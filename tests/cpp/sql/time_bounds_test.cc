// What conditions say about two times, against all pairs of small numbers looked at one by one.

#include "sql/time_bounds.h"

#include <algorithm>
#include <functional>
#include <random>
#include <string_view>
#include <vector>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

// A condition and what it is for two numbers.
struct Condition {
  NodePtr node;
  std::function<bool(int64_t, int64_t)> holds;
};

Condition random_condition(std::mt19937_64& random) {
  const auto number = [&] { return static_cast<int64_t>(random() % 13) - 6; };
  const int64_t a = number(), b = number();
  const NodePtr left = expr::column("l"), right = expr::column("r");
  const auto plus = [](const NodePtr& x, int64_t c) {
    return c < 0 ? expr::call("sub", {x, expr::literal(-c)}) : expr::call("add", {x, expr::literal(c)});
  };
  switch (random() % 8) {
    case 0: return {expr::call("le", {plus(left, a), plus(right, b)}), [=](int64_t l, int64_t r) { return l + a <= r + b; }};
    case 1: return {expr::call("gt", {plus(left, a), right}), [=](int64_t l, int64_t r) { return l + a > r; }};
    case 2:
      return {expr::call("lt", {expr::call("sub", {right, left}), expr::literal(a)}), [=](int64_t l, int64_t r) { return r - l < a; }};
    case 3:
      return {expr::call("ge", {expr::call("sub", {left, right}), expr::call("neg", {expr::literal(a)})}),
              [=](int64_t l, int64_t r) { return l - r >= -a; }};
    case 4:
      return {expr::call("between", {right, plus(left, a), plus(left, b)}), [=](int64_t l, int64_t r) { return r >= l + a && r <= l + b; }};
    case 5:
      return {expr::call("between", {left, plus(right, a), plus(right, b)}),
              [=](int64_t l, int64_t r) { return l >= r + a && l <= r + b; }};
    case 6: return {expr::call("eq", {plus(right, a), plus(left, b)}), [=](int64_t l, int64_t r) { return r + a == l + b; }};
    default:
      return {expr::call("lt", {expr::call("mul", {left, expr::literal(int64_t{2})}), right}),
              [=](int64_t l, int64_t r) { return 2 * l < r; }};
  }
}

TEST(TimeBounds, AreThoseOfAllPairs) {
  for (uint64_t seed = 1; seed <= 2'000; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Condition> all;
    std::vector<NodePtr> conditions;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) {
      all.push_back(random_condition(random));
      conditions.push_back(all.back().node);
    }
    const TimeBounds bounds = take_time_bounds(conditions, "l", "r", *arrow::int64());
    for (int64_t l = -20; l <= 20; ++l) {
      for (int64_t r = -20; r <= 20; ++r) {
        bool expected = true;
        for (const Condition& c : all) {
          const bool left_over = std::find(conditions.begin(), conditions.end(), c.node) != conditions.end();
          expected = expected && (left_over || c.holds(l, r));
        }
        const bool within = (!bounds.lower || r - l >= *bounds.lower) && (!bounds.upper || r - l <= *bounds.upper);
        ASSERT_EQ(within, expected) << "seed " << seed << ", left " << l << ", right " << r;
      }
    }
  }
}

TEST(TimeBounds, LengthsFinerThanTheTimesAreRounded) {
  const auto seconds = arrow::timestamp(arrow::TimeUnit::SECOND);
  const auto later = [](int64_t micros) {
    return expr::call("dt.add", {expr::column("l"), expr::literal(micros), expr::literal(std::string_view("microsecond"))});
  };
  std::vector<NodePtr> conditions = {expr::call("lt", {expr::column("r"), later(2'500'000)}),
                                     expr::call("ge", {expr::column("r"), later(-1'500'000)})};
  const TimeBounds half = take_time_bounds(conditions, "l", "r", *seconds);
  EXPECT_TRUE(conditions.empty());
  EXPECT_EQ(half.upper, 2);
  EXPECT_EQ(half.lower, -1);
  conditions = {expr::call("lt", {expr::column("r"), later(2'000'000)})};
  EXPECT_EQ(take_time_bounds(conditions, "l", "r", *seconds).upper, 1);
  EXPECT_EQ(length_text(-90, *seconds), "-90s");
  EXPECT_EQ(length_text(7, *arrow::int64()), "7");
}

TEST(TimeBounds, MonthsAndOtherColumnsSayNothing) {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO);
  const NodePtr month = expr::call("dt.add", {expr::column("l"), expr::literal(int64_t{1}), expr::literal(std::string_view("month"))});
  std::vector<NodePtr> conditions = {expr::call("le", {expr::column("r"), month}), expr::call("le", {expr::column("x"), expr::column("l")}),
                                     expr::call("le", {expr::column("r"), expr::column("r")})};
  const TimeBounds none = take_time_bounds(conditions, "l", "r", *micros);
  EXPECT_EQ(conditions.size(), 3u);
  EXPECT_FALSE(none.lower || none.upper);
}

}  // namespace
}  // namespace gristmill::sqltext
