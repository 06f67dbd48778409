// Roots, powers, logarithms, rounding, and the greatest and least of several.
//
// A power with exponent 2, 3, 0.5, 1.5 or -1 is made of products and roots, whether the exponent is a constant or a value of
// a row, so that both give the same bits. Everything else goes through the C library one value at a time.

#include <cmath>
#include <limits>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/functions/decimal_power.h"
#include "expr/functions/families.h"
#include "expr/functions/logarithm.h"
#include "expr/kernel.h"
#include "expr/promotion.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

bool number_or_null(const ArgumentInfo& a) { return column::is_numeric(*a.type) || a.type->id() == Type::NA; }

// A function of one float64.
arrow::Result<Signature> bind_float(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("the function", 1, args.size());
  if (!number_or_null(args[0])) return bad_arguments("the function", "a number", args);
  Signature s;
  s.type = arrow::float64();
  s.casts = {s.type};
  return s;
}

template <double (*kFunction)(double)>
arrow::Result<Column> run_float(const KernelCall& call) {
  return map_one<double, double>(call, [](double v) { return kFunction(v); });
}

arrow::Result<Column> run_sqrt(const KernelCall& call) {
  return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return __builtin_sqrt(v); });
}

arrow::Result<Column> run_ln(const KernelCall& call) {
  return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return natural_log(v); });
}

// Powers --------------------------------------------------------------------------------------------------------

GRISTMILL_INLINE inline double root(double v) {  // pow(v, 0.5): -0 gives 0, -inf gives inf
  const double r = __builtin_sqrt(v) + 0.0;
  return v == -HUGE_VAL ? HUGE_VAL : r;
}
GRISTMILL_INLINE inline double square(double v) { return v * v; }
GRISTMILL_INLINE inline double cube(double v) { return v * v * v; }
GRISTMILL_INLINE inline double root_cubed(double v) { return v == -HUGE_VAL ? HUGE_VAL : v * __builtin_sqrt(v) + 0.0; }
GRISTMILL_INLINE inline double inverse(double v) { return 1.0 / v; }

double power(double base, double exponent) {
  if (exponent == 2) return square(base);
  if (exponent == 3) return cube(base);
  if (exponent == 0.5) return root(base);
  if (exponent == 1.5) return root_cubed(base);
  if (exponent == -1) return inverse(base);
  return std::pow(base, exponent);
}

arrow::Result<Signature> bind_pow(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("pow", 2, args.size());
  if (!number_or_null(args[0]) || !number_or_null(args[1])) return bad_arguments("pow", "numbers", args);
  Signature s;
  s.type = arrow::float64();
  s.casts = {s.type, s.type};
  return s;
}

arrow::Result<Column> run_pow(const KernelCall& call) {
  if (call.args[1].is_constant()) {
    const double e = Argument<double>(call.args[1])[0];
    if (e == 2) return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return square(v); });
    if (e == 3) return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return cube(v); });
    if (e == 0.5) return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return root(v); });
    if (e == 1.5) return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return root_cubed(v); });
    if (e == -1) return map_one<double, double>(call, [](double v) GRISTMILL_INLINE { return inverse(v); });
  }
  return map_two<double, double, double>(call, [](double a, double b) { return power(a, b); });
}

// Rounding ------------------------------------------------------------------------------------------------------

enum class Rounding { kFloor, kCeil, kTrunc, kHalfAway };

template <Rounding kHow>
constexpr bool kTakesDigits = kHow == Rounding::kHalfAway || kHow == Rounding::kTrunc;

struct RoundState final : FunctionState {
  int digits = 0;
};

template <Rounding kHow, typename T>
GRISTMILL_INLINE inline T whole(T v) {
  if constexpr (kHow == Rounding::kFloor) return std::floor(v);
  if constexpr (kHow == Rounding::kCeil) return std::ceil(v);
  if constexpr (kHow == Rounding::kTrunc) return std::trunc(v);
  const T t = std::trunc(v);
  return t + std::copysign(std::fabs(v - t) >= T(0.5) ? T(1) : T(0), v);
}

// Positive digits multiply first, negative ones divide; what has no such digits (or would overflow) stays.
// `power` is the power of ten of |digits|.
template <Rounding kHow, bool kPlaces, typename T>
GRISTMILL_INLINE inline T round_digits(T v, T power) {
  const T scaled = kPlaces ? v * power : v / power;
  const T r = whole<kHow>(scaled);
  const T rounded = kPlaces ? r / power : r * power;
  return std::fabs(scaled) < std::numeric_limits<T>::infinity() ? rounded : v;
}

template <Rounding kHow>
__int128 round_units(__int128 v, int places) {  // to a multiple of 10^places, in those multiples
  const __int128 p = power_of_ten(places);
  if (kHow == Rounding::kHalfAway) return round_off(v, places);
  const __int128 q = v / p, rest = v % p;
  if (kHow == Rounding::kTrunc) return q;
  if (kHow == Rounding::kFloor) return q - (rest < 0);
  return q + (rest > 0);
}

const RoundState& round_state(const KernelCall& call) { return static_cast<const RoundState&>(*call.state); }

