// Parts of dates and timestamps, and rounding down to a unit.
//
// Timestamps with a zone are read as the clock on the wall there. Weeks are ISO weeks: Monday is day 1.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/calendar.h"
#include "expr/functions/families.h"
#include "expr/kernel.h"
#include "expr/local_time.h"
#include "expr/moment.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

// Parts ---------------------------------------------------------------------------------------------------------

enum class TimePart { kYear, kMonth, kDay, kQuarter, kWeekday, kDayOfYear, kHour, kMinute, kSecond };

template <TimePart kPart>
GRISTMILL_INLINE inline int32_t part_of_civil(const Civil& c, int64_t days) {
  if constexpr (kPart == TimePart::kYear) return c.year;
  if constexpr (kPart == TimePart::kMonth) return c.month;
  if constexpr (kPart == TimePart::kDay) return c.day;
  if constexpr (kPart == TimePart::kQuarter) return (c.month + 2) / 3;
  if constexpr (kPart == TimePart::kDayOfYear) return static_cast<int32_t>(days - days_of_civil(c.year, 1, 1)) + 1;
  return 0;
}

template <TimePart kPart>
int32_t part_of_days(int64_t days) {
  if constexpr (kPart == TimePart::kWeekday) return iso_weekday(days);
  return part_of_civil<kPart>(civil_of_days(days), days);
}

// Blocks of ordinary dates take the loop that vectorises.
template <TimePart kPart>
void parts_of_days(const int32_t* days, int64_t rows, int32_t* out) {
  constexpr int64_t kBlock = 1024;
  for (int64_t at = 0; at < rows; at += kBlock) {
    const int64_t n = std::min(kBlock, rows - at);
    const int32_t* d = days + at;
    int32_t* o = out + at;
    bool ordinary = false;
    at_best_level([&, n, d]() GRISTMILL_INLINE {
      uint32_t outside = 0;
      for (int64_t i = 0; i < n; ++i) outside |= static_cast<uint32_t>(d[i] < kFastDaysLow) | static_cast<uint32_t>(d[i] >= kFastDaysHigh);
      ordinary = outside == 0;
    });
    if (!ordinary || kPart == TimePart::kDayOfYear) {
      for (int64_t i = 0; i < n; ++i) o[i] = part_of_days<kPart>(d[i]);
    } else if constexpr (kPart == TimePart::kWeekday) {
      at_best_level([=]() GRISTMILL_INLINE {  // day 0 of the fast range, 0000-03-01, was a Wednesday
        for (int64_t i = 0; i < n; ++i)
          o[i] = static_cast<int32_t>((static_cast<uint32_t>(d[i] - static_cast<int32_t>(kFastDaysLow)) + 2) % 7) + 1;
      });
    } else if constexpr (kPart != TimePart::kDayOfYear) {
      at_best_level([=]() GRISTMILL_INLINE {
        for (int64_t i = 0; i < n; ++i) o[i] = part_of_civil<kPart>(fast_civil_of_days(d[i]), d[i]);
      });
    }
  }
}

// v / step rounded down, through doubles. With the step's power of two shifted out of both sides, |v| < 2^52 and
// |quotient| < 2^31: a quotient that is not whole is at least 1 / step away from the next whole number, its rounding error is at
// most 2^-53 * |v| / step, so it never reaches that number. False, and nothing written, where the bounds do not hold.
bool whole_steps(const int64_t* v, int64_t rows, int64_t step, int32_t* out) {
  const int shift = __builtin_ctzll(static_cast<uint64_t>(step));
  const int64_t odd = step >> shift;
  const int64_t limit = std::min<int64_t>(int64_t{1} << 52, odd << 31);
  const auto divisor = static_cast<double>(odd);
  bool fine = false;
  at_best_level([&]() GRISTMILL_INLINE {
    uint64_t outside = 0;
    for (int64_t i = 0; i < rows; ++i)
      outside |= static_cast<uint64_t>((v[i] >> shift) <= -limit) | static_cast<uint64_t>((v[i] >> shift) >= limit);
    fine = outside == 0;
  });
  if (!fine) return false;
  at_best_level([=]() GRISTMILL_INLINE {
    for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<int32_t>(std::floor(static_cast<double>(v[i] >> shift) / divisor));
  });
  return true;
}

template <TimePart kPart>
constexpr bool kOfTheClock = kPart >= TimePart::kHour;

