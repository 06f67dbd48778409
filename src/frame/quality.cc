// A table looked at: what is missing, what breaks a rule, what lies far out, and a summary of each column.
//
// Everything but describe() is a plan like others; nothing runs before collect().

#include <algorithm>
#include <cstdio>
#include <functional>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "frame/steps.h"
#include "gristmill/reshape.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill {
namespace {

using expr::NodePtr;
using frame::then;
using frame::unused_name;
using plan::PlanPtr;

NodePtr call(const char* function, std::vector<NodePtr> args) { return expr::call(function, std::move(args)); }
NodePtr aggregate_of(const char* function, const std::string& column) { return expr::aggregate(function, {expr::column(column)}); }
NodePtr nulls_of(const std::string& column) { return expr::aggregate("count", {}, {}, call("is_null", {expr::column(column)})); }

NodePtr quantile_of(const std::string& column, double q) {
  return expr::aggregate("quantile", {expr::column(column)}, {{"q", std::make_shared<arrow::DoubleScalar>(q)}});
}

arrow::Status check_columns(const arrow::Schema& schema, const std::vector<std::string>& names) {
  for (const std::string& n : names) ARROW_RETURN_NOT_OK(plan::find_column(schema, n).status());
  return arrow::Status::OK();
}

enum class Sort { kBool, kNumber, kText, kOther };
Sort sort_of(const arrow::DataType& canonical) {
  if (canonical.id() == arrow::Type::BOOL) return Sort::kBool;
  if (column::is_numeric(canonical)) return Sort::kNumber;
  return column::is_text(canonical) ? Sort::kText : Sort::kOther;
}

// Whether NULLs of a column may be replaced by `value` without making it another sort of column.
arrow::Result<bool> fits(const arrow::Schema& schema, const arrow::Field& field, const NodePtr& value) {
  const auto type = column::canonical_type(field.type());
  ARROW_ASSIGN_OR_RAISE(const auto filler, expr::type_of(value, schema));
  if (filler->id() == arrow::Type::NA) return false;
  const Sort wanted = sort_of(*type), given = sort_of(*filler);
  if (wanted != given) return false;
  return wanted != Sort::kOther || type->id() == filler->id();
}

// A rule as a name and the expression that is true for rows which break it.
using Flags = std::vector<std::pair<std::string, NodePtr>>;

std::string join_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

NodePtr outside(const Range& r) {
  const auto bounded = [](const Expr& e) { return !(e.node()->kind == expr::NodeKind::kLiteral && !e.node()->value->is_valid); };
  const NodePtr column = expr::column(r.column);
  std::vector<NodePtr> parts;
  if (bounded(r.low)) parts.push_back(call("lt", {column, r.low.node()}));
  if (bounded(r.high)) parts.push_back(call("gt", {column, r.high.node()}));
  if (parts.empty()) return expr::literal(false);
  return parts.size() == 1 ? parts[0] : call("or", std::move(parts));
}

// Adds a column that counts the rows with the same values in `keys`; NULL where one of them is.
arrow::Result<PlanPtr> with_twins(PlanPtr p, const std::vector<std::string>& keys, const std::string& name) {
  std::vector<NodePtr> known;
  for (const std::string& k : keys) known.push_back(call("is_not_null", {expr::column(k)}));
  ARROW_ASSIGN_OR_RAISE(PlanPtr groups, plan::make_filter(p, expr::conjunction(known)));
  ARROW_ASSIGN_OR_RAISE(
      groups, plan::make_aggregate(std::move(groups), frame::columns_of(keys), {expr::alias(expr::aggregate("count", {}), name)}));
  return plan::make_join(std::move(p), std::move(groups), plan::JoinKind::kLeft, frame::columns_of(keys), frame::columns_of(keys), true);
}

// The plan with what the flags need; `flags` gets one entry a rule, in the order not_null, ranges, unique, checks.
arrow::Result<PlanPtr> flagged(PlanPtr p, const Rules& rules, Flags& flags) {
  const auto schema = p->schema;
  ARROW_RETURN_NOT_OK(check_columns(*schema, rules.not_null));
  for (const std::string& n : rules.not_null) flags.emplace_back("not_null(" + n + ")", call("is_null", {expr::column(n)}));
  for (const Range& r : rules.ranges) {
    ARROW_RETURN_NOT_OK(check_columns(*schema, {r.column}));
    flags.emplace_back("range(" + r.column + ")", outside(r));
  }
  for (size_t i = 0; i < rules.unique.size(); ++i) {
    ARROW_RETURN_NOT_OK(check_columns(*schema, rules.unique[i]));
    if (rules.unique[i].empty()) return base::plan_error("a unique rule needs at least one column");
    const std::string twins = unused_name(*p->schema, "twins" + std::to_string(i));
    ARROW_ASSIGN_OR_RAISE(p, with_twins(std::move(p), rules.unique[i], twins));
    flags.emplace_back("unique(" + join_names(rules.unique[i]) + ")", call("gt", {expr::column(twins), expr::literal(int64_t{1})}));
  }
  for (const auto& [name, check] : rules.checks) flags.emplace_back(name, call("not", {check.node()}));
  if (flags.empty()) return base::plan_error("validate needs at least one rule");
  return p;
}

arrow::Result<PlanPtr> failing_rows(const PlanPtr& p, const Rules& rules) {
  for (const char* name : {"row", "failed"}) {
    if (p->schema->GetFieldIndex(name) >= 0) {
      return base::plan_error(std::string("validate adds a column \"") + name + "\", but there is one already", "rename it");
    }
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, plan::make_row_index(p, "row"));
  Flags flags;
  ARROW_ASSIGN_OR_RAISE(out, flagged(std::move(out), rules, flags));
  std::vector<NodePtr> broken, names{expr::literal(std::string_view("; "))};
  for (const auto& [name, flag] : flags) {
    broken.push_back(flag);
    names.push_back(call("case", {flag, expr::literal(std::string_view(name))}));
  }
  std::vector<NodePtr> outputs{expr::column("row"), expr::alias(call("concat_ws", std::move(names)), "failed")};
  for (const auto& n : p->schema->field_names()) outputs.push_back(expr::column(n));
  ARROW_ASSIGN_OR_RAISE(out, plan::make_project(std::move(out), std::move(outputs)));
  return plan::make_filter(std::move(out), call("ne", {expr::column("failed"), expr::literal(std::string_view(""))}));
}

arrow::Result<PlanPtr> rule_counts(const PlanPtr& p, const Rules& rules) {
  Flags flags;
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, flagged(p, rules, flags));
  std::vector<NodePtr> counts, names, values;
  for (size_t i = 0; i < flags.size(); ++i) {
    const std::string c = "rule" + std::to_string(i);
    counts.push_back(expr::alias(expr::aggregate("count", {}, {}, flags[i].second), c));
    names.push_back(expr::literal(std::string_view(flags[i].first)));
    values.push_back(expr::column(c));
  }
  ARROW_ASSIGN_OR_RAISE(out, plan::make_aggregate(std::move(out), {}, std::move(counts)));
  ARROW_ASSIGN_OR_RAISE(out, plan::make_project(std::move(out), {expr::alias(call("list.pack", std::move(names)), "rule"),
                                                                 expr::alias(call("list.pack", std::move(values)), "failed")}));
  return plan::make_explode(std::move(out), {"rule", "failed"});
}

