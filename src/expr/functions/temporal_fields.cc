// Further parts of dates and timestamps, one row at a time: weeks, fractions of a second, decades; and of durations.

#include <arrow/type.h>

#include "expr/calendar.h"
#include "expr/functions/families.h"
#include "expr/moment.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

enum class Field { kWeek, kIsoYear, kDow, kDecade, kCentury, kMillennium, kDaysInMonth, kMilli, kMicro, kNano, kSqlMilli, kSqlMicro };

int64_t of_year(int64_t year, int64_t span) { return year > 0 ? (year + span - 1) / span : -((span - 1 - (year - 1)) / span); }

template <Field kField>
int64_t field_of(const LocalMoments& m, int64_t i) {
  const int64_t days = m.days(i);
  if constexpr (kField == Field::kWeek) return iso_week(days).week;
  if constexpr (kField == Field::kIsoYear) return iso_week(days).year;
  if constexpr (kField == Field::kDow) return iso_weekday(days) % 7;
  if constexpr (kField == Field::kDecade) return floor_divide(civil_of_days(days).year, 10);
  if constexpr (kField == Field::kCentury) return of_year(civil_of_days(days).year, 100);
  if constexpr (kField == Field::kMillennium) return of_year(civil_of_days(days).year, 1000);
  if constexpr (kField == Field::kDaysInMonth) return days_in_month(civil_of_days(days).year, civil_of_days(days).month);
  const bool within_minute = kField == Field::kSqlMilli || kField == Field::kSqlMicro;
  const int64_t part = m.in_day(i) % (m.units() * (within_minute ? 60 : 1));
  const int64_t per_second = kField == Field::kNano ? 1000000000 : kField == Field::kMicro || kField == Field::kSqlMicro ? 1000000 : 1000;
  return m.units() >= per_second ? part / (m.units() / per_second) : part * (per_second / m.units());
}

arrow::Result<Signature> bind_field(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("a part of a date", 1, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, moment_type("a part of a date", args[0]));
  s.type = arrow::int32();
  s.casts = {std::move(from)};
  return s;
}

template <Field kField>
arrow::Result<Column> run_field(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(LocalMoments moments, LocalMoments::make(call));
  return number_rows<int32_t>(call, [&](int64_t i, int32_t& out) { out = static_cast<int32_t>(field_of<kField>(moments, i)); });
}

arrow::Result<Signature> bind_leap_year(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_field(args, options));
  s.type = arrow::boolean();
  return s;
}

arrow::Result<Column> run_leap_year(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(LocalMoments moments, LocalMoments::make(call));
  return bool_results(call, [&](int64_t i, bool& out) { out = is_leap(civil_of_days(moments.days(i)).year); });
}

arrow::Result<Signature> bind_last_day(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_field(args, options));
  s.type = arrow::date32();
  s.fallible = true;
  return s;
}

arrow::Result<Column> run_last_day(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(LocalMoments moments, LocalMoments::make(call));
  return number_rows<int32_t>(call, [&](int64_t i, int32_t& out) -> arrow::Status {
    const Civil c = civil_of_days(moments.days(i));
    const int64_t last = days_of_civil(c.year, c.month, days_in_month(c.year, c.month));
    out = static_cast<int32_t>(last);
    if (out == last) return arrow::Status::OK();
    return base::data_error("time out of range: the last day of the month of " + row_text(call, 0, i), row_text(call, 0, i), i);
  });
}

// Durations -----------------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_total(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("a part of a duration", 1, args.size());
  Signature s;
  if (args[0].type->id() != Type::DURATION && args[0].type->id() != Type::NA) return bad_arguments("a part of a duration", "a duration", args);
  s.type = arrow::int64();
  s.casts = {args[0].type->id() == Type::NA ? arrow::duration(arrow::TimeUnit::MICRO) : args[0].type};
  s.fallible = true;
  return s;
}

