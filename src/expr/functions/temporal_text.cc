// Moments as text by a pattern, text as moments, and changes of time zone.
//
// Patterns and zones are constants, checked before the query runs. Text read with an offset becomes an instant in UTC.

#include <arrow/array/array_base.h>
#include <arrow/array/builder_time.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/calendar.h"
#include "expr/functions/families.h"
#include "expr/local_time.h"
#include "expr/moment.h"
#include "expr/row_kernel.h"
#include "expr/scalar_value.h"
#include "expr/time_pattern.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

struct PatternState final : FunctionState {
  explicit PatternState(TimePattern p) : pattern(std::move(p)) {}
  TimePattern pattern;
};

const TimePattern& pattern_of(const KernelCall& call) { return static_cast<const PatternState&>(*call.state).pattern; }

arrow::Result<std::shared_ptr<const FunctionState>> pattern_state(std::string_view name, const ArgumentInfo& a, bool reading) {
  const auto text = a.constant ? text_value(*a.constant) : std::nullopt;
  if (!text) return base::plan_error(std::string(name) + " takes a constant pattern such as '%Y-%m-%d'");
  ARROW_ASSIGN_OR_RAISE(TimePattern pattern, TimePattern::make(*text, reading));
  return std::make_shared<PatternState>(std::move(pattern));
}

const std::string& zone_of(const arrow::DataType& t) {
  static const std::string none;
  return is_timestamp(t) ? static_cast<const arrow::TimestampType&>(t).timezone() : none;
}

// Writing and reading -------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_strftime(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("dt.strftime", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, moment_type("dt.strftime", args[0]));
  ARROW_ASSIGN_OR_RAISE(s.state, pattern_state("dt.strftime", args[1], false));
  s.type = arrow::utf8_view();
  s.casts = {std::move(from), nullptr};
  return s;
}

arrow::Result<Column> run_strftime(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(LocalMoments moments, LocalMoments::make(call));
  const std::string& zone = zone_of(*call.args[0].type());
  const bool moved = !zone.empty() && moments.column().values != call.args[0].values;
  const Column& source = call.args[0];
  const auto* instants = is_date(*source.type()) ? nullptr : column::values_of<int64_t>(*source.values);
  const TimePattern& pattern = pattern_of(call);
  const int64_t per_unit = 1000000000 / moments.units();
  return text_rows(call, [&](int64_t i, std::string& out) {
    WallTime t{moments.days(i), moments.in_day(i) * per_unit, 0};
    if (moved) {
      const int64_t at = source.is_constant() ? 0 : i;
      t.offset = (column::values_of<int64_t>(*moments.column().values)[at] - instants[at]) / moments.units();
    }
    pattern.write(t, zone, out);
  });
}

template <bool kLenient>
arrow::Result<Signature> bind_strptime(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kLenient ? "str.try_strptime" : "str.strptime";
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern(name, kLenient ? "tt>t~" : "tt>t!", args));
  ARROW_ASSIGN_OR_RAISE(s.state, pattern_state(name, args[1], true));
  const bool instant = static_cast<const PatternState&>(*s.state).pattern.reads_offset();
  s.type = instant ? arrow::timestamp(arrow::TimeUnit::MICRO, "UTC") : arrow::timestamp(arrow::TimeUnit::MICRO);
  return s;
}

bool read_moment(const TimePattern& pattern, std::string_view text, int64_t& out) {
  WallTime t;
  if (!pattern.read(text, t)) return false;
  return !__builtin_mul_overflow(t.days, kDaySeconds * 1000000, &out) &&
         !__builtin_add_overflow(out, floor_divide(t.nanoseconds, 1000) - t.offset * 1000000, &out);
}

template <bool kLenient>
arrow::Result<Column> run_strptime(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  const TimePattern& pattern = pattern_of(call);
  if constexpr (kLenient) {
    return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) { return read_moment(pattern, text[i], out); });
  } else {
    return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
      if (read_moment(pattern, text[i], out)) return arrow::Status::OK();
      const std::string value(text[i]);
      return base::data_error("cannot read \"" + value + "\" as \"" + pattern.text() + "\"", value, i);
    });
  }
}

// Zones ---------------------------------------------------------------------------------------------------------

// The constant zone; a plan error when Arrow does not know it.
arrow::Result<std::string> zone_argument(std::string_view name, const ArgumentInfo& a) {
  const auto zone = a.constant ? text_value(*a.constant) : std::nullopt;
  if (!zone || zone->empty()) return base::plan_error(std::string(name) + " takes a constant time zone such as 'Europe/Berlin'");
  arrow::TimestampBuilder builder(arrow::timestamp(arrow::TimeUnit::SECOND, *zone), arrow::default_memory_pool());
  ARROW_RETURN_NOT_OK(builder.Append(0));
  ARROW_ASSIGN_OR_RAISE(auto one, builder.Finish());
  const auto tried = local_times(Column::flat(one->data()), 1, arrow::default_memory_pool());
  if (!tried.ok()) return base::plan_error(std::string(name) + ": there is no time zone \"" + *zone + "\"");
  return *zone;
}

arrow::Result<TypePtr> zoned_input(std::string_view name, const ArgumentInfo& a, bool zoned) {
  ARROW_ASSIGN_OR_RAISE(TypePtr t, moment_type(name, a));
  if (is_date(*t)) t = arrow::timestamp(arrow::TimeUnit::MICRO);
  if (a.type->id() != Type::NA && zone_of(*t).empty() == zoned)
    return base::plan_error(std::string(name) + " takes a timestamp " + (zoned ? "with" : "without") + " a time zone, got " + column::type_text(*t),
                            zoned ? "dt.localize gives it one" : "dt.convert_zone changes it, dt.wall_time takes it away");
  return t;
}

