// Moving moments by units, counting units between them, and making them from numbers.
//
// Days and longer units move the clock on the wall; shorter ones move the instant. A month without the day takes its last one.

#include <cmath>
#include <limits>

#include <arrow/type.h>

#include "expr/calendar.h"
#include "expr/functions/families.h"
#include "expr/local_time.h"
#include "expr/moment.h"
#include "expr/parse_text.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

struct SpanState final : FunctionState {
  Span span = Span::kDay;
};

Span span_of(const KernelCall& call) { return static_cast<const SpanState&>(*call.state).span; }

std::shared_ptr<const FunctionState> span_state(Span span) {
  auto state = std::make_shared<SpanState>();
  state->span = span;
  return state;
}

// The type that holds moments of `t` moved by `span`.
TypePtr moved_type(const TypePtr& t, Span span) {
  if (is_date(*t)) return span <= Span::kDay ? t : arrow::timestamp(unit_for(span, arrow::TimeUnit::MICRO));
  const auto& stamp = static_cast<const arrow::TimestampType&>(*t);
  return arrow::timestamp(unit_for(span, stamp.unit()), stamp.timezone());
}

// The whole-number argument `amount` moves args[0].
arrow::Result<Signature> bind_move(std::string_view name, std::span<const ArgumentInfo> args, Span span) {
  if (!column::is_integer(*args[1].type) && args[1].type->id() != Type::NA)
    return bad_arguments(name, "a date or timestamp and an integer", args.subspan(0, 2));
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, moment_type(name, args[0]));
  s.type = moved_type(from, span);
  s.casts = {s.type, arrow::int64()};
  if (args.size() == 3) s.casts.push_back(nullptr);
  s.fallible = true;
  s.state = span_state(span);
  return s;
}

arrow::Result<Signature> bind_add(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 3) return wrong_count("dt.add", 3, args.size());
  ARROW_ASSIGN_OR_RAISE(Span span, span_argument("dt.add", args[2]));
  return bind_move("dt.add", args, span);
}

arrow::Result<Signature> bind_add_months(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("add_months", 2, args.size());
  return bind_move("add_months", args, Span::kMonth);
}

// Moves v, `day` units being a day; false where the result does not fit.
bool moved(int64_t v, int64_t amount, Span span, int64_t day, int64_t& out) {
  if (span > Span::kDay) {
    int64_t by;
    const int64_t step = nanoseconds_of(span) / (nanoseconds_of(Span::kDay) / day);
    return !__builtin_mul_overflow(amount, step, &by) && !__builtin_add_overflow(v, by, &out);
  }
  const int64_t days = floor_divide(v, day);
  int64_t to, by;
  if (const int64_t months = months_of(span); months != 0) {
    constexpr int64_t kMostMonths = 12 * 600000;
    if (__builtin_mul_overflow(amount, months, &by) || by > kMostMonths || by < -kMostMonths) return false;
    to = days_plus_months(days, by);
  } else if (__builtin_mul_overflow(amount, span == Span::kWeek ? 7 : 1, &by) || __builtin_add_overflow(days, by, &to)) {
    return false;
  }
  return !__builtin_mul_overflow(to, day, &to) && !__builtin_add_overflow(to, v - days * day, &out);
}

template <typename T>
arrow::Result<Column> move_rows(const KernelCall& call, int64_t day) {
  const Span span = span_of(call);
  const Argument<T> a(call.args[0]);
  const Argument<int64_t> amount(call.args[1]);
  return number_rows<T>(call, [&](int64_t i, T& out) -> arrow::Status {
    int64_t r = 0;
    const bool fits = moved(a[i], amount[i], span, day, r);
    out = static_cast<T>(r);
    if (fits && out == r) return arrow::Status::OK();
    const std::string v = row_text(call, 0, i) + " plus " + row_text(call, 1, i) + " units";
    return base::data_error("time out of range: " + v, v, i);
  });
}

