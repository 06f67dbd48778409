// Aggregates are taken out of the expressions around them by the plan's own constructor, over a scan that only has a schema.

#include "stream/window_spec.h"

#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "stream/window_operators.h"

namespace gristmill::stream {
namespace {

arrow::Result<int64_t> optional_ticks(const std::string& text, const arrow::DataType& time, std::string_view what) {
  if (text.empty()) return 0;
  return ticks_of(text, time, what);
}

arrow::Status bind_lengths(const WindowSpec& spec, BoundWindows* out) {
  if (spec.kind == WindowKind::kCount) {
    if (spec.rows <= 0) return base::plan_error("a count window needs at least one row");
    if (!spec.lateness.empty()) return base::plan_error("count windows have no lateness", "it belongs to windows of time");
    out->rows = spec.rows;
    out->text = "count " + std::to_string(spec.rows);
    if (spec.ttl.empty()) return arrow::Status::OK();
  }
  const arrow::DataType& time = *out->watermark.time->type;
  ARROW_ASSIGN_OR_RAISE(out->lateness, optional_ticks(spec.lateness, time, "the allowed lateness"));
  ARROW_ASSIGN_OR_RAISE(out->ttl, optional_ticks(spec.ttl, time, "the time to live"));
  if (spec.kind == WindowKind::kCount) {
    out->text += " ttl " + spec.ttl;
    return arrow::Status::OK();
  }
  if (spec.kind == WindowKind::kSession) {
    ARROW_ASSIGN_OR_RAISE(out->gap, ticks_of(spec.gap, time, "the gap of a session"));
    if (out->gap <= 0) return base::plan_error("the gap of a session must be longer than nothing");
    out->text = "session " + spec.gap + " of " + spec.watermark.time;
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t size, ticks_of(spec.size, time, "the size of a window"));
  ARROW_ASSIGN_OR_RAISE(const int64_t offset, optional_ticks(spec.offset, time, "the offset of windows"));
  int64_t slide = size;
  out->text = "tumbling " + spec.size;
  if (spec.kind == WindowKind::kHopping) {
    ARROW_ASSIGN_OR_RAISE(slide, ticks_of(spec.slide, time, "the slide of a window"));
    out->text = "hopping " + spec.size + " every " + spec.slide;
  }
  if (size <= 0 || slide <= 0) return base::plan_error("size and slide of a window must be longer than nothing");
  constexpr int64_t kMostPanes = 100000;
  if (size / std::gcd(size, slide) > kMostPanes) {
    return base::plan_error(
        "a window of " + spec.size + " every " + spec.slide + " would be cut into more than " + std::to_string(kMostPanes) + " parts",
        "choose a slide that divides the size");
  }
  out->time = TimeWindows::make(size, slide, offset);
  out->text += " of " + spec.watermark.time;
  if (offset != 0) out->text += " offset " + spec.offset;
  return arrow::Status::OK();
}

// Keys, aggregates and what is computed of them.
arrow::Status bind_groups(const WindowSpec& spec, const std::shared_ptr<arrow::Schema>& input, BoundWindows* out) {
  auto scan = plan::new_node(plan::PlanKind::kScan, {});
  scan->schema = input;
  ARROW_ASSIGN_OR_RAISE(const plan::PlanPtr whole, plan::make_aggregate(scan, spec.keys, spec.aggregates));
  const plan::Plan* groups = whole.get();
  if (groups->kind == plan::PlanKind::kProject) groups = groups->inputs[0].get();
  if (groups->kind != plan::PlanKind::kAggregate || groups->inputs[0].get() != scan.get()) {
    return base::plan_error("window functions cannot be computed beside the aggregates of a window", "compute them in a step of their own");
  }
  for (const auto& k : groups->exprs) {
    ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(k.expr, *input));
    out->groups.keys.push_back(std::move(bound));
    out->key_names.push_back(k.name);
  }
  for (const auto& a : groups->aggregates) {
    ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind_aggregate(a.expr, *input));
    out->groups.aggregates.push_back(std::move(bound));
  }
  arrow::FieldVector fields;
  const size_t keys = out->key_names.size();
  for (size_t i = 0; i < keys; ++i) fields.push_back(whole->schema->field(static_cast<int>(i)));
  if (out->shape.time) {
    fields.push_back(arrow::field("window_start", out->shape.time, false));
    fields.push_back(arrow::field("window_end", out->shape.time, false));
  }
  for (int i = static_cast<int>(keys); i < whole->schema->num_fields(); ++i) fields.push_back(whole->schema->field(i));
  out->shape.schema = arrow::schema(std::move(fields));
  ARROW_RETURN_NOT_OK(plan::check_unique(*out->shape.schema));
  if (whole->kind != plan::PlanKind::kProject) return arrow::Status::OK();
  for (size_t i = keys; i < whole->exprs.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(whole->exprs[i].expr, *groups->schema));
    out->shape.outputs.push_back(std::move(bound));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<BoundWatermark> bind_watermark(const EventTime& spec, const arrow::Schema& input) {
  if (spec.time.empty()) {
    return base::plan_error("event time is not known here", "say which column it is: with_watermark(\"ts\", delay=\"5s\")");
  }
  BoundWatermark out;
  out.inherited = spec.inherited;
  ARROW_ASSIGN_OR_RAISE(out.time, bind_time(spec.time, input));
  ARROW_ASSIGN_OR_RAISE(out.delay, optional_ticks(spec.delay, *out.time->type, "the delay of the watermark"));
  if (!spec.idle_after.empty()) {
    ARROW_ASSIGN_OR_RAISE(const int64_t idle, nanoseconds_of(spec.idle_after, "the time after which a partition is idle"));
    if (idle < 1000) return base::plan_error("a partition cannot be idle after less than a microsecond");
    out.idle_micros = idle / 1000;
  }
  return out;
}

arrow::Result<BoundWindows> bind_windows(const WindowSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  BoundWindows out;
  out.kind = spec.kind;
  if (spec.kind != WindowKind::kCount || !spec.ttl.empty()) {
    ARROW_ASSIGN_OR_RAISE(out.watermark, bind_watermark(spec.watermark, *input));
  }
  if (spec.kind != WindowKind::kCount) {
    ARROW_ASSIGN_OR_RAISE(const int at, plan::find_column(*input, spec.watermark.time));
    out.shape.time = input->field(at)->type();
    if (spec.side_output) out.side = input;
  }
  ARROW_RETURN_NOT_OK(bind_lengths(spec, &out));
  ARROW_RETURN_NOT_OK(bind_groups(spec, input, &out));
  if (!spec.lateness.empty()) out.text += " lateness " + spec.lateness;
  return out;
}

arrow::Result<StatefulOperatorPtr> make_windows(const WindowSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  ARROW_ASSIGN_OR_RAISE(BoundWindows bound, bind_windows(spec, input));
  switch (spec.kind) {
    case WindowKind::kSession: return make_session_windows(std::move(bound));
    case WindowKind::kCount: return make_count_windows(std::move(bound));
    default: return make_time_windows(std::move(bound));
  }
}

}  // namespace gristmill::stream
