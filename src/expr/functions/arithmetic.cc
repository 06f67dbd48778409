// + - * / of numbers, negation and magnitude; whole quotients and remainders are in quotient.cc.
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
  if (op == ArithmeticOp::kAdd) return __builtin_add_overflow(a, b, &r);
  if (op == ArithmeticOp::kSub) return __builtin_sub_overflow(a, b, &r);
  return __builtin_mul_overflow(a, b, &r);
}

template <typename T>
arrow::Status blame_overflow(const KernelCall& call) {
  const ArithmeticOp op = state_of(call).op;
  const Argument<T> a(call.args[0]), b(call.args[1]);
  int64_t bad = -1;
  for_selected(call, [&](int64_t i) {
    if (bad < 0 && overflows<T>(op, a[i], b[i]) && all_valid(call, i)) bad = i;
  });
  return bad < 0 ? arrow::Status::OK() : integer_overflow(call, bad);
}

// Of floats, which cannot fail, over an operand that only this expression knows: with a buffer for each operation the bytes went in and
// out of the core's cache (10M rows of 2.5 * x + x ^ 1.5 on one worker: 26 ms, so 21; 100,000 of 2.5 * x + 100: 178 us, so 160).
arrow::Result<std::shared_ptr<arrow::Buffer>> output_of(const KernelCall& call, column::Physical p, int width) {
  const int64_t bytes = call.rows * width;
  if (p == column::Physical::kFloat32 || p == column::Physical::kFloat64) {
    for (const Column& a : call.args) {
      if (!a.is_flat()) continue;
      if (auto own = column::own_values(a.values, bytes, call.pool)) return own;
    }
  }
  return column::allocate_buffer(bytes, call.pool);
}

arrow::Result<Column> run_simd(const KernelCall& call) {
  const column::Physical p = column::physical_unchecked(*call.type);
  const int width = column::byte_width(p);
  ARROW_ASSIGN_OR_RAISE(auto out, output_of(call, p, width));
  const auto fn = simd::kernels().arithmetic[simd::lane_of(p)][kernel_of(state_of(call).op)][shape_of(call)];
  const unsigned trouble = fn(values_address(call.args[0], width), values_address(call.args[1], width), call.rows, out->mutable_data());
  if (trouble != simd::kFine) {
    ARROW_RETURN_NOT_OK(column::visit_number(p, [&]<typename T>() -> arrow::Status {
      if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) return blame_overflow<T>(call);
      return arrow::Status::OK();
    }));
  }
  return finish_output(call, std::move(out));
}

decltype(Function::run) number_kernel(ArithmeticOp op, const arrow::DataType& type) {
  const bool whole = op == ArithmeticOp::kFloorDiv || op == ArithmeticOp::kMod || op == ArithmeticOp::kSqlMod;
  return whole || (op == ArithmeticOp::kSqlDiv && column::is_integer(type)) ? quotient_kernel(op) : run_simd;
}

bool is_time(const TypePtr& t) { return t->id() == Type::DATE32 || t->id() == Type::TIMESTAMP || t->id() == Type::DURATION; }

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
  state->run = number_kernel(kOp, *common);
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
      auto out = map_one<T, T>(
          call, [](T v) GRISTMILL_INLINE { return kMagnitude && v >= 0 ? v : static_cast<T>(Unsigned{0} - static_cast<Unsigned>(v)); });
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

arrow::Status division_by_zero(const KernelCall& call, int64_t row) {
  return base::data_error("division by zero", operands_text(call, row), row);
}

std::vector<Function> arithmetic_functions() {
  return {
      binary<ArithmeticOp::kAdd>("add", "the sum; integer overflow is an error; a date plus an integer moves by days", "lit(1) + 2 -> 3"),
      binary<ArithmeticOp::kSub>("sub", "the difference; timestamps give a duration, dates give days", "lit(1) - 2 -> -1"),
      binary<ArithmeticOp::kMul>("mul", "the product; integer overflow is an error", "lit(2) * 3 -> 6"),
      binary<ArithmeticOp::kDiv>("div", "the quotient as float64; x / 0 is infinite or NaN", "lit(1) / 2 -> 0.5"),
      binary<ArithmeticOp::kSqlDiv>("sql_div",
                                    "SQL's quotient: integers truncate toward zero, division by zero is an error except for floats",
                                    "call('sql_div', 7, 2) -> 3"),
      binary<ArithmeticOp::kFloorDiv>("floor_div", "the quotient rounded down; integers divided by zero are an error",
                                      "lit(-7) // 2 -> -4"),
      binary<ArithmeticOp::kMod>("mod", "the remainder of floor_div, with the divisor's sign", "lit(-7) % 3 -> 2"),
      binary<ArithmeticOp::kSqlMod>("sql_mod", "SQL's remainder, with the dividend's sign", "call('sql_mod', -7, 3) -> -1"),
      {"neg", "arithmetic", "the negative; the smallest integer is an error", "-lit(1) -> -1", NullRule::kPropagate, true,
       bind_sign_change<false>, run_sign_change<false>},
      {"abs", "arithmetic", "the magnitude; the smallest integer is an error", "lit(-1).abs() -> 1", NullRule::kPropagate, true,
       bind_sign_change<true>, run_sign_change<true>},
  };
}

}  // namespace gristmill::expr
