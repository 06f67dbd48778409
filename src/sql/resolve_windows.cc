// tumble and hop are arithmetic on the time, hop with a row for each of its windows. A session is a run of a group's rows in the order of
// their times, each less than the gap behind the one before: window functions number the runs.

#include "sql/resolve_windows.h"

#include <algorithm>
#include <utility>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/window.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "sql/query.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

NodePtr whole(int64_t v) { return expr::literal(arrow::MakeScalar(v), false); }
NodePtr add(NodePtr a, NodePtr b) { return expr::call("add", {std::move(a), std::move(b)}); }

// The greatest offset + k * width at most at `ticks`.
NodePtr floored(const NodePtr& ticks, int64_t width, int64_t offset) {
  const NodePtr steps = expr::call("floor_div", {expr::call("sub", {ticks, whole(offset)}), whole(width)});
  return add(expr::call("mul", {steps, whole(width)}), whole(offset));
}

arrow::Result<PlanPtr> tumbled(PlanPtr rows, const EventWindows& w, const WindowTicks& t) {
  const auto type = rows->schema->GetFieldByName(w.time)->type();
  const NodePtr start = floored(expr::cast(expr::column(w.time), arrow::int64()), t.size, t.offset);
  return plan::make_with_columns(
      std::move(rows), {expr::alias(expr::cast(start, type), w.start), expr::alias(expr::cast(add(start, whole(t.size)), type), w.end)});
}

arrow::Result<PlanPtr> hopped(PlanPtr rows, const EventWindows& w, const WindowTicks& t) {
  const auto type = rows->schema->GetFieldByName(w.time)->type();
  const NodePtr ticks = expr::cast(expr::column(w.time), arrow::int64());
  const NodePtr last = floored(ticks, t.slide, t.offset);
  const NodePtr first = add(floored(expr::call("sub", {ticks, whole(t.size)}), t.slide, t.offset), whole(t.slide));
  // Where windows are shorter than their step a row may lie between them.
  const NodePtr inside = expr::call("coalesce", {expr::call("le", {first, last}), expr::literal(true)});
  ARROW_ASSIGN_OR_RAISE(rows, plan::make_filter(std::move(rows), inside));
  ARROW_ASSIGN_OR_RAISE(
      rows, plan::make_with_columns(std::move(rows), {expr::alias(expr::call("list.range", {first, last, whole(t.slide)}), w.start)}));
  ARROW_ASSIGN_OR_RAISE(rows, plan::make_explode(std::move(rows), {w.start}));
  const NodePtr start = expr::column(w.start);
  return plan::make_with_columns(
      std::move(rows), {expr::alias(expr::cast(start, type), w.start), expr::alias(expr::cast(add(start, whole(t.size)), type), w.end)});
}

bool uses_edges(const expr::Node& e, const Unwindowed& below) {
  std::vector<std::string> columns;
  expr::collect_columns(e, columns);
  return std::any_of(columns.begin(), columns.end(), [&](const std::string& c) { return below.is_edge(c); });
}

bool uses_edges_only(const expr::Node& e, const Unwindowed& below) {
  std::vector<std::string> columns;
  expr::collect_columns(e, columns);
  return !columns.empty() && std::all_of(columns.begin(), columns.end(), [&](const std::string& c) { return below.is_edge(c); });
}

// Conditions on windows are met behind the grouping, where they mean the same: a group lies in one window.
arrow::Status strip_filter(const plan::Plan& p, Unwindowed& below) {
  std::vector<NodePtr> here;
  const EventWindows& w = below.windows->windows();
  for (const NodePtr& condition : expr::conjuncts(p.predicate)) {
    if (!uses_edges(*condition, below)) {
      here.push_back(condition);
    } else if (uses_edges_only(*condition, below)) {
      below.conditions.push_back(expr::rewrite(condition, [&](const NodePtr& n) {
        if (n->kind != expr::NodeKind::kColumn || !below.is_edge(n->name)) return n;
        return expr::column(below.starts.contains(n->name) ? w.start : w.end);
      }));
    } else {
      below.mixed = expr::text(*condition);
    }
  }
  if (here.empty()) return arrow::Status::OK();
  return plan::filter_node(below.rows, expr::conjunction(here)).Value(&below.rows);
}