arrow::Result<Column> run_move(const KernelCall& call) {
  if (is_date(*call.type)) return move_rows<int32_t>(call, 1);
  const int64_t day = units_of(*call.type) * kDaySeconds;
  if (span_of(call) > Span::kDay) return move_rows<int64_t>(call, day);
  ARROW_ASSIGN_OR_RAISE(Column local, local_times(call.args[0], call.rows, call.pool));
  if (local.values == call.args[0].values) return move_rows<int64_t>(call, day);
  const Column args[] = {local, call.args[1]};
  KernelCall same = call;
  same.args = args;
  same.type = local.type();
  ARROW_ASSIGN_OR_RAISE(Column down, move_rows<int64_t>(same, day));
  return instants_of(down, call.type, call.pool);
}

// Differences ---------------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_diff(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 3) return wrong_count("dt.diff", 3, args.size());
  ARROW_ASSIGN_OR_RAISE(Span span, span_argument("dt.diff", args[2]));
  ARROW_ASSIGN_OR_RAISE(TypePtr end, moment_type("dt.diff", args[0]));
  ARROW_ASSIGN_OR_RAISE(TypePtr start, moment_type("dt.diff", args[1]));
  const TypePtr common = common_type(end, start);
  if (!common || (!is_date(*common) && !is_timestamp(*common))) return bad_arguments("dt.diff", "two dates or timestamps alike", args.subspan(0, 2));
  Signature s;
  s.type = arrow::int64();
  s.casts = {common, common, nullptr};
  s.state = span_state(span);
  s.fallible = span > Span::kSecond;
  return s;
}

// The number of the unit that holds the moment, counted from any fixed one.
__int128 unit_number(const LocalMoments& m, int64_t i, Span span) {
  const int64_t days = m.days(i);
  if (span == Span::kWeek) return floor_divide(days + 3, 7);
  if (span == Span::kDay) return days;
  if (span < Span::kWeek) {
    const Civil c = civil_of_days(truncated_days(days, span));
    return floor_divide(static_cast<int64_t>(c.year) * 12 + c.month - 1, months_of(span));
  }
  const int64_t step = nanoseconds_of(span), own = 1000000000 / m.units();
  return (static_cast<__int128>(days) * nanoseconds_of(Span::kDay) + static_cast<__int128>(m.in_day(i)) * own) / step -
         (days < 0 && (static_cast<__int128>(days) * nanoseconds_of(Span::kDay) + static_cast<__int128>(m.in_day(i)) * own) % step != 0);
}

arrow::Result<Column> run_diff(const KernelCall& call) {
  const Span span = span_of(call);
  std::vector<Column> args(call.args.begin(), call.args.end());
  KernelCall same = call;
  if (span > Span::kDay && is_timestamp(*args[0].type())) {  // of instants: a zone's clock may jump
    for (size_t k = 0; k < 2; ++k) {
      args[k].values = std::make_shared<arrow::ArrayData>(*args[k].values);
      args[k].values->type = arrow::timestamp(static_cast<const arrow::TimestampType&>(*args[k].values->type).unit());
    }
    same.args = args;
  }
  ARROW_ASSIGN_OR_RAISE(LocalMoments end, LocalMoments::make(same, 0));
  ARROW_ASSIGN_OR_RAISE(LocalMoments start, LocalMoments::make(same, 1));
  return number_rows<int64_t>(same, [&](int64_t i, int64_t& out) -> arrow::Status {
    const __int128 between = unit_number(end, i, span) - unit_number(start, i, span);
    out = static_cast<int64_t>(between);
    if (out == between) return arrow::Status::OK();
    const std::string v = row_text(call, 1, i) + " to " + row_text(call, 0, i);
    return base::data_error("time out of range: from " + v, v, i);
  });
}

// Making --------------------------------------------------------------------------------------------------------

bool real_day(int64_t year, int64_t month, int64_t day) {
  return year > -1000000 && year < 1000000 && month >= 1 && month <= 12 && day >= 1 && day <= days_in_month(year, static_cast<int32_t>(month));
}

std::string numbers_text(const KernelCall& call, int64_t row) {
  std::string out;
  for (size_t k = 0; k < call.args.size(); ++k) out += (k ? ", " : "(") + row_text(call, k, row);
  return out + ")";
}

arrow::Result<Column> run_make_date(const KernelCall& call) {
  const Argument<int64_t> y(call.args[0]), m(call.args[1]), d(call.args[2]);
  return number_rows<int32_t>(call, [&](int64_t i, int32_t& out) -> arrow::Status {
    if (!real_day(y[i], m[i], d[i])) return base::data_error("make_date" + numbers_text(call, i) + ": there is no such day", numbers_text(call, i), i);
    out = static_cast<int32_t>(days_of_civil(y[i], static_cast<int32_t>(m[i]), static_cast<int32_t>(d[i])));
    return arrow::Status::OK();
  });
}

