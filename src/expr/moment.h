// Dates, timestamps and durations as functions see them: the types they take, the clock on the wall, and units by name.
#pragma once

#include <optional>
#include <string_view>

#include <arrow/result.h>

#include "column/column.h"
#include "expr/registry.h"

namespace gristmill::expr {

inline constexpr int64_t kDaySeconds = 86400;

bool is_date(const arrow::DataType& t);
bool is_timestamp(const arrow::DataType& t);
// Units per second of a timestamp or duration.
int64_t units_of(const arrow::DataType& t);

// A date or timestamp, text literals being read as such; NULL is a date.
arrow::Result<column::TypePtr> moment_type(std::string_view name, const ArgumentInfo& a);

enum class Span : uint8_t {
  kMillennium,
  kCentury,
  kDecade,
  kYear,
  kQuarter,
  kMonth,
  kWeek,
  kDay,
  kHour,
  kMinute,
  kSecond,
  kMillisecond,
  kMicrosecond,
  kNanosecond,
};
// The constant argument that names a unit ("month", "months"); a plan error says what there is.
arrow::Result<Span> span_argument(std::string_view function, const ArgumentInfo& a);
int64_t months_of(Span s);  // 0 below months
int64_t nanoseconds_of(Span s);  // 0 from weeks on
// A unit of a timestamp column that holds multiples of `s`: the column's own, or a finer one.
arrow::TimeUnit::type unit_for(Span s, arrow::TimeUnit::type own);

// The first day of the span that holds the day; spans from kMillennium to kDay.
int64_t truncated_days(int64_t days, Span s);
// The same day of another month, or its last one.
int64_t days_plus_months(int64_t days, int64_t months);
struct IsoWeek {
  int64_t year;
  int32_t week;
};
IsoWeek iso_week(int64_t days);

// Argument `arg`, a date or timestamp, as the clock on the wall: days, and units within the day.
class LocalMoments {
 public:
  static arrow::Result<LocalMoments> make(const KernelCall& call, size_t arg = 0);
  int64_t days(int64_t i) const;
  int64_t in_day(int64_t i) const;        // 0 of a date
  int64_t units() const { return units_; }  // per second
  const column::Column& column() const { return local_; }

 private:
  column::Column local_;
  int64_t units_ = 1;
  bool date_ = false;
};

}  // namespace gristmill::expr
