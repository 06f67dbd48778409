// Frames of another shape: rows numbered, turned round, cut from the end, taken once; tables wide and long; frames joined up.
//
// Everything is made of the plan's own nodes. Helper columns get names that no column has, and are gone from the result.

#include "gristmill/reshape.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/promotion.h"
#include "frame/steps.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill {
namespace {

using expr::NodePtr;
using frame::columns_of;
using frame::then;
using frame::unused_name;
using plan::PlanPtr;

// The frame with a position of each row, for sorting only.
arrow::Result<PlanPtr> with_position(const PlanPtr& p, const std::string& name) { return plan::make_row_index(p, name, 0, true); }

arrow::Result<PlanPtr> by_position(PlanPtr p, const std::string& name, bool descending) {
  return plan::make_sort(std::move(p), {{expr::column(name), descending, false}});
}

// The last of each with equal keys, in the order of these.
arrow::Result<PlanPtr> keep_last(const PlanPtr& p, const std::vector<std::string>& keys) {
  const std::string at = unused_name(*p->schema, "position");
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, with_position(p, at));
  std::vector<NodePtr> lasts;
  for (const auto& f : out->schema->fields()) {
    if (std::find(keys.begin(), keys.end(), f->name()) == keys.end()) lasts.push_back(expr::aggregate("last", {expr::column(f->name())}));
  }
  ARROW_ASSIGN_OR_RAISE(out, plan::make_aggregate(std::move(out), columns_of(keys), std::move(lasts)));
  ARROW_ASSIGN_OR_RAISE(out, by_position(std::move(out), at, false));
  return plan::keep_columns(std::move(out), p->schema->field_names());
}

// Rows whose keys no other row has.
arrow::Result<PlanPtr> keep_lone(const PlanPtr& p, const std::vector<std::string>& keys) {
  const std::string rows = unused_name(*p->schema, "rows");
  std::vector<NodePtr> firsts;
  for (const auto& f : p->schema->fields()) {
    if (std::find(keys.begin(), keys.end(), f->name()) == keys.end()) firsts.push_back(expr::aggregate("first", {expr::column(f->name())}));
  }
  firsts.push_back(expr::alias(expr::aggregate("count", {}), rows));
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, plan::make_aggregate(p, columns_of(keys), std::move(firsts)));
  ARROW_ASSIGN_OR_RAISE(out, plan::make_filter(std::move(out), expr::call("eq", {expr::column(rows), expr::literal(int64_t{1})})));
  return plan::keep_columns(std::move(out), p->schema->field_names());
}

arrow::Result<std::vector<std::string>> checked_names(const arrow::Schema& schema, const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& n : names) {
    ARROW_RETURN_NOT_OK(plan::find_column(schema, n).status());
    if (std::find(out.begin(), out.end(), n) == out.end()) out.push_back(n);
  }
  return out;
}

std::vector<std::string> names_without(const arrow::Schema& schema, const std::vector<std::string>& left_out) {
  std::vector<std::string> out;
  for (const std::string& n : schema.field_names()) {
    if (std::find(left_out.begin(), left_out.end(), n) == left_out.end()) out.push_back(n);
  }
  return out;
}

// The literals a pivot makes columns of, in the order of their first row.
arrow::Result<std::vector<NodePtr>> found_values(const PlanPtr& p, const std::string& on) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr only, plan::make_distinct(p, {on}));
  ARROW_ASSIGN_OR_RAISE(only, plan::keep_columns(std::move(only), {on}));
  ARROW_ASSIGN_OR_RAISE(const Table table, Frame(only).collect());
  ARROW_ASSIGN_OR_RAISE(const auto data, table.arrow());
  std::vector<NodePtr> out;
  for (const auto& chunk : data->column(0)->chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto value, chunk->GetScalar(i));
      out.push_back(expr::literal(std::move(value), false));
    }
  }
  return out;
}

std::string column_text(const arrow::Scalar& value) { return value.is_valid ? value.ToString() : "null"; }

arrow::Result<std::vector<NodePtr>> pivot_columns(const PivotOptions& o, const std::vector<NodePtr>& on_values) {
  std::vector<NodePtr> out;
  const std::vector<std::string> values = o.values.empty() ? std::vector<std::string>{""} : o.values;
  for (const std::string& value : values) {
    for (const NodePtr& v : on_values) {
      const NodePtr& literal = v->kind == expr::NodeKind::kAlias ? v->args[0] : v;
      if (literal->kind != expr::NodeKind::kLiteral)
        return base::plan_error("the values of a pivot must be literals, got " + expr::text(*v));
      const NodePtr here =
          literal->value->is_valid ? expr::call("eq", {expr::column(o.on), literal}) : expr::call("is_null", {expr::column(o.on)});
      std::string name = v->kind == expr::NodeKind::kAlias ? v->name : column_text(*literal->value);
      if (values.size() > 1) name = value + "_" + name;
      auto args = value.empty() ? std::vector<NodePtr>{} : std::vector<NodePtr>{expr::column(value)};
      out.push_back(expr::alias(expr::aggregate(o.aggregate, std::move(args), {}, here), std::move(name)));
    }
  }
  return out;
}

