// Aggregation: aggregates are taken out of the expressions around them.
//
//   group_by(k).agg(sum(a) / count())   ->   project k, "sum(a)" / "count()" over aggregate by k: sum(a), count()
//
// Outside aggregates an expression may use keys (by output name or written out) and literals only.
// Equal aggregates are computed once. The internal names are the aggregates' texts, made unique.

#include <algorithm>
#include <optional>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/aggregates.h"
#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {
namespace {

using expr::NodeKind;
using expr::NodePtr;

// min, first and their like hand on a value of their column: over a plain column they keep its border type.
bool picks_a_value(const expr::Node& aggregate) {
  return !aggregate.args.empty() && is_column(*aggregate.args[0]) && expr::aggregate_picks_a_value(aggregate);
}

arrow::Result<std::shared_ptr<arrow::Field>> aggregate_field(const NamedExpr& e, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind_aggregate(e.expr, input));
  if (picks_a_value(*e.expr)) {
    ARROW_ASSIGN_OR_RAISE(const int at, find_column(input, e.expr->args[0]->name));
    const auto& type = input.field(at)->type();
    if (column::canonical_type(type)->Equals(*bound.type)) return arrow::field(e.name, type);
  }
  return arrow::field(e.name, border_type(bound.type));
}

arrow::Status refuse_nested(const expr::Node& aggregate) {
  ARROW_RETURN_NOT_OK(refuse_windows(aggregate, "an aggregate"));
  const auto bad = [](const NodePtr& n) { return n && expr::contains_aggregate(*n); };
  if (std::any_of(aggregate.args.begin(), aggregate.args.end(), bad) || bad(aggregate.filter)) {
    return base::plan_error("an aggregate cannot stand inside another: " + expr::text(aggregate));
  }
  return arrow::Status::OK();
}

// Collects the aggregates of several output expressions and rewrites those to refer to them.
class Extraction {
 public:
  Extraction(const std::vector<NamedExpr>& keys, const arrow::Schema& input) : keys_(keys), input_(input) {
    for (const NamedExpr& k : keys) taken_.insert(k.name);
  }

  // `name` is wanted for an aggregate that is an output itself, and may be ""; none asks for an internal name.
  arrow::Result<NodePtr> aggregate(const NodePtr& e, const std::optional<std::string>& name) {
    ARROW_RETURN_NOT_OK(refuse_nested(*e));
    for (const NamedExpr& known : found_) {
      if (expr::equal(*known.expr, *e) && (!name || known.name == *name)) return expr::column(known.name);
    }
    std::string chosen = name.value_or("");
    if (!name) {
      for (chosen = expr::text(*e); taken_.contains(chosen);) chosen += "'";
    }
    taken_.insert(chosen);
    found_.push_back({chosen, e});
    return expr::column(chosen);
  }

  arrow::Result<NodePtr> rewrite(const NodePtr& e) {
    if (e->kind == NodeKind::kAggregate) return aggregate(e, std::nullopt);
    for (const NamedExpr& k : keys_) {
      if (expr::equal(*k.expr, *e)) return expr::column(k.name);
    }
    if (e->kind == NodeKind::kColumn) return key_column(e);
    std::vector<NodePtr> args;
    for (const NodePtr& a : e->args) {
      ARROW_ASSIGN_OR_RAISE(auto arg, rewrite(a));
      args.push_back(std::move(arg));
    }
    return e->args.empty() ? e : with_args(*e, std::move(args));
  }

  void reserve(const std::string& name) { taken_.insert(name); }
  std::vector<NamedExpr> take() { return std::move(found_); }

 private:
  arrow::Result<NodePtr> key_column(const NodePtr& e) const {
    const bool in_input = input_.GetFieldIndex(e->name) >= 0;
    const auto is_key = [&](const NamedExpr& k) { return k.name == e->name; };
    if (!in_input && std::any_of(keys_.begin(), keys_.end(), is_key)) return e;
    if (!in_input) return find_column(input_, e->name).status();
    if (keys_.empty()) {
      return base::plan_error("column \"" + e->name + "\" stands beside an aggregate",
                              "aggregate it as well, group_by() it, or give every row the aggregate with over()");
    }
    return base::plan_error("column \"" + e->name + "\" is neither aggregated nor a group key", "aggregate it, or add it to the keys");
  }

