// + - * / // % of numbers, negation and magnitude.
//
// Integers compute over all rows wrapping and note trouble; only then the rows are looked at again for one to blame.
// Floats are IEEE with one NaN. Decimals and times have files of their own.

#include "expr/functions/arithmetic.h"

#include <cmath>
#include <limits>

#include <arrow/type.h>

#include "column/simd/dispatch.h"
#include "expr/functions/families.h"
#include "expr/kernel.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;
namespace simd = column::simd;

const ArithmeticState& state_of(const KernelCall& call) { return static_cast<const ArithmeticState&>(*call.state); }

simd::Shape shape_of(const KernelCall& call) {
  return call.args[0].is_constant() ? simd::kConstColumn : call.args[1].is_constant() ? simd::kColumnConst : simd::kColumnColumn;
}

const void* values_address(const Column& c, int width) { return c.values->buffers[1]->data() + c.values->offset * width; }

// The operation as the SIMD kernels name it; floor division and remainders have loops here.
simd::Arithmetic kernel_of(ArithmeticOp op) {
  switch (op) {
    case ArithmeticOp::kAdd: return simd::kAdd;
    case ArithmeticOp::kSub: return simd::kSubtract;
    case ArithmeticOp::kMul: return simd::kMultiply;
    default: return simd::kDivide;
  }
}

template <typename T>
bool overflows(ArithmeticOp op, T a, T b) {
  T r;
  switch (op) {
    case ArithmeticOp::kAdd: return __builtin_add_overflow(a, b, &r);
    case ArithmeticOp::kSub: return __builtin_sub_overflow(a, b, &r);
    case ArithmeticOp::kMul: return __builtin_mul_overflow(a, b, &r);
    default: return std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1);
  }
}

// The first selected row that divides by zero or overflows.
template <typename T>
arrow::Status blame_integers(const KernelCall& call) {
  const ArithmeticOp op = state_of(call).op;
  const Argument<T> a(call.args[0]), b(call.args[1]);
  const bool divides = op >= ArithmeticOp::kDiv;
  const bool remainder = op == ArithmeticOp::kMod || op == ArithmeticOp::kSqlMod;
  int64_t bad = -1;
  for_selected(call, [&](int64_t i) {
    if (bad >= 0) return;
    const bool zero = divides && b[i] == 0;
    if ((zero || (!remainder && overflows<T>(op, a[i], b[i]))) && all_valid(call, i)) bad = i;
  });
  if (bad < 0) return arrow::Status::OK();
  return divides && b[bad] == 0 ? division_by_zero(call, bad) : integer_overflow(call, bad);
}

arrow::Result<Column> run_simd(const KernelCall& call) {
  const column::Physical p = column::physical_unchecked(*call.type);
  const int width = column::byte_width(p);
  ARROW_ASSIGN_OR_RAISE(auto out, column::allocate_buffer(call.rows * width, call.pool));
  const auto fn = simd::kernels().arithmetic[simd::lane_of(p)][kernel_of(state_of(call).op)][shape_of(call)];
  const unsigned trouble = fn(values_address(call.args[0], width), values_address(call.args[1], width), call.rows, out->mutable_data());
  if (trouble != simd::kFine) {
    ARROW_RETURN_NOT_OK(column::visit_number(p, [&]<typename T>() -> arrow::Status {
      if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) return blame_integers<T>(call);
      return arrow::Status::OK();
    }));
  }
  return finish_output(call, std::move(out));
}

// Quotients round down, remainders have the divisor's sign; kSqlMod: the dividend's.
template <ArithmeticOp kOp, typename T>
T integer_quotient(T a, T b, bool& bad) {
  if (b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1))) {
    bad |= b == 0 || (kOp == ArithmeticOp::kFloorDiv && a == std::numeric_limits<T>::min());
    return kOp == ArithmeticOp::kFloorDiv ? static_cast<T>(T{0} - static_cast<std::make_unsigned_t<T>>(a)) : T{0};
  }
  const T q = static_cast<T>(a / b), r = static_cast<T>(a % b);
  const bool adjust = r != 0 && ((r < 0) != (b < 0));
  if constexpr (kOp == ArithmeticOp::kFloorDiv) return static_cast<T>(q - adjust);
  if constexpr (kOp == ArithmeticOp::kMod) return static_cast<T>(adjust ? r + b : r);
  return r;
}

