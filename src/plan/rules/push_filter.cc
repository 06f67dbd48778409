// Conjuncts of a filter go as far down as they may.
//
//   filter p over project            ->  project over filter p'      (p on columns that only pass through)
//   filter p over sort, explode      ->  sort, explode over filter p (p not on exploded columns)
//   filter p over union a b          ->  union (filter p over a) (filter p over b)
//   filter p over aggregate by k     ->  aggregate over filter p'    (p on keys that are columns)
//   filter p over window             ->  window over filter p        (p on columns that all its functions partition by)
//   filter p and q over join l r     ->  join (filter p over l) (filter q over r)
//   filter p over scan               ->  scan where p
//
// Only infallible conjuncts that stand before the first fallible one move, and only past what cannot fail: fewer
// rows below would hide an error. Not past limits, top-n, nor a scan with a limit. Not past float keys: a group's key is
// written with +0.0 for -0.0, which p could tell apart. A join's side takes a filter only if a row of it that the filter refuses
// could reach the output in no other form: the left of all but right and full joins, the right of inner and right joins.

#include <algorithm>

#include <arrow/type.h>

#include "expr/bind.h"
#include "expr/window.h"
#include "plan/digits.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

arrow::Result<PlanPtr> push(const PlanPtr& filter);

// `p` under the conjuncts, which go on sinking from there.
arrow::Result<PlanPtr> filtered(const PlanPtr& p, const std::vector<NodePtr>& parts) {
  if (parts.empty()) return p;
  ARROW_ASSIGN_OR_RAISE(PlanPtr f, filter_node(p, expr::conjunction(parts)));
  return push(f);
}

// Sorts the conjuncts into those that sink and those that stay.
struct Split {
  std::vector<NodePtr> sink, stay;
  template <typename MaySink>
  Split(const std::vector<NodePtr>& parts, size_t movable, MaySink may_sink) {
    for (size_t i = 0; i < parts.size(); ++i) (i < movable && may_sink(parts[i]) ? sink : stay).push_back(parts[i]);
  }
};

arrow::Result<PlanPtr> rest_above(PlanPtr below, const std::vector<NodePtr>& stay) {
  return stay.empty() ? below : filter_node(std::move(below), expr::conjunction(stay));
}

// Past a node with one input that hands on the columns of the conjuncts, called `names` below.
arrow::Result<PlanPtr> past_one(const PlanPtr& filter, const std::vector<NodePtr>& parts, size_t movable, const Substitution& names) {
  const PlanPtr& node = filter->inputs[0];
  const Split split(parts, movable, [&](const NodePtr& c) {
    const NameSet used = columns_of(*c);
    return std::all_of(used.begin(), used.end(), [&](const std::string& n) { return names.contains(n); });
  });
  if (split.sink.empty()) return filter;
  std::vector<NodePtr> sunk;
  for (const NodePtr& c : split.sink) sunk.push_back(substitute(c, names));
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, filtered(node->inputs[0], sunk));
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, with_inputs(*node, {std::move(input)}));
  return rest_above(std::move(below), split.stay);
}

Substitution every_column(const arrow::Schema& schema) {
  Substitution same;
  for (const auto& f : schema.fields()) same.emplace(f->name(), expr::column(f->name()));
  return same;
}

// Output names that stand for plain columns or literals below; empty when something may fail on the way.
arrow::Result<Substitution> through_project(const Plan& project) {
  const arrow::Schema& input = *project.inputs[0]->schema;
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(project.exprs, *project.inputs[0]));
  Substitution out;
  if (fails) return out;
  for (const NamedExpr& e : project.exprs) {
    if (!is_column(e) && e.expr->kind != expr::NodeKind::kLiteral) continue;
    ARROW_ASSIGN_OR_RAISE(auto operand, as_operand(e.expr, input));
    out.emplace(e.name, std::move(operand));
  }
  return out;
}

arrow::Result<Substitution> through_aggregate(const Plan& aggregate) {
  const arrow::Schema& input = *aggregate.inputs[0]->schema;
  Substitution out;
  ARROW_ASSIGN_OR_RAISE(bool fails, any_fallible(aggregate.exprs, input));
  for (const NamedExpr& a : aggregate.aggregates) {
    ARROW_ASSIGN_OR_RAISE(const bool f, aggregate_fallible(a.expr, input));
    fails = fails || f;
  }
  if (fails) return out;
  for (const NamedExpr& k : aggregate.exprs) {
    ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(k.expr, input));
    if (is_column(k) && !column::is_float(*type)) out.emplace(k.name, k.expr);
  }
  return out;
}

// A partition goes whole or stays whole: only what every function partitions by may choose.
arrow::Result<Substitution> through_window(const Plan& window) {
  const arrow::Schema& input = *window.inputs[0]->schema;
  Substitution out = every_column(input);
  for (const NamedExpr& w : window.aggregates) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, window_fallible(w.expr, input));
    if (fails) return Substitution{};
    Substitution shared;
    const auto keys = w.expr->args.begin() + w.expr->window->arguments;
    for (auto k = keys; k != keys + w.expr->window->partitions; ++k) {
      ARROW_ASSIGN_OR_RAISE(auto type, expr::type_of(*k, input));
      if (is_column(**k) && !column::is_float(*type) && out.contains((*k)->name)) shared.emplace((*k)->name, *k);
    }
    out = std::move(shared);
  }
  return out;
}

arrow::Result<Substitution> through_sort(const Plan& sort) {
  if (sort.top) return Substitution{};
  std::vector<NodePtr> keys;
  for (const SortBy& k : sort.sort) keys.push_back(k.expr);
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(keys, *sort.inputs[0]->schema));
  return fails ? Substitution{} : every_column(*sort.schema);
}