template <TimePart kPart>
int32_t part_of_second(int64_t in_day) {
  if constexpr (kPart == TimePart::kHour) return static_cast<int32_t>(in_day / 3600);
  if constexpr (kPart == TimePart::kMinute) return static_cast<int32_t>(in_day / 60 % 60);
  return static_cast<int32_t>(in_day % 60);
}

arrow::Result<Signature> bind_part(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("a part of a date", 1, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, moment_type("a part of a date", args[0]));
  s.type = arrow::int32();
  s.casts = {std::move(from)};
  return s;
}

// Up to 1024 counts of `second` units.
template <TimePart kPart>
void parts_of_times(const int64_t* v, int64_t n, int64_t second, int32_t* out) {
  const int64_t day = second * kDaySeconds;
  int32_t days[1024];
  if (!whole_steps(v, n, day, days)) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t d = floor_divide(v[i], day);
      if constexpr (kOfTheClock<kPart>)
        out[i] = part_of_second<kPart>((v[i] - d * day) / second);
      else
        out[i] = part_of_days<kPart>(d);
    }
    return;
  }
  if constexpr (kOfTheClock<kPart>) {
    const auto step = static_cast<double>(kPart == TimePart::kHour ? second * 3600 : kPart == TimePart::kMinute ? second * 60 : second);
    at_best_level([&]() GRISTMILL_INLINE {
      for (int64_t i = 0; i < n; ++i) {  // below 2^47 and whole: the same argument as in whole_steps
        const auto steps = static_cast<uint32_t>(static_cast<int32_t>(static_cast<double>(v[i] - days[i] * day) / step));
        out[i] = static_cast<int32_t>(kPart == TimePart::kHour ? steps : steps % 60);
      }
    });
  } else {
    parts_of_days<kPart>(days, n, out);
  }
}

template <TimePart kPart>
arrow::Result<Column> run_part(const KernelCall& call) {
  if (is_date(*call.args[0].type())) {
    ARROW_ASSIGN_OR_RAISE(auto out, make_output<int32_t>(call));
    if (kOfTheClock<kPart>)
      std::memset(out.values, 0, static_cast<size_t>(call.rows) * sizeof(int32_t));
    else
      parts_of_days<kPart>(Argument<int32_t>(call.args[0]).values, call.rows, out.values);
    return finish_output(call, std::move(out.buffer));
  }
  ARROW_ASSIGN_OR_RAISE(Column local, local_times(call.args[0], call.rows, call.pool));
  KernelCall same = call;
  same.args = std::span(&local, 1);
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<int32_t>(same));
  const int64_t* v = Argument<int64_t>(local).values;
  constexpr int64_t kBlock = 1024;
  for (int64_t at = 0; at < call.rows; at += kBlock)
    parts_of_times<kPart>(v + at, std::min(kBlock, call.rows - at), units_of(*local.type()), out.values + at);
  return finish_output(call, std::move(out.buffer));
}

arrow::Result<Signature> bind_date(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("date", 1, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, moment_type("date", args[0]));
  s.type = arrow::date32();
  s.casts = {std::move(from)};
  s.fallible = is_timestamp(*s.casts[0]);
  return s;
}

arrow::Result<Column> run_date(const KernelCall& call) {
  if (is_date(*call.args[0].type())) return call.args[0];
  ARROW_ASSIGN_OR_RAISE(Column local, local_times(call.args[0], call.rows, call.pool));
  KernelCall same = call;
  same.args = std::span(&local, 1);
  const int64_t day = units_of(*local.type()) * kDaySeconds;
  bool bad = false;
  auto out = map_one<int64_t, int32_t>(same, [&, day](int64_t v) {
    const int64_t days = floor_divide(v, day);
    bad |= days != static_cast<int32_t>(days);
    return static_cast<int32_t>(days);
  });
  if (!bad) return out;
  const Argument<int64_t> a(local);
  ARROW_RETURN_NOT_OK(blame(
      call, [&](int64_t i) { return floor_divide(a[i], day) != static_cast<int32_t>(floor_divide(a[i], day)); },
      [&](int64_t i) { return Complaint{"time out of range: the date of " + row_text(call, 0, i), row_text(call, 0, i)}; }));
  return out;
}

arrow::Result<Signature> bind_epoch(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_part(args, options));
  s.type = arrow::int64();
  return s;
}

