// Names of the plan and of the user.

#include "sql/query.h"

#include <algorithm>

#include <arrow/type.h>

namespace gristmill::sqltext {

Query query_over(plan::PlanPtr plan) {
  Query out;
  out.names = plan->schema->field_names();
  out.unknown.assign(out.names.size(), false);
  out.plan = std::move(plan);
  return out;
}

std::string fresh_name(std::string name, std::vector<std::string>& taken) {
  while (std::find(taken.begin(), taken.end(), name) != taken.end()) name += "'";
  taken.push_back(name);
  return name;
}

arrow::Result<plan::PlanPtr> shown(const Query& query) {
  const auto inside = query.plan->schema->field_names();
  if (inside == query.names) return query.plan;
  std::vector<expr::NodePtr> outputs;
  for (size_t i = 0; i < inside.size(); ++i) outputs.push_back(expr::alias(expr::column(inside[i]), query.names[i]));
  return plan::make_project(query.plan, std::move(outputs), true);
}

}  // namespace gristmill::sqltext
