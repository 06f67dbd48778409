// Two projections in a row become one; a projection that changes nothing goes.
//
//   project b * 2 as c over project a + 1 as b   ->   project (a + 1) * 2 as c
//   project a, b over x with columns a, b        ->   x
//
// Not when something would be computed twice, and, as to fallible expressions: a fallible one below must appear exactly
// once, by itself, in its old order, and then nothing above may fail. So each still runs on the same rows, first come first failing.

#include <unordered_map>

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

using expr::NodeKind;
using expr::NodePtr;

bool changes_nothing(const Plan& project) {
  const arrow::Schema& input = *project.inputs[0]->schema;
  if (static_cast<int>(project.exprs.size()) != input.num_fields()) return false;
  for (int i = 0; i < input.num_fields(); ++i) {
    const NamedExpr& e = project.exprs[static_cast<size_t>(i)];
    if (!is_column(e) || e.expr->name != input.field(i)->name() || e.name != e.expr->name) return false;
  }
  return true;
}

void count_uses(const expr::Node& e, std::unordered_map<std::string, int>& uses) {
  if (e.kind == NodeKind::kColumn) ++uses[e.name];
  for (const NodePtr& a : e.args) count_uses(*a, uses);
  if (e.filter) count_uses(*e.filter, uses);
}

bool free_to_repeat(const NodePtr& e) { return is_column(*e) || e->kind == NodeKind::kLiteral; }

// Whether the fallible outputs of `below` pass through `above` alone and in order.
arrow::Result<bool> keeps_failures(const Plan& above, const Plan& below) {
  std::vector<std::string> failing;
  for (const NamedExpr& e : below.exprs) {
    ARROW_ASSIGN_OR_RAISE(const bool f, expr::fallible(e.expr, *below.inputs[0]->schema));
    if (f) failing.push_back(e.name);
  }
  if (failing.empty()) return true;
  ARROW_ASSIGN_OR_RAISE(const bool above_fails, any_fallible(above.exprs, *below.schema));
  if (above_fails) return false;
  const NameSet watched(failing.begin(), failing.end());
  std::vector<std::string> seen;
  for (const NamedExpr& e : above.exprs) {
    if (is_column(e)) {
      if (watched.contains(e.expr->name)) seen.push_back(e.expr->name);
      continue;
    }
    for (const std::string& name : columns_of(*e.expr)) {
      if (watched.contains(name)) return false;
    }
  }
  return seen == failing;
}

arrow::Result<PlanPtr> merge(const PlanPtr& p) {
  if (p->kind != PlanKind::kProject) return p;
  if (changes_nothing(*p)) return p->inputs[0];
  const Plan& below = *p->inputs[0];
  if (below.kind != PlanKind::kProject || !check_unique(*below.schema).ok()) return p;

  std::unordered_map<std::string, int> uses;
  for (const NamedExpr& e : p->exprs) count_uses(*e.expr, uses);
  Substitution inner;
  for (const NamedExpr& e : below.exprs) {
    if (uses[e.name] > 1 && !free_to_repeat(e.expr)) return p;
    ARROW_ASSIGN_OR_RAISE(auto operand, as_operand(e.expr, *below.inputs[0]->schema));
    inner.emplace(e.name, std::move(operand));
  }
  ARROW_ASSIGN_OR_RAISE(const bool safe, keeps_failures(*p, below));
  if (!safe) return p;
  std::vector<NamedExpr> outputs;
  for (const NamedExpr& e : p->exprs) outputs.push_back({e.name, substitute(e.expr, inner)});
  ARROW_ASSIGN_OR_RAISE(PlanPtr merged, project_node(below.inputs[0], std::move(outputs)));
  return merged->schema->Equals(*p->schema) ? merged : p;
}

}  // namespace

arrow::Result<PlanPtr> merge_projects(const PlanPtr& plan) { return rewrite_bottom_up(plan, merge); }

}  // namespace gristmill::plan
