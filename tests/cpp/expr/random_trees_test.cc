// Random expressions over random rows: a whole batch gives what its rows give one by one, error included, in every encoding,
// under any selection and at every SIMD level.

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/status.h"
#include "column/column.h"
#include "column/kernels.h"
#include "expr/bind.h"
#include "expr/evaluate.h"
#include "expr/json.h"
#include "expression_text.h"
#include "shapes.h"

namespace gristmill::expr::testing {
namespace {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  int below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }

  Table table(int rows) {
    std::vector<std::string> lines;
    for (int i = 0; i < rows; ++i) {
      std::string line;
      for (const auto& values : kValues)
        line += (below(6) == 0 ? "null" : values[static_cast<size_t>(below(static_cast<int>(values.size())))]) + " ";
      lines.push_back(line);
    }
    return read_table("a:int64 b:int8 x:float64 s:string t:string p:bool d:date q:decimal(8,2)", lines).ValueOrDie();
  }

  NodePtr boolean(int depth) {
    if (depth == 0) return below(4) == 0 ? literal(below(2) == 0) : column("p");
    switch (below(12)) {
      case 0: return call("and", {boolean(depth - 1), boolean(depth - 1)});
      case 1: return call("or", {boolean(depth - 1), boolean(depth - 1)});
      case 2: return call("not", {boolean(depth - 1)});
      case 3: return call(below(2) ? "is_null" : "is_not_null", {any(depth - 1)});
      case 4: return call("between", {number(depth - 1), number(depth - 1), number(depth - 1)});
      case 5: return call("is_in", {integer(depth - 1), literal(int64_t{1}), literal(int64_t{7}), below(2) ? null_literal() : integer(0)});
      case 6: return call("str.contains", {text(depth - 1), text(0)});
      case 7: return call("str.like", {text(depth - 1), literal(std::string_view(below(2) ? "%a_" : "a%b%"))});
      case 8: return call("is_distinct_from", {number(depth - 1), number(depth - 1)});
      case 9: return compare(text(depth - 1), text(depth - 1));
      case 10: return call("case", {boolean(depth - 1), boolean(depth - 1), boolean(depth - 1), boolean(depth - 1)});
      default: return compare(number(depth - 1), number(depth - 1));
    }
  }

  NodePtr integer(int depth) {
    if (depth == 0) return below(3) == 0 ? literal(static_cast<int64_t>(below(9) - 2)) : column(below(2) ? "a" : "b");
    switch (below(12)) {
      case 0: return call("add", {integer(depth - 1), integer(depth - 1)});
      case 1: return call("sub", {integer(depth - 1), integer(depth - 1)});
      case 2: return call("mul", {integer(depth - 1), integer(depth - 1)});
      case 3: return call("sql_div", {integer(depth - 1), integer(depth - 1)});
      case 4: return call("mod", {integer(depth - 1), integer(depth - 1)});
      case 5: return call("case", {boolean(depth - 1), integer(depth - 1), integer(depth - 1)});
      case 6: return call("coalesce", {integer(depth - 1), integer(depth - 1)});
      case 7: return call("str.length", {text(depth - 1)});
      case 8: return cast(number(depth - 1), arrow::int64(), below(2) == 0);
      case 9: return call("dt.month", {column("d")});
      case 10: return call("nullif", {integer(depth - 1), integer(depth - 1)});
      default: return cast(text(depth - 1), arrow::int64(), below(3) != 0);
    }
  }

  NodePtr real(int depth) {
    if (depth == 0) return below(3) == 0 ? literal(static_cast<double>(below(9) - 2) / 2) : column("x");
    switch (below(8)) {
      case 0: return call("div", {number(depth - 1), number(depth - 1)});
      case 1: return call("mul", {real(depth - 1), number(depth - 1)});
      case 2: return call("sub", {real(depth - 1), number(depth - 1)});
      case 3: return call("pow", {real(depth - 1), below(2) ? literal(1.5) : real(0)});
      case 4: return call("round", {real(depth - 1), literal(int64_t{1})});
      case 5: return call("greatest", {real(depth - 1), number(depth - 1)});
      case 6: return call("case", {boolean(depth - 1), real(depth - 1), boolean(depth - 1), integer(depth - 1)});
      default: return call("sqrt", {number(depth - 1)});
    }
  }

