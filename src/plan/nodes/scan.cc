// Scans: the columns of a source in the order wanted, with what rules pushed into them.

#include <arrow/type.h>

#include "base/status.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> scan_node(TableSourcePtr source, std::vector<int> columns, expr::NodePtr predicate, std::optional<int64_t> limit) {
  auto p = new_node(PlanKind::kScan, {});
  const auto whole = source->schema();
  arrow::FieldVector fields;
  for (const int c : columns) {
    if (c < 0 || c >= whole->num_fields()) return base::plan_error("the source has no column number " + std::to_string(c));
    fields.push_back(whole->field(c)->RemoveMetadata());
  }
  p->schema = arrow::schema(std::move(fields));
  p->source = std::move(source);
  p->columns = std::move(columns);
  p->predicate = std::move(predicate);
  p->scan_limit = limit;
  return p;
}

arrow::Result<PlanPtr> make_scan(TableSourcePtr source) {
  const auto schema = source->schema();
  NameSet seen;
  std::vector<int> columns;
  for (const auto& f : schema->fields()) {
    if (!seen.insert(f->name()).second) {
      return base::plan_error(source->name() + " has two columns called \"" + f->name() + "\"", "column names of a table must differ");
    }
    const auto physical = column::physical_of(*column::canonical_type(f->type()));
    if (!physical.ok()) return base::plan_error("column \"" + f->name() + "\": " + physical.status().message());
    columns.push_back(static_cast<int>(columns.size()));
  }
  return scan_node(std::move(source), std::move(columns));
}

}  // namespace gristmill::plan
