// Casts between bools, integers, floats and decimals.
//
// To integers: floats truncate (half to even with `round`), decimals truncate (half away from zero with `round`). To
// decimals: digits beyond the scale are rounded half away from zero; floats by their shortest text, as a person reads them.

#include <charconv>
#include <cmath>
#include <limits>

#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "expr/decimal_digits.h"
#include "expr/functions/cast_kernels.h"
#include "expr/functions/decimal_power.h"
#include "expr/parse_text.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using Int128 = __int128;

template <typename To, typename From>
GRISTMILL_INLINE inline bool integer_fits(From v) {
  if constexpr (std::is_same_v<From, Int128>)
    return v >= static_cast<Int128>(std::numeric_limits<To>::min()) && v <= static_cast<Int128>(std::numeric_limits<To>::max());
  return v == static_cast<From>(static_cast<To>(v)) && (v < From{0}) == (static_cast<To>(v) < To{0});
}

template <typename To, typename From>
arrow::Result<Column> integer_to_integer(const KernelCall& call) {
  const Stored<From>* a = Argument<From>(call.args[0]).values;
  constexpr bool kWidens =
      (std::is_signed_v<To> == std::is_signed_v<From> && sizeof(To) >= sizeof(From)) || (std::is_signed_v<To> && sizeof(To) > sizeof(From));
  if constexpr (kWidens) return map_one<From, To>(call, [](From v) GRISTMILL_INLINE { return static_cast<To>(v); });
  return cast_rows<To>(call, [a](int64_t i, To& out) GRISTMILL_INLINE {
    out = static_cast<To>(a[i]);
    return integer_fits<To, From>(a[i]);
  });
}

// The bounds as floats: the least value, and the first one beyond the greatest, both exact powers of two.
template <typename To, typename From>
arrow::Result<Column> float_to_integer(const KernelCall& call) {
  const From* a = Argument<From>(call.args[0]).values;
  const From low = static_cast<From>(std::numeric_limits<To>::min());
  const From beyond = std::ldexp(static_cast<From>(1), std::numeric_limits<To>::digits);
  const auto convert = [=](From v, To& out) GRISTMILL_INLINE {
    // Below the least value only the fraction may lie: -128.7 truncates to -128.
    const bool fits = v >= low && v < beyond;
    out = static_cast<To>(fits ? v : From{0});
    return fits;
  };
  if (cast_state(call).round) return cast_rows<To>(call, [=](int64_t i, To& out) { return convert(std::nearbyint(a[i]), out); });
  return cast_rows<To>(call, [=](int64_t i, To& out) GRISTMILL_INLINE {
    const From v = a[i];
    return convert(v > low - 1 && v < low ? low : v, out);
  });
}

template <typename To, typename From>
arrow::Result<Column> number_to_number(const KernelCall& call) {
  if constexpr (std::is_floating_point_v<To>) {
    return map_one<From, To>(call, [](From v) GRISTMILL_INLINE { return static_cast<To>(v); });
  } else if constexpr (std::is_floating_point_v<From>) {
    return float_to_integer<To, From>(call);
  } else {
    return integer_to_integer<To, From>(call);
  }
}

template <typename From>
Kernel to_plain_number(column::Physical to) {
  return column::visit_number(to, []<typename To>() -> Kernel {
    if constexpr (std::is_same_v<To, Int128>)
      return nullptr;
    else
      return number_to_number<To, From>;
  });
}

// Decimals ------------------------------------------------------------------------------------------------------

bool fits_precision(Int128 v, int precision) { return v < power_of_ten(precision) && v > -power_of_ten(precision); }

struct Scaling {
  int from, to, precision;
};
Scaling scaling_of(const KernelCall& call) {
  const CastState& s = cast_state(call);
  return {column::is_decimal(*s.from) ? decimal_scale(*s.from) : 0, column::is_decimal(*s.to) ? decimal_scale(*s.to) : 0,
          column::is_decimal(*s.to) ? decimal_precision(*s.to) : 0};
}

bool rescale(Int128 v, const Scaling& s, Int128& out) {
  out = 0;
  if (s.to < s.from) {
    out = round_off(v, s.from - s.to);
  } else if (__builtin_mul_overflow(v, power_of_ten(s.to - s.from), &out)) {
    return false;
  }
  return fits_precision(out, s.precision);
}

template <typename From>
arrow::Result<Column> to_decimal(const KernelCall& call) {
  const Stored<From>* a = Argument<From>(call.args[0]).values;
  const Scaling s = scaling_of(call);
  return cast_rows<Int128>(call, [=](int64_t i, Int128& out) { return rescale(static_cast<Int128>(static_cast<From>(a[i])), s, out); });
}

// Every value stays representable: more digits before and after the point.
template <typename From>
arrow::Result<Column> to_wider_decimal(const KernelCall& call) {
  const Scaling s = scaling_of(call);
  const auto factor = static_cast<unsigned __int128>(power_of_ten(s.to - s.from));
  if (factor == 1) return map_one<From, Int128>(call, [](From v) GRISTMILL_INLINE { return static_cast<Int128>(v); });
  return map_one<From, Int128>(call, [factor](From v) GRISTMILL_INLINE {
    return static_cast<Int128>(static_cast<unsigned __int128>(static_cast<Int128>(v)) * factor);
  });
}

