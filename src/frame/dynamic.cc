// Windows of time for group_by_dynamic: each row gets the starts of the windows it is in, as a column of their own.
//
//   hours, minutes, ...       start = floor((x - offset) / every) * every + offset, on integers in the column's unit
//   days and weeks            the same on the clock of the wall; a week begins on Monday
//   months, quarters, years   on the number of months since year 0
//
// Windows that overlap: a row is in the window that begins last before it and in those before that one, as far as they reach.

#include <charconv>
#include <cmath>
#include <numeric>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "frame/steps.h"
#include "gristmill/reshape.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

constexpr int64_t kSecond = 1'000'000'000, kDay = 86'400 * kSecond;

struct Unit {
  std::string_view name;
  int64_t nanoseconds;  // 0: months
  int64_t months;
};
constexpr Unit kUnits[] = {
    {"ns", 1, 0},   {"us", 1000, 0},    {"ms", 1'000'000, 0}, {"s", kSecond, 0}, {"m", 60 * kSecond, 0}, {"h", 3600 * kSecond, 0},
    {"d", kDay, 0}, {"w", 7 * kDay, 0}, {"mo", 0, 1},         {"q", 0, 3},       {"y", 0, 12},           {"i", 1, 0},
    {"", 1, 0}};

// A length of time: so many nanoseconds (of an integer column: units), or so many months.
struct Span {
  int64_t amount = 0;
  bool months = false;
  bool weeks = false;
  bool integer = false;
};

arrow::Result<Span> parse_span(const std::string& text, const char* what) {
  int64_t number = 0;
  const char *begin = text.data(), *end = text.data() + text.size();
  const auto [at, error] = std::from_chars(begin, end, number);
  const std::string_view unit(at, static_cast<size_t>(end - at));
  for (const Unit& u : kUnits) {
    if (error != std::errc() || u.name != unit) continue;
    Span out;
    out.months = u.months > 0;
    out.weeks = unit == "w";
    out.integer = unit.empty() || unit == "i";
    if (!__builtin_mul_overflow(number, out.months ? u.months : u.nanoseconds, &out.amount)) return out;
  }
  return base::plan_error(std::string("cannot read ") + what + " \"" + text + "\"", "write for example 15m, 1h, 1d, 1w, 1mo, 1q or 1y");
}

NodePtr call(const char* function, std::vector<NodePtr> args) { return expr::call(function, std::move(args)); }
NodePtr number(int64_t n) { return expr::literal(std::make_shared<arrow::Int64Scalar>(n), false); }
NodePtr plus(NodePtr x, int64_t n) { return n == 0 ? x : call("add", {std::move(x), number(n)}); }

// Everything in ticks: the column's unit, as int64.
struct Windows {
  std::shared_ptr<arrow::DataType> type;   // of the column
  std::shared_ptr<arrow::DataType> clock;  // timestamp without zone, in which ticks count; null: integers
  std::string zone;
  Span every, period;
  int64_t every_ticks = 0, period_ticks = 0, offset_ticks = 0;  // not months
  Edge closed, label;

  arrow::Result<int64_t> ticks(const Span& s, const char* what) const {
    if (!clock) return s.amount;
    const auto unit = static_cast<const arrow::TimestampType&>(*clock).unit();
    const int64_t size = unit == arrow::TimeUnit::SECOND  ? kSecond
                         : unit == arrow::TimeUnit::MILLI ? 1'000'000
                         : unit == arrow::TimeUnit::MICRO ? 1000
                                                          : 1;
    if (s.amount % size != 0) return base::plan_error(std::string(what) + " is finer than the column's unit");
    return s.amount / size;
  }

  // Whole days and longer follow the wall, shorter spans the instants.
  bool on_the_wall() const { return !zone.empty() && (every.months || (every.amount % kDay == 0)); }

  NodePtr ticks_of(const std::string& index) const {
    NodePtr x = expr::column(index);
    if (!clock) return expr::cast(std::move(x), arrow::int64());
    if (on_the_wall()) x = call("dt.wall_time", {std::move(x)});
    return expr::cast(expr::cast(std::move(x), zone.empty() || on_the_wall() ? clock : type), arrow::int64());
  }
  NodePtr time_of(NodePtr ticks) const {
    if (!clock) return expr::cast(std::move(ticks), type);
    if (type->id() == arrow::Type::DATE32) return expr::cast(expr::cast(std::move(ticks), clock), type);
    if (!on_the_wall()) return expr::cast(std::move(ticks), type);
    return call("dt.localize", {expr::cast(std::move(ticks), clock), expr::literal(std::string_view(zone))});
  }
  NodePtr month_number(const NodePtr& ticks) const {
    const NodePtr time = expr::cast(ticks, clock);
    return call("add", {call("mul", {call("dt.year", {time}), number(12)}), plus(call("dt.month", {time}), -1)});
  }
  NodePtr month_start(const NodePtr& months) const {
    const NodePtr date =
        call("make_date", {call("floor_div", {months, number(12)}), plus(call("mod", {months, number(12)}), 1), number(1)});
    return plus(expr::cast(expr::cast(date, clock), arrow::int64()), offset_ticks);
  }

