// Chooses the kernel of a cast and knows which casts cannot fail.

#include "expr/cast.h"

#include <arrow/type.h>

#include "expr/functions/cast_kernels.h"

namespace gristmill::expr {
namespace {

using arrow::Type;

arrow::Result<column::Column> run_null(const KernelCall& call) { return column::null_column(call.type, call.pool); }

arrow::Result<column::Column> run_cast(const KernelCall& call) { return cast_state(call).run(call); }

arrow::Result<Signature> not_by_name(std::span<const ArgumentInfo>, std::span<const Option>) {
  return base::plan_error("cast is written with a type, not as a call of a function", "in Python: col(\"x\").cast(\"int64\")");
}

}  // namespace

arrow::Status cannot_cast(const KernelCall& call, int64_t row) {
  const CastState& state = cast_state(call);
  const std::string value = row_text(call, 0, row);
  const std::string shown = column::is_viewed(*state.from) ? "\"" + value + "\"" : value;
  return base::data_error("cannot cast " + shown + " to " + column::type_text(*state.to), value, row);
}

arrow::Result<Signature> prepare_cast(const column::TypePtr& from, const column::TypePtr& to, bool lenient, bool round) {
  auto state = std::make_shared<CastState>();
  state->from = from;
  state->to = to;
  state->lenient = lenient;
  state->round = round;
  bool can_fail = false;
  if (from->id() == Type::NA) {
    state->run = run_null;
  } else {
    state->run = number_cast(*from, *to, can_fail);
    if (!state->run) state->run = text_cast(*from, *to, can_fail);
    if (!state->run) state->run = time_cast(*from, *to, can_fail);
  }
  if (!state->run) return base::plan_error("there is no cast from " + column::type_text(*from) + " to " + column::type_text(*to));
  Signature s;
  s.type = to;
  s.fallible = can_fail && !lenient;
  s.introduces_nulls = (can_fail && lenient) || from->id() == Type::NA;
  s.state = std::move(state);
  return s;
}

const Function& cast_function(bool lenient) {
  static const Function& strict = *new Function{"cast",
                                                "cast",
                                                "the value as another type; one that does not fit is an error",
                                                "lit('12').cast('int64') -> 12",
                                                NullRule::kPropagate,
                                                true,
                                                not_by_name,
                                                run_cast};
  static const Function& trying = *new Function{"try_cast",
                                                "cast",
                                                "the value as another type; NULL where it does not fit",
                                                "lit('x').try_cast('int64') -> null",
                                                NullRule::kPropagate,
                                                true,
                                                not_by_name,
                                                run_cast};
  return lenient ? trying : strict;
}

}  // namespace gristmill::expr
