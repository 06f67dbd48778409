// The public functions of event time as steps of a stream's plan.

#include "gristmill/stream_time.h"

#include <array>
#include <utility>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/node.h"
#include "stream/keyed_operator.h"
#include "stream/series.h"
#include "stream/steps.h"
#include "stream/stream_joins.h"
#include "stream/table_join.h"
#include "stream/window_spec.h"

namespace gristmill {
namespace stream {
namespace {

std::vector<expr::NodePtr> nodes(const std::vector<Expr>& exprs) {
  std::vector<expr::NodePtr> out;
  for (const Expr& e : exprs) out.push_back(e.node());
  return out;
}

// The stream with another idea of event time; null: it has none any more.
Stream with_time(const Stream& stream, std::shared_ptr<const EventTime> time) {
  return then(stream, [&](const StreamState& s) -> arrow::Result<StatePtr> {
    auto out = std::make_shared<StreamState>(s);
    out->event_time = std::move(time);
    return StatePtr(std::move(out));
  });
}

std::shared_ptr<const EventTime> inherited(std::string column) {
  EventTime time;
  time.time = std::move(column);
  time.inherited = true;
  return std::make_shared<const EventTime>(std::move(time));
}

EventTime time_of(const StreamState& s) { return s.event_time ? *s.event_time : EventTime{}; }

// A step with state: `make` gives the operator; it is made once here, so that what is wrong with it is known before the run.
Stream step(const std::vector<Stream>& inputs, std::string id, const MakeStateful& make,
            std::function<arrow::Status(RecordBatchPtr)> side = {}) {
  const auto first = make();
  if (!first.ok()) return Stream(first.status());
  StatefulSpec spec;
  spec.id = std::move(id);
  spec.schema = (*first)->output_schema();
  spec.needs_end = (*first)->needs_end();
  spec.make = make;
  spec.side = std::move(side);
  return add_stateful(inputs, std::move(spec));
}

Stream series_step(const Stream& stream, SeriesSpec spec, const std::string& id) {
  if (!stream.state().ok()) return stream;
  const StreamState& s = **stream.state();
  if (s.event_time && !spec.time) spec.time = *s.event_time;
  const auto schema = s.plan->schema;
  const bool waits = spec.kind == SeriesKind::kGaps ||
                     (spec.kind == SeriesKind::kFill && (spec.fill == FillKind::kBackward || spec.fill == FillKind::kLinear));
  const Stream out = step({stream}, id, [spec, schema] { return make_series(spec, schema); });
  return with_time(out, waits || !s.event_time ? nullptr : inherited(s.event_time->time));
}

SeriesSpec series_of(SeriesKind kind, const std::string& column, const std::string& name, const SeriesOptions& options) {
  SeriesSpec spec;
  spec.kind = kind;
  spec.keys = nodes(options.keys);
  spec.column = column;
  spec.output = options.as.empty() ? name : options.as;
  spec.ttl = options.ttl;
  return spec;
}

template <typename Kind, size_t N>
arrow::Result<Kind> named_kind(const std::string& name, const std::array<std::pair<const char*, Kind>, N>& known, const std::string& what) {
  std::vector<std::string> names;
  for (const auto& [text, kind] : known) {
    if (name == text) return kind;
    names.emplace_back(text);
  }
  return base::plan_error("unknown " + what + " \"" + name + "\"" + base::suggest_name(name, names));
}

arrow::Result<FillKind> fill_kind(const std::string& name) {
  return named_kind<FillKind, 6>(name,
                                 {{{"null", FillKind::kNull},
                                   {"forward", FillKind::kForward},
                                   {"backward", FillKind::kBackward},
                                   {"linear", FillKind::kLinear},
                                   {"zero", FillKind::kZero},
                                   {"mean", FillKind::kMean}}},
                                 "way of filling");
}

arrow::Result<RollingKind> rolling_kind(const std::string& name) {
  return named_kind<RollingKind, 7>(name,
                                    {{{"sum", RollingKind::kSum},
                                      {"mean", RollingKind::kMean},
                                      {"min", RollingKind::kMin},
                                      {"max", RollingKind::kMax},
                                      {"count", RollingKind::kCount},
                                      {"var", RollingKind::kVar},
                                      {"std", RollingKind::kStd}}},
                                    "rolling function");
}

// What both kinds of joins are told.
template <typename Spec>
void set_keys(const StreamKeys& keys, const StreamState& left, const StreamState& right, Spec* out) {
  out->left_time = time_of(left);
  out->right_time = time_of(right);
  const auto columns = [](const std::vector<std::string>& names) {
    std::vector<expr::NodePtr> made;
    for (const std::string& n : names) made.push_back(expr::column(n));
    return made;
  };
  out->coalesce_keys = !keys.on.empty();
  out->left_keys = columns(keys.on.empty() ? keys.left_on : keys.on);
  out->right_keys = columns(keys.on.empty() ? keys.right_on : keys.on);
  out->suffix = keys.suffix;
}

}  // namespace
}  // namespace stream

Stream with_watermark(const Stream& input, const std::string& column, const WatermarkOptions& options) {
  if (!input.state().ok()) return input;
  stream::EventTime time;
  time.time = column;
  time.delay = options.delay;
  time.idle_after = options.idle_after;
  const auto bound = stream::bind_watermark(time, *(**input.state()).plan->schema);
  if (!bound.ok()) return Stream(bound.status());
  return stream::with_time(input, std::make_shared<const stream::EventTime>(std::move(time)));
}

Stream window(const Stream& input, std::vector<Expr> keys, const Windows& windows, std::vector<Expr> aggregates, WindowOptions options) {
  if (!input.state().ok()) return input;
  const stream::StreamState& s = **input.state();
  stream::WindowSpec spec;
  spec.kind = static_cast<stream::WindowKind>(windows.kind);
  spec.watermark = stream::time_of(s);
  spec.size = windows.size;
  spec.slide = windows.slide;
  spec.offset = windows.offset;
  spec.gap = windows.gap;
  spec.rows = windows.rows;
  spec.lateness = options.allowed_lateness;
  spec.ttl = options.ttl;
  spec.keys = stream::nodes(keys);
  spec.aggregates = stream::nodes(aggregates);
  spec.side_output = static_cast<bool>(options.late);
  const auto schema = s.plan->schema;
  const Stream out =
      stream::step({input}, "window", [spec, schema] { return stream::make_windows(spec, schema); }, std::move(options.late));
  return stream::with_time(out, windows.kind == Windows::Kind::kCount ? nullptr : stream::inherited("window_end"));
}

Stream resample(const Stream& input, std::vector<Expr> keys, const std::string& every, std::vector<Expr> aggregates,
                const std::string& fill) {
  std::vector<std::string> names;
  for (const Expr& k : keys) names.push_back(expr::output_name(*k.node()));
  const Stream windows = window(input, std::move(keys), Windows::tumbling(every), std::move(aggregates));
  if (!windows.state().ok()) return windows;
  const auto how = stream::fill_kind(fill);
  if (!how.ok()) return Stream(how.status());
  stream::SeriesSpec spec;
  spec.kind = stream::SeriesKind::kGaps;
  spec.time = stream::EventTime{};
  spec.time->time = "window_start";
  spec.in_order = true;
  for (const std::string& n : names) spec.keys.push_back(expr::column(n));
  spec.column = "window_start";
  spec.end = "window_end";
  spec.every = every;
  spec.fill = *how;
  return stream::series_step(windows, std::move(spec), "gaps");
}

Stream interval_join(const Stream& left, const Stream& right, const StreamKeys& keys, const std::string& lower, const std::string& upper,
                     bool keep_left, bool keep_right) {
  if (!left.state().ok()) return left;
  if (!right.state().ok()) return right;
  stream::IntervalJoinSpec spec;
  stream::set_keys(keys, **left.state(), **right.state(), &spec);
  spec.lower = lower;
  spec.upper = upper;
  spec.left = keep_left;
  spec.right = keep_right;
  const auto l = (**left.state()).plan->schema, r = (**right.state()).plan->schema;
  const Stream out = stream::step({left, right}, "interval_join", [spec, l, r] { return stream::make_interval_join(spec, l, r); });
  if (keep_left && keep_right) return stream::with_time(out, nullptr);  // no column has the time of every row
  const std::string& right_time = spec.right_time.time;
  const bool clash = l->GetFieldIndex(right_time) >= 0;
  return stream::with_time(out, stream::inherited(!keep_right ? spec.left_time.time : clash ? right_time + spec.suffix : right_time));
}

Stream asof_join(const Stream& left, const Stream& right, const StreamKeys& keys, const std::string& tolerance, bool allow_exact) {
  if (!left.state().ok()) return left;
  if (!right.state().ok()) return right;
  stream::StreamAsofSpec spec;
  stream::set_keys(keys, **left.state(), **right.state(), &spec);
  spec.tolerance = tolerance;
  spec.allow_exact = allow_exact;
  const auto l = (**left.state()).plan->schema, r = (**right.state()).plan->schema;
  const Stream out = stream::step({left, right}, "asof_join", [spec, l, r] { return stream::make_stream_asof(spec, l, r); });
  return stream::with_time(out, stream::inherited(spec.left_time.time));
}

Stream join_refreshing(const Stream& input, std::function<arrow::Result<Frame>()> table, const StreamKeys& keys, const std::string& refresh,
                       bool left) {
  if (!input.state().ok()) return input;
  stream::TableJoinSpec spec;
  // Made anew each time: a frame over files is of the files as they were then.
  spec.load = [table]() -> arrow::Result<std::shared_ptr<arrow::Table>> {
    ARROW_ASSIGN_OR_RAISE(const Frame frame, table());
    ARROW_ASSIGN_OR_RAISE(const Table rows, frame.collect());
    return rows.arrow();
  };
  const auto first = table();
  if (!first.ok()) return Stream(first.status());
  const auto schema = first->schema();
  if (!schema.ok()) return Stream(schema.status());
  spec.table = *schema;
  spec.coalesce_keys = !keys.on.empty();
  spec.left_keys = keys.on.empty() ? keys.left_on : keys.on;
  spec.right_keys = keys.on.empty() ? keys.right_on : keys.on;
  spec.suffix = keys.suffix;
  spec.left = left;
  const auto every = stream::nanoseconds_of(refresh, "the time between two reads of the table");
  if (!every.ok()) return Stream(every.status());
  spec.refresh_micros = *every / 1000;
  const auto op = stream::make_table_join(spec, (**input.state()).plan->schema);
  return op.ok() ? input.apply(*op) : Stream(op.status());
}

Stream process_keyed(const Stream& input, std::vector<std::string> keys,
                     std::function<arrow::Result<std::shared_ptr<KeyedOperator>>()> make, const std::string& ttl) {
  if (!input.state().ok()) return input;
  const stream::StreamState& s = **input.state();
  const stream::KeyedSpec spec{stream::time_of(s), std::move(keys), std::move(make), ttl};
  const auto schema = s.plan->schema;
  const Stream out = stream::step({input}, "keyed", [spec, schema] { return stream::make_keyed(spec, schema); });
  // Rows that a timer makes may have any time.
  return stream::with_time(out, nullptr);
}

Stream rolling(const Stream& input, const std::string& column, const std::string& function, const RollingOptions& options) {
  const auto kind = stream::rolling_kind(function);
  if (!kind.ok()) return Stream(kind.status());
  stream::SeriesSpec spec = stream::series_of(stream::SeriesKind::kRolling, column, column + "_rolling_" + function, options);
  spec.rolling = *kind;
  spec.rows = options.rows;
  spec.length = options.length;
  spec.min_periods = options.min_periods;
  spec.ddof = options.ddof;
  return stream::series_step(input, std::move(spec), "rolling");
}

Stream ewma(const Stream& input, const std::string& column, double alpha, const SeriesOptions& options, bool adjust) {
  stream::SeriesSpec spec = stream::series_of(stream::SeriesKind::kEwma, column, column + "_ewma", options);
  spec.alpha = alpha;
  spec.adjust = adjust;
  return stream::series_step(input, std::move(spec), "ewma");
}

Stream log_returns(const Stream& input, const std::string& column, const SeriesOptions& options) {
  return stream::series_step(input, stream::series_of(stream::SeriesKind::kLogReturn, column, column + "_log_return", options),
                             "log_returns");
}

Stream time_difference(const Stream& input, const SeriesOptions& options) {
  return stream::series_step(input, stream::series_of(stream::SeriesKind::kTimeDifference, "", "time_difference", options),
                             "time_difference");
}

Stream time_bucket(const Stream& input, const std::string& every, const BucketOptions& options) {
  return stream::then_plan(input, [&](const plan::PlanPtr& p) -> arrow::Result<plan::PlanPtr> {
    const stream::StreamState& s = **input.state();
    const std::string name = options.column.empty() && s.event_time ? s.event_time->time : options.column;
    if (name.empty()) return base::plan_error("time_bucket needs a column of times", "name it, or say with_watermark(\"ts\") before");
    ARROW_ASSIGN_OR_RAISE(const auto time, stream::bind_time(name, *p->schema));
    ARROW_ASSIGN_OR_RAISE(const int64_t width, stream::ticks_of(every, *time->type, "the step"));
    if (width <= 0) return base::plan_error("a step must be longer than nothing");
    int64_t offset = 0;
    if (!options.offset.empty()) {
      ARROW_ASSIGN_OR_RAISE(offset, stream::ticks_of(options.offset, *time->type, "the offset of steps"));
    }
    const auto whole = [](int64_t v) { return expr::literal(arrow::MakeScalar(v), false); };
    const auto ticks = expr::call("sub", {expr::cast(expr::column(name), arrow::int64()), whole(offset)});
    const auto start =
        expr::call("add", {expr::call("mul", {expr::call("floor_div", {ticks, whole(width)}), whole(width)}), whole(offset)});
    return plan::make_with_columns(p, {expr::alias(expr::cast(start, p->schema->GetFieldByName(name)->type()), options.as)});
  });
}

Stream fill(const Stream& input, const std::string& column, const std::string& how, const SeriesOptions& options) {
  const auto kind = stream::fill_kind(how);
  if (!kind.ok()) return Stream(kind.status());
  if (*kind == stream::FillKind::kZero)
    return input.with_columns({col(column).fill_null(lit(arrow::MakeScalar(int64_t{0}))).alias(column)});
  stream::SeriesSpec spec = stream::series_of(stream::SeriesKind::kFill, column, column, options);
  spec.fill = *kind;
  return stream::series_step(input, std::move(spec), "fill");
}

}  // namespace gristmill
