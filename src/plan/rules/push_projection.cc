// Columns that nobody needs are not read, computed or kept.
//
//   project a over project a, b + c as d over scan [a, b, c, e]   ->   project a over scan [a]
//   aggregate: sum(a), min(b), of which only sum(a) is used       ->   aggregate: sum(a)
//   window sum(a) over w, min(b) over w, of which only the sum is used    ->   window sum(a) over w
//   sort by k over filter p over scan                             ->   sort by k over project (without p's columns) over ...
//
// A fallible expression whose value is not needed stays: dropping it would hide its error. A scan may end up
// without columns: only the number of its rows matters then.

#include <algorithm>

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

// `p` with at least the columns `needed`, in their old order.
arrow::Result<PlanPtr> prune(const PlanPtr& p, const NameSet& needed);

arrow::Result<PlanPtr> prune_input(const PlanPtr& p, const NameSet& needed) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, prune(p->inputs[0], needed));
  return input == p->inputs[0] ? p : with_inputs(*p, {std::move(input)});
}

// Exactly the columns `needed`.
arrow::Result<PlanPtr> prune_exactly(const PlanPtr& p, const NameSet& needed) {
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, prune(p, needed));
  std::vector<std::string> kept;
  for (const auto& f : out->schema->fields()) {
    if (needed.contains(f->name())) kept.push_back(f->name());
  }
  return kept.size() == static_cast<size_t>(out->schema->num_fields()) ? out : keep_columns(std::move(out), kept);
}

// The predicate finds its columns in the source: they need not be among the scan's.
arrow::Result<PlanPtr> prune_scan(const PlanPtr& p, const NameSet& needed) {
  std::vector<int> columns;
  for (size_t i = 0; i < p->columns.size(); ++i) {
    if (needed.contains(p->schema->field(static_cast<int>(i))->name())) columns.push_back(p->columns[i]);
  }
  if (columns.size() == p->columns.size()) return p;
  return scan_node(p->source, std::move(columns), p->predicate, p->scan_limit);
}

arrow::Result<PlanPtr> prune_project(const PlanPtr& p, const NameSet& needed) {
  std::vector<NamedExpr> kept;
  NameSet below;
  for (const NamedExpr& e : p->exprs) {
    bool keep = needed.contains(e.name);
    if (!keep) {
      ARROW_ASSIGN_OR_RAISE(keep, expr::fallible(e.expr, *p->inputs[0]->schema));
    }
    if (!keep) continue;
    add_columns(*e.expr, below);
    kept.push_back(e);
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, prune(p->inputs[0], below));
  if (input == p->inputs[0] && kept.size() == p->exprs.size()) return p;
  return project_node(std::move(input), std::move(kept));
}

arrow::Result<PlanPtr> prune_aggregate(const PlanPtr& p, const NameSet& needed) {
  std::vector<NamedExpr> kept;
  NameSet below;
  for (const NamedExpr& k : p->exprs) add_columns(*k.expr, below);
  for (const NamedExpr& a : p->aggregates) {
    bool keep = needed.contains(a.name);
    if (!keep) {
      ARROW_ASSIGN_OR_RAISE(keep, aggregate_fallible(a.expr, *p->inputs[0]->schema));
    }
    if (keep) kept.push_back(a);
  }
  // A global aggregate of nothing would have no column to show its one row in.
  if (kept.empty() && p->exprs.empty()) kept.push_back(p->aggregates[0]);
  for (const NamedExpr& a : kept) add_columns(*a.expr, below);
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, prune(p->inputs[0], below));
  if (input == p->inputs[0] && kept.size() == p->aggregates.size()) return p;
  return aggregate_node(std::move(input), p->exprs, std::move(kept));
}

arrow::Result<PlanPtr> prune_window(const PlanPtr& p, const NameSet& needed) {
  std::vector<NamedExpr> kept;
  NameSet below;
  for (const std::string& n : p->inputs[0]->schema->field_names()) {
    if (needed.contains(n)) below.insert(n);
  }
  for (const NamedExpr& w : p->aggregates) {
    bool keep = needed.contains(w.name);
    if (!keep) {
      ARROW_ASSIGN_OR_RAISE(keep, window_fallible(w.expr, *p->inputs[0]->schema));
    }
    if (!keep) continue;
    add_columns(*w.expr, below);
    kept.push_back(w);
  }
  if (kept.empty()) return prune(p->inputs[0], below);
  // Like a sort it holds every column it is given.
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, prune_exactly(p->inputs[0], below));
  if (input == p->inputs[0] && kept.size() == p->aggregates.size()) return p;
  return window_node(std::move(input), std::move(kept));
}

