// What a series needs is checked here, before anything runs.

#include "stream/series_columns.h"

#include <cstring>
#include <utility>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/types.h"
#include "exec/group_values.h"
#include "plan/expressions.h"

namespace gristmill::stream {
namespace {

const char* name_of(RollingKind kind) {
  constexpr const char* kNames[] = {"sum", "mean", "min", "max", "count", "var", "std"};
  return kNames[static_cast<size_t>(kind)];
}
const char* name_of(FillKind kind) {
  constexpr const char* kNames[] = {"null", "forward", "backward", "linear", "zero", "mean"};
  return kNames[static_cast<size_t>(kind)];
}

std::string text_of(const SeriesSpec& spec) {
  switch (spec.kind) {
    case SeriesKind::kRolling: {
      const std::string window = spec.rows > 0 ? std::to_string(spec.rows) + " rows" : spec.length;
      return std::string("rolling ") + name_of(spec.rolling) + "(" + spec.column + ") over " + window + " from " +
             std::to_string(spec.min_periods) + " ddof " + std::to_string(spec.ddof);
    }
    case SeriesKind::kEwma: return "ewma(" + spec.column + ") alpha " + std::to_string(spec.alpha) + (spec.adjust ? "" : " unadjusted");
    case SeriesKind::kLogReturn: return "log return(" + spec.column + ")";
    case SeriesKind::kTimeDifference: return "time difference";
    case SeriesKind::kFill: return std::string("fill ") + name_of(spec.fill) + "(" + spec.column + ")";
    case SeriesKind::kGaps: break;
  }
  return std::string("fill gaps of ") + spec.every + " in " + spec.column + " " + name_of(spec.fill);
}

arrow::Status check_numbers(const SeriesSpec& spec) {
  if (spec.kind == SeriesKind::kRolling && (spec.rows > 0) == !spec.length.empty()) {
    return base::plan_error("a rolling window is either a number of rows (at least 1) or a length of time");
  }
  if (spec.kind == SeriesKind::kRolling && (spec.min_periods < 0 || (spec.rows > 0 && spec.min_periods > spec.rows) || spec.ddof < 0)) {
    return base::plan_error("min_periods must lie between 0 and the window's rows, ddof must not be negative");
  }
  if (spec.kind == SeriesKind::kEwma && !(spec.alpha > 0 && spec.alpha <= 1))
    return base::plan_error("alpha of ewma must be above 0 and at most 1");
  return arrow::Status::OK();
}

arrow::Status bind_lengths(const SeriesSpec& spec, BoundSeries* out) {
  const bool linear = spec.kind == SeriesKind::kFill && spec.fill == FillKind::kLinear;
  const bool needs = linear || spec.kind == SeriesKind::kGaps || spec.kind == SeriesKind::kTimeDifference || !spec.length.empty();
  if (!out->has_time) {
    if (needs) return base::plan_error(out->text + " needs event time", "say which column it is: with_watermark(\"ts\")");
    if (!spec.ttl.empty()) return base::plan_error("a time to live needs event time", "say which column it is: with_watermark(\"ts\")");
    return arrow::Status::OK();
  }
  const arrow::DataType& time = *out->time.time->type;
  if (!spec.length.empty()) {
    ARROW_ASSIGN_OR_RAISE(out->lengths.length, ticks_of(spec.length, time, "the length of a rolling window"));
    if (out->lengths.length <= 0) return base::plan_error("a rolling window must be longer than nothing");
  }
  if (!spec.every.empty()) {
    ARROW_ASSIGN_OR_RAISE(out->lengths.every, ticks_of(spec.every, time, "the step"));
    if (out->lengths.every <= 0) return base::plan_error("a step must be longer than nothing");
  }
  if (spec.ttl.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(out->ttl, ticks_of(spec.ttl, time, "the time to live"));
  if (out->holds_back) return base::plan_error(out->text + " has no time to live: rows wait for a value of their key");
  if (out->ttl <= 0) return base::plan_error("a time to live must be longer than nothing");
  return arrow::Status::OK();
}

// A row of zeros where a column is of numbers.
arrow::Result<KeptRow> zero_row(const std::vector<column::TypePtr>& types) {
  auto batch = std::make_shared<KeptBatch>();
  batch->rows = 1;
  arrow::MemoryPool* const pool = arrow::default_memory_pool();
  for (const auto& type : types) {
    if (column::is_numeric(*type)) {
      ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(16, pool));
      batch->columns.push_back(column::Column::flat(column::make_array(type, 1, nullptr, 0, std::move(data))));
    } else {
      ARROW_ASSIGN_OR_RAISE(auto none, column::make_null_array(type, 1, pool));
      batch->columns.push_back(column::Column::flat(std::move(none)));
    }
  }
  return KeptRow{std::move(batch), 0};
}

arrow::Status bind_gaps(const SeriesSpec& spec, BoundSeries* out) {
  if (spec.every.empty()) return base::plan_error("filling gaps needs the step");
  if (spec.fill == FillKind::kMean)
    return base::plan_error("gaps cannot be filled with means", "use forward, backward, linear, zero or null");
  ARROW_ASSIGN_OR_RAISE(out->time_column, plan::find_column(*out->input, spec.column));
  if (!spec.end.empty()) {
    ARROW_ASSIGN_OR_RAISE(out->end_column, plan::find_column(*out->input, spec.end));
  }
  out->key_column.assign(out->types.size(), false);
  for (const auto& key : out->keys) {
    if (key->kind != expr::BoundKind::kInput) return base::plan_error("keys of a series with gaps must be plain columns");
    out->key_column[static_cast<size_t>(key->input)] = true;
  }
  if (spec.fill == FillKind::kZero) {
    ARROW_ASSIGN_OR_RAISE(out->zeros, zero_row(out->types));
  }
  arrow::FieldVector fields = out->input->fields();
  for (size_t c = 0; c < fields.size(); ++c) {
    const bool sure = out->key_column[c] || static_cast<int>(c) == out->time_column || static_cast<int>(c) == out->end_column;
    if (!sure) fields[c] = fields[c]->WithNullable(true);
  }
  out->schema = arrow::schema(std::move(fields));
  return arrow::Status::OK();
}

arrow::Status bind_value(const SeriesSpec& spec, BoundSeries* out) {
  const bool copies = spec.kind == SeriesKind::kFill && (spec.fill == FillKind::kForward || spec.fill == FillKind::kBackward);
  if (spec.kind == SeriesKind::kFill && (spec.fill == FillKind::kZero || spec.fill == FillKind::kNull)) {
    return base::plan_error("filling with a constant is no series", "use fill_null()");
  }
  column::TypePtr border = arrow::float64();
  if (spec.kind == SeriesKind::kTimeDifference) {
    const arrow::DataType& time = *out->time.time->type;
    if (time.id() == arrow::Type::TIMESTAMP) {
      border = arrow::duration(static_cast<const arrow::TimestampType&>(time).unit());
    } else {
      border = arrow::int64();
    }
  } else {
    ARROW_ASSIGN_OR_RAISE(const int at, plan::find_column(*out->input, spec.column));
    ARROW_ASSIGN_OR_RAISE(out->value, expr::bind(expr::column(spec.column), *out->input));
    if (copies) {
      border = out->input->field(at)->type();
    } else if (!column::is_numeric(*out->value->type)) {
      return base::plan_error(out->text + ": \"" + spec.column + "\" is " + column::type_text(*out->value->type) + ", not a number");
    } else {
      ARROW_ASSIGN_OR_RAISE(out->value, expr::bind_cast(out->value, arrow::float64()));
    }
    if (spec.kind == SeriesKind::kFill) out->replaces = at;
  }
  out->further = column::canonical_type(border);
  if (spec.kind == SeriesKind::kLogReturn) {
    const auto ratio = arrow::schema({arrow::field("x", arrow::float64())});
    ARROW_ASSIGN_OR_RAISE(out->post, expr::bind(expr::call("ln", {expr::column("x")}), *ratio));
  }
  arrow::FieldVector fields = out->input->fields();
  if (out->replaces >= 0) {
    auto& field = fields[static_cast<size_t>(out->replaces)];
    field = field->WithType(border)->WithNullable(true);
  } else {
    if (spec.output.empty()) return base::plan_error(out->text + " needs a name for its column");
    fields.push_back(arrow::field(spec.output, border));
  }
  out->schema = arrow::schema(std::move(fields));
  return plan::check_unique(*out->schema);
}

using Columns = std::vector<column::Column>;

arrow::Result<column::Column> doubles(std::span<const SeriesResult> results, arrow::MemoryPool* pool) {
  const auto n = static_cast<int64_t>(results.size());
  ARROW_ASSIGN_OR_RAISE(exec::Validity validity, exec::Validity::make(n, pool));
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * 8, pool));
  auto* const out = reinterpret_cast<double*>(data->mutable_data());
  for (int64_t i = 0; i < n; ++i) {
    const SeriesResult& r = results[static_cast<size_t>(i)];
    if (r.valid) {
      out[i] = r.x;
    } else {
      validity.set_null(i);
    }
  }
  const int64_t nulls = validity.nulls();
  return column::Column::flat(column::make_array(arrow::float64(), n, std::move(validity).take(), nulls, std::move(data)));
}