arrow::Status strip_project(const plan::Plan& p, Unwindowed& below) {
  std::vector<plan::NamedExpr> kept;
  std::unordered_set<std::string> starts, ends;
  std::string time;
  for (const plan::NamedExpr& e : p.exprs) {
    const bool plain = plan::is_column(e);
    if (plain && below.starts.contains(e.expr->name)) {
      starts.insert(e.name);
    } else if (plain && below.ends.contains(e.expr->name)) {
      ends.insert(e.name);
    } else {
      if (uses_edges(*e.expr, below)) below.mixed = e.name;
      if (plain && e.expr->name == below.time && time.empty()) time = e.name;
      kept.push_back(e);
    }
  }
  if (!below.mixed.empty()) return arrow::Status::OK();
  if (time.empty()) {
    auto taken = p.schema->field_names();
    time = fresh_name("$time", taken);
    kept.push_back({time, expr::column(below.time)});
  }
  below.time = std::move(time);
  below.starts = std::move(starts);
  below.ends = std::move(ends);
  return plan::project_node(below.rows, std::move(kept)).Value(&below.rows);
}

// The left side of a join with a table: its rows go through, some of them several times.
arrow::Status strip_join(const plan::Plan& p, Unwindowed& below) {
  for (const NodePtr& k : p.left_keys) {
    if (uses_edges(*k, below)) below.mixed = expr::text(*k);
  }
  if (p.residual || p.join == plan::JoinKind::kAsof) {
    std::unordered_set<std::string> left, right;
    plan::add_pair_columns(p, left, right);
    for (const std::string& c : left) {
      if (below.is_edge(c)) below.mixed = c;
    }
  }
  if (!below.mixed.empty()) return arrow::Status::OK();
  plan::JoinParts parts = plan::join_parts(p);
  const arrow::Schema& before = *p.inputs[0]->schema;
  const int old_left = before.num_fields(), new_left = below.rows->schema->num_fields();
  std::vector<int> output;
  std::vector<std::string> names;
  std::unordered_set<std::string> starts, ends;
  std::string time;
  for (size_t i = 0; i < parts.output.size(); ++i) {
    const int c = parts.output[i];
    if (c >= old_left) {
      output.push_back(new_left + c - old_left);
      names.push_back(parts.names[i]);
      continue;
    }
    const std::string& name = before.field(c)->name();
    if (below.starts.contains(name)) {
      starts.insert(parts.names[i]);
      continue;
    }
    if (below.ends.contains(name)) {
      ends.insert(parts.names[i]);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const int at, plan::find_column(*below.rows->schema, name));
    output.push_back(at);
    names.push_back(parts.names[i]);
    if (name == below.time) time = parts.names[i];
  }
  if (time.empty()) {
    auto taken = p.schema->field_names();
    time = fresh_name("$time", taken);
    ARROW_ASSIGN_OR_RAISE(const int at, plan::find_column(*below.rows->schema, below.time));
    output.push_back(at);
    names.push_back(time);
  }
  parts.output = std::move(output);
  parts.names = std::move(names);
  below.time = std::move(time);
  below.starts = std::move(starts);
  below.ends = std::move(ends);
  return plan::join_node(below.rows, p.inputs[1], std::move(parts)).Value(&below.rows);
}

NodePtr window_of(const char* function, std::vector<NodePtr> args, std::vector<NodePtr> partition, const NodePtr& order = nullptr) {
  expr::Over over;
  over.partition = std::move(partition);
  if (order) over.order.push_back({order, false, false});
  return expr::window(function, std::move(args), {}, std::move(over));
}

}  // namespace

arrow::Result<PlanPtr> rows_in_windows(PlanPtr rows, const EventWindows& w) {
  ARROW_ASSIGN_OR_RAISE(const WindowTicks ticks, ticks_of_windows(w, *rows->schema));
  if (w.kind == EventWindows::Kind::kSession) {
    return base::plan_error("a session is of the rows of a group: " + w.text() +
                            " needs GROUP BY window_start, window_end and the group's keys");
  }
  return w.kind == EventWindows::Kind::kTumble ? tumbled(std::move(rows), w, ticks) : hopped(std::move(rows), w, ticks);
}

