// Projections: select, with_columns. A select() that contains aggregates is a global aggregate.

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> project_node(PlanPtr input, std::vector<NamedExpr> exprs) {
  arrow::FieldVector fields;
  for (const NamedExpr& e : exprs) {
    ARROW_ASSIGN_OR_RAISE(auto field, output_field(e, *input->schema));
    fields.push_back(std::move(field));
  }
  auto p = new_node(PlanKind::kProject, {std::move(input)});
  p->exprs = std::move(exprs);
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> make_project(PlanPtr input, std::vector<expr::NodePtr> exprs, bool allow_duplicates) {
  const bool aggregates = std::any_of(exprs.begin(), exprs.end(), [](const auto& e) { return expr::contains_aggregate(*e); });
  if (aggregates) return make_aggregate(std::move(input), {}, std::move(exprs));
  std::vector<NamedExpr> outputs;
  std::vector<expr::NodePtr*> inside;
  for (const expr::NodePtr& e : exprs) outputs.push_back(named(e));
  for (NamedExpr& o : outputs) inside.push_back(&o.expr);
  ARROW_ASSIGN_OR_RAISE(input, add_windows(std::move(input), inside));
  ARROW_ASSIGN_OR_RAISE(PlanPtr p, project_node(std::move(input), std::move(outputs)));
  if (!allow_duplicates) ARROW_RETURN_NOT_OK(check_unique(*p->schema));
  return p;
}

arrow::Result<PlanPtr> make_with_columns(PlanPtr input, std::vector<expr::NodePtr> exprs) {
  std::vector<NamedExpr> outputs;
  for (const auto& f : input->schema->fields()) outputs.push_back({f->name(), expr::column(f->name())});
  NameSet seen;
  for (const expr::NodePtr& e : exprs) {
    ARROW_RETURN_NOT_OK(refuse_aggregates(*e, "with_columns"));
    NamedExpr one = named(e);
    if (!seen.insert(one.name).second) {
      return base::plan_error("two output columns are called \"" + one.name + "\"", "give one of them another name with alias()");
    }
    const int at = input->schema->GetFieldIndex(one.name);
    if (at >= 0) {
      outputs[at] = std::move(one);
    } else {
      outputs.push_back(std::move(one));
    }
  }
  std::vector<expr::NodePtr*> inside;
  for (NamedExpr& o : outputs) inside.push_back(&o.expr);
  ARROW_ASSIGN_OR_RAISE(input, add_windows(std::move(input), inside));
  return project_node(std::move(input), std::move(outputs));
}

arrow::Result<PlanPtr> keep_columns(PlanPtr input, const std::vector<std::string>& names) {
  std::vector<NamedExpr> outputs;
  for (const std::string& n : names) outputs.push_back({n, expr::column(n)});
  return project_node(std::move(input), std::move(outputs));
}

}  // namespace gristmill::plan
