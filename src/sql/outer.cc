// Names of the query around a subquery.

#include "sql/outer.h"

#include <algorithm>

#include <arrow/type.h>

#include "column/types.h"

namespace gristmill::sqltext {

using expr::NodePtr;

arrow::Result<NodePtr> OuterScope::find(const std::string& table, const std::string& name) {
  std::string column;
  if (scope_.knows(table, name) || !scope_.outer) {
    ARROW_ASSIGN_OR_RAISE(const ScopeColumn* found, scope_.find(table, name));
    column = found->column;
  } else {
    ARROW_ASSIGN_OR_RAISE(const NodePtr further, scope_.outer->find(table, name));
    column = further->name;
  }
  if (std::find(used_.begin(), used_.end(), column) == used_.end()) used_.push_back(column);
  return expr::column(inner_name(column));
}

bool Dependence::uses_outer(const expr::Node& e) const {
  if (!outer) return false;
  std::vector<std::string> names;
  expr::collect_columns(e, names);
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return is_outer(n); });
}

std::vector<std::string> Dependence::outer_columns(const plan::Plan& plan) const {
  std::vector<std::string> out;
  for (const auto& f : plan.schema->fields()) {
    // Lists and the like are no keys: whether one is used is found out beside all columns, and refused there.
    const bool nested =
        column::physical_of(*column::canonical_type(f->type())).ValueOr(column::Physical::kNested) == column::Physical::kNested;
    if (is_outer(f->name()) && !nested) out.push_back(f->name());
  }
  return out;
}

}  // namespace gristmill::sqltext