arrow::Result<Column> run_epoch(const KernelCall& call) {
  if (is_date(*call.args[0].type())) {
    return map_one<int32_t, int64_t>(call, [](int32_t days) GRISTMILL_INLINE { return days * kDaySeconds; });
  }
  const int64_t second = units_of(*call.args[0].type());
  return map_one<int64_t, int64_t>(call, [second](int64_t v) { return floor_divide(v, second); });
}

// Truncation ----------------------------------------------------------------------------------------------------

struct TruncateState final : FunctionState {
  Span span = Span::kDay;
};

arrow::Result<Signature> bind_truncate(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("truncate", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, moment_type("truncate", args[0]));
  s.casts = {s.type, nullptr};
  auto state = std::make_shared<TruncateState>();
  ARROW_ASSIGN_OR_RAISE(state->span, span_argument("truncate", args[1]));
  s.state = std::move(state);
  return s;
}

arrow::Result<Column> run_truncate(const KernelCall& call) {
  const Span unit = static_cast<const TruncateState&>(*call.state).span;
  const Column& a = call.args[0];
  if (is_date(*call.type)) {
    if (unit >= Span::kDay) return a;
    return map_one<int32_t, int32_t>(call, [unit](int32_t days) { return static_cast<int32_t>(truncated_days(days, unit)); });
  }
  const int64_t second = units_of(*call.type), day = second * kDaySeconds;
  const int64_t step = unit >= Span::kHour ? std::max<int64_t>(nanoseconds_of(unit) / (1000000000 / second), 1) : 1;
  const auto truncate = [=](int64_t v) {
    if (unit >= Span::kHour) return v - (v - floor_divide(v, step) * step);
    return truncated_days(floor_divide(v, day), unit) * day;
  };
  if (unit >= Span::kMinute) return map_one<int64_t, int64_t>(call, truncate);
  ARROW_ASSIGN_OR_RAISE(Column local, local_times(a, call.rows, call.pool));
  if (local.values == a.values) return map_one<int64_t, int64_t>(call, truncate);
  KernelCall same = call;
  same.args = std::span(&local, 1);
  same.type = local.type();
  arrow::Result<Column> down = map_one<int64_t, int64_t>(same, truncate);
  ARROW_RETURN_NOT_OK(down);
  return instants_of(*down, call.type, call.pool);
}

Function temporal(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "temporal", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> temporal_functions() {
  return {
      temporal("dt.year", "the year", "col('t').dt.year() -> 2024", bind_part, run_part<TimePart::kYear>),
      temporal("dt.quarter", "the quarter, 1 to 4", "call('dt.quarter', col('t')) -> 1", bind_part, run_part<TimePart::kQuarter>),
      temporal("dt.month", "the month, 1 to 12", "col('t').dt.month() -> 2", bind_part, run_part<TimePart::kMonth>),
      temporal("dt.day", "the day of the month", "col('t').dt.day() -> 29", bind_part, run_part<TimePart::kDay>),
      temporal("dt.dayofyear", "the day of the year, from 1", "call('dt.dayofyear', col('t')) -> 60", bind_part,
               run_part<TimePart::kDayOfYear>),
      temporal("dt.weekday", "the ISO weekday: Monday is 1, Sunday 7", "col('t').dt.weekday() -> 4", bind_part,
               run_part<TimePart::kWeekday>),
      temporal("dt.hour", "the hour; 0 of a date", "col('t').dt.hour() -> 12", bind_part, run_part<TimePart::kHour>),
      temporal("dt.minute", "the minute; 0 of a date", "col('t').dt.minute() -> 30", bind_part, run_part<TimePart::kMinute>),
      temporal("dt.second", "the whole second; 0 of a date", "col('t').dt.second() -> 15", bind_part, run_part<TimePart::kSecond>),
      temporal("dt.date", "the date of a timestamp", "col('t').dt.date() -> 2024-02-29", bind_date, run_date),
      temporal("dt.epoch", "whole seconds since 1970-01-01 UTC, rounded down", "call('dt.epoch', col('t')) -> 1709209815", bind_epoch,
               run_epoch),
      temporal("dt.truncate", "the begin of the unit: millennium, century, decade, year, quarter, month, week, ... microsecond",
               "col('t').dt.truncate('month') -> 2024-02-01", bind_truncate, run_truncate),
  };
}

}  // namespace gristmill::expr
