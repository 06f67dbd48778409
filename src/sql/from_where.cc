// Comma joins, and the three ways in which a subquery gets the columns of the query around it.
//
// Handed up: of a plain one under EXISTS or IN, conditions on outer columns become the semi join's. Bound: WHERE says that each outer
// column equals an expression of the subquery's own, which then stands for it. Domain: else the values of the outer columns are
// one more item of FROM. An outer float is never bound: 0.0 and -0.0 are equal and not the same.

#include "sql/from_where.h"

#include <algorithm>
#include <map>

#include <arrow/type.h>

#include "expr/bind.h"
#include "expr/promotion.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "sql/implied.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

bool is_equality(const expr::Node& e) { return e.kind == expr::NodeKind::kCall && e.name == "eq" && e.args.size() == 2; }

bool within(const expr::Node& e, const plan::Plan& p) {
  const auto names = plan::columns_of(e);
  return !names.empty() && plan::subset_of(names, *p.schema);
}

// The keys that an equality gives to a join of these two.
bool join_keys(const expr::Node& e, const plan::Plan& left, const plan::Plan& right, NodePtr& l, NodePtr& r) {
  if (!is_equality(e) || contains_subquery(e)) return false;
  for (const size_t first : {size_t{0}, size_t{1}}) {
    if (!within(*e.args[first], left) || !within(*e.args[1 - first], right)) continue;
    l = e.args[first];
    r = e.args[1 - first];
    return true;
  }
  return false;
}

bool connected(const Relation& item, const plan::Plan& all, const std::vector<NodePtr>& conditions) {
  if (!item.needs.empty()) return true;
  NodePtr l, r;
  return std::any_of(conditions.begin(), conditions.end(), [&](const NodePtr& c) { return join_keys(*c, all, *item.plan, l, r); });
}

bool possible(const Relation& item, const plan::Plan& all) {
  return std::all_of(item.needs.begin(), item.needs.end(), [&](const Dependence::Key& k) { return within(*k.outer, all); });
}

arrow::Result<PlanPtr> join_one(PlanPtr all, const Relation& item, std::vector<NodePtr>& conditions) {
  std::vector<NodePtr> left, right, rest;
  for (const auto& k : item.needs) {
    left.push_back(k.outer);
    right.push_back(k.inner);
  }
  for (const NodePtr& c : conditions) {
    NodePtr l, r;
    if (!item.null_safe && join_keys(*c, *all, *item.plan, l, r)) {
      left.push_back(std::move(l));
      right.push_back(std::move(r));
    } else {
      rest.push_back(c);
    }
  }
  conditions = std::move(rest);
  if (left.empty()) return plan::make_cross_join(std::move(all), item.plan);
  return plan::make_join(std::move(all), item.plan, plan::JoinKind::kInner, std::move(left), std::move(right), false, item.null_safe);
}

class CorrelatedFrom {
 public:
  CorrelatedFrom(std::vector<Relation> items, std::vector<NodePtr> conditions, Dependence& d, Subqueries& subqueries)
      : items_(std::move(items)), d_(d), subqueries_(subqueries) {
    for (NodePtr& c : conditions) (d.uses_outer(*c) ? outer_ : own_).push_back(std::move(c));
  }

  bool can_hand_up() const {
    return d_.may_hand_up && !has_domain() &&
           std::none_of(outer_.begin(), outer_.end(), [](const NodePtr& c) { return contains_subquery(*c); });
  }