arrow::Result<column::Column> ticks(std::span<const SeriesResult> results, const column::TypePtr& type, int64_t more, bool all_valid,
                                    arrow::MemoryPool* pool) {
  const auto n = static_cast<int64_t>(results.size());
  ARROW_ASSIGN_OR_RAISE(exec::Validity validity, exec::Validity::make(n, pool));
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_zeroed(n * 8, pool));
  auto* const out = reinterpret_cast<int64_t*>(data->mutable_data());
  for (int64_t i = 0; i < n; ++i) {
    const SeriesResult& r = results[static_cast<size_t>(i)];
    if (all_valid || r.valid) {
      out[i] = time_add(r.ticks, more);
    } else {
      validity.set_null(i);
    }
  }
  const int64_t nulls = validity.nulls();
  return column::Column::flat(column::make_array(type, n, std::move(validity).take(), nulls, std::move(data)));
}

arrow::Result<column::Column> further_column(const BoundSeries& s, std::span<const SeriesResult> results, expr::Evaluator& evaluator) {
  if (s.spec.kind == SeriesKind::kTimeDifference) return ticks(results, s.further, 0, false, evaluator.pool());
  if (s.spec.kind == SeriesKind::kFill && (s.spec.fill == FillKind::kForward || s.spec.fill == FillKind::kBackward)) {
    std::vector<KeptRow> from;
    for (const SeriesResult& r : results) from.push_back(r.from);
    const int columns[] = {s.replaces};
    ARROW_ASSIGN_OR_RAISE(Columns one, gather(from, s.types, columns, evaluator.pool()));
    return one[0];
  }
  ARROW_ASSIGN_OR_RAISE(column::Column values, doubles(results, evaluator.pool()));
  if (!s.post) return values;
  column::Batch batch;
  batch.rows = static_cast<int64_t>(results.size());
  batch.columns.push_back(std::move(values));
  return evaluator.evaluate(*s.post, batch);
}