template <Rounding kHow>
arrow::Result<Signature> bind_round(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kHow == Rounding::kFloor ? "floor" : kHow == Rounding::kCeil ? "ceil" : kHow == Rounding::kTrunc ? "trunc" : "round";
  if (args.empty() || args.size() > (kTakesDigits<kHow> ? 2u : 1u)) return wrong_count(name, 1, args.size());
  if (!number_or_null(args[0])) return bad_arguments(name, "a number", args);
  auto state = std::make_shared<RoundState>();
  if (args.size() == 2) {
    const auto digits = args[1].constant ? integer_value(*args[1].constant) : std::nullopt;
    if (!digits || *digits < -400 || *digits > 400) return base::plan_error(std::string(name) + " takes a constant number of digits");
    state->digits = static_cast<int>(*digits);
  }
  Signature s;
  s.type = args[0].type->id() == Type::NA ? arrow::float64() : args[0].type;
  s.casts = {s.type};
  if (args.size() == 2) s.casts.push_back(nullptr);
  if (column::is_decimal(*s.type)) {
    const int scale = decimal_scale(*s.type), kept = std::max(0, std::min(scale, state->digits));
    s.fallible = decimal_precision(*s.type) - scale + kept >= kMaxDigits;
    s.type = capped_decimal(decimal_precision(*s.type) - scale + kept + (kept < scale || state->digits < 0), kept);
  } else if (column::is_integer(*s.type)) {
    s.fallible = state->digits < 0;
  }
  s.state = std::move(state);
  return s;
}

template <Rounding kHow, typename T>
arrow::Result<Column> round_floats(const KernelCall& call) {
  const int digits = round_state(call).digits;
  const T power = std::pow(T(10), static_cast<T>(std::abs(digits)));
  if (digits > 0 && !std::isfinite(power)) return call.args[0];
  if (digits > 0) return map_one<T, T>(call, [power](T v) GRISTMILL_INLINE { return round_digits<kHow, true, T>(v, power); });
  if (digits < 0) return map_one<T, T>(call, [power](T v) GRISTMILL_INLINE { return round_digits<kHow, false, T>(v, power); });
  return map_one<T, T>(call, [](T v) GRISTMILL_INLINE { return whole<kHow, T>(v); });
}

template <Rounding kHow>
arrow::Result<Column> round_decimals(const KernelCall& call) {
  const int from = decimal_scale(*call.args[0].type()), to = decimal_scale(*call.type);
  const int below = std::min(-std::min(round_state(call).digits, 0), kMaxDigits - from);  // zeros before the point
  const auto value = [=](__int128 v) {
    return static_cast<__int128>(static_cast<unsigned __int128>(round_units<kHow>(v, from - to + below)) *
                                 static_cast<unsigned __int128>(power_of_ten(below)));
  };
  const __int128 limit = power_of_ten(decimal_precision(*call.type));
  bool bad = false;
  auto out = map_one<__int128, __int128>(call, [&](__int128 v) {
    const __int128 r = value(v);
    bad |= r >= limit || r <= -limit;
    return r;
  });
  if (!bad) return out;
  const Argument<__int128> a(call.args[0]);
  ARROW_RETURN_NOT_OK(blame(
      call, [&](int64_t i) { return value(a[i]) >= limit || value(a[i]) <= -limit; },
      [&](int64_t i) {
        return Complaint{"decimal overflow: " + row_text(call, 0, i) + " rounded does not fit " + column::type_text(*call.type),
                         row_text(call, 0, i)};
      }));
  return out;
}

template <Rounding kHow, typename T>
arrow::Result<Column> round_integers(const KernelCall& call) {
  const int places = -round_state(call).digits;
  if (places <= 0) return call.args[0];
  const auto value = [places](T v) { return places > 20 ? __int128{0} : round_units<kHow>(v, places) * power_of_ten(places); };
  const Argument<T> a(call.args[0]);
  bool bad = false;
  auto out = map_one<T, T>(call, [&](T v) {
    const __int128 r = value(v);
    bad |= r != static_cast<T>(r);
    return static_cast<T>(r);
  });
  if (!bad) return out;
  ARROW_RETURN_NOT_OK(blame(
      call, [&](int64_t i) { return value(a[i]) != static_cast<T>(value(a[i])); },
      [&](int64_t i) {
        return Complaint{"integer overflow: round(" + row_text(call, 0, i) + ", " + std::to_string(-places) + ")", row_text(call, 0, i)};
      }));
  return out;
}

template <Rounding kHow>
arrow::Result<Column> run_round(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*call.args[0].type()), [&]<typename T>() -> arrow::Result<Column> {
    if constexpr (std::is_same_v<T, __int128>)
      return round_decimals<kHow>(call);
    else if constexpr (std::is_floating_point_v<T>)
      return round_floats<kHow, T>(call);
    else if constexpr (kTakesDigits<kHow>)
      return round_integers<kHow, T>(call);
    else
      return call.args[0];
  });
}

