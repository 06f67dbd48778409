// Plans as a person reads them: root first, two blanks a level, one node a line.

#include <arrow/type.h>

#include "plan/explain.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

std::string join_text(const std::vector<std::string>& parts) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : ", ") + parts[i];
  return out;
}

std::string expr_text(const NamedExpr& e) {
  if (is_column(e) && e.expr->name == e.name) return expr::text(*e.expr);
  return expr::text(*expr::alias(e.expr, e.name));
}

std::string list_text(const std::vector<NamedExpr>& exprs) {
  std::vector<std::string> parts;
  for (const NamedExpr& e : exprs) parts.push_back(expr_text(e));
  return join_text(parts);
}

std::string scan_text(const Plan& p) {
  std::vector<std::string> names;
  for (const std::string& n : p.schema->field_names()) names.push_back(expr::text(*expr::column(n)));
  std::string out = "scan " + p.source->name() + " columns [" + join_text(names) + "]";
  if (p.predicate) out += " where " + expr::text(*p.predicate);
  if (p.scan_limit) out += " limit " + std::to_string(*p.scan_limit);
  return out;
}

std::string aggregate_text(const Plan& p) {
  std::string out = "aggregate";
  if (!p.exprs.empty()) out += " by " + list_text(p.exprs);
  if (!p.aggregates.empty()) out += ": " + list_text(p.aggregates);
  return out;
}

std::string asof_text(const AsofMatch& m) {
  static constexpr const char* kStrategies[] = {"backward", "forward", "nearest"};
  std::string out =
      std::string(" ") + kStrategies[static_cast<int>(m.strategy)] + " on " + expr::text(*m.left_on) + " ~ " + expr::text(*m.right_on);
  if (m.tolerance) out += " within " + expr::text(*m.tolerance);
  return m.allow_exact ? out : out + " not exact";
}

std::string join_node_text(const Plan& p) {
  static constexpr const char* kKinds[] = {"inner", "left", "semi", "anti", "right", "full", "asof"};
  std::vector<std::string> on, columns;
  for (size_t i = 0; i < p.left_keys.size(); ++i) on.push_back(expr::text(*p.left_keys[i]) + " = " + expr::text(*p.right_keys[i]));
  for (const std::string& n : p.schema->field_names()) columns.push_back(expr::text(*expr::column(n)));
  const bool cross = p.join == JoinKind::kInner && on.empty();
  std::string out = std::string("join ") + (cross ? "cross" : kKinds[static_cast<int>(p.join)]);
  if (p.join == JoinKind::kAsof) out += asof_text(p.asof);
  if (!on.empty()) out += (p.join == JoinKind::kAsof ? " by " : " on ") + join_text(on);
  if (p.nulls_equal) out += " nulls equal";
  if (p.residual) out += " where " + residual_text(p);
  out += " columns [" + join_text(columns) + "]";
  return p.build_left ? out + " build left" : out;
}

std::string sort_text(const Plan& p) {
  std::vector<std::string> keys;
  for (const SortBy& k : p.sort) {
    keys.push_back(expr::text(*k.expr) + (k.descending ? " desc" : "") + (k.nulls_first ? " nulls first" : ""));
  }
  return "sort by " + join_text(keys) + (p.top ? " top " + std::to_string(*p.top) : "");
}

// Most are called by their text.
std::string window_text(const Plan& p) {
  std::vector<std::string> parts;
  for (const NamedExpr& w : p.aggregates) {
    const std::string own = expr::text(*w.expr);
    parts.push_back(w.name == own ? own : expr_text(w));
  }
  return (p.aggregates[0].expr->user ? "batches " : "window ") + join_text(parts);
}

std::string limit_text(const Plan& p) {
  std::string out = p.count >= 0 ? "limit " + std::to_string(p.count) : "";
  if (p.offset > 0 || p.count < 0) out += (out.empty() ? "skip " : " skip ") + std::to_string(p.offset);
  return out;
}

std::string index_text(const Plan& p) {
  const std::string name = expr::text(*expr::column(p.index_name));
  if (p.position_only) return "row order " + name;
  return "row index " + name + (p.offset != 0 ? " from " + std::to_string(p.offset) : "");
}

std::string node_text(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kScan: return scan_text(p);
    case PlanKind::kFilter: return "filter " + expr::text(*p.predicate);
    case PlanKind::kProject: return "project " + list_text(p.exprs);
    case PlanKind::kAggregate: return aggregate_text(p);
    case PlanKind::kJoin: return join_node_text(p);
    case PlanKind::kSort: return sort_text(p);
    case PlanKind::kLimit: return limit_text(p);
    case PlanKind::kWindow: return window_text(p);
    case PlanKind::kUnion: return "union";
    case PlanKind::kExplode: return "explode " + join_text(p.explode);
    case PlanKind::kRowIndex: return index_text(p);
  }
  return {};
}

// Said only where an operator can make use of it.
bool tells_order(const Plan& p) { return p.kind == PlanKind::kAggregate || p.kind == PlanKind::kJoin; }

std::string grouped(int64_t n) {
  std::string out = std::to_string(n);
  for (size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
  return out;
}

// Where rows come in, go or multiply; what only hands them on has the line below.
std::string guess_text(const Plan& p) {
  if (p.kind == PlanKind::kProject || p.kind == PlanKind::kWindow || p.kind == PlanKind::kSort || p.kind == PlanKind::kRowIndex) return {};
  const auto rows = estimate_rows(p).likely;
  return rows ? "  ~" + grouped(*rows) + (*rows == 1 ? " row" : " rows") : std::string();
}

void append(const Plan& p, int depth, bool guesses, std::string& out) {
  out.append(static_cast<size_t>(depth) * 2, ' ');
  out += node_text(p) + (!p.ordered && tells_order(p) ? " in any order" : "") + (guesses ? guess_text(p) : "") + "\n";
  for (const PlanPtr& in : p.inputs) append(*in, depth + 1, guesses, out);
}

}  // namespace

std::string explain(const Plan& plan) {
  std::string out;
  append(plan, 0, false, out);
  return out;
}

std::string explain_with_guesses(const Plan& plan) {
  std::string out;
  append(plan, 0, true, out);
  return out;
}

}  // namespace gristmill::plan