  const std::vector<NamedExpr>& keys_;
  const arrow::Schema& input_;
  std::vector<NamedExpr> found_;
  NameSet taken_;
};

arrow::Result<std::vector<NamedExpr>> checked_keys(const Plan& input, const std::vector<NodePtr>& keys) {
  std::vector<NamedExpr> out;
  for (const NodePtr& k : keys) {
    ARROW_RETURN_NOT_OK(refuse_aggregates(*k, "a group key"));
    ARROW_RETURN_NOT_OK(refuse_windows(*k, "a group key"));
    NamedExpr key = named(k);
    ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(key.expr, *input.schema));
    ARROW_RETURN_NOT_OK(check_key_type(*key.expr, type, "group by"));
    out.push_back(std::move(key));
  }
  return out;
}

}  // namespace

arrow::Result<PlanPtr> aggregate_node(PlanPtr input, std::vector<NamedExpr> keys, std::vector<NamedExpr> aggregates) {
  arrow::FieldVector fields;
  for (const NamedExpr& k : keys) {
    ARROW_ASSIGN_OR_RAISE(auto field, output_field(k, *input->schema));
    fields.push_back(std::move(field));
  }
  for (const NamedExpr& a : aggregates) {
    ARROW_ASSIGN_OR_RAISE(auto field, aggregate_field(a, *input->schema));
    fields.push_back(std::move(field));
  }
  auto p = new_node(PlanKind::kAggregate, {std::move(input)});
  p->exprs = std::move(keys);
  p->aggregates = std::move(aggregates);
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> make_aggregate(PlanPtr input, std::vector<NodePtr> key_exprs, std::vector<NodePtr> aggregates) {
  ARROW_ASSIGN_OR_RAISE(const auto keys, checked_keys(*input, key_exprs));
  std::vector<NamedExpr> wanted;
  for (const NodePtr& a : aggregates) wanted.push_back(named(a));

  Extraction extraction(keys, *input->schema);
  for (const NamedExpr& w : wanted) extraction.reserve(w.name);
  std::vector<NamedExpr> outputs;
  for (const NamedExpr& k : keys) outputs.push_back({k.name, expr::column(k.name)});
  bool plain = true;  // every output is an aggregate: no projection above
  for (const NamedExpr& w : wanted) {
    const bool direct = w.expr->kind == NodeKind::kAggregate;
    ARROW_ASSIGN_OR_RAISE(NodePtr e, direct ? extraction.aggregate(w.expr, w.name) : extraction.rewrite(w.expr));
    plain = plain && direct;
    outputs.push_back({w.name, std::move(e)});
  }
  NameSet names;
  for (const NamedExpr& o : outputs) {
    if (!names.insert(o.name).second) {
      return base::plan_error("two output columns are called \"" + o.name + "\"", "give one of them another name with alias()");
    }
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr p, aggregate_node(std::move(input), keys, extraction.take()));
  if (plain) return p;
  std::vector<NodePtr*> inside;
  for (NamedExpr& o : outputs) inside.push_back(&o.expr);
  ARROW_ASSIGN_OR_RAISE(p, add_windows(std::move(p), inside));
  return project_node(std::move(p), std::move(outputs));
}

// Keeps the first row of each: groups leave in the order of their first row, which is what distinct promises.
arrow::Result<PlanPtr> make_distinct(PlanPtr input, std::vector<std::string> subset) {
  const auto schema = input->schema;
  if (subset.empty()) subset = schema->field_names();
  NameSet chosen;
  std::vector<NodePtr> keys;
  for (const std::string& name : subset) {
    ARROW_RETURN_NOT_OK(find_column(*schema, name).status());
    if (chosen.insert(name).second) keys.push_back(expr::column(name));
  }
  std::vector<NamedExpr> rest;
  for (const auto& f : schema->fields()) {
    if (!chosen.contains(f->name())) rest.push_back({f->name(), expr::aggregate("first", {expr::column(f->name())})});
  }
  ARROW_ASSIGN_OR_RAISE(auto named_keys, checked_keys(*input, keys));
  ARROW_ASSIGN_OR_RAISE(PlanPtr p, aggregate_node(std::move(input), std::move(named_keys), std::move(rest)));
  if (p->schema->field_names() == schema->field_names()) return p;
  return keep_columns(std::move(p), schema->field_names());
}

}  // namespace gristmill::plan