  arrow::Result<PlanPtr> hand_up(const std::vector<NodePtr>& values) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, own_rows());
    plan::Substitution names;
    std::vector<NodePtr> outputs;
    for (const auto& f : p->schema->fields()) {
      const std::string name = "$i" + std::to_string(d_.number) + ":" + f->name();
      names.emplace(f->name(), expr::column(name));
      outputs.push_back(expr::alias(expr::column(f->name()), name));
    }
    for (size_t i = 0; i < values.size(); ++i) outputs.push_back(expr::alias(values[i], d_.value_name(i)));
    for (const NodePtr& c : outer_) {
      const int first = !is_equality(*c)                                   ? -1
                        : only_outer(*c->args[0]) && only_own(*c->args[1]) ? 0
                        : only_outer(*c->args[1]) && only_own(*c->args[0]) ? 1
                                                                           : -1;
      if (first < 0) {
        d_.conditions.push_back(plan::substitute(c, names));
      } else {
        d_.keys.push_back({c->args[static_cast<size_t>(first)], plan::substitute(c->args[static_cast<size_t>(1 - first)], names)});
      }
    }
    d_.handed_up = true;
    return plan::make_project(std::move(p), std::move(outputs));
  }

  // Null when WHERE does not say it of every outer column.
  arrow::Result<PlanPtr> bound() {
    if (d_.keep_domain || has_domain()) return nullptr;
    std::map<std::string, NodePtr> bound;
    std::vector<NodePtr> rest;
    ARROW_ASSIGN_OR_RAISE(const PlanPtr names, names_only());
    for (const NodePtr& c : outer_) {
      ARROW_ASSIGN_OR_RAISE(const bool taken, bind(*c, *names, bound));
      if (!taken) rest.push_back(c);
    }
    if (bound.size() != static_cast<size_t>(d_.domain->schema->num_fields())) return nullptr;
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, own_rows());
    std::vector<NodePtr> outputs;
    for (const auto& f : p->schema->fields()) outputs.push_back(expr::column(f->name()));
    for (const auto& [name, e] : bound) outputs.push_back(expr::alias(e, name));
    ARROW_ASSIGN_OR_RAISE(p, plan::make_project(std::move(p), std::move(outputs)));
    return filtered(std::move(p), rest);
  }

  arrow::Result<PlanPtr> with_domain() {
    if (!has_domain()) items_.push_back({d_.domain, {}, {}, false});
    for (const auto& f : d_.domain->schema->fields()) d_.null_safe |= f->nullable();
    std::vector<NodePtr> all = own_;
    all.insert(all.end(), outer_.begin(), outer_.end());
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, join_items(std::move(items_), all));
    return filtered(std::move(p), all);
  }

 private:
  bool has_domain() const {
    return std::any_of(items_.begin(), items_.end(), [&](const Relation& r) { return !d_.outer_columns(*r.plan).empty(); });
  }

  bool only_outer(const expr::Node& e) const {
    const auto names = plan::columns_of(e);
    return !names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string& n) { return d_.is_outer(n); });
  }
  bool only_own(const expr::Node& e) const { return !contains_subquery(e) && !d_.uses_outer(e) && !plan::columns_of(e).empty(); }

  arrow::Result<PlanPtr> names_only() const {
    PlanPtr p = items_[0].plan;
    for (size_t i = 1; i < items_.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(p, plan::make_cross_join(p, items_[i].plan));
    }
    return p;
  }

  // outer column = e, e of a type that the column's holds exactly.
  arrow::Result<bool> bind(const expr::Node& c, const plan::Plan& own, std::map<std::string, NodePtr>& bound) const {
    if (!is_equality(c)) return false;
    for (const size_t first : {size_t{0}, size_t{1}}) {
      const NodePtr &o = c.args[first], &e = c.args[1 - first];
      if (o->kind != expr::NodeKind::kColumn || !d_.is_outer(o->name) || !only_own(*e) || bound.contains(o->name)) continue;
      ARROW_ASSIGN_OR_RAISE(const auto type, expr::type_of(o, *d_.domain->schema));
      ARROW_ASSIGN_OR_RAISE(const auto mine, expr::type_of(e, *own.schema));
      const auto both = expr::common_type(type, mine);
      if (!both || !both->Equals(*type) || column::is_float(*type)) continue;
      bound.emplace(o->name, mine->Equals(*type) ? e : expr::cast(e, type));
      return true;
    }
    return false;
  }

  arrow::Result<PlanPtr> own_rows() {
    std::vector<NodePtr> conditions = own_;
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, join_items(items_, conditions));
    return filtered(std::move(p), conditions);
  }

  arrow::Result<PlanPtr> filtered(PlanPtr p, const std::vector<NodePtr>& conditions) const {
    for (const NodePtr& c : conditions) {
      ARROW_ASSIGN_OR_RAISE(p, subqueries_.filter(std::move(p), c));
    }
    return p;
  }

  std::vector<Relation> items_;
  std::vector<NodePtr> own_, outer_;
  Dependence& d_;
  Subqueries& subqueries_;
};

}  // namespace

arrow::Result<PlanPtr> join_items(std::vector<Relation> items, std::vector<NodePtr>& conditions) {
  PlanPtr all = items[0].plan;
  items.erase(items.begin());
  while (!items.empty()) {
    auto pick =
        std::find_if(items.begin(), items.end(), [&](const Relation& r) { return possible(r, *all) && connected(r, *all, conditions); });
    if (pick == items.end()) pick = std::find_if(items.begin(), items.end(), [&](const Relation& r) { return possible(r, *all); });
    ARROW_ASSIGN_OR_RAISE(all, join_one(std::move(all), *pick, conditions));
    items.erase(pick);
  }
  return all;
}

arrow::Result<PlanPtr> from_where(std::vector<Relation> items, std::vector<NodePtr> conditions, bool plain,
                                  const std::vector<NodePtr>& values, Dependence* d, Subqueries& subqueries) {
  ARROW_ASSIGN_OR_RAISE(conditions, with_implied(conditions, items));
  if (!d || !d->outer) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, join_items(std::move(items), conditions));
    for (const NodePtr& c : conditions) {
      ARROW_ASSIGN_OR_RAISE(p, subqueries.filter(std::move(p), c));
    }
    return p;
  }
  CorrelatedFrom from(std::move(items), std::move(conditions), *d, subqueries);
  if (plain && from.can_hand_up()) return from.hand_up(values);
  ARROW_ASSIGN_OR_RAISE(PlanPtr p, from.bound());
  return p ? arrow::Result<PlanPtr>(std::move(p)) : from.with_domain();
}

}  // namespace gristmill::sqltext
