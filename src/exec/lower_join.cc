// Joins on the way from plan to tasks: what is built before what, which scans and groups their runtime filters reach, and the two ways on
// when the build side may not fit.

#include <algorithm>

#include "exec/join.h"
#include "exec/join_plan.h"
#include "exec/lowering.h"
#include "plan/nodes.h"

namespace gristmill::exec {
namespace {

using plan::Plan;
using plan::PlanKind;
using plan::PlanPtr;

// Whether the column is a key of an aggregation on the way down the probe side, so that it may wait for a join's filter.
bool names_group(const Plan& p, const expr::Node& column) {
  if (column.kind != expr::NodeKind::kColumn) return false;
  switch (p.kind) {
    case PlanKind::kFilter: return names_group(*p.inputs[0], column);
    case PlanKind::kProject:
    case PlanKind::kAggregate:
      for (const auto& e : p.exprs) {
        if (e.name == column.name)
          return p.kind == PlanKind::kAggregate ? e.expr->kind == expr::NodeKind::kColumn : names_group(*p.inputs[0], *e.expr);
      }
      return false;
    case PlanKind::kJoin: {
      if (p.build_left && p.ordered) return false;
      const int at = p.schema->GetFieldIndex(column.name), left = p.inputs[0]->schema->num_fields();
      const int c = at < 0 ? -1 : p.join_output[static_cast<size_t>(at)];
      if (c < 0 || (c < left) == p.build_left) return false;
      const Plan& probed = *p.inputs[p.build_left ? 1 : 0];
      return names_group(probed, *expr::column(probed.schema->field(p.build_left ? c - left : c)->name()));
    }
    default: return false;
  }
}

}  // namespace

arrow::Result<Head> Lowering::lower_join(const PlanPtr& p) {
  const PlanPtr &left = p->inputs[0], &right = p->inputs[1];
  ARROW_ASSIGN_OR_RAISE(JoinSpec spec, join_spec(*p));
  const bool build_left = spec.build_left, fallible = probe_may_fail(spec);
  const size_t left_width = spec.left_types.size();
  const std::vector<int> output = spec.output;
  ARROW_ASSIGN_OR_RAISE(auto join, make_hash_join(std::move(spec), *context_));

  ARROW_ASSIGN_OR_RAISE(Head build, lower(build_left ? left : right));
  const int built = add_breaker("join build", std::move(build), join->build(), id(p));

  const PlanPtr& probed = build_left ? right : left;
  const bool drops = p->join == plan::JoinKind::kInner || p->join == plan::JoinKind::kSemi || build_left;
  const bool filters = !fallible && !p->nulls_equal && drops;
  const auto& keys = build_left ? p->right_keys : p->left_keys;
  const bool waits = filters && std::any_of(keys.begin(), keys.end(), [&](const expr::NodePtr& k) { return names_group(*probed, *k); });
  if (waits) built_before_.push_back(built);
  ARROW_ASSIGN_OR_RAISE(Head probe, lower(probed));
  if (waits) built_before_.pop_back();
  if (filters) {
    for (auto& [column, filter] : join->runtime_filters()) {
      const Origin& o = probe.origins[static_cast<size_t>(column)];
      if (o.scan) o.scan->filters.emplace_back(o.column, filter);
    }
  }
  probe.after.push_back(built);

  // Two ways on, one of them taken once the build side is known to fit or not.
  Head spilled;
  spilled.resolve = probe.resolve;
  spilled.after = probe.after;
  Breaker grace = join->grace();
  const int graced = add_breaker("join spill", std::move(spilled), grace, id(p), [join] { return join->spilled(); });

  Head out;
  out.after = probe.after;
  out.after.push_back(graced);
  out.resolve = [inner = probe.resolve, join, source = grace.source, node = id(p)]() -> arrow::Result<Segment> {
    if (join->spilled()) return from_source(source, node)();
    ARROW_ASSIGN_OR_RAISE(Segment s, inner());
    s.append(join->probe(), node);
    if (auto unmatched = join->unmatched()) {
      const auto gate = std::make_shared<BranchGate>();
      for (auto& b : s.branches) b.feeds.push_back(gate);
      s.branches.push_back(Branch{std::move(unmatched), node, {}, {}, gate});
    }
    return s;
  };
  for (int c : output) {
    const size_t at = static_cast<size_t>(c);
    const bool from_left = at < left_width, passes = !fallible && from_left != build_left && !plan::keeps_right_rows(p->join);
    out.origins.push_back(passes ? probe.origins[from_left ? at : at - left_width] : Origin{});
  }
  if (auto reorder = join->reorder()) {
    const int last = add_breaker("join order", std::move(out), *reorder, id(p));
    return after_breaker(p, *reorder, last);
  }
  return out;
}

}  // namespace gristmill::exec
