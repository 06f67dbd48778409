// The one tree walk that local rules share.

#include "plan/rules/walk.h"

#include <unordered_map>

namespace gristmill::plan {
namespace {

using Local = std::function<arrow::Result<PlanPtr>(const PlanPtr&)>;
using Seen = std::unordered_map<const Plan*, PlanPtr>;

arrow::Result<PlanPtr> walk(const PlanPtr& plan, const Local& local, Seen& seen) {
  if (const auto it = seen.find(plan.get()); it != seen.end()) return it->second;
  std::vector<PlanPtr> inputs;
  bool changed = false;
  for (const PlanPtr& in : plan->inputs) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr out, walk(in, local, seen));
    changed = changed || out != in;
    inputs.push_back(std::move(out));
  }
  PlanPtr node = plan;
  if (changed) {
    ARROW_ASSIGN_OR_RAISE(node, with_inputs(*plan, std::move(inputs)));
  }
  ARROW_ASSIGN_OR_RAISE(node, local(node));
  seen.emplace(plan.get(), node);
  return node;
}

}  // namespace

arrow::Result<PlanPtr> rewrite_bottom_up(const PlanPtr& plan, const Local& local) {
  Seen seen;
  return walk(plan, local, seen);
}

}  // namespace gristmill::plan