arrow::Result<PlanPtr> pivoted(const PlanPtr& p, PivotOptions o) {
  ARROW_RETURN_NOT_OK(plan::find_column(*p->schema, o.on).status());
  ARROW_ASSIGN_OR_RAISE(o.values, checked_names(*p->schema, o.values));
  if (o.values.empty() && o.aggregate != "count")
    return base::plan_error("a pivot needs values to aggregate", "give values, or aggregate = \"count\"");
  std::vector<std::string> taken = o.values;
  taken.push_back(o.on);
  ARROW_ASSIGN_OR_RAISE(o.index, checked_names(*p->schema, o.index.empty() ? names_without(*p->schema, taken) : o.index));
  std::vector<NodePtr> on_values;
  if (o.on_values) {
    on_values = frame::nodes_of(*o.on_values);
  } else {
    ARROW_ASSIGN_OR_RAISE(on_values, found_values(p, o.on));
  }
  ARROW_ASSIGN_OR_RAISE(auto outputs, pivot_columns(o, on_values));
  if (outputs.empty() && o.index.empty()) return base::plan_error("the pivot has neither rows nor columns");
  return plan::make_aggregate(p, columns_of(o.index), std::move(outputs));
}

arrow::Result<PlanPtr> unpivoted(const PlanPtr& p, UnpivotOptions o) {
  ARROW_ASSIGN_OR_RAISE(o.index, checked_names(*p->schema, o.index));
  ARROW_ASSIGN_OR_RAISE(o.on, checked_names(*p->schema, o.on.empty() ? names_without(*p->schema, o.index) : o.on));
  if (o.on.empty()) return base::plan_error("unpivot needs at least one column");
  std::vector<NodePtr> outputs = columns_of(o.index), names;
  for (const std::string& n : o.on) names.push_back(expr::literal(std::string_view(n)));
  outputs.push_back(expr::alias(expr::call("list.pack", std::move(names)), o.variable_name));
  outputs.push_back(expr::alias(expr::call("list.pack", columns_of(o.on)), o.value_name));
  ARROW_ASSIGN_OR_RAISE(PlanPtr lists, plan::make_project(p, std::move(outputs)));
  return plan::make_explode(std::move(lists), {o.variable_name, o.value_name});
}

arrow::Result<std::vector<PlanPtr>> plans_of(const std::vector<Frame>& frames) {
  std::vector<PlanPtr> out;
  for (const Frame& f : frames) {
    if (!f.plan().ok()) return f.plan().status();
    out.push_back(*f.plan());
  }
  if (out.empty()) return base::plan_error("concat needs at least one frame");
  return out;
}

// Every input with the columns of all, in the order they first come.
arrow::Result<PlanPtr> diagonal(const std::vector<PlanPtr>& inputs) {
  std::vector<std::string> names;
  std::vector<column::TypePtr> types;
  for (const PlanPtr& in : inputs) {
    for (const auto& f : in->schema->fields()) {
      const auto type = column::canonical_type(f->type());
      const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), f->name()) - names.begin());
      if (at == names.size()) {
        names.push_back(f->name());
        types.push_back(type);
      } else if (const auto both = expr::common_type(types[at], type)) {
        types[at] = both;
      }  // make_union says what does not fit
    }
  }
  std::vector<PlanPtr> full;
  for (const PlanPtr& in : inputs) {
    std::vector<plan::NamedExpr> outputs;
    for (size_t i = 0; i < names.size(); ++i) {
      const bool there = in->schema->GetFieldIndex(names[i]) >= 0;
      outputs.push_back({names[i], there ? expr::column(names[i]) : expr::cast(expr::null_literal(), types[i])});
    }
    ARROW_ASSIGN_OR_RAISE(auto one, plan::project_node(in, std::move(outputs)));
    full.push_back(std::move(one));
  }
  return plan::make_union(std::move(full));
}

arrow::Result<PlanPtr> side_by_side(const std::vector<PlanPtr>& inputs) {
  std::string at = "row";
  std::vector<std::string> names;
  for (const PlanPtr& in : inputs) at = unused_name(*in->schema, at);
  PlanPtr out;
  for (const PlanPtr& in : inputs) {
    for (const std::string& n : in->schema->field_names()) {
      if (std::find(names.begin(), names.end(), n) != names.end()) {
        return base::plan_error("two of the frames have a column \"" + n + "\"", "rename one of them");
      }
      names.push_back(n);
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, plan::make_row_index(in, at));
    if (!out) {
      out = std::move(one);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(
        out, plan::make_join(std::move(out), std::move(one), plan::JoinKind::kFull, {expr::column(at)}, {expr::column(at)}, true));
  }
  return plan::keep_columns(std::move(out), names);
}

}  // namespace

