// Sorts: stable, keys are expressions over the input; the columns are the input's.

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/window.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> sort_node(PlanPtr input, std::vector<SortBy> keys, std::optional<int64_t> top) {
  auto p = new_node(PlanKind::kSort, {input});
  p->schema = input->schema;
  p->sort = std::move(keys);
  p->top = top;
  return p;
}

arrow::Result<PlanPtr> make_sort(PlanPtr input, std::vector<SortBy> keys) {
  if (keys.empty()) return base::plan_error("sort needs at least one key");
  if (std::any_of(keys.begin(), keys.end(), [](const SortBy& k) { return expr::contains_window(*k.expr); })) {
    const auto names = input->schema->field_names();
    std::vector<expr::NodePtr*> inside;
    for (SortBy& k : keys) {
      k.expr = strip_aliases(k.expr);
      inside.push_back(&k.expr);
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr windowed, add_windows(std::move(input), inside));
    ARROW_ASSIGN_OR_RAISE(PlanPtr sorted, make_sort(std::move(windowed), std::move(keys)));
    return keep_columns(std::move(sorted), names);
  }
  for (SortBy& k : keys) {
    ARROW_RETURN_NOT_OK(refuse_aggregates(*k.expr, "a sort key"));
    k.expr = strip_aliases(k.expr);
    ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(k.expr, *input->schema));
    ARROW_RETURN_NOT_OK(check_key_type(*k.expr, type, "sort by"));
  }
  return sort_node(std::move(input), std::move(keys));
}

}  // namespace gristmill::plan