  // The start of the last window that begins not after x, `back` windows earlier.
  NodePtr start(const NodePtr& x, int64_t back) const {
    const NodePtr moved = plus(x, -offset_ticks);
    if (every.months) {
      const NodePtr m = call("mul", {call("floor_div", {month_number(moved), number(every.amount)}), number(every.amount)});
      return month_start(plus(m, -back * every.amount));
    }
    const int64_t monday = every.weeks && clock ? 4 * (kDay / kSecond) * ticks_per_second() : 0;  // 1970-01-05
    const NodePtr k = call("floor_div", {plus(moved, -monday), number(every_ticks)});
    return plus(call("mul", {k, number(every_ticks)}), monday + offset_ticks - back * every_ticks);
  }
  NodePtr end(const NodePtr& start) const {
    if (!period.months) return plus(start, period_ticks);
    return month_start(plus(month_number(plus(start, -offset_ticks)), period.amount));
  }
  int64_t ticks_per_second() const {
    const auto unit = static_cast<const arrow::TimestampType&>(*clock).unit();
    return unit == arrow::TimeUnit::SECOND  ? 1
           : unit == arrow::TimeUnit::MILLI ? 1000
           : unit == arrow::TimeUnit::MICRO ? 1'000'000
                                            : kSecond;
  }
  int64_t overlaps() const { return (period.amount + every.amount - 1) / every.amount; }
};

arrow::Result<Windows> windows_over(const arrow::Schema& schema, const std::string& index, const DynamicOptions& o) {
  Windows w;
  ARROW_ASSIGN_OR_RAISE(const int at, plan::find_column(schema, index));
  w.type = column::canonical_type(schema.field(at)->type());
  if (w.type->id() == arrow::Type::TIMESTAMP) {
    const auto& t = static_cast<const arrow::TimestampType&>(*w.type);
    w.clock = arrow::timestamp(t.unit());
    w.zone = t.timezone();
  } else if (w.type->id() == arrow::Type::DATE32) {
    w.clock = arrow::timestamp(arrow::TimeUnit::MICRO);
  } else if (!column::is_integer(*w.type)) {
    return base::plan_error("windows need a timestamp, a date or an integer, but column \"" + index + "\" is " +
                            column::type_text(*w.type));
  }
  ARROW_ASSIGN_OR_RAISE(w.every, parse_span(o.every, "every"));
  ARROW_ASSIGN_OR_RAISE(w.period, parse_span(o.period.empty() ? o.every : o.period, "period"));
  ARROW_ASSIGN_OR_RAISE(const Span offset, parse_span(o.offset.empty() ? (w.clock ? "0s" : "0") : o.offset, "offset"));
  const Span spans[] = {w.every, w.period, offset};
  for (const Span& s : spans) {
    if (s.integer == (w.clock != nullptr))
      return base::plan_error("windows over integers take plain numbers, windows of time durations like 1h");
  }
  if (w.every.amount <= 0 || w.period.amount <= 0) return base::plan_error("every and period must be longer than nothing");
  if (w.every.months != w.period.months) return base::plan_error("every and period must both be months, or both not");
  if (offset.months) return base::plan_error("an offset cannot be months", "give it in days");
  if (w.type->id() == arrow::Type::DATE32 && ((!w.every.months && w.every.amount % kDay != 0) || offset.amount % kDay != 0)) {
    return base::plan_error("windows over dates are whole days");
  }
  if (!w.every.months) {
    ARROW_ASSIGN_OR_RAISE(w.every_ticks, w.ticks(w.every, "every"));
    ARROW_ASSIGN_OR_RAISE(w.period_ticks, w.ticks(w.period, "period"));
  }
  ARROW_ASSIGN_OR_RAISE(w.offset_ticks, w.ticks(offset, "offset"));
  w.closed = o.closed;
  w.label = o.label;
  return w;
}

// The plan with a column `name` of window starts in ticks; rows in no window are gone, rows in several come several times.
arrow::Result<PlanPtr> with_windows(const PlanPtr& p, const Windows& w, const std::string& index, const std::string& name) {
  constexpr int64_t kMostOverlaps = 10'000;
  const int64_t n = w.overlaps();
  if (n > kMostOverlaps)
    return base::plan_error("each row would be in " + std::to_string(n) + " windows", "make every longer or period shorter");
  const std::string tick = frame::unused_name(*p->schema, "tick");
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, plan::make_filter(p, call("is_not_null", {expr::column(index)})));
  // (a, b] in ticks is [a + 1, b + 1).
  ARROW_ASSIGN_OR_RAISE(
      out, plan::make_with_columns(std::move(out), {expr::alias(plus(w.ticks_of(index), w.closed == Edge::kRight ? -1 : 0), tick)}));
  const NodePtr x = expr::column(tick);
  if (n == 1) {
    ARROW_ASSIGN_OR_RAISE(out, plan::make_with_columns(std::move(out), {expr::alias(w.start(x, 0), name)}));
  } else {
    std::vector<NodePtr> starts;
    for (int64_t back = n - 1; back >= 0; --back) starts.push_back(w.start(x, back));
    ARROW_ASSIGN_OR_RAISE(out, plan::make_with_columns(std::move(out), {expr::alias(call("list.pack", std::move(starts)), name)}));
    ARROW_ASSIGN_OR_RAISE(out, plan::make_explode(std::move(out), {name}));
  }
  if (w.period.amount % w.every.amount != 0 || w.period.amount < w.every.amount) {
    ARROW_ASSIGN_OR_RAISE(out, plan::make_filter(std::move(out), call("lt", {x, w.end(expr::column(name))})));
  }
  std::vector<std::string> kept = p->schema->field_names();
  kept.push_back(name);
  return plan::keep_columns(std::move(out), kept);
}

}  // namespace

GroupBy Frame::group_by_dynamic(const std::string& index, DynamicOptions o) const {
  std::vector<Expr> keys = o.by;
  const Frame windows = frame::then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const Windows w, windows_over(*p->schema, index, o));
    const std::string name = frame::unused_name(*p->schema, "window");
    const NodePtr start = expr::column(name);
    keys.push_back(Expr(expr::alias(w.time_of(w.label == Edge::kLeft ? start : w.end(start)), index)));
    return with_windows(p, w, index, name);
  });
  return GroupBy(windows, std::move(keys), true);
}

}  // namespace gristmill