Frame Frame::distinct(std::vector<std::string> subset, Keep keep) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    if (keep == Keep::kFirst) return plan::make_distinct(p, std::move(subset));
    ARROW_ASSIGN_OR_RAISE(const auto keys, checked_names(*p->schema, subset.empty() ? p->schema->field_names() : subset));
    return keep == Keep::kLast ? keep_last(p, keys) : keep_lone(p, keys);
  });
}

Frame Frame::with_row_index(std::string name, int64_t offset) const {
  return then(*this, [&](const PlanPtr& p) { return plan::make_row_index(p, std::move(name), offset); });
}

Frame Frame::reverse() const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    const std::string at = unused_name(*p->schema, "position");
    ARROW_ASSIGN_OR_RAISE(PlanPtr out, with_position(p, at));
    ARROW_ASSIGN_OR_RAISE(out, by_position(std::move(out), at, true));
    return plan::keep_columns(std::move(out), p->schema->field_names());
  });
}

Frame Frame::tail(int64_t n) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    const std::string at = unused_name(*p->schema, "position");
    ARROW_ASSIGN_OR_RAISE(PlanPtr out, with_position(p, at));
    ARROW_ASSIGN_OR_RAISE(out, by_position(std::move(out), at, true));
    if (n < 0) return base::plan_error("the number of rows of a tail cannot be negative: " + std::to_string(n));
    ARROW_ASSIGN_OR_RAISE(out, plan::make_limit(std::move(out), 0, n));
    ARROW_ASSIGN_OR_RAISE(out, by_position(std::move(out), at, false));
    return plan::keep_columns(std::move(out), p->schema->field_names());
  });
}

Frame Frame::sample(SampleOptions o) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    if (o.n.has_value() == o.fraction.has_value()) return base::plan_error("sample takes either n or a fraction");
    if (o.n && *o.n < 0) return base::plan_error("a sample cannot have " + std::to_string(*o.n) + " rows");
    if (o.fraction && !(*o.fraction >= 0 && *o.fraction <= 1)) return base::plan_error("the fraction of a sample lies between 0 and 1");
    const std::string row = unused_name(*p->schema, "row"), draw = unused_name(*p->schema, "draw");
    ARROW_ASSIGN_OR_RAISE(PlanPtr out, plan::make_row_index(p, row));
    // Of (row, seed) alone, so the same at any setting. The top 53 bits: exact as float64.
    const NodePtr bits = expr::call("hash", {expr::column(row), expr::literal(std::make_shared<arrow::Int64Scalar>(o.seed), false)});
    const NodePtr number = expr::call("div", {bits, expr::literal(18446744073709551616.0)});
    if (o.fraction) {
      const NodePtr taken = *o.fraction >= 1 ? expr::literal(true) : expr::call("lt", {number, expr::literal(*o.fraction)});
      ARROW_ASSIGN_OR_RAISE(out, plan::make_filter(std::move(out), taken));
      return plan::keep_columns(std::move(out), p->schema->field_names());
    }
    ARROW_ASSIGN_OR_RAISE(out, plan::make_with_columns(std::move(out), {expr::alias(bits, draw)}));
    ARROW_ASSIGN_OR_RAISE(out, plan::make_sort(std::move(out), {{expr::column(draw), false, false}}));
    ARROW_ASSIGN_OR_RAISE(out, plan::make_limit(std::move(out), 0, *o.n));
    ARROW_ASSIGN_OR_RAISE(out, plan::make_sort(std::move(out), {{expr::column(row), false, false}}));
    return plan::keep_columns(std::move(out), p->schema->field_names());
  });
}

Frame Frame::top_k(int64_t k, std::vector<Expr> by) const {
  std::vector<SortKey> keys;
  for (Expr& e : by) keys.push_back(desc(std::move(e)));
  return sort(std::move(keys)).head(k);
}

Frame Frame::bottom_k(int64_t k, std::vector<Expr> by) const {
  std::vector<SortKey> keys;
  for (Expr& e : by) keys.push_back(asc(std::move(e)));
  return sort(std::move(keys)).head(k);
}

Frame Frame::pivot(PivotOptions options) const {
  return then(*this, [&](const PlanPtr& p) { return pivoted(p, std::move(options)); });
}

Frame Frame::unpivot(UnpivotOptions options) const {
  return then(*this, [&](const PlanPtr& p) { return unpivoted(p, std::move(options)); });
}

Frame Frame::crosstab(std::string index, std::string on, std::optional<std::vector<Expr>> on_values) const {
  return pivot({std::move(on), {std::move(index)}, {}, "count", std::move(on_values)});
}

Frame concat(std::vector<Frame> frames, Concat how) {
  arrow::Result<std::vector<PlanPtr>> inputs = plans_of(frames);
  if (!inputs.ok()) return Frame(inputs.status());
  if (inputs->size() == 1) return frames[0];
  switch (how) {
    case Concat::kVertical: return Frame(plan::make_union(std::move(*inputs)));
    case Concat::kDiagonal: return Frame(diagonal(*inputs));
    case Concat::kHorizontal: return Frame(side_by_side(*inputs));
  }
  return frames[0];
}

}  // namespace gristmill
