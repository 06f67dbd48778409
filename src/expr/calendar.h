// The proleptic Gregorian calendar in integer arithmetic (days are counted from 1970-01-01).
//
// A year here begins in March, so the leap day is its last and a month's first day follows from a linear formula;
// eras of 400 years make every division positive.
#pragma once

#include <cstdint>

namespace gristmill::expr {

struct Civil {
  int32_t year;
  int32_t month;  // 1-12
  int32_t day;    // 1-31
};

inline Civil civil_of_days(int64_t days) {
  const int64_t z = days + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<uint32_t>(z - era * 146097);
  const uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const uint32_t mp = (5 * doy + 2) / 153;
  const auto day = static_cast<int32_t>(doy - (153 * mp + 2) / 5 + 1);
  const auto month = static_cast<int32_t>(mp < 10 ? mp + 3 : mp - 9);
  return {static_cast<int32_t>(static_cast<int64_t>(yoe) + era * 400 + (month <= 2)), month, day};
}

// Years 1 to about two million; `days` within [kFastDaysLow, kFastDaysHigh). 32-bit arithmetic without branches, so that
// loops over it vectorise. The day number is scaled to centuries, then 2^32 / 1461 * 4 turns the day of the century into year (high half)
// and day of the year (low half) with one multiplication; the proof of the constants is exhaustive in the tests.
inline constexpr int64_t kFastDaysLow = -719468;
inline constexpr int64_t kFastDaysHigh = 1 << 28;

__attribute__((always_inline)) inline Civil fast_civil_of_days(int32_t days) {
  const uint32_t n = static_cast<uint32_t>(days + 719468);
  const uint32_t n1 = 4 * n + 3;
  const uint32_t century = n1 / 146097;
  const uint32_t n2 = (n1 - century * 146097) | 3;
  const uint64_t p2 = uint64_t{2939745} * n2;
  const auto year_of_century = static_cast<uint32_t>(p2 >> 32);
  const uint32_t day_of_year = static_cast<uint32_t>(p2) / 2939745 / 4;
  const uint32_t n3 = 2141 * day_of_year + 197913;
  const uint32_t month = n3 >> 16;
  const uint32_t day = (n3 & 0xffff) / 2141;
  const uint32_t late = day_of_year >= 306;  // January and February end the year that began in March
  return {static_cast<int32_t>(100 * century + year_of_century + late), static_cast<int32_t>(month - 12 * late),
          static_cast<int32_t>(day + 1)};
}

inline int64_t days_of_civil(int64_t year, int32_t month, int32_t day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto yoe = static_cast<uint32_t>(year - era * 400);
  const uint32_t doy = (153 * static_cast<uint32_t>(month > 2 ? month - 3 : month + 9) + 2) / 5 + static_cast<uint32_t>(day) - 1;
  const uint32_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<int64_t>(doe) - 719468;
}

inline bool is_leap(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
inline int32_t days_in_month(int64_t year, int32_t month) {
  static constexpr int8_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[month - 1] + (month == 2 && is_leap(year));
}

inline int64_t floor_divide(int64_t a, int64_t b) {  // b > 0
  const int64_t q = a / b;
  return q - (a % b < 0);
}

// Monday = 1 ... Sunday = 7; 1970-01-01 was a Thursday.
inline int32_t iso_weekday(int64_t days) { return static_cast<int32_t>(days + 3 - floor_divide(days + 3, 7) * 7) + 1; }

}  // namespace gristmill::expr
