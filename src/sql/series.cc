// What a series counts in: integers as they are, decimals in units of their scale, moments in microseconds. Steps of months differ in
// length; such a series is counted out beforehand.

#include "sql/series.h"

#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/bind.h"
#include "expr/promotion.h"
#include "expr/scalar_value.h"
#include "frame/memory_table.h"
#include "io/range_source.h"
#include "sql/interval.h"
#include "sql/lower_expr.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

constexpr const char* kColumn = "generate_series";
constexpr int64_t kMostMonthSteps = 1'000'000;

class Series {
 public:
  Series(const PgQuery__FuncCall& f, bool half_open, const ParsedText& text) : f_(f), half_open_(half_open), text_(text) {}

  arrow::Result<std::optional<PlanPtr>> run() {
    if (f_.n_args < 1 || f_.n_args > 3) return std::nullopt;
    const Scope nothing;
    const arrow::Schema none({});
    std::vector<expr::BoundPtr> values;
    for (size_t i = 0; i < f_.n_args; ++i) {
      if (f_.n_args == 3 && i == 2 && is_interval_constant(*f_.args[2])) continue;
      const auto e = ExpressionLowering(text_, nothing).lower(*f_.args[i]);
      if (!e.ok()) return std::nullopt;
      auto bound = expr::bind(*e, none);
      if (!bound.ok() || (*bound)->kind != expr::BoundKind::kConstant) return std::nullopt;
      values.push_back(*bound);
    }
    for (const auto& v : values) {
      if (!v->value->is_valid) return nothing_at_all();
    }
    if (values.size() < f_.n_args) return moments(values);
    for (const auto& v : values) {
      if (v->type->id() == arrow::Type::TIMESTAMP || v->type->id() == arrow::Type::DATE32)
        return text_.error("a series of dates or timestamps needs an interval as its step", f_.location);
      if (!column::is_integer(*v->type) && !column::is_decimal(*v->type))
        return text_.error("a series is of integers, decimals, dates or timestamps, not of " + column::type_text(*v->type), f_.location);
    }
    return numbers(values);
  }

 private:
  static bool is_interval_constant(const PgQuery__Node& n) {
    if (n.node_case != PG_QUERY__NODE__NODE_TYPE_CAST) return false;
    const PgQuery__TypeName& t = *n.type_cast->type_name;
    return t.n_names > 0 && std::string_view(t.names[t.n_names - 1]->string->sval) == "interval";
  }

  arrow::Result<std::optional<PlanPtr>> nothing_at_all() const {
    ARROW_ASSIGN_OR_RAISE(auto source, io::scan_range(0, 1, 0, kColumn));
    ARROW_ASSIGN_OR_RAISE(auto plan, plan::make_scan(std::move(source)));
    return plan;
  }

  arrow::Result<PlanPtr> count(__int128 start, __int128 stop, __int128 step) const {
    if (step == 0) return text_.error("the step of a series must not be zero", f_.location);
    const __int128 distance = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    __int128 n = distance < 0 ? 0 : distance / stride + 1;
    if (half_open_ && n > 0 && distance % stride == 0) --n;
    if (n > INT64_MAX) return text_.error("the series is too long", f_.location);
    ARROW_ASSIGN_OR_RAISE(auto source,
                          io::scan_range(static_cast<int64_t>(start), static_cast<int64_t>(step), static_cast<int64_t>(n), kColumn));
    return plan::make_scan(std::move(source));
  }