// Between the value before and the value behind the gap; a null at one end leaves it null.
arrow::Status draw_lines(const BoundSeries& s, std::span<const SeriesResult> results, int c, column::Column* into,
                         arrow::MemoryPool* pool) {
  std::vector<KeptRow> before, behind;
  for (const SeriesResult& r : results) {
    before.push_back(r.row);
    behind.push_back(r.made ? r.next : r.row);
  }
  const auto n = static_cast<int64_t>(results.size());
  const int columns[] = {c};
  ARROW_ASSIGN_OR_RAISE(Columns a, gather(before, s.types, columns, pool));
  ARROW_ASSIGN_OR_RAISE(Columns b, gather(behind, s.types, columns, pool));
  ARROW_ASSIGN_OR_RAISE(a[0], column::flatten(a[0], n, pool));
  ARROW_ASSIGN_OR_RAISE(b[0], column::flatten(b[0], n, pool));
  const auto* const x = column::values_of<double>(*a[0].values);
  const auto* const y = column::values_of<double>(*b[0].values);
  const column::ValidityBits there = column::validity_of(*a[0].values), also = column::validity_of(*b[0].values);
  std::vector<SeriesResult> values(results.size());
  for (int64_t i = 0; i < n; ++i) {
    SeriesResult& v = values[static_cast<size_t>(i)];
    v.valid = there.valid(i) && also.valid(i);
    if (v.valid) v.x = x[i] == y[i] ? x[i] : x[i] + (y[i] - x[i]) * results[static_cast<size_t>(i)].share;
  }
  return doubles(values, pool).Value(into);
}

