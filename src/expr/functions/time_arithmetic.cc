// Dates, timestamps and durations: moving, differences, multiples.
//
//   date + integer -> date       timestamp +- duration -> timestamp     duration +- duration -> duration
//   date - date -> int64 (days)  timestamp - timestamp -> duration      duration * integer -> duration
//
// Mixed units take the finer one; leaving the range is an error. A timestamp minus a date takes the date's midnight.

#include <limits>

#include <arrow/type.h>

#include "expr/functions/arithmetic.h"
#include "expr/kernel.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

const ArithmeticState& state_of(const KernelCall& call) { return static_cast<const ArithmeticState&>(*call.state); }

// T: the type in memory on both sides and of the result.
template <typename T>
arrow::Result<Column> run_checked(const KernelCall& call) {
  const ArithmeticOp op = state_of(call).op;
  const auto compute = [op](T a, T b, T& r) {
    return op == ArithmeticOp::kAdd   ? __builtin_add_overflow(a, b, &r)
           : op == ArithmeticOp::kSub ? __builtin_sub_overflow(a, b, &r)
                                      : __builtin_mul_overflow(a, b, &r);
  };
  bool bad = false;
  auto out = map_two<T, T, T>(call, [&](T a, T b) {
    T r;
    bad |= compute(a, b, r);
    return r;
  });
  if (!bad) return out;
  const Argument<T> a(call.args[0]), b(call.args[1]);
  ARROW_RETURN_NOT_OK(blame(
      call,
      [&](int64_t i) {
        T r;
        return compute(a[i], b[i], r);
      },
      [&](int64_t i) {
        const std::string v = operands_text(call, i);
        return Complaint{"time out of range: " + v, v};
      }));
  return out;
}

arrow::TimeUnit::type unit_of(const arrow::DataType& t) {
  return t.id() == Type::TIMESTAMP ? static_cast<const arrow::TimestampType&>(t).unit() : static_cast<const arrow::DurationType&>(t).unit();
}

arrow::Result<Column> run_days_between(const KernelCall& call) {
  return map_two<int32_t, int32_t, int64_t>(call, [](int32_t a, int32_t b) GRISTMILL_INLINE { return static_cast<int64_t>(a) - b; });
}

Signature checked(ArithmeticOp op, TypePtr type, TypePtr left, TypePtr right) {
  auto state = std::make_shared<ArithmeticState>();
  state->op = op;
  state->run = type->id() == Type::DATE32 ? run_checked<int32_t> : run_checked<int64_t>;
  Signature s;
  s.type = std::move(type);
  s.casts = {std::move(left), std::move(right)};
  s.state = std::move(state);
  s.fallible = true;
  return s;
}

}  // namespace

arrow::Result<Signature> bind_time(ArithmeticOp op, std::span<const ArgumentInfo> args) {
  TypePtr a = args[0].type, b = args[1].type;
  const bool add = op == ArithmeticOp::kAdd, sub = op == ArithmeticOp::kSub;
  // NULL and literals in quotes: a difference wants the same kind, a sum a duration (days for dates).
  const auto adapt = [&](const ArgumentInfo& info, const TypePtr& other) -> TypePtr {
    if (info.type->id() == Type::NA)
      return sub || other->id() == Type::DURATION ? other : other->id() == Type::DATE32 ? arrow::int32() : arrow::duration(unit_of(*other));
    if (info.untyped_literal && column::is_text(*info.type) && sub) return other;
    return info.type;
  };
  const TypePtr left = adapt(args[0], b), right = adapt(args[1], a);
  a = left, b = right;
  if (add && a->id() != Type::DATE32 && a->id() != Type::TIMESTAMP && (b->id() == Type::DATE32 || b->id() == Type::TIMESTAMP)) {
    const ArgumentInfo turned[] = {args[1], args[0]};
    ARROW_ASSIGN_OR_RAISE(Signature s, bind_time(op, turned));
    std::swap(s.casts[0], s.casts[1]);
    return s;
  }
  if (a->id() == Type::DATE32 && b->id() == Type::DATE32 && sub) {
    Signature s = checked(op, arrow::int64(), a, b);
    auto state = std::make_shared<ArithmeticState>();
    state->op = op;
    state->run = run_days_between;
    s.state = std::move(state);
    s.fallible = false;
    return s;
  }
  if (a->id() == Type::DATE32 && column::is_integer(*b) && (add || sub)) return checked(op, a, a, arrow::int32());
  if (a->id() == Type::DATE32 && b->id() == Type::DURATION && (add || sub)) {
    const TypePtr t = arrow::timestamp(unit_of(*b));
    return checked(op, t, t, b);
  }
  if (a->id() == Type::TIMESTAMP && b->id() == Type::DURATION && (add || sub)) {
    const auto unit = std::max(unit_of(*a), unit_of(*b));
    const TypePtr t = arrow::timestamp(unit, static_cast<const arrow::TimestampType&>(*a).timezone());
    return checked(op, t, t, arrow::duration(unit));
  }
  if (sub && (a->id() == Type::TIMESTAMP || b->id() == Type::TIMESTAMP)) {
    const TypePtr t = common_type(a, b);
    if (t && t->id() == Type::TIMESTAMP) return checked(op, arrow::duration(unit_of(*t)), t, t);
  }
  if (a->id() == Type::DURATION && b->id() == Type::DURATION && (add || sub)) {
    const TypePtr t = common_type(a, b);
    return checked(op, t, t, t);
  }
  if (op == ArithmeticOp::kMul && a->id() == Type::DURATION && column::is_integer(*b)) return checked(op, a, a, arrow::int64());
  if (op == ArithmeticOp::kMul && b->id() == Type::DURATION && column::is_integer(*a)) return checked(op, b, arrow::int64(), b);
  return bad_arguments(symbol_of(op), "dates with days, timestamps with durations, or two alike to subtract", args);
}

}  // namespace gristmill::expr