arrow::TimeUnit::type unit_of(const TypePtr& t) { return static_cast<const arrow::TimestampType&>(*t).unit(); }

arrow::Result<Signature> bind_localize(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("dt.localize", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, zoned_input("dt.localize", args[0], false));
  ARROW_ASSIGN_OR_RAISE(std::string zone, zone_argument("dt.localize", args[1]));
  s.type = arrow::timestamp(unit_of(from), zone);
  s.casts = {from, nullptr};
  return s;
}

arrow::Result<Column> run_localize(const KernelCall& call) { return instants_of(call.args[0], call.type, call.pool); }

arrow::Result<Signature> bind_convert(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("dt.convert_zone", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, zoned_input("dt.convert_zone", args[0], true));
  ARROW_ASSIGN_OR_RAISE(std::string zone, zone_argument("dt.convert_zone", args[1]));
  s.type = arrow::timestamp(unit_of(from), zone);
  s.casts = {from, nullptr};
  return s;
}

Column retyped(const Column& c, const TypePtr& type) {
  Column out = c;
  out.values = std::make_shared<arrow::ArrayData>(*c.values);
  out.values->type = type;
  return out;
}

arrow::Result<Column> run_convert(const KernelCall& call) { return retyped(call.args[0], call.type); }

arrow::Result<Signature> bind_wall_time(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("dt.wall_time", 1, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr from, zoned_input("dt.wall_time", args[0], true));
  s.type = arrow::timestamp(unit_of(from));
  s.casts = {from};
  return s;
}

arrow::Result<Column> run_wall_time(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(Column local, local_times(call.args[0], call.rows, call.pool));
  return retyped(local, call.type);
}

// SQL's AT TIME ZONE: a zone for a timestamp without one, the clock there for a timestamp with one. PostgreSQL puts the zone first.
arrow::Result<Signature> bind_at_zone(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  if (args.size() != 2) return wrong_count("timezone", 2, args.size());
  const ArgumentInfo turned[] = {args[1], args[0]};
  Signature s;
  if (zone_of(*args[1].type).empty()) {
    ARROW_ASSIGN_OR_RAISE(s, bind_localize(turned, options));
  } else {
    ARROW_ASSIGN_OR_RAISE(s, bind_convert(turned, options));
    s.casts[0] = s.type;  // the cast keeps the instant
    s.type = arrow::timestamp(unit_of(s.type));
  }
  std::swap(s.casts[0], s.casts[1]);
  return s;
}

arrow::Result<Column> run_at_zone(const KernelCall& call) {
  const Column& moment = call.args[1];
  if (zone_of(*moment.type()).empty()) return instants_of(moment, call.type, call.pool);
  ARROW_ASSIGN_OR_RAISE(Column local, local_times(moment, call.rows, call.pool));
  return retyped(local, call.type);
}

// Epochs --------------------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_from_epoch(std::span<const ArgumentInfo> args, std::span<const Option>) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern("from_epoch", "f>i!", args));
  s.type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return s;
}

arrow::Result<Column> run_from_epoch(const KernelCall& call) {
  const Argument<double> seconds(call.args[0]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) -> arrow::Status {
    const double micros = std::rint(seconds[i] * 1e6);
    if (!(micros >= -9.2e18 && micros <= 9.2e18))
      return base::data_error("time out of range: " + row_text(call, 0, i) + " seconds since 1970", row_text(call, 0, i), i);
    out = static_cast<int64_t>(micros);
    return arrow::Status::OK();
  });
}

Function timely(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "temporal", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> temporal_text_functions() {
  return {
      timely("dt.strftime", "the moment written by a pattern as in C, in English; %f microseconds, %L milliseconds, %q the quarter",
             "col('t').dt.strftime('%a %d %b %Y, %H:%M') -> 'Thu 29 Feb 2024, 12:30'", bind_strftime, run_strftime),
      timely("str.strptime", "the timestamp that the text is by a pattern as in C; with %z an instant in UTC; other text is an error",
             "lit('29.2.2024').str.strptime('%d.%m.%Y') -> 2024-02-29", bind_strptime<false>, run_strptime<false>),
      timely("str.try_strptime", "as str.strptime, but NULL for text that the pattern does not fit",
             "lit('x').str.try_strptime('%d.%m.%Y') -> null", bind_strptime<true>, run_strptime<true>),
      timely("dt.localize", "a timestamp without zone as the clock on the wall of a zone; a time that is not there, or there twice, takes the earlier",
             "col('t').dt.localize('Europe/Berlin').dt.epoch() -> 1709206215", bind_localize, run_localize),
      timely("dt.convert_zone", "the same instant in another zone",
             "col('t').dt.localize('UTC').dt.convert_zone('Asia/Tokyo').dt.hour() -> 21", bind_convert, run_convert),
      timely("dt.wall_time", "the clock on the wall of a timestamp's zone, without the zone",
             "col('t').dt.localize('UTC').dt.convert_zone('Asia/Tokyo').dt.wall_time() -> 2024-02-29 21:30:15.25", bind_wall_time, run_wall_time),
      timely("timezone", "SQL's AT TIME ZONE: dt.localize of a timestamp without zone, the wall clock there of one with a zone",
             "call('timezone', 'Asia/Tokyo', col('t').dt.localize('UTC')) -> 2024-02-29 21:30:15.25", bind_at_zone, run_at_zone),
      timely("from_epoch", "the instant so many seconds after 1970-01-01 UTC, to the microsecond; leaving the range is an error",
             "from_epoch(86400.5).dt.wall_time() -> 1970-01-02 00:00:00.5", bind_from_epoch, run_from_epoch),
  };
}

}  // namespace gristmill::expr
