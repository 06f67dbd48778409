// Whole quotients and remainders: // % and SQL's integer / and %.
//
// Integers below 2^52 divide as doubles, which vectorises: a quotient that is not whole is at least 1 / |b| away from the next
// whole number and its rounding error is at most 2^-53 * |a| / |b|, so cutting off its fraction is exact. Larger values,
// and batches where some divisor is zero, divide one by one.

#include <cmath>
#include <limits>

#include <arrow/type.h>

#include "expr/functions/arithmetic.h"
#include "expr/kernel.h"

namespace gristmill::expr {
namespace {

using column::Column;

// Adjusts a truncated quotient and its remainder to the operation: rounding down means one less where the signs of remainder and
// divisor differ.
template <ArithmeticOp kOp, typename T>
GRISTMILL_INLINE inline T finish(T q, T r, T b) {
  if constexpr (kOp == ArithmeticOp::kSqlDiv) return q;
  if constexpr (kOp == ArithmeticOp::kSqlMod) return r;
  const T down = static_cast<T>(r != 0) & static_cast<T>((r < 0) != (b < 0));
  if constexpr (kOp == ArithmeticOp::kFloorDiv) return static_cast<T>(q - down);
  return static_cast<T>(r + b * down);
}

template <ArithmeticOp kOp>
constexpr bool kIsQuotient = kOp == ArithmeticOp::kSqlDiv || kOp == ArithmeticOp::kFloorDiv;

template <ArithmeticOp kOp, typename T>
T divide_one(T a, T b, bool& bad) {
  if (b == 0) {
    bad = true;
    return 0;
  }
  if (std::is_signed_v<T> && b == static_cast<T>(-1)) {  // a / -1 may overflow, a % -1 is 0
    bad |= kIsQuotient<kOp> && a == std::numeric_limits<T>::min();
    return kIsQuotient<kOp> ? static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(a)) : T{0};
  }
  return finish<kOp, T>(static_cast<T>(a / b), static_cast<T>(a % b), b);
}

template <typename T>
bool small_and_not_zero(const Column& c, int64_t rows, bool divisor) {
  const T* v = Argument<T>(c).values;
  const int64_t n = c.is_constant() ? 1 : rows;
  const int64_t limit = sizeof(T) == 4 ? int64_t{1} << 31 : int64_t{1} << 52;  // the least int32 by -1 overflows
  bool fine = false;
  at_best_level([&]() GRISTMILL_INLINE {
    uint64_t refused = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto x = static_cast<int64_t>(v[i]);
      refused |= static_cast<uint64_t>(x <= -limit) | static_cast<uint64_t>(x >= limit) | static_cast<uint64_t>(divisor & (x == 0));
    }
    fine = refused == 0;
  });
  return fine;
}

template <ArithmeticOp kOp, typename T>
arrow::Status blame_division(const KernelCall& call) {
  const Argument<T> a(call.args[0]), b(call.args[1]);
  int64_t row = -1;
  for_selected(call, [&](int64_t i) {
    bool bad = false;
    if (row < 0) divide_one<kOp, T>(a[i], b[i], bad);
    if (bad && all_valid(call, i)) row = i;
  });
  if (row < 0) return arrow::Status::OK();
  return b[row] == 0 ? division_by_zero(call, row) : integer_overflow(call, row);
}

template <ArithmeticOp kOp, typename T>
arrow::Result<Column> divide_integers(const KernelCall& call) {
  if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, int32_t>) {
    if (small_and_not_zero<T>(call.args[0], call.rows, false) && small_and_not_zero<T>(call.args[1], call.rows, true)) {
      return map_two<T, T, T>(call, [](T a, T b) GRISTMILL_INLINE {
        const auto q = static_cast<int64_t>(static_cast<double>(a) / static_cast<double>(b));
        const int64_t wide_a = a, wide_b = b;
        return static_cast<T>(finish<kOp, int64_t>(q, wide_a - q * wide_b, wide_b));
      });
    }
  }
  bool bad = false;
  auto out = map_two<T, T, T>(call, [&bad](T a, T b) { return divide_one<kOp, T>(a, b, bad); });
  if (bad) ARROW_RETURN_NOT_OK((blame_division<kOp, T>(call)));
  return out;
}

template <ArithmeticOp kOp, typename T>
T divide_floats(T a, T b) {
  if constexpr (kOp == ArithmeticOp::kFloorDiv) return std::floor(a / b);
  const T r = std::fmod(a, b);
  if constexpr (kOp == ArithmeticOp::kSqlMod) return r;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

template <ArithmeticOp kOp>
arrow::Result<Column> run_quotient(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*call.type), [&]<typename T>() -> arrow::Result<Column> {
    if constexpr (std::is_floating_point_v<T>) {
      return map_two<T, T, T>(call, [](T a, T b) { return divide_floats<kOp, T>(a, b); });
    } else if constexpr (sizeof(T) <= 8) {
      return divide_integers<kOp, T>(call);
    } else {
      return base::internal_error("integer division of decimals");
    }
  });
}

}  // namespace

decltype(Function::run) quotient_kernel(ArithmeticOp op) {
  switch (op) {
    case ArithmeticOp::kFloorDiv: return run_quotient<ArithmeticOp::kFloorDiv>;
    case ArithmeticOp::kMod: return run_quotient<ArithmeticOp::kMod>;
    case ArithmeticOp::kSqlMod: return run_quotient<ArithmeticOp::kSqlMod>;
    default: return run_quotient<ArithmeticOp::kSqlDiv>;
  }
}

}  // namespace gristmill::expr
