// Bound arithmetic: the kernel bind() chose for the operand types, and what it needs.
#pragma once

#include <span>

#include "expr/registry.h"

namespace gristmill::expr {

enum class ArithmeticOp : uint8_t { kAdd, kSub, kMul, kDiv, kSqlDiv, kFloorDiv, kMod, kSqlMod };
const char* symbol_of(ArithmeticOp op);

struct ArithmeticState final : FunctionState {
  ArithmeticOp op = ArithmeticOp::kAdd;
  arrow::Result<column::Column> (*run)(const KernelCall& call) = nullptr;
  bool narrow = false;  // decimals: both operands fit 64 bits and the result needs no check
  bool checked = true;  // decimals: the result may pass 38 digits
  int shift = 0;        // decimal division: powers of ten the dividend is multiplied by
  int64_t factor = 1;   // times: units of the integer side
};

// quotient.cc: kSqlDiv of integers, kFloorDiv, kMod, kSqlMod of integers and floats.
decltype(Function::run) quotient_kernel(ArithmeticOp op);
// decimal_arithmetic.cc: operands are decimals or integers, at least one a decimal (or int64 with uint64).
arrow::Result<Signature> bind_decimal(ArithmeticOp op, std::span<const ArgumentInfo> args);
// time_arithmetic.cc: at least one operand is a date, timestamp or duration.
arrow::Result<Signature> bind_time(ArithmeticOp op, std::span<const ArgumentInfo> args);

// "a + b" of one row, for messages.
std::string operands_text(const KernelCall& call, int64_t row);
arrow::Status integer_overflow(const KernelCall& call, int64_t row);
arrow::Status division_by_zero(const KernelCall& call, int64_t row);

}  // namespace gristmill::expr
