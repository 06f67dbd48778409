// Nodes over other inputs, and plain copies.

#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {
namespace {

// A join's columns are positions: find them again by name in the new inputs.
arrow::Result<PlanPtr> rebuild_join(const Plan& p, std::vector<PlanPtr> inputs) {
  JoinParts parts = join_parts(p);
  const int old_left = p.inputs[0]->schema->num_fields(), new_left = inputs[0]->schema->num_fields();
  for (int& c : parts.output) {
    const bool from_left = c < old_left;
    const auto& old_field = from_left ? p.inputs[0]->schema->field(c) : p.inputs[1]->schema->field(c - old_left);
    ARROW_ASSIGN_OR_RAISE(const int at, find_column(*inputs[from_left ? 0 : 1]->schema, old_field->name()));
    c = from_left ? at : new_left + at;
  }
  return join_node(std::move(inputs[0]), std::move(inputs[1]), std::move(parts));
}

arrow::Result<PlanPtr> rebuild(const Plan& p, std::vector<PlanPtr> inputs) {
  switch (p.kind) {
    case PlanKind::kScan: return copy_node(p);
    case PlanKind::kFilter: return filter_node(std::move(inputs[0]), p.predicate);
    case PlanKind::kProject: return project_node(std::move(inputs[0]), p.exprs);
    case PlanKind::kAggregate: return aggregate_node(std::move(inputs[0]), p.exprs, p.aggregates);
    case PlanKind::kJoin: return rebuild_join(p, std::move(inputs));
    case PlanKind::kSort: return sort_node(std::move(inputs[0]), p.sort, p.top);
    case PlanKind::kLimit: return limit_node(std::move(inputs[0]), p.offset, p.count);
    case PlanKind::kUnion: return union_node(std::move(inputs));
    case PlanKind::kWindow: return window_node(std::move(inputs[0]), p.aggregates);
    case PlanKind::kExplode: return explode_node(std::move(inputs[0]), p.explode);
    case PlanKind::kRowIndex: return row_index_node(std::move(inputs[0]), p.index_name, p.offset, p.position_only);
  }
  return base::internal_error("a plan node of unknown kind");
}

}  // namespace

std::shared_ptr<Plan> new_node(PlanKind kind, std::vector<PlanPtr> inputs) {
  auto p = std::make_shared<Plan>();
  p->kind = kind;
  p->inputs = std::move(inputs);
  return p;
}

std::shared_ptr<Plan> copy_node(const Plan& p) { return std::make_shared<Plan>(p); }

arrow::Result<PlanPtr> with_inputs(const Plan& p, std::vector<PlanPtr> inputs) {
  if (inputs.size() != p.inputs.size() && p.kind != PlanKind::kUnion)
    return base::internal_error("a plan node with other inputs than it needs");
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, rebuild(p, std::move(inputs)));
  if (p.ordered) return out;
  auto unordered = copy_node(*out);
  unordered->ordered = false;
  return PlanPtr(std::move(unordered));
}

}  // namespace gristmill::plan
