// Conditions are compared as they are written; an item gets a condition only if each alternative has one for it.

#include "sql/implied.h"

#include <algorithm>

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "sql/subquery.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using Alternative = std::vector<NodePtr>;  // all of them

bool is_or(const expr::Node& e) { return e.kind == expr::NodeKind::kCall && e.name == "or"; }

void split_or(const NodePtr& e, std::vector<Alternative>& out) {
  if (!is_or(*e)) {
    out.push_back(expr::conjuncts(e));
    return;
  }
  for (const NodePtr& a : e->args) split_or(a, out);
}

bool has(const Alternative& all, const NodePtr& one) {
  return std::any_of(all.begin(), all.end(), [&](const NodePtr& c) { return expr::equal(*c, *one); });
}

NodePtr either(const std::vector<Alternative>& alternatives) {
  NodePtr out;
  for (const Alternative& a : alternatives) {
    const NodePtr all = expr::conjunction(a);
    out = out ? expr::call("or", {out, all}) : all;
  }
  return out;
}

void add_implied(const NodePtr& condition, const std::vector<Relation>& items, std::vector<NodePtr>& out) {
  std::vector<Alternative> alternatives;
  split_or(condition, alternatives);
  Alternative common;
  for (const NodePtr& c : alternatives[0]) {
    if (std::all_of(alternatives.begin(), alternatives.end(), [&](const Alternative& a) { return has(a, c); })) common.push_back(c);
  }
  for (Alternative& a : alternatives) std::erase_if(a, [&](const NodePtr& c) { return has(common, c); });
  out.insert(out.end(), common.begin(), common.end());
  if (std::any_of(alternatives.begin(), alternatives.end(), [](const Alternative& a) { return a.empty(); })) return;
  for (const Relation& item : items) {
    std::vector<Alternative> own;
    for (const Alternative& a : alternatives) {
      Alternative here;
      for (const NodePtr& c : a) {
        const auto names = plan::columns_of(*c);
        if (!names.empty() && plan::subset_of(names, *item.plan->schema)) here.push_back(c);
      }
      if (!here.empty()) own.push_back(std::move(here));
    }
    const bool all_of_it = plan::subset_of(plan::columns_of(*condition), *item.plan->schema);
    if (!all_of_it && own.size() == alternatives.size()) out.push_back(either(own));
  }
  out.push_back(common.empty() ? condition : either(alternatives));
}

}  // namespace

arrow::Result<std::vector<NodePtr>> with_implied(const std::vector<NodePtr>& conditions, const std::vector<Relation>& items) {
  arrow::FieldVector fields;
  for (const Relation& item : items) fields.insert(fields.end(), item.plan->schema->fields().begin(), item.plan->schema->fields().end());
  const arrow::Schema all(fields);
  std::vector<NodePtr> out;
  for (const NodePtr& c : conditions) {
    bool plain = is_or(*c) && !contains_subquery(*c) && plan::subset_of(plan::columns_of(*c), all);
    if (plain) {
      ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(c, all));
      plain = !fails;
    }
    if (plain) {
      add_implied(c, items, out);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace gristmill::sqltext
