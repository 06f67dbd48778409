// Explode: a row for every item of its lists; list columns become columns of their items.

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> explode_node(PlanPtr input, std::vector<std::string> columns) {
  arrow::FieldVector fields = input->schema->fields();
  for (const std::string& name : columns) {
    ARROW_ASSIGN_OR_RAISE(const int at, find_column(*input->schema, name));
    const auto& type = input->schema->field(at)->type();
    if (type->id() != arrow::Type::LIST && type->id() != arrow::Type::LARGE_LIST) {
      return base::plan_error("explode needs a list, but column \"" + name + "\" is " + column::type_text(*type));
    }
    fields[at] = arrow::field(name, type->field(0)->type());
  }
  auto p = new_node(PlanKind::kExplode, {std::move(input)});
  p->explode = std::move(columns);
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> make_explode(PlanPtr input, std::vector<std::string> columns) {
  if (columns.empty()) return base::plan_error("explode needs at least one column");
  NameSet seen;
  for (const std::string& c : columns) {
    if (!seen.insert(c).second) return base::plan_error("explode names column \"" + c + "\" twice");
  }
  return explode_node(std::move(input), std::move(columns));
}

}  // namespace gristmill::plan