  NodePtr decimal(int depth) {
    if (depth == 0) return column("q");
    switch (below(4)) {
      case 0: return call("add", {decimal(depth - 1), decimal(depth - 1)});
      case 1: return call("sql_div", {decimal(0), integer(depth - 1)});
      case 2: return call("mul", {decimal(0), decimal(depth - 1)});
      default: return cast(number(depth - 1), arrow::decimal128(9, 2), below(2) == 0);
    }
  }

  NodePtr number(int depth) { return below(3) == 0 ? real(depth) : below(4) == 0 ? decimal(depth) : integer(depth); }

  NodePtr text(int depth) {
    if (depth == 0) return below(4) == 0 ? literal(std::string_view("ab")) : column(below(2) ? "s" : "t");
    switch (below(7)) {
      case 0: return call("str.concat", {text(depth - 1), any(depth - 1)});
      case 1: return call("str.upper", {text(depth - 1)});
      case 2: return call("str.substring", {text(depth - 1), integer(depth - 1), literal(int64_t{3})});
      case 3: return call("str.replace", {text(depth - 1), text(0), text(0)});
      case 4: return call("case", {boolean(depth - 1), text(depth - 1), text(depth - 1)});
      case 5: return call("coalesce", {text(depth - 1), text(depth - 1)});
      default: return cast(any(depth - 1), arrow::utf8());
    }
  }

  NodePtr any(int depth) {
    switch (below(4)) {
      case 0: return boolean(depth);
      case 1: return text(depth);
      default: return number(depth);
    }
  }