// |x - mean| > t * std, or beyond the quartiles by more than t of their distance.
NodePtr far_out(const std::string& column, const std::string& first, const std::string& second, Outliers method, double t) {
  const NodePtr x = expr::column(column), a = expr::column(first), b = expr::column(second), times = expr::literal(t);
  const NodePtr wide = expr::cast(x, arrow::float64());
  if (method == Outliers::kZScore) return call("gt", {call("abs", {call("sub", {wide, a})}), call("mul", {b, times})});
  const NodePtr reach = call("mul", {call("sub", {b, a}), times});
  return call("or", {call("lt", {wide, call("sub", {a, reach})}), call("gt", {wide, call("add", {b, reach})})});
}

arrow::Result<PlanPtr> rows_far_out(const PlanPtr& p, const std::vector<std::string>& columns, const OutlierOptions& o) {
  if (columns.empty()) return base::plan_error("outliers needs at least one column");
  ARROW_RETURN_NOT_OK(check_columns(*p->schema, columns));
  const bool iqr = o.method == Outliers::kIqr;
  const double threshold = o.threshold.value_or(iqr ? 1.5 : 3.0);
  if (!(threshold >= 0)) return base::plan_error("the threshold of outliers cannot be negative");
  std::vector<NodePtr> statistics, far;
  for (const std::string& c : columns) {
    const std::string a = unused_name(*p->schema, c + " low"), b = unused_name(*p->schema, c + " high");
    statistics.push_back(expr::alias(iqr ? quantile_of(c, 0.25) : aggregate_of("mean", c), a));
    statistics.push_back(expr::alias(iqr ? quantile_of(c, 0.75) : aggregate_of("std", c), b));
    far.push_back(far_out(c, a, b, o.method, threshold));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr one, plan::make_aggregate(p, {}, std::move(statistics)));
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, plan::make_cross_join(p, std::move(one)));
  ARROW_ASSIGN_OR_RAISE(out, plan::make_filter(std::move(out), far.size() == 1 ? far[0] : call("or", std::move(far))));
  return plan::keep_columns(std::move(out), p->schema->field_names());
}

// --- describe

struct Line {
  std::string name;
  std::function<NodePtr(const std::string& column)> of;
  bool numbers_only;
};

// "25%"; of 0.999 "99.9%".
std::string percent_name(double q) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.10g%%", q * 100);
  return text;
}