arrow::Result<Columns> gap_columns(const BoundSeries& s, std::span<const SeriesResult> results, arrow::MemoryPool* pool) {
  std::vector<KeptRow> own, filled;
  for (const SeriesResult& r : results) {
    own.push_back(r.row);
    if (!r.made || s.spec.fill == FillKind::kForward) {
      filled.push_back(r.row);
    } else if (s.spec.fill == FillKind::kBackward) {
      filled.push_back(r.next);
    } else {
      filled.push_back(s.zeros);
    }
  }
  Columns out(s.types.size());
  for (int c = 0; c < static_cast<int>(s.types.size()); ++c) {
    column::Column& into = out[static_cast<size_t>(c)];
    if (c == s.time_column || c == s.end_column) {
      ARROW_ASSIGN_OR_RAISE(into, ticks(results, s.types[static_cast<size_t>(c)], c == s.time_column ? 0 : s.lengths.every, true, pool));
      continue;
    }
    const bool key = s.key_column[static_cast<size_t>(c)];
    if (!key && s.spec.fill == FillKind::kLinear && s.types[static_cast<size_t>(c)]->id() == arrow::Type::DOUBLE) {
      ARROW_RETURN_NOT_OK(draw_lines(s, results, c, &into, pool));
      continue;
    }
    const int columns[] = {c};
    ARROW_ASSIGN_OR_RAISE(Columns one, gather(key ? own : filled, s.types, columns, pool));
    into = std::move(one[0]);
  }
  return out;
}

}  // namespace

arrow::Result<BoundSeries> bind_series(const SeriesSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  BoundSeries out;
  out.spec = spec;
  out.input = input;
  out.text = text_of(spec);
  ARROW_RETURN_NOT_OK(check_numbers(spec));
  for (const auto& field : input->fields()) out.types.push_back(column::canonical_type(field->type()));
  out.has_time = spec.time.has_value();
  out.timed = out.has_time && !spec.in_order;
  if (out.has_time) {
    ARROW_ASSIGN_OR_RAISE(out.time, bind_watermark(*spec.time, *input));
  }
  out.holds_back = spec.kind == SeriesKind::kGaps ||
                   (spec.kind == SeriesKind::kFill && (spec.fill == FillKind::kBackward || spec.fill == FillKind::kLinear));
  ARROW_RETURN_NOT_OK(bind_lengths(spec, &out));
  for (const auto& key : spec.keys) {
    ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(plan::strip_aliases(key), *input));
    ARROW_RETURN_NOT_OK(plan::check_key_type(*key, bound->type, "a time series"));
    out.keys.push_back(std::move(bound));
    out.key_names.push_back(expr::output_name(*key));
  }
  ARROW_RETURN_NOT_OK(spec.kind == SeriesKind::kGaps ? bind_gaps(spec, &out) : bind_value(spec, &out));
  return out;
}

arrow::Result<column::Batch> series_batch(const BoundSeries& series, std::span<const SeriesResult> results, expr::Evaluator& evaluator) {
  column::Batch out;
  out.rows = static_cast<int64_t>(results.size());
  if (series.spec.kind == SeriesKind::kGaps) {
    ARROW_ASSIGN_OR_RAISE(out.columns, gap_columns(series, results, evaluator.pool()));
    return out;
  }
  std::vector<KeptRow> rows;
  std::vector<int> all(series.types.size());
  for (size_t c = 0; c < all.size(); ++c) all[c] = static_cast<int>(c);
  for (const SeriesResult& r : results) rows.push_back(r.row);
  ARROW_ASSIGN_OR_RAISE(out.columns, gather(rows, series.types, all, evaluator.pool()));
  ARROW_ASSIGN_OR_RAISE(column::Column further, further_column(series, results, evaluator));
  if (series.replaces >= 0) {
    out.columns[static_cast<size_t>(series.replaces)] = std::move(further);
  } else {
    out.columns.push_back(std::move(further));
  }
  return out;
}

}  // namespace gristmill::stream
