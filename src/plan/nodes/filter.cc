// Filters: the predicate is bool (or NULL, which keeps no row) and without aggregates.

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/window.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> filter_node(PlanPtr input, expr::NodePtr predicate) {
  auto p = new_node(PlanKind::kFilter, {input});
  p->schema = input->schema;
  p->predicate = std::move(predicate);
  return p;
}

arrow::Result<PlanPtr> make_filter(PlanPtr input, expr::NodePtr predicate) {
  ARROW_RETURN_NOT_OK(refuse_aggregates(*predicate, "a filter"));
  predicate = strip_aliases(predicate);
  if (expr::contains_window(*predicate)) {
    const auto names = input->schema->field_names();
    ARROW_ASSIGN_OR_RAISE(PlanPtr windowed, add_windows(std::move(input), {&predicate}));
    ARROW_ASSIGN_OR_RAISE(PlanPtr filtered, make_filter(std::move(windowed), std::move(predicate)));
    return keep_columns(std::move(filtered), names);
  }
  ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(predicate, *input->schema));
  if (type->id() == arrow::Type::NA) {
    predicate = expr::cast(predicate, arrow::boolean());
  } else if (type->id() != arrow::Type::BOOL) {
    return base::plan_error("the predicate of a filter must be bool, not " + column::type_text(*type) + ": " + expr::text(*predicate));
  }
  return filter_node(std::move(input), std::move(predicate));
}

}  // namespace gristmill::plan
