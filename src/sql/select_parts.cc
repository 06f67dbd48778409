// Markers of the token pass, and constants.

#include "sql/select_parts.h"

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/bind.h"
#include "expr/scalar_value.h"

namespace gristmill::sqltext {
namespace {

template <typename Names>
auto find_name(Names& names, const std::string& wanted) {
  return std::find_if(names.begin(), names.end(), [&](const auto& n) { return equal_ignoring_case(n, wanted); });
}

arrow::Status check_names(const std::vector<std::string>& names, const std::vector<std::string>& known, const char* clause,
                          const ParsedText& text, int location) {
  for (const std::string& n : names) {
    if (find_name(known, n) == known.end()) {
      return text.error("no column \"" + n + "\" to " + clause + base::suggest_name(n, known), location);
    }
  }
  return arrow::Status::OK();
}

}  // namespace

bool is_marker(const PgQuery__Node& n, const char* marker) {
  return n.node_case == PG_QUERY__NODE__NODE_FUNC_CALL && n.func_call->n_funcname == 1 &&
         std::string_view(n.func_call->funcname[0]->string->sval) == marker;
}

bool is_all(const PgQuery__Node& n) {
  return n.node_case == PG_QUERY__NODE__NODE_COLUMN_REF && n.column_ref->n_fields == 1 &&
         n.column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING &&
         std::string_view(n.column_ref->fields[0]->string->sval) == kAllMarker;
}

HavingClause having_clause(const PgQuery__SelectStmt& s) {
  if (!s.having_clause || !is_marker(*s.having_clause, kQualifyMarker)) return {s.having_clause, nullptr};
  const PgQuery__FuncCall& f = *s.having_clause->func_call;
  return f.n_args == 2 ? HavingClause{f.args[0], f.args[1]} : HavingClause{nullptr, f.args[0]};
}

arrow::Status edited_star(const PgQuery__FuncCall& f, const Scope& scope, const ExpressionLowering& expressions, const ParsedText& text,
                          std::vector<Output>& out) {
  const StarEdit* edit = text.star(f.args[0]->a_const->ival ? f.args[0]->a_const->ival->ival : 0);
  if (!edit) return base::internal_error("a list of columns got lost");
  if (!edit->table.empty() && !scope.has_table(edit->table))
    return text.error("no table \"" + edit->table + "\" in this query", f.location);
  std::vector<std::string> known, renamed;
  for (const auto& [from, to] : edit->rename) renamed.push_back(from);
  std::vector<const ScopeColumn*> columns;
  for (const ScopeColumn& c : scope.columns) {
    if (edit->table.empty() ? c.qualified_only : !equal_ignoring_case(c.table, edit->table)) continue;
    columns.push_back(&c);
    known.push_back(c.name);
  }
  ARROW_RETURN_NOT_OK(check_names(edit->exclude, known, "exclude", text, f.location));
  ARROW_RETURN_NOT_OK(check_names(edit->replace, known, "replace", text, f.location));
  ARROW_RETURN_NOT_OK(check_names(renamed, known, "rename", text, f.location));
  const size_t before = out.size();
  for (const ScopeColumn* c : columns) {
    if (find_name(edit->exclude, c->name) != edit->exclude.end()) continue;
    Output o{c->name, expr::column(c->column)};
    if (const auto r = find_name(edit->replace, c->name); r != edit->replace.end()) {
      ARROW_ASSIGN_OR_RAISE(o.expr, expressions.lower(*f.args[1 + static_cast<size_t>(r - edit->replace.begin())]));
    }
    if (const auto r = find_name(renamed, c->name); r != renamed.end())
      o.name = edit->rename[static_cast<size_t>(r - renamed.begin())].second;
    out.push_back(std::move(o));
  }
  return out.size() > before ? arrow::Status::OK() : text.error("EXCLUDE leaves no column", f.location);
}

std::vector<std::vector<size_t>> sets_of_keys(const GroupingClause& clause, const std::vector<std::vector<size_t>>& keys_of) {
  std::vector<std::vector<size_t>> out;
  for (const auto& set : clause.sets) {
    std::vector<size_t> keys;
    for (const size_t e : set) keys.insert(keys.end(), keys_of[e].begin(), keys_of[e].end());
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    if (clause.distinct && std::find(out.begin(), out.end(), keys) != out.end()) continue;
    out.push_back(std::move(keys));
  }
  return out;
}

bool is_unknown(const expr::Node& e) {
  if (e.kind != expr::NodeKind::kLiteral || !e.untyped) return false;
  return e.value->type->id() == arrow::Type::NA || column::is_text(*column::canonical_type(e.value->type));
}

std::optional<int64_t> constant_integer(const expr::NodePtr& e) {
  const arrow::Schema none({});
  const auto bound = expr::bind(e, none);
  if (!bound.ok() || (*bound)->kind != expr::BoundKind::kConstant || !(*bound)->value->is_valid || !column::is_integer(*(*bound)->type))
    return std::nullopt;
  const auto value = expr::integer_value(*(*bound)->value);
  if (!value || !expr::fits_integer(*value, *arrow::int64())) return std::nullopt;
  return static_cast<int64_t>(*value);
}

}  // namespace gristmill::sqltext
