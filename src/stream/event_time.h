// Event time: what of a row tells when it happened, as whole ticks of its column's unit, and lengths of time in the same ticks.
//
// A time column is a timestamp of any unit and zone, or int64 (ticks are then the numbers themselves). Arithmetic saturates: a time near
// the ends of int64 never wraps around. kNoTime stands for "before everything".
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "expr/bind.h"
#include "expr/evaluate.h"

namespace gristmill::stream {

inline constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kAllTime = std::numeric_limits<int64_t>::max();

inline int64_t time_add(int64_t a, int64_t b) {
  int64_t out;
  if (!__builtin_add_overflow(a, b, &out)) return out;
  return b > 0 ? kAllTime : kNoTime;
}
// kNoTime and kAllTime stay what they are.
inline int64_t time_less(int64_t a, int64_t b) {
  if (a == kNoTime || a == kAllTime) return a;
  int64_t out;
  if (!__builtin_sub_overflow(a, b, &out)) return out;
  return b > 0 ? kNoTime : kAllTime;
}
// The greatest multiple of `width` (> 0) that is at most t.
inline int64_t floor_to(int64_t t, int64_t width) {
  const int64_t rest = t % width;
  return time_less(t, rest < 0 ? rest + width : rest);
}

// "10s", "1h30m", "500ms" in ticks of the column; a plain number where the column is int64. Not negative; a plan error otherwise.
arrow::Result<int64_t> ticks_of(std::string_view text, const arrow::DataType& time, std::string_view what);
// The same length as nanoseconds, for the clock.
arrow::Result<int64_t> nanoseconds_of(std::string_view text, std::string_view what);

// The bound time column; a plan error where it is none.
arrow::Result<expr::BoundPtr> bind_time(const std::string& column, const arrow::Schema& input);
// The physical rows of `batch` that are selected, in order.
void selected_rows(const column::Batch& batch, std::vector<uint16_t>* rows);
// Ticks of these rows. A null time is a data error of its row.
arrow::Status times_of(const expr::Bound& time, const column::Batch& batch, const std::vector<uint16_t>& rows, expr::Evaluator& evaluator,
                       std::vector<int64_t>* out);

// The same, not copied where they lie side by side as they are.
struct Times {
  column::Column values;  // of a whole batch; or
  std::vector<int64_t> copied;
  int64_t rows = 0;
  std::span<const int64_t> all() const;
};
arrow::Result<Times> see_times(const expr::Bound& time, const column::Batch& batch, const std::vector<uint16_t>& rows,
                               expr::Evaluator& evaluator);

// A column of ticks in the type of the time column.
arrow::Result<column::Column> time_column(const std::vector<int64_t>& ticks, const column::TypePtr& type, arrow::MemoryPool* pool);

}  // namespace gristmill::stream
