// Calendar arithmetic by std::chrono; nothing depends on the machine's zone.

#include "month.h"

#include <chrono>
#include <cstdio>

namespace ocp {

namespace {

std::chrono::year_month_day date_of(int32_t day) { return std::chrono::sys_days(std::chrono::days(day)); }

}  // namespace

int Month::days() const {
  const std::chrono::year_month_day_last last =
      std::chrono::year(year) / std::chrono::month(static_cast<unsigned>(month)) / std::chrono::last;
  return static_cast<int>(static_cast<unsigned>(last.day()));
}

arrow::Status Month::check() const {
  if (month < 1 || month > 12) return arrow::Status::Invalid("month ", month, " does not exist");
  if (first_day > last_day)
    return arrow::Status::Invalid("the start date ", day_text(first_day), " is after the end date ", day_text(last_day));
  for (const int32_t day : {first_day, last_day}) {
    const auto date = date_of(day);
    if (static_cast<int>(date.year()) != year || static_cast<int>(static_cast<unsigned>(date.month())) != month)
      return arrow::Status::Invalid(day_text(day), " does not lie in the month ", year, "-", month);
  }
  return arrow::Status::OK();
}

arrow::Result<int32_t> parse_day(const std::string& text) {
  int y = 0, used = 0;
  unsigned m = 0, d = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2u%n", &y, &m, &d, &used) != 3 || static_cast<size_t>(used) != text.size())
    return arrow::Status::Invalid("\"", text, "\" is no date; write it as 2025-10-07");
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(m), std::chrono::day(d)};
  if (!date.ok()) return arrow::Status::Invalid("the date \"", text, "\" does not exist");
  return static_cast<int32_t>(std::chrono::sys_days(date).time_since_epoch().count());
}

std::string day_text(int32_t day) {
  const auto date = date_of(day);
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
  return text;
}

}  // namespace ocp
