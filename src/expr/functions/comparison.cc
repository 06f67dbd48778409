// Comparisons, between, in: types meet in their common type; the evaluator makes masks of them.
//
// NaN equals itself and is the greatest value, -0.0 equals 0.0 (semantics.md 3).

#include "expr/functions/comparison.h"

#include <arrow/type.h>

#include "expr/functions/families.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using column::CompareOp;

arrow::Result<Signature> compare_alike(std::string_view name, std::span<const ArgumentInfo> args) {
  ARROW_ASSIGN_OR_RAISE(auto common, common_type_of(args, true, name));
  Signature s;
  s.type = arrow::boolean();
  s.casts.assign(args.size(), common);
  return s;
}

template <CompareOp kOp>
arrow::Result<Signature> bind_compare(std::span<const ArgumentInfo> args, std::span<const Option>) {
  static constexpr const char* kNames[] = {"=", "!=", "<", "<=", ">", ">="};
  const char* name = kNames[static_cast<int>(kOp)];
  if (args.size() != 2) return wrong_count(name, 2, args.size());
  ARROW_ASSIGN_OR_RAISE(Signature s, compare_alike(name, args));
  s.state = std::make_shared<CompareState>(kOp);
  return s;
}

// kNe: is distinct from; kEq: is not distinct from.
template <CompareOp kOp>
arrow::Result<Signature> bind_distinct(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  return bind_compare<kOp>(args, options);
}

arrow::Result<Signature> bind_between(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 3) return wrong_count("between", 3, args.size());
  return compare_alike("between", args);
}

arrow::Result<Signature> bind_is_in(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("in", 1, 0);
  return compare_alike("in", args);
}

Function comparison(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, Special special,
                    NullRule nulls = NullRule::kPropagate) {
  return {name, "comparison", summary, example, nulls, true, bind, nullptr, special};
}

}  // namespace

std::vector<Function> comparison_functions() {
  return {
      comparison("eq", "whether both are equal; NULL if one is NULL", "lit(1) == 2 -> false", bind_compare<CompareOp::kEq>,
                 Special::kCompare),
      comparison("ne", "whether both differ; NULL if one is NULL", "lit(1) != 2 -> true", bind_compare<CompareOp::kNe>, Special::kCompare),
      comparison("lt", "whether the first is less; NaN is greatest", "lit(1) < 2 -> true", bind_compare<CompareOp::kLt>, Special::kCompare),
      comparison("le", "whether the first is less or equal", "lit(2) <= 2 -> true", bind_compare<CompareOp::kLe>, Special::kCompare),
      comparison("gt", "whether the first is greater; NaN is greatest", "lit(1) > 2 -> false", bind_compare<CompareOp::kGt>,
                 Special::kCompare),
      comparison("ge", "whether the first is greater or equal", "lit(2) >= 2 -> true", bind_compare<CompareOp::kGe>, Special::kCompare),
      comparison("is_distinct_from", "whether both differ, NULL being equal to NULL; never NULL", "lit(1).is_distinct_from(None) -> true",
                 bind_distinct<CompareOp::kNe>, Special::kDistinct, NullRule::kOwn),
      comparison("is_not_distinct_from", "whether both are equal, NULL being equal to NULL; never NULL",
                 "null().is_not_distinct_from(None) -> true", bind_distinct<CompareOp::kEq>, Special::kDistinct, NullRule::kOwn),
      comparison("between", "low <= x and x <= high, both ends included", "lit(2).between(1, 3) -> true", bind_between, Special::kBetween),
      comparison("is_in", "whether x equals one of the values; NULL if none does and one is NULL", "lit(2).is_in([1, 2]) -> true",
                 bind_is_in, Special::kIsIn),
  };
}

}  // namespace gristmill::expr