 private:
  NodePtr compare(NodePtr a, NodePtr b) {
    static const char* kOps[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    return call(kOps[below(6)], {std::move(a), std::move(b)});
  }

  const std::vector<std::vector<std::string>> kValues = {
      {"0", "1", "7", "-3", "100", "9223372036854775807", "-9223372036854775808"},
      {"0", "1", "2", "-128", "127"},
      {"0.5", "-0.0", "nan", "inf", "2.25", "1e300", "-7.5"},
      {"'a'", "'ab'", "''", "'12'", "'a text longer than a view'", "'äöü'", "'-3'"},
      {"'b'", "'ab'", "'7'", "'another text longer than a view'"},
      {"true", "false"},
      {"2024-02-29", "1969-12-31", "0001-01-01"},
      {"0.00", "1.25", "-999999.99", "12.50"},
  };
  std::mt19937_64 random_;
};

struct RowResult {
  std::string value;
  std::string error;
};

RowResult one_row(const Bound& e, const column::Batch& batch, int64_t row) {
  column::Batch one;
  one.rows = 1;
  const int64_t pick[] = {row};
  for (const column::Column& c : batch.columns)
    one.columns.push_back(column::take(c, std::span<const int64_t>(pick), arrow::default_memory_pool()).ValueOrDie());
  Evaluator evaluator(arrow::default_memory_pool());
  auto result = evaluator.evaluate(e, one);
  if (!result.ok()) return {"", result.status().message()};
  return {column::value_text(*result, 0), ""};
}

void check_shape(const Bound& e, const Shape& shape, const std::vector<RowResult>& want, const std::string& what) {
  Evaluator evaluator(arrow::default_memory_pool());
  int64_t failing = -1;
  for (size_t i = 0; i < shape.source.size() && failing < 0; ++i) {
    if (shape.source[i] >= 0 && !want[static_cast<size_t>(shape.source[i])].error.empty()) failing = static_cast<int64_t>(i);
  }
  auto result = evaluator.evaluate(e, shape.batch);
  if (failing >= 0) {
    ASSERT_FALSE(result.ok()) << what << ": no error";
    EXPECT_EQ(result.status().message(), want[static_cast<size_t>(shape.source[static_cast<size_t>(failing)])].error) << what;
    const auto detail = base::error_detail(result.status());
    ASSERT_TRUE(detail) << what;
    EXPECT_EQ(detail->batch_row, failing) << what;
    return;
  }
  ASSERT_TRUE(result.ok()) << what << ": " << result.status().ToString();
  for (size_t i = 0; i < shape.source.size(); ++i) {
    if (shape.source[i] < 0) continue;
    ASSERT_EQ(column::value_text(*result, static_cast<int64_t>(i)), want[static_cast<size_t>(shape.source[i])].value)
        << what << " row " << i;
  }
  if (e.type->id() != arrow::Type::BOOL) return;
  auto mask = evaluator.mask(e, shape.batch);
  ASSERT_TRUE(mask.ok()) << what << ": " << mask.status().ToString();
  for (size_t i = 0; i < shape.source.size(); ++i) {
    const bool yes = shape.source[i] >= 0 && want[static_cast<size_t>(shape.source[i])].value == "true";
    ASSERT_EQ(mask->get(static_cast<int64_t>(i)), yes) << what << " mask row " << i;
  }
}

// Every third row of a longer batch, at random.
Shape random_selection(const column::Batch& batch, Generator& g) {
  Shape s{"random selection", batch, {}};
  column::Mask m(batch.rows, false);
  for (int64_t i = 0; i < batch.rows; ++i) {
    const bool kept = g.below(3) == 0;
    if (kept) m.set(i);
    s.source.push_back(kept ? i : -1);
  }
  s.batch.selection = column::Selection::from_mask(std::move(m));
  return s;
}

class RandomTrees : public ::testing::TestWithParam<int> {};

TEST_P(RandomTrees, ABatchGivesWhatItsRowsGive) {
  const auto first = base::active_simd_level();
  int refused = 0, failing = 0, fine = 0;  // a generator that makes only one kind tests little
  for (int round = 0; round < 150; ++round) {
    const uint64_t seed = static_cast<uint64_t>(GetParam()) * 100000 + static_cast<uint64_t>(round);
    Generator g(seed);
    const Table table = g.table(70 + g.below(80));
    const NodePtr node = g.any(1 + g.below(4));
    const std::string what = "seed " + std::to_string(seed) + ": " + text(*node);
    auto back = from_json(to_json(*node));
    ASSERT_TRUE(back.ok()) << what << ": " << back.status().ToString();
    ASSERT_TRUE(equal(*node, **back)) << what;
    auto bound = expr::bind(*back, *table.schema);
    if (!bound.ok()) {
      EXPECT_EQ(base::error_kind(bound.status()), base::ErrorKind::kPlan) << what << ": " << bound.status().ToString();
      ++refused;
      continue;
    }
    std::vector<RowResult> want;
    for (int64_t i = 0; i < table.batch.rows; ++i) {
      want.push_back(one_row(**bound, table.batch, i));
      if (!(*bound)->fallible) {
        ASSERT_EQ(want.back().error, "") << what << ": an error although infallible";
      }
      if (!(*bound)->nullable) {
        ASSERT_TRUE(want.back().value != "null" || !want.back().error.empty()) << what << ": NULL although not nullable";
      }
    }
    const bool fails = std::any_of(want.begin(), want.end(), [](const RowResult& r) { return !r.error.empty(); });
    ++(fails ? failing : fine);
    std::vector<Shape> shapes = every_shape(table.batch);
    shapes.resize(6);  // rows one by one are the reference
    shapes.push_back(random_selection(table.batch, g));
    shapes.push_back(random_selection(shapes[2].batch, g));
    for (const auto level : base::available_simd_levels()) {
      base::force_simd_level(level);
      for (const Shape& shape : shapes)
        check_shape(**bound, shape, want, what + " as " + shape.name + " at " + std::string(base::simd_level_name(level)));
    }
    base::force_simd_level(first);
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(failing, 30);
  EXPECT_GT(fine, 30);
  EXPECT_LT(refused, 30);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTrees, ::testing::Range(1, 5));

}  // namespace
}  // namespace gristmill::expr::testing
