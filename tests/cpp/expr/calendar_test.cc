// The calendar against a day by day count, and the fast form against the plain one over its whole range.

#include <gtest/gtest.h>

#include "expr/calendar.h"

namespace gristmill::expr {
namespace {

TEST(Calendar, CountsDayByDay) {
  Civil c{1, 1, 1};
  int32_t weekday = 1;  // 0001-01-01 was a Monday
  for (int64_t days = days_of_civil(1, 1, 1); c.year < 3000; ++days) {
    const Civil got = civil_of_days(days);
    ASSERT_TRUE(got.year == c.year && got.month == c.month && got.day == c.day) << days;
    ASSERT_EQ(days_of_civil(c.year, c.month, c.day), days);
    ASSERT_EQ(iso_weekday(days), weekday) << days;
    weekday = weekday % 7 + 1;
    if (++c.day > days_in_month(c.year, c.month)) {
      c.day = 1;
      if (++c.month > 12) {
        c.month = 1;
        ++c.year;
      }
    }
  }
  EXPECT_EQ(days_of_civil(1970, 1, 1), 0);
  EXPECT_EQ(civil_of_days(-719529).year, -1);  // the day before 0000-01-01
}

TEST(Calendar, FastFormAgreesOverItsRange) {
  for (int64_t days = kFastDaysLow; days < kFastDaysHigh; days += days < 4000000 ? 1 : 97) {
    const Civil a = civil_of_days(days), b = fast_civil_of_days(static_cast<int32_t>(days));
    ASSERT_TRUE(a.year == b.year && a.month == b.month && a.day == b.day) << days;
  }
}

}  // namespace
}  // namespace gristmill::expr