template <typename From>
arrow::Result<Column> float_to_decimal(const KernelCall& call) {
  const From* a = Argument<From>(call.args[0]).values;
  const Scaling s = scaling_of(call);
  return cast_rows<Int128>(call, [=](int64_t i, Int128& out) {
    if constexpr (std::is_same_v<From, double>) {
      if (a[i] == 0) return true;
      if (DecimalDigits d; shortest_digits(std::abs(a[i]), d)) {
        const auto v = static_cast<Int128>(d.digits);
        return rescale(a[i] < 0 ? -v : v, {d.places, s.to, s.precision}, out);
      }
    }
    char digits[48];
    const auto end = std::to_chars(digits, digits + sizeof digits, a[i]);
    return std::isfinite(a[i]) && parse_decimal({digits, static_cast<size_t>(end.ptr - digits)}, s.precision, s.to, out);
  });
}

template <typename To>
arrow::Result<Column> decimal_to_integer(const KernelCall& call) {
  const Packed128* a = Argument<Int128>(call.args[0]).values;
  const int scale = scaling_of(call).from;
  const bool round = cast_state(call).round;
  return cast_rows<To>(call, [=](int64_t i, To& out) {
    const Int128 v = round ? round_off(a[i], scale) : static_cast<Int128>(a[i]) / power_of_ten(scale);
    out = static_cast<To>(v);
    return integer_fits<To, Int128>(v);
  });
}

// Correctly rounded where digits and power are exact in double: then one division rounds once; else through the digits.
template <typename To>
arrow::Result<Column> decimal_to_float(const KernelCall& call) {
  const int scale = scaling_of(call).from;
  const double power = scale <= 22 ? static_cast<double>(power_of_ten(scale)) : 0;
  return map_one<Int128, To>(call, [=](Int128 v) -> To {
    const Int128 limit = Int128{1} << 53;
    if (std::is_same_v<To, double> && v <= limit && v >= -limit && power != 0)
      return static_cast<To>(static_cast<double>(static_cast<int64_t>(v)) / power);
    const arrow::Decimal128 d(static_cast<int64_t>(v >> 64), static_cast<uint64_t>(v));
    const std::string text = d.ToIntegerString() + "e-" + std::to_string(scale);
    To out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
  });
}

Kernel decimal_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible) {
  const column::Physical source = column::physical_unchecked(from), target = column::physical_unchecked(to);
  fallible = true;
  if (column::is_decimal(to)) {
    if (source == column::Physical::kFloat32) return float_to_decimal<float>;
    if (source == column::Physical::kFloat64) return float_to_decimal<double>;
    const int scale = column::is_decimal(from) ? decimal_scale(from) : 0;
    const int whole = column::is_decimal(from) ? decimal_precision(from) - scale : integer_digits(from);
    fallible = decimal_scale(to) < scale || decimal_precision(to) - decimal_scale(to) < whole;
    // Rounding may carry into one digit more: 9.9 as decimal(1,0).
    return column::visit_number(source, [&]<typename From>() -> Kernel {
      if constexpr (std::is_floating_point_v<From>)
        return nullptr;
      else
        return fallible ? to_decimal<From> : to_wider_decimal<From>;
    });
  }
  fallible = !column::is_float(to);
  return column::visit_number(target, []<typename To>() -> Kernel {
    if constexpr (std::is_same_v<To, Int128>)
      return nullptr;
    else if constexpr (std::is_floating_point_v<To>)
      return decimal_to_float<To>;
    else
      return decimal_to_integer<To>;
  });
}

// Bools ---------------------------------------------------------------------------------------------------------

template <typename To>
arrow::Result<Column> bool_to_number(const KernelCall& call) {
  const BoolArgument a(call.args[0]);
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<To>(call));
  for (int64_t i = 0; i < call.rows; ++i) out.values[i] = static_cast<To>(a[i]);
  return finish_output(call, std::move(out.buffer));
}

template <typename From>
arrow::Result<Column> number_to_bool(const KernelCall& call) {
  const Stored<From>* a = Argument<From>(call.args[0]).values;
  return bool_rows(call, [a](int64_t i) { return static_cast<From>(a[i]) != From{0}; });
}

bool never_fails(const arrow::DataType& from, const arrow::DataType& to) {
  if (column::is_float(to)) return true;
  if (column::is_float(from)) return false;
  const int f = static_cast<const arrow::FixedWidthType&>(from).bit_width(), t = static_cast<const arrow::FixedWidthType&>(to).bit_width();
  const bool fs = column::is_signed_integer(from), ts = column::is_signed_integer(to);
  return fs == ts ? t >= f : ts && t > f;
}

}  // namespace

Kernel number_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible) {
  const column::Physical source = column::physical_unchecked(from), target = column::physical_unchecked(to);
  fallible = false;
  const bool from_plain = column::is_integer(from) || column::is_float(from), to_plain = column::is_integer(to) || column::is_float(to);
  if (from.id() == Type::BOOL && to_plain) {
    return column::visit_number(target, []<typename To>() -> Kernel {
      if constexpr (std::is_same_v<To, Int128>)
        return nullptr;
      else
        return bool_to_number<To>;
    });
  }
  if (to.id() == Type::BOOL && (from_plain || column::is_decimal(from))) {
    return column::visit_number(source, []<typename From>() -> Kernel { return number_to_bool<From>; });
  }
  if (from_plain && to_plain) {
    fallible = !never_fails(from, to);
    return column::visit_number(source, [&]<typename From>() -> Kernel {
      if constexpr (std::is_same_v<From, Int128>)
        return nullptr;
      else
        return to_plain_number<From>(target);
    });
  }
  if ((column::is_decimal(from) && (to_plain || column::is_decimal(to))) || (from_plain && column::is_decimal(to)))
    return decimal_cast(from, to, fallible);
  return nullptr;
}

}  // namespace gristmill::expr
