// Event time: watermarks, windows, joins of streams, time series.
//
//   Stream clicks = with_watermark(from_kafka("clicks", ...), "ts", {.delay = "5s", .idle_after = "1m"});
//   Stream per_minute = window(clicks, {col("user")}, Windows::tumbling("1m"), {count(), col("amount").sum()});
//
// The watermark is the minimum over the source's partitions of the greatest time each has shown, less the delay: rows with earlier times
// are not expected any more. It is a function of the rows, so results and their order do not depend on batches, workers or speed. Rows a
// filter drops before the first step that uses event time do not move it.
//
// Lengths are texts: "500ms", "10s", "1h30m", "2d"; where the time column is int64, whole numbers in its own unit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gristmill/expr.h"
#include "gristmill/stream.h"

namespace gristmill {

struct WatermarkOptions {
  std::string delay;       // how far rows may lie behind the latest one of their partition; empty: not at all
  std::string idle_after;  // a partition that is at its end so long holds the watermark back no more; empty: it always does
};
Stream with_watermark(const Stream& stream, const std::string& column, const WatermarkOptions& options = {});

struct Windows {
  enum class Kind : uint8_t { kTumbling, kHopping, kSession, kCount };
  Kind kind = Kind::kTumbling;
  std::string size, slide, offset;  // windows start at offset + k * slide
  std::string gap;
  int64_t rows = 0;

  static Windows tumbling(std::string size, std::string offset = {}) {
    return {Kind::kTumbling, std::move(size), {}, std::move(offset), {}, 0};
  }
  static Windows hopping(std::string size, std::string slide, std::string offset = {}) {
    return {Kind::kHopping, std::move(size), std::move(slide), std::move(offset), {}, 0};
  }
  // Rows of a key less than `gap` apart: [first time, last time + gap).
  static Windows session(std::string gap) { return {Kind::kSession, {}, {}, {}, std::move(gap), 0}; }
  // So many rows of a key; what is left of a key leaves when the stream ends.
  static Windows count(int64_t rows) { return {Kind::kCount, {}, {}, {}, {}, rows}; }
};
struct WindowOptions {
  std::string allowed_lateness;  // a closed window still takes rows so long, and shows itself again after each
  std::string ttl;               // count windows: a key that shows nothing for so long starts anew
  // Gets rows that came later than that, in order, from any worker. Without it they are counted only ("late_rows").
  std::function<arrow::Status(RecordBatchPtr)> late;
};
// Columns: keys, window_start, window_end, aggregates. A window leaves when the watermark reaches its end; order: end, start, first row.
Stream window(const Stream& stream, std::vector<Expr> keys, const Windows& windows, std::vector<Expr> aggregates,
              WindowOptions options = {});

// Tumbling windows, and between two of a key one for each that had no rows: "null", "forward", "backward", "linear" or "zero".
Stream resample(const Stream& stream, std::vector<Expr> keys, const std::string& every, std::vector<Expr> aggregates,
                const std::string& fill = "null");

struct StreamKeys {
  std::vector<std::string> on;                 // columns of both
  std::vector<std::string> left_on, right_on;  // or of each
  std::string suffix = "_right";
};
// Pairs of rows with equal keys and right time in [left time + lower, left time + upper], in the order of the later one's time.
// `keep_left`, `keep_right`: rows of that stream that meet nobody leave too, with nulls, once nothing can meet them any more. The time of the
// result is the left stream's; where only the right one's rows are kept it is that one's, and where both are it has none.
Stream interval_join(const Stream& left, const Stream& right, const StreamKeys& keys, const std::string& lower, const std::string& upper,
                     bool keep_left = false, bool keep_right = false);
// Each left row with the last right row of its key at or before it (before it: `allow_exact` false), at most `tolerance` away.
Stream asof_join(const Stream& left, const Stream& right, const StreamKeys& keys, const std::string& tolerance = {},
                 bool allow_exact = true);

// With a table that is read again every `refresh` (of the clock): each row meets the newest version there is. `on` or `left_on`,
// `right_on`; inner, or left.
Stream join_refreshing(const Stream& stream, std::function<arrow::Result<Frame>()> table, const StreamKeys& keys,
                       const std::string& refresh, bool left = false);

// What an operator of yours knows of the key at hand.
class KeyContext {
 public:
  virtual ~KeyContext() = default;
  virtual RecordBatchPtr key() const = 0;        // one row: the key columns
  virtual int64_t time() const = 0;              // of the rows, or of the timer
  virtual const std::string& state() const = 0;  // bytes of yours; empty at first
  virtual void set_state(std::string state) = 0;
  // on_timer() comes once the watermark has reached `time`, before rows of that time; a time that has passed comes next.
  virtual void set_timer(int64_t time) = 0;
  virtual void delete_timer(int64_t time) = 0;
};

// An operator with state and timers by key. It sees the rows of event time in order, those of one key and one time together; what it gives
// depends on them alone, so results are the same at any speed, and state and timers are part of checkpoints.
class KeyedOperator {
 public:
  virtual ~KeyedOperator() = default;
  virtual std::string name() const { return "keyed operator"; }
  virtual arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>& input) const { return input; }
  // Null or no rows: nothing leaves.
  virtual arrow::Result<RecordBatchPtr> process(RecordBatchPtr rows, KeyContext& context) = 0;
  virtual arrow::Result<RecordBatchPtr> on_timer(KeyContext& context) { return RecordBatchPtr(); }
};
// A new operator for each run. `keys` are columns. `ttl`: a key whose latest row lies so far behind the watermark is forgotten, timers
// included. Timers still to come when the stream ends come then, in order; those that
// these set do not.
Stream process_keyed(const Stream& stream, std::vector<std::string> keys,
                     std::function<arrow::Result<std::shared_ptr<KeyedOperator>>()> make, const std::string& ttl = {});

// Time series by key. With event time rows are taken, and leave, in the order of their times; else as they come.
struct SeriesOptions {
  std::vector<Expr> keys;
  std::string as;   // the further column's name; empty: of the column and the step
  std::string ttl;  // a key that shows nothing for so long (of event time) starts anew
};
struct RollingOptions : SeriesOptions {
  int64_t rows = 0;         // the window: so many rows, the row among them,
  std::string length;       // or those less than so long before it
  int64_t min_periods = 0;  // values wanted for a result; 0: all rows of the window, one of a length
  int ddof = 1;
};
// "sum", "mean", "min", "max", "count", "var" or "std" of the rows up to each row.
Stream rolling(const Stream& stream, const std::string& column, const std::string& function, const RollingOptions& options);
Stream ewma(const Stream& stream, const std::string& column, double alpha, const SeriesOptions& options = {}, bool adjust = true);
Stream log_returns(const Stream& stream, const std::string& column, const SeriesOptions& options = {});
Stream time_difference(const Stream& stream, const SeriesOptions& options = {});
// The start of the step that a time lies in, as a further column, row by row.
struct BucketOptions {
  std::string column;  // a timestamp or int64; empty: the event time
  std::string offset;  // steps start at it plus whole steps
  std::string as = "bucket";
};
Stream time_bucket(const Stream& stream, const std::string& every, const BucketOptions& options = {});
// Nulls of a column: "forward", "backward", "linear" (along event time) or "mean" (of the key's values so far). Rows that wait for a later
// value of their key leave with it.
Stream fill(const Stream& stream, const std::string& column, const std::string& how, const SeriesOptions& options = {});

}  // namespace gristmill
