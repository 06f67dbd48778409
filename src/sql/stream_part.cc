#include "sql/stream_part.h"

#include <memory>
#include <utility>

#include <arrow/type.h>

#include "plan/expressions.h"
#include "stream/answers.h"
#include "stream/window_spec.h"

namespace gristmill::sqltext {

arrow::Result<Part> part_of(const Stream& stream) {
  ARROW_ASSIGN_OR_RAISE(const stream::StatePtr state, stream.state());
  return Part{state->plan, stream};
}

std::string time_of(const Part& in) { return in.state().event_time ? in.state().event_time->time : ""; }

std::string renamed(const Part& in, const std::vector<plan::NamedExpr>& outputs) {
  const std::string time = time_of(in);
  for (const plan::NamedExpr& e : outputs) {
    if (!time.empty() && plan::is_column(e) && e.expr->name == time) return e.name;
  }
  return {};
}

std::string time_behind(const plan::Plan& join, const Part& side, int first_column) {
  const std::string time = time_of(side);
  const int at = time.empty() ? -1 : side.plan->schema->GetFieldIndex(time);
  for (size_t i = 0; at >= 0 && i < join.join_output.size(); ++i) {
    if (join.join_output[i] == first_column + at) return join.schema->field(static_cast<int>(i))->name();
  }
  return {};
}

arrow::Result<Part> step(const Part& in, plan::PlanPtr plan, const std::string& time) {
  ARROW_RETURN_NOT_OK(stream::check_answers(*plan));
  auto state = std::make_shared<stream::StreamState>(in.state());
  state->plan = plan;
  if (plan->schema->GetFieldIndex(time) < 0) state->event_time = nullptr;
  if (state->event_time && state->event_time->time != time) {
    auto called = std::make_shared<stream::EventTime>(*state->event_time);
    called->time = time;
    state->event_time = std::move(called);
  }
  return Part{std::move(plan), Stream(stream::StatePtr(std::move(state)))};
}

}  // namespace gristmill::sqltext
