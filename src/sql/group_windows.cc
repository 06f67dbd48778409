#include "sql/group_windows.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <arrow/type.h>

#include "sql/event_windows.h"
#include "sql/table_functions.h"

namespace gristmill::sqltext {
namespace {

bool is_window_call(const PgQuery__Node* n) {
  return n && n->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && !n->func_call->over && makes_windows(function_name(*n->func_call));
}

arrow::Result<std::optional<EventWindows>> asked_windows(const PgQuery__SelectStmt& s, const Scope& scope, const ParsedText& text) {
  std::vector<const PgQuery__FuncCall*> calls;
  for (size_t i = 0; i < s.n_group_clause; ++i) {
    if (is_window_call(s.group_clause[i])) calls.push_back(s.group_clause[i]->func_call);
  }
  for (size_t i = 0; i < s.n_target_list && s.n_group_clause > 0; ++i) {
    const PgQuery__Node* value = s.target_list[i]->res_target->val;
    if (is_window_call(value)) calls.push_back(value->func_call);
  }
  std::optional<EventWindows> out;
  for (const PgQuery__FuncCall* call : calls) {
    ARROW_ASSIGN_OR_RAISE(EventWindows one, read_windows(*call, function_name(*call), 0, scope, text));
    if (out && !(*out == one))
      return text.error("a query has one kind of windows, not " + out->text() + " and " + one.text(), call->location);
    out = std::move(one);
  }
  return out;
}

}  // namespace

arrow::Status add_group_windows(const PgQuery__SelectStmt& s, FromItems& from, const ParsedText& text) {
  ARROW_ASSIGN_OR_RAISE(std::optional<EventWindows> windows, asked_windows(s, from.scope, text));
  if (!windows) return arrow::Status::OK();
  std::vector<std::string> taken;
  for (const Relation& item : from.items) {
    for (const auto& f : item.plan->schema->fields()) taken.push_back(f->name());
  }
  windows->start = fresh_name("window_start", taken);
  windows->end = fresh_name("window_end", taken);
  for (Relation& item : from.items) {
    if (item.plan->schema->GetFieldIndex(windows->time) < 0) continue;
    auto plan = WindowedRows::over(item.plan, *windows);
    if (!plan.ok()) return text.error(plan.status().message(), -1);
    item.plan = std::move(*plan);
    const auto add = [&](const char* name, const std::string& column) {
      const bool known = std::any_of(from.scope.columns.begin(), from.scope.columns.end(),
                                     [&](const ScopeColumn& c) { return equal_ignoring_case(c.name, name); });
      if (known) return;
      item.scope.columns.push_back({"", name, column});
      from.scope.columns.push_back({"", name, column});
    };
    add("window_start", windows->start);
    add("window_end", windows->end);
    break;
  }
  from.scope.windows = std::make_shared<const EventWindows>(*windows);
  from.names = nullptr;
  for (const Relation& item : from.items) {
    if (!from.names) {
      from.names = item.plan;
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(from.names, plan::make_cross_join(from.names, item.plan));
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::sqltext