arrow::Result<std::vector<Line>> lines_with(std::vector<double> percentiles) {
  const auto of = [](const char* function) { return [function](const std::string& c) { return aggregate_of(function, c); }; };
  std::vector<Line> lines = {{"count", of("count"), false},
                             {"null_count", nulls_of, false},
                             {"mean", of("mean"), true},
                             {"std", of("std"), true},
                             {"min", of("min"), false}};
  std::sort(percentiles.begin(), percentiles.end());
  percentiles.erase(std::unique(percentiles.begin(), percentiles.end()), percentiles.end());
  for (const double q : percentiles) {
    if (!(q >= 0 && q <= 1)) return base::plan_error("a percentile of describe is a number from 0 to 1", "0.9 is the line \"90%\"");
    lines.push_back({percent_name(q), [q](const std::string& c) { return quantile_of(c, q); }, true});
  }
  lines.push_back({"max", of("max"), false});
  return lines;
}

// The line's value for a column as text, or as float64 for numbers; NULL where the line says nothing about the type.
arrow::Result<NodePtr> line_value(const Line& line, const arrow::Field& field, const arrow::Schema& schema) {
  const bool number = column::is_numeric(*column::canonical_type(field.type()));
  const auto shown = number ? arrow::float64() : arrow::utf8();
  const NodePtr none = expr::cast(expr::null_literal(), shown);
  if (line.numbers_only && !number) return none;
  NodePtr value = line.of(field.name());
  if (!expr::bind_aggregate(value, schema).ok()) return none;  // no order: lists, structs
  return expr::cast(std::move(value), shown);
}

arrow::Result<PlanPtr> described(const PlanPtr& p, std::vector<double> percentiles) {
  const arrow::Schema& schema = *p->schema;
  ARROW_ASSIGN_OR_RAISE(const std::vector<Line> lines, lines_with(std::move(percentiles)));
  std::vector<NodePtr> values, columns, names;
  for (const Line& line : lines) names.push_back(expr::literal(std::string_view(line.name)));
  columns.push_back(expr::alias(call("list.pack", std::move(names)), "statistic"));
  std::vector<std::string> outputs{"statistic"};
  for (int c = 0; c < schema.num_fields(); ++c) {
    const arrow::Field& field = *schema.field(c);
    if (field.name() == "statistic") return base::plan_error("describe adds a column \"statistic\", but there is one already", "rename it");
    std::vector<NodePtr> cells;
    for (const Line& line : lines) {
      const std::string cell = std::to_string(c) + "." + line.name;
      ARROW_ASSIGN_OR_RAISE(auto value, line_value(line, field, schema));
      values.push_back(expr::alias(std::move(value), cell));
      cells.push_back(expr::column(cell));
    }
    columns.push_back(expr::alias(call("list.pack", std::move(cells)), field.name()));
    outputs.push_back(field.name());
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, plan::make_aggregate(p, {}, std::move(values)));
  ARROW_ASSIGN_OR_RAISE(out, plan::make_project(std::move(out), std::move(columns)));
  return plan::make_explode(std::move(out), std::move(outputs));
}

}  // namespace

Frame Frame::null_count() const {
  return then(*this, [&](const PlanPtr& p) {
    std::vector<NodePtr> counts;
    for (const std::string& n : p->schema->field_names()) counts.push_back(expr::alias(nulls_of(n), n));
    return plan::make_aggregate(p, {}, std::move(counts));
  });
}

Frame Frame::drop_nulls(std::vector<std::string> subset) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_RETURN_NOT_OK(check_columns(*p->schema, subset));
    std::vector<NodePtr> there;
    for (const std::string& n : subset.empty() ? p->schema->field_names() : subset) there.push_back(call("is_not_null", {expr::column(n)}));
    return plan::make_filter(p, expr::conjunction(there));
  });
}

Frame Frame::fill_null(Expr value) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    std::vector<NodePtr> filled;
    for (const auto& f : p->schema->fields()) {
      ARROW_ASSIGN_OR_RAISE(const bool here, fits(*p->schema, *f, value.node()));
      if (here) filled.push_back(expr::alias(call("coalesce", {expr::column(f->name()), value.node()}), f->name()));
    }
    return plan::make_with_columns(p, std::move(filled));
  });
}

Frame Frame::value_counts(std::string column, bool sort, std::string name) const {
  const Frame counts = group_by({col(std::move(column))}).agg({count().alias(name)});
  return sort ? counts.sort({desc(std::move(name))}) : counts;
}

Frame Frame::validate(const Rules& rules) const {
  return then(*this, [&](const PlanPtr& p) { return failing_rows(p, rules); });
}

Frame Frame::validation_report(const Rules& rules) const {
  return then(*this, [&](const PlanPtr& p) { return rule_counts(p, rules); });
}

Frame Frame::outliers(std::vector<std::string> columns, OutlierOptions options) const {
  return then(*this, [&](const PlanPtr& p) { return rows_far_out(p, columns, options); });
}

arrow::Result<Table> Frame::describe(ParallelOptions options, std::vector<double> percentiles) const {
  return then(*this, [&](const PlanPtr& p) { return described(p, std::move(percentiles)); }).collect(options);
}

}  // namespace gristmill