arrow::Result<Signature> bind_make_timestamp(std::span<const ArgumentInfo> args, std::span<const Option>) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern("make_timestamp", "iiiiif>i!", args));
  s.type = arrow::timestamp(arrow::TimeUnit::MICRO);
  return s;
}

arrow::Result<Column> run_make_timestamp(const KernelCall& call) {
  const Argument<int64_t> y(call.args[0]), mo(call.args[1]), d(call.args[2]), h(call.args[3]), mi(call.args[4]);
  const Argument<double> s(call.args[5]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
    const bool clock = h[i] >= 0 && h[i] < 24 && mi[i] >= 0 && mi[i] < 60 && s[i] >= 0 && s[i] < 60;
    const int64_t day = real_day(y[i], mo[i], d[i]) ? days_of_civil(y[i], static_cast<int32_t>(mo[i]), static_cast<int32_t>(d[i])) : INT64_MAX;
    if (!clock || __builtin_mul_overflow(day, kDaySeconds * 1000000, &out) ||
        __builtin_add_overflow(out, (h[i] * 60 + mi[i]) * 60000000 + std::llround(s[i] * 1e6), &out))
      return base::data_error("make_timestamp" + numbers_text(call, i) + ": there is no such time", numbers_text(call, i), i);
    return arrow::Status::OK();
  });
}

arrow::Result<Signature> bind_duration(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("make_duration", 2, args.size());
  const bool number = column::is_integer(*args[0].type) || args[0].type->id() == Type::NA;
  if (!number) return bad_arguments("make_duration", "an integer and a unit", args);
  ARROW_ASSIGN_OR_RAISE(Span span, span_argument("make_duration", args[1]));
  if (span < Span::kWeek) return base::plan_error("a duration has no months or years: their lengths differ", "dt.add moves by them");
  Signature s;
  s.type = arrow::duration(unit_for(span, arrow::TimeUnit::MICRO));
  s.casts = {arrow::int64(), nullptr};
  s.fallible = true;
  s.state = span_state(span);
  return s;
}

arrow::Result<Column> run_duration(const KernelCall& call) {
  const Argument<int64_t> amount(call.args[0]);
  const Span span = span_of(call);
  const int64_t own = 1000000000 / units_of(*call.type);
  const int64_t step = (span == Span::kWeek ? 7 * nanoseconds_of(Span::kDay) : nanoseconds_of(span)) / own;
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
    if (!__builtin_mul_overflow(amount[i], step, &out)) return arrow::Status::OK();
    return base::data_error("time out of range: " + row_text(call, 0, i) + " units", row_text(call, 0, i), i);
  });
}

Function moving(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "temporal", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> temporal_move_functions() {
  return {
      moving("dt.add_months", "the same day so many months later, or the last of that month", "col('t').dt.add_months(1) -> 2024-03-29 12:30:15.25",
             bind_add_months, run_move),
      moving("dt.add", "so many units later; dates moved by less than days become timestamps; leaving the range is an error",
             "col('t').dt.add(1, 'year') -> 2025-02-28 12:30:15.25", bind_add, run_move),
      moving("dt.diff", "how many begins of the unit lie between: positive if the second moment is the earlier one",
             "col('t').dt.diff(lit('2023-12-31'), 'month') -> 2", bind_diff, run_diff),
      moving("make_date", "the date of year, month and day; one that does not exist is an error", "make_date(2024, 2, 29) -> 2024-02-29",
             bind_as<"make_date", "iii>d!">, run_make_date),
      moving("make_timestamp", "the timestamp of year, month, day, hour, minute and seconds; one that does not exist is an error",
             "make_timestamp(2024, 2, 29, 12, 30, 15.25) -> 2024-02-29 12:30:15.25", bind_make_timestamp, run_make_timestamp),
      moving("make_duration", "so many weeks, days, hours, minutes, seconds or fractions as a duration",
             "call('make_duration', 90, 'minute') -> 1:30:00", bind_duration, run_duration),
  };
}

}  // namespace gristmill::expr