// Sign ----------------------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_sign(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("sign", 1, args.size());
  if (!number_or_null(args[0])) return bad_arguments("sign", "a number", args);
  Signature s;
  s.type = column::is_float(*args[0].type) ? args[0].type : column::is_decimal(*args[0].type) ? arrow::int8() : args[0].type;
  if (s.type->id() == Type::NA) s.type = arrow::int64();
  s.casts = {column::is_decimal(*args[0].type) ? nullptr : s.type};
  return s;
}

arrow::Result<Column> run_sign(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*call.args[0].type()), [&]<typename T>() -> arrow::Result<Column> {
    if constexpr (std::is_same_v<T, __int128>) {
      return map_one<T, int8_t>(call, [](T v) { return static_cast<int8_t>((v > 0) - (v < 0)); });
    } else if constexpr (std::is_floating_point_v<T>) {
      return map_one<T, T>(call, [](T v) GRISTMILL_INLINE { return v != v ? v : static_cast<T>((v > 0) - (v < 0)); });
    } else {
      return map_one<T, T>(call, [](T v) GRISTMILL_INLINE { return static_cast<T>((v > T{0}) - (v < T{0})); });
    }
  });
}

// Greatest and least --------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_extreme(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("greatest, least", 1, 0);
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, common_type_of(args, true, "greatest, least"));
  s.casts.assign(args.size(), s.type);
  s.introduces_nulls = true;
  return s;
}

// Nulls are passed over: which argument each row takes is found first, then the rows are picked.
template <bool kGreatest>
arrow::Result<Column> run_extreme(const KernelCall& call) {
  if (call.type->id() == Type::NA) return column::null_column(call.type, call.pool);
  const auto better = kGreatest ? column::CompareOp::kGt : column::CompareOp::kLt;
  Column best = call.args[0];
  for (size_t i = 1; i < call.args.size(); ++i) {
    const Column& next = call.args[i];
    ARROW_ASSIGN_OR_RAISE(column::Mask take_next, column::compare(better, next, best, call.rows));
    const column::Mask known = column::validity_mask(best, call.rows), there = column::validity_mask(next, call.rows);
    std::vector<int64_t> pick(static_cast<size_t>(call.rows));
    for (int64_t r = 0; r < call.rows; ++r)
      pick[static_cast<size_t>(r)] = take_next.get(r) || (!known.get(r) && there.get(r)) ? call.rows + r : r;
    const Column parts[] = {best, next};
    const int64_t lengths[] = {call.rows, call.rows};
    ARROW_ASSIGN_OR_RAISE(Column both, column::concat(parts, lengths, call.pool));
    ARROW_ASSIGN_OR_RAISE(best, column::take(both, std::span<const int64_t>(pick), call.pool));
  }
  return column::flatten(best, call.rows, call.pool);
}

Function math(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run,
              NullRule nulls = NullRule::kPropagate) {
  return {name, "math", summary, example, nulls, true, bind, run};
}

}  // namespace

std::vector<Function> math_functions() {
  return {
      math("sqrt", "the square root as float64; NaN below zero", "lit(9).sqrt() -> 3.0", bind_float, run_sqrt),
      math("ln", "the natural logarithm; -inf at zero, NaN below", "lit(1).ln() -> 0.0", bind_float, run_ln),
      math("log10", "the logarithm to base 10", "call('log10', 100) -> 2.0", bind_float, run_float<std::log10>),
      math("exp", "e to the power of x", "lit(0).exp() -> 1.0", bind_float, run_float<std::exp>),
      math("sin", "the sine of radians", "call('sin', 0) -> 0.0", bind_float, run_float<std::sin>),
      math("cos", "the cosine of radians", "call('cos', 0) -> 1.0", bind_float, run_float<std::cos>),
      math("tan", "the tangent of radians", "call('tan', 0) -> 0.0", bind_float, run_float<std::tan>),
      math("pow", "x to the power of y as float64", "lit(2).pow(10) -> 1024.0", bind_pow, run_pow),
      math("floor", "the greatest whole number not above x; decimals lose their places", "lit(-1.5).floor() -> -2.0",
           bind_round<Rounding::kFloor>, run_round<Rounding::kFloor>),
      math("ceil", "the least whole number not below x; decimals lose their places", "lit(-1.5).ceil() -> -1.0",
           bind_round<Rounding::kCeil>, run_round<Rounding::kCeil>),
      math("round", "x rounded to a constant number of digits, half away from zero", "lit(2.5).round() -> 3.0",
           bind_round<Rounding::kHalfAway>, run_round<Rounding::kHalfAway>),
      math("trunc", "x without the digits behind a constant number of places, toward zero", "lit(-2.57).trunc(1) -> -2.5",
           bind_round<Rounding::kTrunc>, run_round<Rounding::kTrunc>),
      math("sign", "-1, 0 or 1", "call('sign', -3) -> -1", bind_sign, run_sign),
      math("greatest", "the greatest of the values that are not NULL; NaN is greatest", "call('greatest', 1, 2) -> 2", bind_extreme,
           run_extreme<true>, NullRule::kOwn),
      math("least", "the least of the values that are not NULL", "call('least', 1, 2) -> 1", bind_extreme, run_extreme<false>,
           NullRule::kOwn),
  };
}

}  // namespace gristmill::expr
