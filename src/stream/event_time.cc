// Lengths are read by the engine's own reader of intervals, so windows and frames take the same texts.

#include "stream/event_time.h"

#include <charconv>
#include <cstring>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "expr/level.h"
#include "expr/window.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kDay = int64_t{86400} * 1000000000;

int64_t nanoseconds_per_tick(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1000000000;
    case arrow::TimeUnit::MILLI: return 1000000;
    case arrow::TimeUnit::MICRO: return 1000;
    default: return 1;
  }
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return n;
}

}  // namespace

arrow::Result<int64_t> nanoseconds_of(std::string_view text, std::string_view what) {
  const std::string name = std::string(what) + " \"" + std::string(text) + "\"";
  const std::optional<expr::FrameInterval> length = expr::parse_frame_interval(text);
  if (!length) return base::plan_error(name + " is not a length of time", "write it as \"10s\", \"1h30m\", \"500ms\" or \"2d\"");
  if (length->months != 0) {
    return base::plan_error(name + " has no fixed length: months, quarters and years differ", "give it in weeks, days, hours, ...");
  }
  int64_t out = 0;
  if (__builtin_mul_overflow(length->days, kDay, &out) || __builtin_add_overflow(out, length->nanoseconds, &out)) {
    return base::plan_error(name + " is too long");
  }
  if (out < 0) return base::plan_error(name + " must not be negative");
  return out;
}

arrow::Result<int64_t> ticks_of(std::string_view text, const arrow::DataType& time, std::string_view what) {
  const std::string name = std::string(what) + " \"" + std::string(text) + "\"";
  if (time.id() != arrow::Type::TIMESTAMP) {
    const std::optional<int64_t> n = whole_number(text);
    if (!n) return base::plan_error(name + " must be a whole number, since the time column is int64", "or make the column a timestamp");
    if (*n < 0) return base::plan_error(name + " must not be negative");
    return *n;
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t length, nanoseconds_of(text, what));
  const auto unit = static_cast<const arrow::TimestampType&>(time).unit();
  const int64_t tick = nanoseconds_per_tick(unit);
  if (length % tick != 0) {
    return base::plan_error(name + " is finer than the time column, a " + column::type_text(time), "cast the column to a finer timestamp");
  }
  return length / tick;
}

arrow::Result<expr::BoundPtr> bind_time(const std::string& column, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(expr::BoundPtr time, expr::bind(expr::column(column), input));
  const auto id = time->type->id();
  if (id != arrow::Type::TIMESTAMP && id != arrow::Type::INT64) {
    return base::plan_error("the time column \"" + column + "\" is " + column::type_text(*time->type) + ", not a timestamp or int64",
                            "cast it first: with_columns(col(\"" + column + "\").cast(\"timestamp(us)\"))");
  }
  return time;
}

void selected_rows(const column::Batch& batch, std::vector<uint16_t>* rows) {
  if (!batch.selection.all()) {
    const auto indices = batch.selection.indices(batch.rows);
    rows->assign(indices.begin(), indices.end());
    return;
  }
  rows->resize(static_cast<size_t>(batch.rows));
  for (int64_t i = 0; i < batch.rows; ++i) (*rows)[static_cast<size_t>(i)] = static_cast<uint16_t>(i);
}

arrow::Status times_of(const expr::Bound& time, const column::Batch& batch, const std::vector<uint16_t>& rows, expr::Evaluator& evaluator,
                       std::vector<int64_t>* out) {
  ARROW_ASSIGN_OR_RAISE(column::Column values, evaluator.evaluate(time, batch));
  ARROW_ASSIGN_OR_RAISE(values, column::flatten(values, batch.rows, evaluator.pool()));
  const auto* ticks = column::values_of<int64_t>(*values.values);
  const column::ValidityBits valid = column::validity_of(*values.values);
  out->resize(rows.size());
  for (size_t j = 0; j < rows.size(); ++j) {
    if (valid.bits && !valid.valid(rows[j])) {
      return base::data_error("the event time \"" + time.label + "\" is null", "null", rows[j]);
    }
    // The lowest number stands for "no time yet".
    (*out)[j] = std::max(ticks[rows[j]], kNoTime + 1);
  }
  return arrow::Status::OK();
}

std::span<const int64_t> Times::all() const {
  if (!values.values) return copied;
  return {column::values_of<int64_t>(*values.values), static_cast<size_t>(rows)};
}

arrow::Result<Times> see_times(const expr::Bound& time, const column::Batch& batch, const std::vector<uint16_t>& rows,
                               expr::Evaluator& evaluator) {
  Times out;
  out.rows = static_cast<int64_t>(rows.size());
  ARROW_ASSIGN_OR_RAISE(column::Column values, evaluator.evaluate(time, batch));
  if (batch.selection.all() && values.is_flat() && !column::has_nulls(values)) {
    const auto* const ticks = column::values_of<int64_t>(*values.values);
    const int64_t n = batch.rows;
    bool lowest = false;
    expr::at_best_level([&lowest, ticks, n]() GRISTMILL_INLINE {
      uint64_t found = 0;
      for (int64_t i = 0; i < n; ++i) found |= static_cast<uint64_t>(ticks[i] == kNoTime);
      lowest = found != 0;
    });
    if (!lowest) {
      out.values = std::move(values);
      return out;
    }
  }
  ARROW_RETURN_NOT_OK(times_of(time, batch, rows, evaluator, &out.copied));
  return out;
}

arrow::Result<column::Column> time_column(const std::vector<int64_t>& ticks, const column::TypePtr& type, arrow::MemoryPool* pool) {
  const auto n = static_cast<int64_t>(ticks.size());
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * 8, pool));
  if (n > 0) std::memcpy(data->mutable_data(), ticks.data(), static_cast<size_t>(n) * 8);
  return column::Column::flat(column::make_array(type, n, nullptr, 0, std::move(data)));
}

}  // namespace gristmill::stream