Substitution through_explode(const Plan& explode) {
  if (explode.explode.size() > 1) return {};  // lists of different lengths are an error
  Substitution out = every_column(*explode.schema);
  out.erase(explode.explode[0]);
  return out;
}

arrow::Result<PlanPtr> past_join(const PlanPtr& filter, const std::vector<NodePtr>& parts, size_t movable) {
  const PlanPtr& join = filter->inputs[0];
  const arrow::Schema &left = *join->inputs[0]->schema, &right = *join->inputs[1]->schema;
  Substitution names[2];
  for (size_t i = 0; i < join->join_output.size(); ++i) {
    const int c = join->join_output[i];
    const bool from_left = c < left.num_fields();
    const auto& f = from_left ? left.field(c) : right.field(c - left.num_fields());
    names[from_left ? 0 : 1].emplace(join->schema->field(static_cast<int>(i))->name(), expr::column(f->name()));
  }
  const bool open_left = !keeps_right_rows(join->join), open_right = join->join == JoinKind::kInner || join->join == JoinKind::kRight;
  ARROW_ASSIGN_OR_RAISE(const bool left_fails, join_side_may_fail(*join, 0));
  ARROW_ASSIGN_OR_RAISE(const bool right_fails, join_side_may_fail(*join, 1));
  const bool open[2] = {open_left && !left_fails, open_right && !right_fails};
  std::vector<NodePtr> stay, sink[2];
  for (size_t i = 0; i < parts.size(); ++i) {
    const NameSet used = columns_of(*parts[i]);
    const auto within = [&](int side) {
      return open[side] && std::all_of(used.begin(), used.end(), [&](const std::string& n) { return names[side].contains(n); });
    };
    const int side = i >= movable || used.empty() ? -1 : within(0) ? 0 : within(1) ? 1 : -1;
    if (side < 0) {
      stay.push_back(parts[i]);
    } else {
      sink[side].push_back(substitute(parts[i], names[side]));
    }
  }
  if (sink[0].empty() && sink[1].empty()) return filter;
  ARROW_ASSIGN_OR_RAISE(PlanPtr l, filtered(join->inputs[0], sink[0]));
  ARROW_ASSIGN_OR_RAISE(PlanPtr r, filtered(join->inputs[1], sink[1]));
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, with_inputs(*join, {std::move(l), std::move(r)}));
  return rest_above(std::move(below), stay);
}

arrow::Result<PlanPtr> past_union(const PlanPtr& filter, const std::vector<NodePtr>& parts, size_t movable) {
  const PlanPtr& node = filter->inputs[0];
  const Split split(parts, movable, [](const NodePtr&) { return true; });
  if (split.sink.empty()) return filter;
  std::vector<PlanPtr> inputs;
  for (const PlanPtr& in : node->inputs) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, filtered(in, split.sink));
    inputs.push_back(std::move(one));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, with_inputs(*node, std::move(inputs)));
  return rest_above(std::move(below), split.stay);
}

arrow::Result<PlanPtr> into_scan(const PlanPtr& filter, const std::vector<NodePtr>& parts, size_t movable) {
  const PlanPtr& scan = filter->inputs[0];
  const Split split(parts, scan->scan_limit ? 0 : movable, [](const NodePtr&) { return true; });
  if (split.sink.empty()) return filter;
  auto all = expr::conjuncts(scan->predicate);
  all.insert(all.end(), split.sink.begin(), split.sink.end());
  auto below = copy_node(*scan);
  below->predicate = expr::conjunction(all);
  return rest_above(std::move(below), split.stay);
}

arrow::Result<PlanPtr> into_filter(const PlanPtr& filter, const std::vector<NodePtr>& parts) {
  const PlanPtr& below = filter->inputs[0];
  auto all = expr::conjuncts(below->predicate);
  all.insert(all.end(), parts.begin(), parts.end());
  return filtered(below->inputs[0], all);
}

arrow::Result<PlanPtr> push(const PlanPtr& filter) {
  if (filter->kind != PlanKind::kFilter) return filter;
  const PlanPtr& node = filter->inputs[0];
  const auto parts = expr::conjuncts(filter->predicate);
  size_t movable = 0;
  for (; movable < parts.size(); ++movable) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(parts[movable], *node->schema));
    if (fails) break;
  }
  Substitution names;
  switch (node->kind) {
    case PlanKind::kScan: return into_scan(filter, parts, movable);
    case PlanKind::kFilter: return into_filter(filter, parts);
    case PlanKind::kUnion: return past_union(filter, parts, movable);
    case PlanKind::kJoin: return past_join(filter, parts, movable);
    case PlanKind::kRowIndex:
    case PlanKind::kLimit: return filter;
    case PlanKind::kProject: {
      ARROW_ASSIGN_OR_RAISE(names, through_project(*node));
      break;
    }
    case PlanKind::kAggregate: {
      ARROW_ASSIGN_OR_RAISE(names, through_aggregate(*node));
      break;
    }
    case PlanKind::kSort: {
      ARROW_ASSIGN_OR_RAISE(names, through_sort(*node));
      break;
    }
    case PlanKind::kWindow: {
      ARROW_ASSIGN_OR_RAISE(names, through_window(*node));
      break;
    }
    case PlanKind::kExplode: names = through_explode(*node); break;
  }
  return names.empty() ? filter : past_one(filter, parts, movable, names);
}

}  // namespace

arrow::Result<PlanPtr> push_filter(const PlanPtr& plan) { return rewrite_bottom_up(plan, push); }

}  // namespace gristmill::plan
