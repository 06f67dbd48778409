// Row index: a first column with the number of each row, or with a position that only rises.

#include <arrow/type.h>

#include "base/status.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> row_index_node(PlanPtr input, std::string name, int64_t offset, bool position_only) {
  arrow::FieldVector fields{arrow::field(name, arrow::int64(), false)};
  for (const auto& f : input->schema->fields()) fields.push_back(f);
  auto p = new_node(PlanKind::kRowIndex, {std::move(input)});
  p->index_name = std::move(name);
  p->offset = offset;
  p->position_only = position_only;
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> make_row_index(PlanPtr input, std::string name, int64_t offset, bool position_only) {
  if (!input->schema->GetAllFieldIndices(name).empty()) {
    return base::plan_error("there is a column \"" + name + "\" already", "give the row index another name");
  }
  constexpr int64_t kLeastRoom = int64_t{1} << 62;
  if (offset > kLeastRoom) return base::plan_error("a row index cannot begin at " + std::to_string(offset));
  return row_index_node(std::move(input), std::move(name), offset, position_only);
}

}  // namespace gristmill::plan
