// Three-valued logic, tests for NULL and NaN, and the functions that choose between values.

#include <algorithm>
#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/bits.h"
#include "expr/functions/families.h"
#include "expr/kernel.h"
#include "expr/promotion.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::TypePtr;

bool is_bool(const TypePtr& t) { return t->id() == Type::BOOL || t->id() == Type::NA; }

arrow::Result<Signature> bind_logic(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("and, or", 2, 0);
  for (const ArgumentInfo& a : args) {
    if (!is_bool(a.type)) return bad_arguments("and, or, not", "bools", args);
  }
  Signature s;
  s.type = arrow::boolean();
  s.casts.assign(args.size(), s.type);
  return s;
}

arrow::Result<Signature> bind_not(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  if (args.size() != 1) return wrong_count("not", 1, args.size());
  return bind_logic(args, options);
}

arrow::Result<Signature> bind_null_test(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("is_null", 1, args.size());
  Signature s;
  s.type = arrow::boolean();
  return s;
}

arrow::Result<Signature> bind_float_test(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("is_nan", 1, args.size());
  if (!column::is_numeric(*args[0].type) && args[0].type->id() != Type::NA) return bad_arguments("is_nan", "a number", args);
  Signature s;
  s.type = arrow::boolean();
  if (!column::is_float(*args[0].type)) s.casts = {arrow::float64()};
  return s;
}

// Few floats are NaN or infinite: 64 at a time are looked at for one that is, and only then each by itself.
template <bool kNan, typename T>
arrow::Result<column::Column> test_floats(const KernelCall& call) {
  const T* v = Argument<T>(call.args[0]).values;
  const auto odd = [v](int64_t i) GRISTMILL_INLINE { return kNan ? v[i] != v[i] : !(v[i] - v[i] == 0); };
  if (call.selection && !call.selection->all()) return bool_rows(call, [&](int64_t i) { return odd(i) == kNan; });
  ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(call.rows, call.pool));
  auto* const words = reinterpret_cast<uint64_t*>(bits->mutable_data());
  at_best_level([&]() GRISTMILL_INLINE {
    for (int64_t at = 0; at < call.rows; at += 64) {
      const int64_t here = std::min<int64_t>(call.rows - at, 64);
      int any = 0;
      for (int64_t j = 0; j < here; ++j) any |= static_cast<int>(odd(at + j));
      uint64_t w = 0;
      for (int64_t j = 0; any != 0 && j < here; ++j) w |= static_cast<uint64_t>(odd(at + j)) << j;
      words[at >> 6] = kNan ? w : ~w & column::low_bits(here);
    }
  });
  return finish_output(call, std::move(bits));
}

template <bool kNan>
arrow::Result<column::Column> run_float_test(const KernelCall& call) {
  return call.args[0].type()->id() == Type::FLOAT ? test_floats<kNan, float>(call) : test_floats<kNan, double>(call);
}

// Casts of alternating conditions and values; an odd last one is the default.
arrow::Result<Signature> bind_case(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() < 2) return wrong_count("case", 2, args.size());
  std::vector<ArgumentInfo> values;
  for (size_t i = 0; i < args.size(); ++i) {
    const bool condition = i % 2 == 0 && i + 1 < args.size();
    if (condition && !is_bool(args[i].type)) return bad_arguments("when", "a bool", args.subspan(i, 1));
    if (!condition) values.push_back(args[i]);
  }
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, common_type_of(values, false, "case"));
  for (size_t i = 0; i < args.size(); ++i) s.casts.push_back(i % 2 == 0 && i + 1 < args.size() ? arrow::boolean() : s.type);
  s.introduces_nulls = true;
  return s;
}

arrow::Result<Signature> bind_coalesce(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("coalesce", 1, 0);
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, common_type_of(args, false, "coalesce"));
  s.casts.assign(args.size(), s.type);
  s.introduces_nulls = !(args.back().constant && args.back().constant->is_valid);
  return s;
}

arrow::Result<Signature> bind_null_if(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("nullif", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, common_type_of(args, true, "nullif"));
  s.casts.assign(2, s.type);
  s.introduces_nulls = true;
  return s;
}

arrow::Result<column::Column> run_only_row(const KernelCall& call) {
  const Argument<int64_t> rows(call.args[0]);
  return bool_results(call, [&](int64_t i, bool& out) -> arrow::Status {
    if (rows[i] > 1) {
      return base::data_error("more than one row returned by a subquery used as an expression", std::to_string(rows[i]) + " rows", i);
    }
    out = true;
    return arrow::Status::OK();
  });
}

}  // namespace

std::vector<Function> logic_functions() {
  const auto own = NullRule::kOwn;
  const auto pass = NullRule::kPropagate;
  return {
      {"and", "logic", "true if all are true, false if one is false, else NULL", "lit(True) & False -> false", pass, true, bind_logic,
       nullptr, Special::kAnd},
      {"or", "logic", "true if one is true, false if all are false, else NULL", "lit(True) | False -> true", pass, true, bind_logic,
       nullptr, Special::kOr},
      {"not", "logic", "the opposite; NULL stays NULL", "~lit(True) -> false", pass, true, bind_not, nullptr, Special::kNot},
      {"is_null", "logic", "whether the value is NULL; never NULL", "null().is_null() -> true", own, true, bind_null_test, nullptr,
       Special::kIsNull},
      {"is_not_null", "logic", "whether the value is not NULL; never NULL", "lit(1).is_not_null() -> true", own, true, bind_null_test,
       nullptr, Special::kIsNotNull},
      {"is_nan", "logic", "whether a float is NaN; false for other numbers", "lit(1.5).is_nan() -> false", pass, true, bind_float_test,
       run_float_test<true>},
      {"is_finite", "logic", "whether a number is neither NaN nor infinite", "lit(1.5).is_finite() -> true", pass, true, bind_float_test,
       run_float_test<false>},
      {"case", "logic", "the value after the first true condition, else the last one, else NULL",
       "when(lit(5) > 3).then('many').otherwise('few') -> 'many'", own, true, bind_case, nullptr, Special::kCase},
      {"coalesce", "logic", "the first value that is not NULL", "coalesce(None, 2) -> 2", own, true, bind_coalesce, nullptr,
       Special::kCoalesce},
      {"fill_null", "logic", "the value, or the second one where it is NULL", "null().fill_null(0) -> 0", own, true, bind_coalesce, nullptr,
       Special::kCoalesce},
      {"nullif", "logic", "NULL where both are equal, else the first", "lit(1).nullif(1) -> null", own, true, bind_null_if, nullptr,
       Special::kNullIf},
      {"sql_only_row", "logic", "true; an error when a subquery's number of rows is more than one", "call('sql_only_row', 1) -> true", pass, true,
       bind_as<"sql_only_row", "i>o!">, run_only_row},
  };
}

}  // namespace gristmill::expr
