// The values become columns beside the input's; in a correlated subquery the outer columns are values, too.

#include "sql/distinct_on.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "plan/nodes.h"
#include "sql/query.h"
#include "sql/select_list.h"

namespace gristmill::sqltext {

using expr::NodePtr;
using plan::PlanPtr;

arrow::Result<PlanPtr> first_of_each(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<Output>& outputs,
                                     const ExpressionLowering& expressions, const Dependence* d, const ParsedText& text) {
  std::vector<NodePtr> wider;
  auto taken = plan->schema->field_names();
  for (const std::string& c : plan->schema->field_names()) wider.push_back(expr::column(c));
  std::vector<std::string> keys;
  for (size_t i = 0; i < s.n_distinct_clause; ++i) {
    ARROW_ASSIGN_OR_RAISE(const int position, output_position(*s.distinct_clause[i], outputs, "DISTINCT ON", true, text));
    NodePtr key;
    if (position >= 0) {
      key = outputs[static_cast<size_t>(position)].expr;
    } else if (s.n_group_clause > 0) {
      return text.error("with GROUP BY, DISTINCT ON takes outputs by their name or position", -1);
    } else {
      ARROW_ASSIGN_OR_RAISE(key, expressions.lower(*s.distinct_clause[i]));
    }
    keys.push_back(fresh_name("$on" + std::to_string(i), taken));
    wider.push_back(expr::alias(std::move(key), keys.back()));
  }
  for (const NodePtr& outer : carried(outputs, d)) {
    keys.push_back(fresh_name("$on" + std::to_string(keys.size()), taken));
    wider.push_back(expr::alias(outer, keys.back()));
  }
  ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(wider)));
  return plan::make_distinct(plan, std::move(keys));
}

}  // namespace gristmill::sqltext
