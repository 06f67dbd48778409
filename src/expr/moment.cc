#include "expr/moment.h"

#include <algorithm>
#include <string>
#include <vector>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/calendar.h"
#include "expr/kernel.h"
#include "expr/local_time.h"
#include "expr/parse_text.h"
#include "expr/promotion.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {

using arrow::Type;

namespace {

struct SpanName {
  const char* name;
  int64_t months, nanoseconds;
};
constexpr SpanName kSpans[] = {{"millennium", 12000, 0},
                               {"century", 1200, 0},
                               {"decade", 120, 0},
                               {"year", 12, 0},
                               {"quarter", 3, 0},
                               {"month", 1, 0},
                               {"week", 0, 0},
                               {"day", 0, kDaySeconds * 1000000000},
                               {"hour", 0, 3600000000000},
                               {"minute", 0, 60000000000},
                               {"second", 0, 1000000000},
                               {"millisecond", 0, 1000000},
                               {"microsecond", 0, 1000},
                               {"nanosecond", 0, 1}};

}  // namespace

bool is_date(const arrow::DataType& t) { return t.id() == Type::DATE32; }
bool is_timestamp(const arrow::DataType& t) { return t.id() == Type::TIMESTAMP; }

int64_t units_of(const arrow::DataType& t) {
  return units_per_second(is_timestamp(t) ? static_cast<const arrow::TimestampType&>(t).unit() : static_cast<const arrow::DurationType&>(t).unit());
}

arrow::Result<column::TypePtr> moment_type(std::string_view name, const ArgumentInfo& a) {
  if (is_date(*a.type) || is_timestamp(*a.type)) return a.type;
  if (a.type->id() == Type::NA) return arrow::date32();
  if (a.untyped_literal && column::is_text(*a.type)) return arrow::timestamp(arrow::TimeUnit::MICRO);
  return bad_arguments(name, "a date or a timestamp", std::span(&a, 1));
}

arrow::Result<Span> span_argument(std::string_view function, const ArgumentInfo& a) {
  std::string name = a.constant ? text_value(*a.constant).value_or("") : "";
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::vector<std::string> known;
  for (const SpanName& s : kSpans) {
    if (name == s.name || name == std::string(s.name) + "s") return static_cast<Span>(known.size());
    known.emplace_back(s.name);
  }
  if (name == "centuries") return Span::kCentury;
  if (name == "millennia") return Span::kMillennium;
  return base::plan_error(std::string(function) + " takes the name of a unit, got \"" + name + "\"" + base::suggest_name(name, known));
}

int64_t months_of(Span s) { return kSpans[static_cast<int>(s)].months; }
int64_t nanoseconds_of(Span s) { return kSpans[static_cast<int>(s)].nanoseconds; }

arrow::TimeUnit::type unit_for(Span s, arrow::TimeUnit::type own) {
  const auto least = s == Span::kNanosecond    ? arrow::TimeUnit::NANO
                     : s == Span::kMicrosecond ? arrow::TimeUnit::MICRO
                     : s == Span::kMillisecond ? arrow::TimeUnit::MILLI
                                               : arrow::TimeUnit::SECOND;
  return std::max(least, own);
}

int64_t truncated_days(int64_t days, Span s) {
  if (s == Span::kDay) return days;
  if (s == Span::kWeek) return days - (iso_weekday(days) - 1);
  const Civil c = civil_of_days(days);
  if (s >= Span::kYear) return days_of_civil(c.year, s == Span::kYear ? 1 : s == Span::kQuarter ? (c.month - 1) / 3 * 3 + 1 : c.month, 1);
  const int64_t years = months_of(s) / 12;  // centuries and millennia begin with year 1, decades with year 0
  const int64_t first = s == Span::kDecade ? 0 : 1;
  return days_of_civil(floor_divide(c.year - first, years) * years + first, 1, 1);
}

int64_t days_plus_months(int64_t days, int64_t months) {
  const Civil c = civil_of_days(days);
  const int64_t index = static_cast<int64_t>(c.year) * 12 + (c.month - 1) + months;
  const int64_t year = floor_divide(index, 12);
  const auto month = static_cast<int32_t>(index - year * 12) + 1;
  return days_of_civil(year, month, std::min(c.day, days_in_month(year, month)));
}

IsoWeek iso_week(int64_t days) {
  const int64_t thursday = days - iso_weekday(days) + 4;
  const int64_t year = civil_of_days(thursday).year;
  return {year, static_cast<int32_t>((thursday - days_of_civil(year, 1, 1)) / 7) + 1};
}

arrow::Result<LocalMoments> LocalMoments::make(const KernelCall& call, size_t arg) {
  LocalMoments out;
  out.local_ = call.args[arg];
  out.date_ = is_date(*out.local_.type());
  if (out.date_) return out;
  ARROW_ASSIGN_OR_RAISE(out.local_, local_times(out.local_, call.rows, call.pool));
  out.units_ = units_of(*out.local_.type());
  return out;
}

int64_t LocalMoments::days(int64_t i) const {
  const int64_t at = local_.is_constant() ? 0 : i;
  if (date_) return column::values_of<int32_t>(*local_.values)[at];
  return floor_divide(column::values_of<int64_t>(*local_.values)[at], units_ * kDaySeconds);
}

int64_t LocalMoments::in_day(int64_t i) const {
  if (date_) return 0;
  const int64_t v = column::values_of<int64_t>(*local_.values)[local_.is_constant() ? 0 : i], day = units_ * kDaySeconds;
  return v - floor_divide(v, day) * day;
}

}  // namespace gristmill::expr