// Whole units, toward zero.
template <Span kSpan>
arrow::Result<Column> run_total(const KernelCall& call) {
  const Argument<int64_t> a(call.args[0]);
  const int64_t own = 1000000000 / units_of(*call.args[0].type()), wanted = nanoseconds_of(kSpan);  // nanoseconds of a unit
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
    if (wanted >= own) {
      out = a[i] / (wanted / own);
    } else if (__builtin_mul_overflow(a[i], own / wanted, &out)) {
      return base::data_error("time out of range: " + row_text(call, 0, i) + " in a finer unit", row_text(call, 0, i), i);
    }
    return arrow::Status::OK();
  });
}

template <Field kField>
Function field(const char* name, const char* summary, const char* example) {
  return {name, "temporal", summary, example, NullRule::kPropagate, true, bind_field, run_field<kField>};
}

template <Span kSpan>
Function total(const char* name, const char* summary, const char* example) {
  return {name, "temporal", summary, example, NullRule::kPropagate, true, bind_total, run_total<kSpan>};
}

}  // namespace

std::vector<Function> temporal_field_functions() {
  const auto pass = NullRule::kPropagate;
  return {
      field<Field::kWeek>("dt.week", "the ISO week, 1 to 53", "col('t').dt.week() -> 9"),
      field<Field::kIsoYear>("dt.iso_year", "the year that the ISO week belongs to", "col('t').dt.iso_year() -> 2024"),
      field<Field::kDow>("dt.dow", "the day of the week as SQL counts: Sunday is 0", "call('dt.dow', col('t')) -> 4"),
      field<Field::kDecade>("dt.decade", "the year divided by ten", "call('dt.decade', col('t')) -> 202"),
      field<Field::kCentury>("dt.century", "the century; the 21st began in 2001", "call('dt.century', col('t')) -> 21"),
      field<Field::kMillennium>("dt.millennium", "the millennium; the third began in 2001", "call('dt.millennium', col('t')) -> 3"),
      field<Field::kDaysInMonth>("dt.days_in_month", "the number of days of the month", "col('t').dt.days_in_month() -> 29"),
      field<Field::kMilli>("dt.millisecond", "milliseconds within the second", "col('t').dt.millisecond() -> 250"),
      field<Field::kMicro>("dt.microsecond", "microseconds within the second", "col('t').dt.microsecond() -> 250000"),
      field<Field::kNano>("dt.nanosecond", "nanoseconds within the second", "col('t').dt.nanosecond() -> 250000000"),
      field<Field::kSqlMilli>("sql_milliseconds", "SQL's extract(milliseconds): seconds times 1000", "call('sql_milliseconds', col('t')) -> 15250"),
      field<Field::kSqlMicro>("sql_microseconds", "SQL's extract(microseconds): seconds times 1000000",
                              "call('sql_microseconds', col('t')) -> 15250000"),
      {"dt.is_leap_year", "temporal", "whether the year has a 29th of February", "col('t').dt.is_leap_year() -> true", pass, true,
       bind_leap_year, run_leap_year},
      {"dt.last_day", "temporal", "the last date of the month", "col('t').dt.last_day() -> 2024-02-29", pass, true, bind_last_day,
       run_last_day},
      total<Span::kDay>("dt.total_days", "whole days of a duration, toward zero", "(col('t') - col('t')).dt.total_days() -> 0"),
      total<Span::kHour>("dt.total_hours", "whole hours of a duration, toward zero", "(col('t') - col('t')).dt.total_hours() -> 0"),
      total<Span::kMinute>("dt.total_minutes", "whole minutes of a duration, toward zero", "(col('t') - col('t')).dt.total_minutes() -> 0"),
      total<Span::kSecond>("dt.total_seconds", "whole seconds of a duration, toward zero", "duration(minutes=2).dt.total_seconds() -> 120"),
      total<Span::kMillisecond>("dt.total_milliseconds", "whole milliseconds of a duration, toward zero",
                                "duration(seconds=2).dt.total_milliseconds() -> 2000"),
      total<Span::kMicrosecond>("dt.total_microseconds", "whole microseconds of a duration; beyond int64 is an error",
                                "duration(seconds=2).dt.total_microseconds() -> 2000000"),
      total<Span::kNanosecond>("dt.total_nanoseconds", "nanoseconds of a duration; beyond int64 is an error",
                               "duration(seconds=2).dt.total_nanoseconds() -> 2000000000"),
  };
}

}  // namespace gristmill::expr