arrow::Result<std::optional<Unwindowed>> without_windows(const PlanPtr& p) {
  if (const WindowedRows* windows = windowed_rows(*p)) {
    Unwindowed out;
    out.rows = windows->input();
    out.windows = windows;
    out.time = windows->windows().time;
    out.starts = {windows->windows().start};
    out.ends = {windows->windows().end};
    return out;
  }
  switch (p->kind) {
    case plan::PlanKind::kFilter:
    case plan::PlanKind::kProject:
    case plan::PlanKind::kExplode: break;
    case plan::PlanKind::kJoin:
      if (!plan::keeps_right_rows(p->join)) break;
      return std::nullopt;
    default: return std::nullopt;
  }
  ARROW_ASSIGN_OR_RAISE(std::optional<Unwindowed> below, without_windows(p->inputs[0]));
  if (!below || !below->mixed.empty()) return below;
  switch (p->kind) {
    case plan::PlanKind::kFilter: ARROW_RETURN_NOT_OK(strip_filter(*p, *below)); break;
    case plan::PlanKind::kProject: ARROW_RETURN_NOT_OK(strip_project(*p, *below)); break;
    case plan::PlanKind::kJoin: ARROW_RETURN_NOT_OK(strip_join(*p, *below)); break;
    default: ARROW_RETURN_NOT_OK(plan::explode_node(below->rows, p->explode).Value(&below->rows)); break;
  }
  return below;
}

WindowGrouping window_grouping(const plan::Plan& aggregate, const Unwindowed& below) {
  WindowGrouping out;
  out.mixed = below.mixed;
  for (const plan::NamedExpr& k : aggregate.exprs) {
    if (plan::is_column(k) && below.is_edge(k.expr->name)) {
      out.by_window = true;
      continue;
    }
    if (uses_edges(*k.expr, below)) out.mixed = expr::text(*k.expr);
    out.keys.push_back(k);
  }
  for (const plan::NamedExpr& a : aggregate.aggregates) {
    if (uses_edges(*a.expr, below)) out.mixed = expr::text(*a.expr);
  }
  return out;
}

arrow::Result<PlanPtr> group_by_sessions(const plan::Plan& aggregate, const Unwindowed& below, const WindowGrouping& grouping,
                                         PlanPtr rows) {
  const EventWindows& w = below.windows->windows();
  EventWindows renamed = w;
  renamed.time = below.time;
  ARROW_ASSIGN_OR_RAISE(const WindowTicks ticks, ticks_of_windows(renamed, *rows->schema));
  auto taken = rows->schema->field_names();
  std::vector<NodePtr> keys, outputs;
  std::vector<plan::NamedExpr> group;
  for (const plan::NamedExpr& k : grouping.keys) {
    const std::string name = fresh_name("$group", taken);
    outputs.push_back(expr::alias(k.expr, name));
    keys.push_back(expr::column(name));
  }
  const auto type = rows->schema->GetFieldByName(below.time)->type();
  const std::string time = fresh_name("$ticks", taken), begins = fresh_name("$begins", taken), run = fresh_name("$run", taken);
  const std::string start = fresh_name(w.start, taken), end = fresh_name(w.end, taken);
  const NodePtr t = expr::column(time);
  outputs.push_back(expr::alias(expr::cast(expr::column(below.time), arrow::int64()), time));
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::make_with_columns(std::move(rows), std::move(outputs)));
  // The first row of a run: none before it, or one that is the gap or more behind. Rows without a time come last and are a run of their
  // own.
  const NodePtr apart =
      expr::call("ge", {expr::call("sub", {t, window_of("lag", {t, expr::literal(int64_t{1})}, keys, t)}), whole(ticks.size)});
  const NodePtr first = expr::call("case", {expr::call("coalesce", {apart, expr::literal(true)}), whole(1), whole(0)});
  ARROW_ASSIGN_OR_RAISE(plan, plan::make_with_columns(std::move(plan), {expr::alias(first, begins)}));
  ARROW_ASSIGN_OR_RAISE(plan,
                        plan::make_with_columns(std::move(plan), {expr::alias(window_of("sum", {expr::column(begins)}, keys, t), run)}));
  std::vector<NodePtr> of_run = keys;
  of_run.push_back(expr::column(run));
  const NodePtr last = add(window_of("max", {t}, of_run), whole(ticks.size));
  ARROW_ASSIGN_OR_RAISE(plan, plan::make_with_columns(std::move(plan), {expr::alias(expr::cast(window_of("min", {t}, of_run), type), start),
                                                                        expr::alias(expr::cast(last, type), end)}));
  size_t at = 0;
  for (const plan::NamedExpr& k : aggregate.exprs) {
    const bool edge = plan::is_column(k) && below.is_edge(k.expr->name);
    group.push_back({k.name, edge ? expr::column(below.starts.contains(k.expr->name) ? start : end) : keys[at++]});
  }
  for (const NodePtr& condition : below.conditions) {
    const NodePtr here = plan::substitute(condition, {{w.start, expr::column(start)}, {w.end, expr::column(end)}});
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_filter(std::move(plan), here));
  }
  return plan::aggregate_node(std::move(plan), std::move(group), aggregate.aggregates);
}

}  // namespace gristmill::sqltext