arrow::Result<PlanPtr> prune_join(const PlanPtr& p, const NameSet& needed) {
  const arrow::Schema &left = *p->inputs[0]->schema, &right = *p->inputs[1]->schema;
  NameSet below[2];
  JoinParts parts = join_parts(*p);
  std::vector<int> output;
  std::vector<std::string> names, sources;
  std::vector<int> sides;
  for (size_t i = 0; i < parts.output.size(); ++i) {
    if (!needed.contains(parts.names[i])) continue;
    const int c = parts.output[i], side = c < left.num_fields() ? 0 : 1;
    sides.push_back(side);
    sources.push_back(side == 0 ? left.field(c)->name() : right.field(c - left.num_fields())->name());
    below[side].insert(sources.back());
    names.push_back(parts.names[i]);
  }
  for (const NodePtr& k : p->left_keys) add_columns(*k, below[0]);
  for (const NodePtr& k : p->right_keys) add_columns(*k, below[1]);
  add_pair_columns(*p, below[0], below[1]);
  ARROW_ASSIGN_OR_RAISE(PlanPtr l, prune(p->inputs[0], below[0]));
  ARROW_ASSIGN_OR_RAISE(PlanPtr r, prune(p->inputs[1], below[1]));
  if (l == p->inputs[0] && r == p->inputs[1] && names.size() == parts.names.size()) return p;
  for (size_t i = 0; i < names.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const int at, find_column(*(sides[i] == 0 ? l : r)->schema, sources[i]));
    output.push_back(sides[i] == 0 ? at : l->schema->num_fields() + at);
  }
  parts.output = std::move(output);
  parts.names = std::move(names);
  return join_node(std::move(l), std::move(r), std::move(parts));
}

arrow::Result<PlanPtr> prune_sort(const PlanPtr& p, NameSet needed) {
  for (const SortBy& k : p->sort) add_columns(*k.expr, needed);
  // A sort holds every column it is given.
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, prune_exactly(p->inputs[0], needed));
  return input == p->inputs[0] ? p : with_inputs(*p, {std::move(input)});
}

arrow::Result<PlanPtr> prune_union(const PlanPtr& p, const NameSet& needed) {
  std::vector<PlanPtr> inputs;
  for (const PlanPtr& in : p->inputs) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, prune_exactly(in, needed));
    inputs.push_back(std::move(one));
  }
  return inputs == p->inputs ? p : with_inputs(*p, std::move(inputs));
}

arrow::Result<PlanPtr> prune(const PlanPtr& p, const NameSet& needed) {
  switch (p->kind) {
    case PlanKind::kScan: return prune_scan(p, needed);
    case PlanKind::kProject: return prune_project(p, needed);
    case PlanKind::kAggregate: return prune_aggregate(p, needed);
    case PlanKind::kJoin: return prune_join(p, needed);
    case PlanKind::kSort: return prune_sort(p, needed);
    case PlanKind::kWindow: return prune_window(p, needed);
    case PlanKind::kUnion: return prune_union(p, needed);
    case PlanKind::kLimit: return prune_input(p, needed);
    case PlanKind::kFilter: {
      NameSet more = needed;
      add_columns(*p->predicate, more);
      return prune_input(p, more);
    }
    case PlanKind::kRowIndex: {
      if (!needed.contains(p->index_name)) return prune(p->inputs[0], needed);
      NameSet below = needed;
      below.erase(p->index_name);
      return prune_input(p, below);
    }
    case PlanKind::kExplode: {
      NameSet more = needed;
      more.insert(p->explode.begin(), p->explode.end());
      return prune_input(p, more);
    }
  }
  return p;
}

}  // namespace

arrow::Result<PlanPtr> push_projection(const PlanPtr& plan) { return prune(plan, names_of(*plan->schema)); }

}  // namespace gristmill::plan
