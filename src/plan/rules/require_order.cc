// Marks where the order of rows cannot be seen any more: Plan::ordered becomes false there.
//
//   aggregate: sum(a) over aggregate by k: ...   ->   the inner aggregate's groups may leave in any order
//   semi join l r                                ->   r may come in any order
//
// What is blind to order: a sort by keys in which no two rows agree (by all keys of the groups below) or only rows that are the same (by all
// columns there are), a global aggregate of functions that do not look at it (sums are exact), a grouped one whose own order nobody sees, the right side of a semi or anti join (not that of an as-of join). Everything else hands its own requirement down: ties of sorts,
// first appearance of groups and right rows of a join follow the order of their input. A limit picks rows by order. Where something may
// fail row by row, the first failing row is the error, so rows must come in order there.

#include <algorithm>

#include <arrow/type.h>

#include "column/types.h"
#include "expr/aggregates.h"
#include "plan/digits.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

bool sees_order(const NamedExpr& aggregate) { return expr::aggregate_sees_order(*aggregate.expr); }

arrow::Result<bool> aggregate_needs(const Plan& p, bool ordered) {
  if (ordered && !p.exprs.empty()) return true;
  if (std::any_of(p.aggregates.begin(), p.aggregates.end(), sees_order)) return true;
  std::vector<NodePtr> parts;
  for (const NamedExpr& k : p.exprs) parts.push_back(k.expr);
  for (const NamedExpr& a : p.aggregates) {
    parts.insert(parts.end(), a.expr->args.begin(), a.expr->args.end());
    if (a.expr->filter) parts.push_back(a.expr->filter);
  }
  return any_fallible(parts, *p.inputs[0]);
}

arrow::Result<bool> join_needs(const Plan& p, size_t side, bool ordered) {
  if (side == 1 && p.join == JoinKind::kAsof) return true;  // of equally near rows the order decides
  const bool hidden = side == 1 && !has_right_columns(p.join);
  if (ordered && !hidden) return true;
  return join_side_may_fail(p, side);
}

// Whether no two rows of `p` agree in these columns: groups differ in their keys.
bool unique_by(const Plan& p, const NameSet& columns) {
  switch (p.kind) {
    case PlanKind::kAggregate:
      return std::all_of(p.exprs.begin(), p.exprs.end(), [&](const NamedExpr& k) { return columns.contains(k.name); });
    case PlanKind::kFilter:
    case PlanKind::kWindow: return unique_by(*p.inputs[0], columns);
    case PlanKind::kProject: {
      NameSet below;
      for (const NamedExpr& e : p.exprs) {
        if (is_column(e) && columns.contains(e.name)) below.insert(e.expr->name);
      }
      return unique_by(*p.inputs[0], below);
    }
    case PlanKind::kJoin: {  // beside one row
      const bool one = p.join == JoinKind::kInner && p.left_keys.empty() && estimate_rows(*p.inputs[1]).most == 1;
      if (!one && p.join != JoinKind::kSemi && p.join != JoinKind::kAnti) return false;
      NameSet below;
      for (size_t i = 0; i < p.join_output.size(); ++i) {
        const int c = p.join_output[i];
        if (c < p.inputs[0]->schema->num_fields() && columns.contains(p.schema->field(static_cast<int>(i))->name()))
          below.insert(p.inputs[0]->schema->field(c)->name());
      }
      return unique_by(*p.inputs[0], below);
    }
    default: return false;
  }
}

// Rows that agree in all of these are the same to the bit. Of floats there are two zeros.
bool all_columns(const arrow::Schema& input, const NameSet& columns) {
  return std::all_of(input.fields().begin(), input.fields().end(), [&](const auto& f) {
    return columns.contains(f->name()) && !column::is_float(*column::canonical_type(f->type()));
  });
}

// No row ties with another that is not its like: the order of the input decides nothing.
bool total(const Plan& sort) {
  NameSet columns;
  for (const SortBy& k : sort.sort) {
    if (is_column(*k.expr)) columns.insert(k.expr->name);
  }
  return all_columns(*sort.inputs[0]->schema, columns) || unique_by(*sort.inputs[0], columns);
}

arrow::Result<bool> sort_needs(const Plan& p, bool ordered) {
  if ((ordered || p.top) && !total(p)) return true;
  std::vector<NodePtr> keys;
  for (const SortBy& k : p.sort) keys.push_back(k.expr);
  return any_fallible(keys, *p.inputs[0]);
}

// Whether input `side` of `p` must come in order, given whether p's own rows must leave in order.
arrow::Result<bool> input_needs(const Plan& p, size_t side, bool ordered) {
  switch (p.kind) {
    case PlanKind::kScan:
    case PlanKind::kRowIndex:
    case PlanKind::kWindow:  // the order of the rows is the last order key
    case PlanKind::kLimit: return true;
    case PlanKind::kUnion: return ordered;
    case PlanKind::kAggregate: return aggregate_needs(p, ordered);
    case PlanKind::kJoin: return join_needs(p, side, ordered);
    case PlanKind::kSort: return sort_needs(p, ordered);
    case PlanKind::kExplode: return ordered || p.explode.size() > 1;
    case PlanKind::kFilter: return ordered ? arrow::Result<bool>(true) : fallible(p.predicate, *p.inputs[0]);
    case PlanKind::kProject: return ordered ? arrow::Result<bool>(true) : any_fallible(p.exprs, *p.inputs[0]);
  }
  return true;
}

}  // namespace

arrow::Result<PlanPtr> require_order(const PlanPtr& p, bool ordered) {
  std::vector<PlanPtr> inputs;
  for (size_t i = 0; i < p->inputs.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const bool needed, input_needs(*p, i, ordered));
    ARROW_ASSIGN_OR_RAISE(PlanPtr input, require_order(p->inputs[i], needed));
    inputs.push_back(std::move(input));
  }
  if (inputs == p->inputs && p->ordered == ordered) return p;
  auto out = copy_node(*p);
  out->inputs = std::move(inputs);
  out->ordered = ordered;
  return PlanPtr(std::move(out));
}

}  // namespace gristmill::plan
