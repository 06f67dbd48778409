// Arithmetic of decimals as 128-bit integers.
//
// + - : the larger scale, one digit more. * : digits and scales add. Beyond 38 digits the scale is kept and a value that does
// not fit is an error; within 38 nothing can fail. / in SQL: at least 6 and up to 16 decimal places, as many as leave
// room for the integer part, rounded half away from zero.

#include <algorithm>

#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "expr/functions/arithmetic.h"
#include "expr/functions/decimal_power.h"
#include "expr/kernel.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using column::Column;
using column::TypePtr;
using Int128 = __int128;
using UInt128 = unsigned __int128;

const ArithmeticState& state_of(const KernelCall& call) { return static_cast<const ArithmeticState&>(*call.state); }

arrow::Status does_not_fit(const KernelCall& call, int64_t row) {
  const std::string v = operands_text(call, row);
  return base::data_error("decimal overflow: " + v + " does not fit " + column::type_text(*call.type), v, row);
}

bool fits_digits(Int128 v, int digits) { return v < power_of_ten(digits) && v > -power_of_ten(digits); }

// op: (a, b, out&) -> fine. Rows that are not fine are looked for again only if there is one.
template <typename Op, typename Report>
arrow::Result<Column> checked_map(const KernelCall& call, Op op, Report report) {
  bool bad = false;
  auto out = map_two<Int128, Int128, Int128>(call, [&](Int128 a, Int128 b) {
    Int128 r = 0;
    bad |= !op(a, b, r);
    return r;
  });
  if (!bad) return out;
  const Argument<Int128> a(call.args[0]), b(call.args[1]);
  int64_t row = -1;
  for_selected(call, [&](int64_t i) {
    Int128 r;
    if (row < 0 && !op(a[i], b[i], r) && all_valid(call, i)) row = i;
  });
  if (row < 0) return out;
  return report(row, static_cast<Int128>(b[row]));
}

template <ArithmeticOp kOp>
bool exact(Int128 a, Int128 b, Int128& r) {
  if constexpr (kOp == ArithmeticOp::kAdd) return !__builtin_add_overflow(a, b, &r) && fits_digits(r, kMaxDigits);
  if constexpr (kOp == ArithmeticOp::kSub) return !__builtin_sub_overflow(a, b, &r) && fits_digits(r, kMaxDigits);
  return !__builtin_mul_overflow(a, b, &r) && fits_digits(r, kMaxDigits);
}

// Whether every value is one of 64 bits.
bool all_narrow(const Column& c, int64_t rows) {
  const Packed128* v = Argument<Int128>(c).values;
  const int64_t n = c.is_constant() ? 1 : rows;
  bool narrow = false;
  at_best_level([&]() GRISTMILL_INLINE {
    uint64_t beyond = 0;
    for (int64_t i = 0; i < n; ++i) beyond |= v[i].high ^ static_cast<uint64_t>(static_cast<int64_t>(v[i].low) >> 63);
    narrow = beyond == 0;
  });
  return narrow;
}

template <ArithmeticOp kOp>
arrow::Result<Column> run_exact(const KernelCall& call) {
  // The product of 64-bit values is at most 2^126, which is less than 10^38.
  const bool narrow =
      kOp == ArithmeticOp::kMul && (state_of(call).narrow || (all_narrow(call.args[0], call.rows) && all_narrow(call.args[1], call.rows)));
  if (state_of(call).checked && !narrow) {
    return checked_map(call, exact<kOp>, [&](int64_t row, Int128) { return does_not_fit(call, row); });
  }
  if (narrow) {
    return map_two<Int128, Int128, Int128>(
        call, [](Int128 a, Int128 b) GRISTMILL_INLINE { return static_cast<Int128>(static_cast<int64_t>(a)) * static_cast<int64_t>(b); });
  }
  return map_two<Int128, Int128, Int128>(call, [](Int128 a, Int128 b) GRISTMILL_INLINE {
    const UInt128 x = static_cast<UInt128>(a), y = static_cast<UInt128>(b);
    return static_cast<Int128>(kOp == ArithmeticOp::kAdd ? x + y : kOp == ArithmeticOp::kSub ? x - y : x * y);
  });
}

// a * 10^shift / b, rounded half away from zero. 256 bits only where 128 do not hold the dividend.
bool divide(Int128 a, Int128 b, int shift, Int128& r) {
  if (b == 0) return false;
  Int128 scaled;
  if (shift <= kMaxDigits && !__builtin_mul_overflow(a, power_of_ten(shift), &scaled)) {
    const Int128 q = scaled / b, rest = scaled % b;
    const UInt128 twice = 2 * static_cast<UInt128>(rest < 0 ? -rest : rest), divisor = static_cast<UInt128>(b < 0 ? -b : b);
    r = q + (twice >= divisor ? ((a < 0) != (b < 0) ? -1 : 1) : 0);
    return fits_digits(r, kMaxDigits);
  }
  const auto wide = [](Int128 v) { return arrow::Decimal256(arrow::Decimal128(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v))); };
  const arrow::Decimal256 dividend =
      wide(a) * wide(power_of_ten(std::min(shift, kMaxDigits))) * wide(power_of_ten(std::max(shift - kMaxDigits, 0)));
  auto parts = dividend.Divide(wide(b));
  if (!parts.ok()) return false;
  auto [q, rest] = *parts;
  if (arrow::Decimal256::Abs(rest) * arrow::Decimal256(2) >= arrow::Decimal256::Abs(wide(b)))
    q += arrow::Decimal256((a < 0) != (b < 0) ? -1 : 1);
  if (arrow::Decimal256::Abs(q) >= wide(power_of_ten(kMaxDigits))) return false;
  const auto words = q.little_endian_array();
  r = static_cast<Int128>((static_cast<UInt128>(words[1]) << 64) | words[0]);
  return true;
}

