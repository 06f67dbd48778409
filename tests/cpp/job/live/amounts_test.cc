// Numbers as they are shown.

#include "job/live/amounts.h"

#include <gtest/gtest.h>

namespace gristmill::job {
namespace {

TEST(Amounts, CountsHaveThreeDigitsAndAUnit) {
  EXPECT_EQ(short_count(0), "0");
  EXPECT_EQ(short_count(7), "7");
  EXPECT_EQ(short_count(1.5), "1.50");
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(999.6), "1.00k");
  EXPECT_EQ(short_count(1234), "1.23k");
  EXPECT_EQ(short_count(14'900'000), "14.9M");
  EXPECT_EQ(short_count(999'500'000), "1.00G");
  EXPECT_EQ(short_count(123e15), "123P");
  EXPECT_EQ(short_count(-3), "0");
}

TEST(Amounts, BytesAreWholeBelowAThousand) {
  EXPECT_EQ(short_bytes(0), "0 B");
  EXPECT_EQ(short_bytes(1.4), "1 B");
  EXPECT_EQ(short_bytes(120e6), "120 MB");
  EXPECT_EQ(short_bytes(1.2e9), "1.20 GB");
}

TEST(Amounts, Durations) {
  EXPECT_EQ(short_seconds(0), "0 s");
  EXPECT_EQ(short_seconds(12e-6), "12.0 us");
  EXPECT_EQ(short_seconds(0.000812), "812 us");
  EXPECT_EQ(short_seconds(0.0021), "2.10 ms");
  EXPECT_EQ(short_seconds(0.9996), "1.0 s");
  EXPECT_EQ(short_seconds(42.4), "42 s");
  EXPECT_EQ(short_seconds(59.97), "1:00");
  EXPECT_EQ(short_seconds(125), "2:05");
  EXPECT_EQ(short_seconds(3725), "1 h 02 min");
}

TEST(Amounts, ClocksAndPercents) {
  EXPECT_EQ(clock_seconds(12.9), "0:12");
  EXPECT_EQ(clock_seconds(3729), "1:02:09");
  EXPECT_EQ(clock_seconds(-1), "0:00");
  EXPECT_EQ(whole_percent(0.9999), "99%");
  EXPECT_EQ(whole_percent(1), "100%");
  EXPECT_EQ(whole_percent(7), "100%");
}

}  // namespace
}  // namespace gristmill::job