  arrow::Result<std::optional<PlanPtr>> numbers(std::vector<expr::BoundPtr> values) const {
    int scale = 0, precision = 1;
    bool decimals = false;
    for (const auto& v : values) {
      if (!column::is_decimal(*v->type)) continue;
      decimals = true;
      scale = std::max(scale, expr::decimal_scale(*v->type));
    }
    __int128 unit = 1;
    for (int i = 0; i < scale; ++i) unit *= 10;
    std::vector<__int128> of;
    for (const auto& v : values) {
      __int128 x = *expr::integer_value(*v->value);
      const int own = column::is_decimal(*v->type) ? expr::decimal_scale(*v->type) : 0;
      for (int i = own; i < scale; ++i) {
        if (__builtin_mul_overflow(x, __int128{10}, &x)) return text_.error("the series leaves the numbers of 38 digits", f_.location);
      }
      if (x > INT64_MAX || x < INT64_MIN) return text_.error("the series leaves the numbers of 64 bits", f_.location);
      of.push_back(x);
    }
    const __int128 start = of.size() == 1 ? 0 : of[0], stop = of.size() == 1 ? of[0] : of[1], step = of.size() == 3 ? of[2] : unit;
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, count(start, stop, step));
    if (!decimals) return plan;
    precision = 38;
    // Units of the scale are whole numbers; times one unit they are the decimals.
    const auto one = std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(1), arrow::decimal128(std::max(scale, 1), scale));
    NodePtr e = expr::call("mul", {expr::cast(expr::column(kColumn), arrow::decimal128(19, 0)), expr::literal(one, false)});
    e = expr::cast(std::move(e), arrow::decimal128(precision, scale));
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(std::move(plan), {expr::alias(std::move(e), kColumn)}));
    return plan;
  }

  // Microseconds since 1970, dates being midnights.
  arrow::Result<int64_t> micros(const expr::BoundPtr& v) const {
    const arrow::Schema none({});
    const auto type = arrow::timestamp(arrow::TimeUnit::MICRO);
    auto zoneless = expr::bind(expr::cast(expr::literal(v->value, false), type), none);
    if (!zoneless.ok() || (*zoneless)->kind != expr::BoundKind::kConstant || !(*zoneless)->value->is_valid)
      return text_.error("a step of an interval needs dates or timestamps", f_.location);
    return static_cast<const arrow::TimestampScalar&>(*(*zoneless)->value).value;
  }

  arrow::Result<std::optional<PlanPtr>> moments(const std::vector<expr::BoundPtr>& values) const {
    ARROW_ASSIGN_OR_RAISE(const Interval step, interval_of(*f_.args[2]->type_cast, text_));
    std::shared_ptr<arrow::DataType> type = arrow::timestamp(arrow::TimeUnit::MICRO);
    for (const auto& v : values) {
      if (v->type->id() == arrow::Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(*v->type).timezone().empty())
        type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t start, micros(values[0]));
    ARROW_ASSIGN_OR_RAISE(const int64_t stop, micros(values[1]));
    if (step.months != 0) return months(start, stop, step, type);
    constexpr int64_t kDay = int64_t{86400} * 1000000;
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, count(start, stop, static_cast<__int128>(step.days) * kDay + step.micros));
    NodePtr e = expr::cast(expr::column(kColumn), type);
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(std::move(plan), {expr::alias(std::move(e), kColumn)}));
    return plan;
  }

  arrow::Result<std::optional<PlanPtr>> months(int64_t start, int64_t stop, const Interval& step,
                                               const std::shared_ptr<arrow::DataType>& type) const {
    const bool up = step.months > 0;
    arrow::TimestampBuilder builder(type, arrow::default_memory_pool());
    const auto plain = arrow::timestamp(arrow::TimeUnit::MICRO);
    for (int64_t at = start; up ? at < stop || (at == stop && !half_open_) : at > stop || (at == stop && !half_open_);) {
      if (builder.length() == kMostMonthSteps) return text_.error("a series by months has more than a million rows", f_.location);
      ARROW_RETURN_NOT_OK(builder.Append(at));
      ARROW_ASSIGN_OR_RAISE(const NodePtr next,
                            shift_literal(expr::literal(std::make_shared<arrow::TimestampScalar>(at, plain), false), step));
      const int64_t to = static_cast<const arrow::TimestampScalar&>(*next->value).value;
      if (up ? to <= at : to >= at) return text_.error("the step of the series does not lead to its end", f_.location);
      at = to;
    }
    ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
    ARROW_ASSIGN_OR_RAISE(auto source, frame::make_memory_table(arrow::Table::Make(arrow::schema({arrow::field(kColumn, type)}), {array})));
    ARROW_ASSIGN_OR_RAISE(auto plan, plan::make_scan(std::move(source)));
    return plan;
  }

  const PgQuery__FuncCall& f_;
  const bool half_open_;
  const ParsedText& text_;
};

}  // namespace

arrow::Result<std::optional<PlanPtr>> constant_series(const PgQuery__FuncCall& f, bool half_open, const ParsedText& text) {
  return Series(f, half_open, text).run();
}

}  // namespace gristmill::sqltext