arrow::Result<Column> run_divide(const KernelCall& call) {
  const int shift = state_of(call).shift;
  return checked_map(
      call, [shift](Int128 a, Int128 b, Int128& r) { return divide(a, b, shift, r); },
      [&](int64_t row, Int128 b) { return b == 0 ? division_by_zero(call, row) : does_not_fit(call, row); });
}

template <ArithmeticOp kOp>
arrow::Result<Column> run_quotient(const KernelCall& call) {
  const auto op = [](Int128 a, Int128 b, Int128& r) {
    if (b == 0) return false;
    const Int128 q = a / b, rest = a % b;
    const bool adjust = rest != 0 && ((rest < 0) != (b < 0));
    r = kOp == ArithmeticOp::kFloorDiv ? q - adjust : kOp == ArithmeticOp::kMod && adjust ? rest + b : rest;
    return true;
  };
  return checked_map(call, op, [&](int64_t row, Int128) { return division_by_zero(call, row); });
}

struct Digits {
  int precision, scale;
  int whole() const { return precision - scale; }
};

Digits digits_of(const TypePtr& t) { return {decimal_precision(*t), decimal_scale(*t)}; }

// Both operands at one scale: what + - % and comparisons of digits want.
void align(Signature& s, const Digits& a, const Digits& b) {
  const int scale = std::max(a.scale, b.scale);
  s.casts = {capped_decimal(a.whole() + scale, scale), capped_decimal(b.whole() + scale, scale)};
}

}  // namespace

arrow::Result<Signature> bind_decimal(ArithmeticOp op, std::span<const ArgumentInfo> args) {
  TypePtr types[2];
  for (int i = 0; i < 2; ++i) {
    const ArgumentInfo& other = args[1 - i];
    types[i] =
        args[i].untyped_literal && !other.untyped_literal ? literal_type_beside(args[i], as_decimal(other.type), false) : args[i].type;
    types[i] = types[i]->id() == arrow::Type::NA ? as_decimal(other.type) : as_decimal(types[i]);
    if (!column::is_decimal(*types[i])) return bad_arguments(symbol_of(op), "numbers", args);
  }
  const Digits a = digits_of(types[0]), b = digits_of(types[1]);
  auto state = std::make_shared<ArithmeticState>();
  state->op = op;
  Signature s;
  int precision = 0, scale = std::max(a.scale, b.scale);
  switch (op) {
    case ArithmeticOp::kAdd:
    case ArithmeticOp::kSub:
      align(s, a, b);
      precision = std::max(a.whole(), b.whole()) + scale + 1;
      state->run = op == ArithmeticOp::kAdd ? run_exact<ArithmeticOp::kAdd> : run_exact<ArithmeticOp::kSub>;
      break;
    case ArithmeticOp::kMul:
      s.casts = {types[0], types[1]};
      scale = a.scale + b.scale;
      if (scale > kMaxDigits)
        return base::plan_error(
            "the product of " + column::type_text(*types[0]) + " and " + column::type_text(*types[1]) + " has more than 38 decimal places",
            "cast one side to fewer");
      precision = a.precision + b.precision;
      state->narrow = a.precision <= 18 && b.precision <= 18;
      state->run = run_exact<ArithmeticOp::kMul>;
      break;
    case ArithmeticOp::kDiv:
    case ArithmeticOp::kSqlDiv:
      s.casts = {types[0], types[1]};
      scale = std::max({6, a.scale, b.scale, std::min(16, kMaxDigits - (a.whole() + b.scale))});
      precision = kMaxDigits;
      state->shift = scale - a.scale + b.scale;
      state->run = run_divide;
      break;
    case ArithmeticOp::kFloorDiv:
      align(s, a, b);
      scale = 0;
      precision = kMaxDigits;
      state->run = run_quotient<ArithmeticOp::kFloorDiv>;
      break;
    case ArithmeticOp::kMod:
    case ArithmeticOp::kSqlMod:
      align(s, a, b);
      precision = std::max(a.whole(), b.whole()) + scale;
      state->run = op == ArithmeticOp::kMod ? run_quotient<ArithmeticOp::kMod> : run_quotient<ArithmeticOp::kSqlMod>;
      break;
  }
  const bool rational = op >= ArithmeticOp::kDiv;
  state->checked = rational || precision > kMaxDigits;
  s.fallible = state->checked;
  s.type = capped_decimal(precision, scale);
  s.state = std::move(state);
  return s;
}

}  // namespace gristmill::expr