template <ArithmeticOp kOp, typename T>
T float_quotient(T a, T b) {
  if constexpr (kOp == ArithmeticOp::kFloorDiv) return std::floor(a / b);
  const T r = std::fmod(a, b);
  if constexpr (kOp == ArithmeticOp::kSqlMod) return r;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

template <ArithmeticOp kOp>
arrow::Result<Column> run_quotient(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*call.type), [&]<typename T>() -> arrow::Result<Column> {
    if constexpr (std::is_floating_point_v<T>) {
      return map_two<T, T, T>(call, [](T a, T b) { return float_quotient<kOp, T>(a, b); });
    } else if constexpr (sizeof(T) <= 8) {
      bool bad = false;
      auto out = map_two<T, T, T>(call, [&bad](T a, T b) { return integer_quotient<kOp, T>(a, b, bad); });
      if (bad) ARROW_RETURN_NOT_OK(blame_integers<T>(call));
      return out;
    } else {
      return base::internal_error("integer arithmetic on decimals");
    }
  });
}

decltype(Function::run) number_kernel(ArithmeticOp op) {
  switch (op) {
    case ArithmeticOp::kFloorDiv: return run_quotient<ArithmeticOp::kFloorDiv>;
    case ArithmeticOp::kMod: return run_quotient<ArithmeticOp::kMod>;
    case ArithmeticOp::kSqlMod: return run_quotient<ArithmeticOp::kSqlMod>;
    default: return run_simd;
  }
}

bool is_time(const TypePtr& t) {
  return t->id() == Type::DATE32 || t->id() == Type::TIMESTAMP || t->id() == Type::DURATION;
}

template <ArithmeticOp kOp>
arrow::Result<Signature> bind_arithmetic(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count(symbol_of(kOp), 2, args.size());
  if (is_time(args[0].type) || is_time(args[1].type)) return bind_time(kOp, args);
  for (const ArgumentInfo& a : args) {
    const bool readable = a.untyped_literal && column::is_text(*a.type);  // a literal in quotes beside a number
    if (!column::is_numeric(*a.type) && a.type->id() != Type::NA && !readable) return bad_arguments(symbol_of(kOp), "numbers", args);
  }
  ARROW_ASSIGN_OR_RAISE(TypePtr common, common_type_of(args, false, symbol_of(kOp)));
  if (common->id() == Type::NA) common = arrow::int64();
  if (!column::is_numeric(*common)) return bad_arguments(symbol_of(kOp), "numbers", args);
  if (kOp == ArithmeticOp::kDiv) common = arrow::float64();
  if (column::is_decimal(*common)) return bind_decimal(kOp, args);
  auto state = std::make_shared<ArithmeticState>();
  state->op = kOp;
  state->run = number_kernel(kOp);
  Signature s;
  s.type = common;
  s.casts = {common, common};
  s.state = std::move(state);
  s.fallible = column::is_integer(*common);
  return s;
}

arrow::Result<Column> run_arithmetic(const KernelCall& call) { return state_of(call).run(call); }

template <bool kMagnitude>
arrow::Result<Signature> bind_sign_change(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kMagnitude ? "abs" : "-";
  if (args.size() != 1) return wrong_count(name, 1, args.size());
  TypePtr t = args[0].type->id() == Type::NA ? arrow::int64() : args[0].type;
  if (!column::is_numeric(*t) && t->id() != Type::DURATION) return bad_arguments(name, "a number", args);
  if (!kMagnitude && column::is_integer(*t) && !column::is_signed_integer(*t)) t = common_type(t, arrow::int8());
  Signature s;
  s.type = t;
  s.casts = {t};
  s.fallible = column::is_signed_integer(*t) || t->id() == Type::DURATION;
  return s;
}

template <bool kMagnitude>
arrow::Result<Column> run_sign_change(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*call.type), [&]<typename T>() -> arrow::Result<Column> {
    using U = std::conditional_t<std::is_same_v<T, __int128>, unsigned __int128, T>;
    if constexpr (std::is_floating_point_v<T>) {
      return map_one<T, T>(call, [](T v) GRISTMILL_INLINE { return kMagnitude ? std::fabs(v) : -v; });
    } else if constexpr (std::is_same_v<U, unsigned __int128>) {
      return map_one<T, T>(call, [](T v) GRISTMILL_INLINE { return kMagnitude && v >= 0 ? v : static_cast<T>(U{0} - static_cast<U>(v)); });
    } else if constexpr (std::is_unsigned_v<T>) {
      return call.args[0];
    } else {
      using Unsigned = std::make_unsigned_t<T>;
      auto out = map_one<T, T>(call, [](T v) GRISTMILL_INLINE {
        return kMagnitude && v >= 0 ? v : static_cast<T>(Unsigned{0} - static_cast<Unsigned>(v));
      });
      const Argument<T> a(call.args[0]);
      bool smallest = false;
      at_best_level([&]() GRISTMILL_INLINE {
        Unsigned any = 0;
        for (int64_t i = 0; i < call.rows; ++i) any |= static_cast<Unsigned>(a.values[i] == std::numeric_limits<T>::min());
        smallest = any != 0;
      });
      if (!smallest) return out;
      ARROW_RETURN_NOT_OK(blame(
          call, [&](int64_t i) { return a[i] == std::numeric_limits<T>::min(); },
          [&](int64_t i) {
            const std::string v = row_text(call, 0, i);
            return Complaint{std::string("integer overflow: ") + (kMagnitude ? "abs(" + v + ")" : "-(" + v + ")"), v};
          }));
      return out;
    }
  });
}

template <ArithmeticOp kOp>
Function binary(const char* name, const char* summary, const char* example) {
  return {name, "arithmetic", summary, example, NullRule::kPropagate, true, bind_arithmetic<kOp>, run_arithmetic};
}

}  // namespace

const char* symbol_of(ArithmeticOp op) {
  static constexpr const char* kSymbols[] = {"+", "-", "*", "/", "/", "//", "%", "%"};
  return kSymbols[static_cast<int>(op)];
}

std::string operands_text(const KernelCall& call, int64_t row) {
  return row_text(call, 0, row) + " " + symbol_of(state_of(call).op) + " " + row_text(call, 1, row);
}

arrow::Status integer_overflow(const KernelCall& call, int64_t row) {
  const std::string v = operands_text(call, row);
  return base::data_error("integer overflow: " + v, v, row);
}

arrow::Status division_by_zero(const KernelCall& call, int64_t row) { return base::data_error("division by zero", operands_text(call, row), row); }

std::vector<Function> arithmetic_functions() {
  return {
      binary<ArithmeticOp::kAdd>("add", "the sum; integer overflow is an error; a date plus an integer moves by days", "lit(1) + 2 -> 3"),
      binary<ArithmeticOp::kSub>("sub", "the difference; timestamps give a duration, dates give days", "lit(1) - 2 -> -1"),
      binary<ArithmeticOp::kMul>("mul", "the product; integer overflow is an error", "lit(2) * 3 -> 6"),
      binary<ArithmeticOp::kDiv>("div", "the quotient as float64; x / 0 is infinite or NaN", "lit(1) / 2 -> 0.5"),
      binary<ArithmeticOp::kSqlDiv>("sql_div", "SQL's quotient: integers truncate toward zero, division by zero is an error except for floats",
                                    "call('sql_div', 7, 2) -> 3"),
      binary<ArithmeticOp::kFloorDiv>("floor_div", "the quotient rounded down; integers divided by zero are an error", "lit(-7) // 2 -> -4"),
      binary<ArithmeticOp::kMod>("mod", "the remainder of floor_div, with the divisor's sign", "lit(-7) % 3 -> 2"),
      binary<ArithmeticOp::kSqlMod>("sql_mod", "SQL's remainder, with the dividend's sign", "call('sql_mod', -7, 3) -> -1"),
      {"neg", "arithmetic", "the negative; the smallest integer is an error", "-lit(1) -> -1", NullRule::kPropagate, true, bind_sign_change<false>,
       run_sign_change<false>},
      {"abs", "arithmetic", "the magnitude; the smallest integer is an error", "lit(-1).abs() -> 1", NullRule::kPropagate, true, bind_sign_change<true>,
       run_sign_change<true>},
  };
}

}  // namespace gristmill::expr
