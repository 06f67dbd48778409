// Joins are hash joins on the equalities found in ON (or, for a comma, in WHERE). What else ON says is a filter after an inner join; of
// an outer one, a filter before it when it is about the side that gets nulls alone, else a condition of the join. Items that nothing
// joins are crossed.
//
// Invariant: plan columns are unique; when both sides of a join know a name, the right one is renamed inside (table.name) and
// the scope still finds it under the user's name.

#include "sql/from.h"

#include <algorithm>
#include <set>

#include <arrow/type.h>

#include "base/status.h"
#include "plan/nodes.h"
#include "sql/event_windows.h"
#include "sql/files.h"
#include "sql/lower_expr.h"
#include "sql/table_functions.h"
#include "sql/values.h"
#include "sql/with_clause.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

// Columns of the query around, which a correlated subquery carries along, have no name here.
Scope scope_over(const Query& q, const std::string& table) {
  Scope s;
  for (size_t i = 0; i < q.names.size(); ++i) {
    const auto& field = q.plan->schema->field(static_cast<int>(i));
    if (!field->name().starts_with("$o")) s.columns.push_back({table, q.names[i], field->name(), false, field->type()});
  }
  return s;
}

// Renames columns of `right` that `left` has as well.
arrow::Status make_distinct_names(const Relation& left, Relation& right) {
  std::set<std::string> taken;
  for (const auto& f : left.plan->schema->fields()) taken.insert(f->name());
  bool clash = false;
  for (const auto& f : right.plan->schema->fields()) clash |= taken.contains(f->name());
  if (!clash) return arrow::Status::OK();
  for (const auto& f : right.plan->schema->fields()) taken.insert(f->name());
  std::vector<NodePtr> outputs;
  for (const auto& f : right.plan->schema->fields()) {
    if (left.plan->schema->GetFieldIndex(f->name()) < 0) {
      outputs.push_back(expr::column(f->name()));
      continue;
    }
    std::string fresh;
    for (auto& c : right.scope.columns) {
      if (c.column != f->name()) continue;
      if (fresh.empty()) {
        fresh = (c.table.empty() ? "right" : c.table) + "." + c.name;
        while (!taken.insert(fresh).second) fresh += "'";
      }
      c.column = fresh;
    }
    if (fresh.empty()) continue;  // hidden by USING
    outputs.push_back(expr::alias(expr::column(f->name()), fresh));
  }
  ARROW_ASSIGN_OR_RAISE(right.plan, plan::make_project(right.plan, std::move(outputs)));
  return arrow::Status::OK();
}

Scope merged(const Scope& a, const Scope& b) {
  Scope out = a;
  out.columns.insert(out.columns.end(), b.columns.begin(), b.columns.end());
  return out;
}

bool uses_only(const PgQuery__Node& n, const Scope& scope, const ParsedText& text) { return ExpressionLowering(text, scope).lower(n).ok(); }

// An inner join without condition, or one ON TRUE.
bool on_true(const PgQuery__JoinExpr& j) {
  if (j.jointype != PG_QUERY__JOIN_TYPE__JOIN_INNER && j.jointype != PG_QUERY__JOIN_TYPE__JOIN_LEFT) return false;
  if (j.n_using_clause > 0 || j.is_natural) return false;
  return !j.quals || (j.quals->node_case == PG_QUERY__NODE__NODE_A_CONST && j.quals->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL &&
                      j.quals->a_const->boolval->boolval);
}

const char* operator_of(const PgQuery__Node& n) {
  if (n.node_case != PG_QUERY__NODE__NODE_A_EXPR || n.a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || n.a_expr->n_name != 1 ||
      !n.a_expr->lexpr)
    return "";
  return n.a_expr->name[0]->string->sval;
}

}  // namespace

void split_and(const PgQuery__Node* n, std::vector<const PgQuery__Node*>& out) {
  if (!n) return;
  if (n->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR && n->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
    for (size_t i = 0; i < n->bool_expr->n_args; ++i) split_and(n->bool_expr->args[i], out);
    return;
  }
  out.push_back(n);
}

arrow::Result<Relation> FromLowering::table(const PgQuery__RangeVar& v) const {
  std::string name = text_.table_name(v.relname);
  const bool quoted = name != v.relname;  // a text: 'trips', which is no table's name
  if (v.schemaname && *v.schemaname) name = std::string(v.schemaname) + "." + name;
  auto found = tables_(name);
  if (quoted && !found.ok() && base::error_kind(found.status()) == base::ErrorKind::kPlan) {
    ARROW_ASSIGN_OR_RAISE(auto folder, scan_folder(name));
    if (folder) found = query_over(std::move(folder));
  }
  if (!found.ok() && base::error_kind(found.status()) == base::ErrorKind::kIo) return found.status();
  if (!found.ok()) return text_.error(found.status().message(), v.location);
  return named(std::move(*found), v.alias, text_.table_name(v.relname), v.location);
}

// `query` under its alias, with the column names given there.
arrow::Result<Relation> FromLowering::named(Query query, const PgQuery__Alias* alias, const std::string& name, int location) const {
  const std::string called = alias ? alias->aliasname : name;
  if (alias) {
    ARROW_ASSIGN_OR_RAISE(query, rename_columns(std::move(query), alias->colnames, alias->n_colnames, called, text_, location));
  }
  Scope scope = scope_over(query, called);
  return Relation{std::move(query.plan), std::move(scope)};
}

arrow::Result<Relation> FromLowering::windowed(const PgQuery__FuncCall& call, const std::string& function,
                                               const PgQuery__Alias* alias) const {
  const PgQuery__Node* given = call.n_args > 0 ? call.args[0] : nullptr;
  std::string name;
  Query rows;
  if (given && given->node_case == PG_QUERY__NODE__NODE_SUB_LINK &&
      given->sub_link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK) {
    ARROW_ASSIGN_OR_RAISE(rows, select_(*given->sub_link->subselect->select_stmt));
  } else {
    if (given && given->node_case == PG_QUERY__NODE__NODE_A_CONST && given->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
      name = given->a_const->sval->sval;
    for (size_t i = 0; given && given->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && i < given->column_ref->n_fields; ++i) {
      const PgQuery__Node& part = *given->column_ref->fields[i];
      if (part.node_case == PG_QUERY__NODE__NODE_STRING) name += (i == 0 ? "" : ".") + std::string(part.string->sval);
    }
    if (name.empty()) return text_.error(function + " takes a table, or a query in brackets, first", call.location);
    auto found = tables_(name);
    if (!found.ok() && base::error_kind(found.status()) == base::ErrorKind::kIo) return found.status();
    if (!found.ok()) return text_.error(found.status().message(), call.location);
    rows = std::move(*found);
  }
  ARROW_ASSIGN_OR_RAISE(EventWindows windows, read_windows(call, function, 1, scope_over(rows, name), text_));
  auto taken = rows.plan->schema->field_names();
  windows.start = fresh_name("window_start", taken);
  windows.end = fresh_name("window_end", taken);
  auto plan = WindowedRows::over(rows.plan, windows);
  if (!plan.ok()) return text_.error(plan.status().message(), call.location);
  rows.plan = std::move(*plan);
  for (const char* added : {"window_start", "window_end"}) {
    rows.names.emplace_back(added);
    rows.unknown.push_back(false);
  }
  ARROW_ASSIGN_OR_RAISE(Relation out, named(std::move(rows), alias, name, call.location));
  // Columns of the table that are called as the windows' are hidden by them.
  std::erase_if(out.scope.columns, [&](const ScopeColumn& c) {
    const bool same = equal_ignoring_case(c.name, "window_start") || equal_ignoring_case(c.name, "window_end");
    return same && c.column != windows.start && c.column != windows.end;
  });
  return out;
}

arrow::Result<Relation> FromLowering::function(const PgQuery__RangeFunction& f, const Relation* before, bool keep_empty) const {
  ARROW_ASSIGN_OR_RAISE(const auto calls, calls_of(f, text_));
  const std::string name = calls.size() == 1 ? function_name(*calls[0]) : "rows";
  if (calls.size() == 1 && makes_windows(name)) {
    if (f.ordinality) return text_.error("WITH ORDINALITY is not supported with " + name, calls[0]->location);
    ARROW_ASSIGN_OR_RAISE(Relation rows, windowed(*calls[0], name, f.alias));
    if (!before) return rows;
    ARROW_RETURN_NOT_OK(make_distinct_names(*before, rows));
    return cross(*before, std::move(rows));
  }
  if (calls.size() == 1 && !f.ordinality) {
    ARROW_ASSIGN_OR_RAISE(auto table, constant_table(*calls[0], text_));
    if (table) {
      // The one column of a series is called as the table is.
      if (table->names.size() == 1 && f.alias && table->names[0] == name) table->names[0] = f.alias->aliasname;
      ARROW_ASSIGN_OR_RAISE(Relation alone, named(std::move(*table), f.alias, name, calls[0]->location));
      return before ? cross(*before, std::move(alone)) : std::move(alone);
    }
  }
  const Scope nothing;
  const ExpressionLowering expressions(text_, before ? before->scope : nothing);
  std::vector<NodePtr> lists;
  std::vector<std::string> names;
  for (const PgQuery__FuncCall* call : calls) {
    ARROW_ASSIGN_OR_RAISE(const auto some, lists_of(*call, [&](const PgQuery__Node& n) { return expressions.lower(n); }, text_));
    lists.insert(lists.end(), some.begin(), some.end());
    names.insert(names.end(), some.size(), function_name(*call));
  }
  if (names.size() == 1 && f.alias) names[0] = f.alias->aliasname;
  if (f.ordinality) names.emplace_back("ordinality");
  plan::PlanPtr input = before ? before->plan : nullptr;
  if (!before) {
    ARROW_ASSIGN_OR_RAISE(input, one_row());
  }
  auto made = unnest(std::move(input), lists, f.ordinality, keep_empty);
  if (!made.ok()) return text_.error(made.status().message(), calls[0]->location);
  if (f.alias) {
    if (f.alias->n_colnames > names.size())
      return text_.error("\"" + std::string(f.alias->aliasname) + "\" has " + std::to_string(names.size()) + " columns",
                         calls[0]->location);
    for (size_t i = 0; i < f.alias->n_colnames; ++i) names[i] = f.alias->colnames[i]->string->sval;
  }
  Relation out;
  if (before) out.scope = before->scope;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto entry = made->plan->schema->GetFieldByName(made->columns[i]);
    out.scope.columns.push_back({f.alias ? f.alias->aliasname : name, names[i], made->columns[i], false, entry->type()});
  }
  out.plan = std::move(made->plan);
  return out;
}

arrow::Result<Relation> FromLowering::item(const PgQuery__Node& n, const Relation* before, const std::vector<Relation>* items) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR: return table(*n.range_var);
    case PG_QUERY__NODE__NODE_JOIN_EXPR: return join(*n.join_expr, before, items);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT: {
      if (n.range_subselect->lateral && before) return lateral(*n.range_subselect, before, items);
      ARROW_ASSIGN_OR_RAISE(Query query, select_(*n.range_subselect->subquery->select_stmt));
      return named(std::move(query), n.range_subselect->alias, "", -1);
    }
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION: return function(*n.range_function, nullptr);
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
      return text_.error("TABLESAMPLE is not supported; use Frame.sample()", n.range_table_sample->location);
    default: return text_.error("this item of FROM is not supported yet", -1);
  }
}

arrow::Result<Relation> FromLowering::lateral(const PgQuery__RangeSubselect& r, const Relation* before,
                                              const std::vector<Relation>* items) {
  std::vector<plan::PlanPtr> sources;
  if (items) {
    for (const Relation& one : *items) sources.push_back(one.plan);
  }
  sources.push_back(before->plan);
  Scope scope = before->scope;
  scope.outer = around_ ? around_->outer : nullptr;
  ARROW_ASSIGN_OR_RAISE(PlannedSubquery p, subqueries_.lateral(*r.subquery->select_stmt, scope, sources));
  ARROW_ASSIGN_OR_RAISE(Relation out, named({std::move(p.plan), std::move(p.names), {}}, r.alias, "", -1));
  out.needs = std::move(p.keys);
  out.null_safe = p.null_safe;
  return out;
}

arrow::Status FromLowering::put_off(std::vector<const PgQuery__Node*>& conditions, const Scope& both) {
  std::vector<const PgQuery__Node*> here;
  for (const PgQuery__Node* c : conditions) (uses_only(*c, both, text_) ? here : put_off_).push_back(c);
  conditions = std::move(here);
  return arrow::Status::OK();
}

// What a lateral item on the left needs of the items before, the whole join needs.
arrow::Result<Relation> FromLowering::join(const PgQuery__JoinExpr& j, const Relation* before, const std::vector<Relation>* items) {
  if (j.join_using_alias) return text_.error("an alias of USING is not supported", -1);
  Relation needed;
  ARROW_ASSIGN_OR_RAISE(Relation out, join_sides(j, before, items, needed));
  out.needs = std::move(needed.needs);
  out.null_safe = needed.null_safe;
  return out;
}

arrow::Result<Relation> FromLowering::join_sides(const PgQuery__JoinExpr& j, const Relation* before, const std::vector<Relation>* items,
                                                 Relation& needed) {
  const size_t waiting = put_off_.size();
  ARROW_ASSIGN_OR_RAISE(Relation left, item(*j.larg, before, items));
  needed.needs = left.needs;
  needed.null_safe = left.null_safe;
  const size_t of_left = put_off_.size();
  if (j.rarg->node_case == PG_QUERY__NODE__NODE_RANGE_FUNCTION && on_true(j)) {  // it may refer to the left side
    return under_alias(j, function(*j.rarg->range_function, &left, j.jointype == PG_QUERY__JOIN_TYPE__JOIN_LEFT));
  }
  ARROW_ASSIGN_OR_RAISE(Relation right, item(*j.rarg, &left));
  const size_t of_right = put_off_.size();
  plan::JoinKind kind;
  switch (j.jointype) {
    case PG_QUERY__JOIN_TYPE__JOIN_INNER: kind = plan::JoinKind::kInner; break;
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT: kind = plan::JoinKind::kLeft; break;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT: kind = plan::JoinKind::kRight; break;
    case PG_QUERY__JOIN_TYPE__JOIN_FULL: kind = plan::JoinKind::kFull; break;
    default: return text_.error("this kind of join is not supported yet", -1);
  }
  if (!left.needs.empty() && plan::keeps_right_rows(kind))
    return text_.error("a lateral subquery on the left of a right or full join is not supported", -1);
  const bool nulls_left = plan::keeps_right_rows(kind), nulls_right = plan::keeps_left_rows(kind);
  if ((nulls_left && of_left > waiting) || (nulls_right && of_right > of_left))
    return text_.error("a subquery, or a column of the query around, in the ON of a join below an outer join is not supported yet", -1);
  if ((nulls_left && depends(left)) || (nulls_right && depends(right)) || (depends(left) && depends(right)))
    return text_.error("a subquery in FROM that refers to the query around it is not supported yet on this side of a join", -1);
  std::vector<std::string> columns;
  for (size_t i = 0; i < j.n_using_clause; ++i) columns.push_back(j.using_clause[i]->string->sval);
  if (j.is_natural) {
    for (const auto& c : left.scope.columns) {
      for (const auto& d : right.scope.columns) {
        if (c.name == d.name && !c.qualified_only && !d.qualified_only) columns.push_back(c.name);
      }
    }
  }
  if (!columns.empty() && !right.needs.empty()) return text_.error("USING with a lateral subquery is not supported yet", -1);
  if (!columns.empty()) return under_alias(j, combine_using(std::move(left), std::move(right), kind, columns));
  std::vector<const PgQuery__Node*> conditions;
  split_and(j.quals, conditions);
  ARROW_RETURN_NOT_OK(make_distinct_names(left, right));
  if (kind == plan::JoinKind::kInner) ARROW_RETURN_NOT_OK(put_off(conditions, merged(left.scope, right.scope)));
  if (!right.needs.empty()) return under_alias(j, combine_lateral(std::move(left), std::move(right), kind, conditions));
  if (conditions.empty() && kind == plan::JoinKind::kInner) return under_alias(j, cross(std::move(left), std::move(right)));
  return under_alias(j, combine(std::move(left), std::move(right), kind, conditions));
}

arrow::Result<Relation> FromLowering::combine_lateral(Relation left, Relation right, plan::JoinKind kind,
                                                      const std::vector<const PgQuery__Node*>& conditions) const {
  if (kind != plan::JoinKind::kInner && kind != plan::JoinKind::kLeft)
    return text_.error("a lateral subquery stands on the right of a left or an inner join", -1);
  Relation out;
  out.scope = merged(left.scope, right.scope);
  std::vector<NodePtr> left_keys, right_keys, on;
  for (const auto& k : right.needs) {
    left_keys.push_back(k.outer);
    right_keys.push_back(k.inner);
  }
  for (const PgQuery__Node* c : conditions) {
    ARROW_ASSIGN_OR_RAISE(auto condition, ExpressionLowering(text_, out.scope).lower(*c));
    on.push_back(std::move(condition));
  }
  ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_join(left.plan, right.plan, kind, std::move(left_keys), std::move(right_keys), false,
                                                  right.null_safe, "_right", expr::conjunction(on)));
  return out;
}

// (a join b ...) as j (x, y): its columns are j's, the tables inside are not seen any more.
arrow::Result<Relation> FromLowering::under_alias(const PgQuery__JoinExpr& j, arrow::Result<Relation> joined) const {
  if (!j.alias || !joined.ok()) return joined;
  Scope scope;
  for (const ScopeColumn& c : joined->scope.columns) {
    if (!c.qualified_only) scope.columns.push_back({j.alias->aliasname, c.name, c.column, false, c.type});
  }
  if (j.alias->n_colnames > scope.columns.size())
    return text_.error("\"" + std::string(j.alias->aliasname) + "\" has " + std::to_string(scope.columns.size()) + " columns", -1);
  for (size_t i = 0; i < j.alias->n_colnames; ++i) scope.columns[i].name = j.alias->colnames[i]->string->sval;
  joined->scope = std::move(scope);
  return joined;
}

arrow::Result<Relation> FromLowering::cross(Relation left, Relation right) {
  ARROW_RETURN_NOT_OK(make_distinct_names(left, right));
  Relation out;
  ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_cross_join(left.plan, right.plan));
  out.scope = merged(left.scope, right.scope);
  return out;
}

arrow::Result<Relation> FromLowering::combine_using(Relation left, Relation right, plan::JoinKind kind,
                                                    const std::vector<std::string>& columns) const {
  ARROW_RETURN_NOT_OK(make_distinct_names(left, right));
  std::vector<NodePtr> left_keys, right_keys;
  std::set<std::string> hidden;
  for (const auto& name : columns) {
    ARROW_ASSIGN_OR_RAISE(const ScopeColumn* l, left.scope.find("", name));
    ARROW_ASSIGN_OR_RAISE(const ScopeColumn* r, right.scope.find("", name));
    left_keys.push_back(expr::column(l->column));
    right_keys.push_back(expr::column(r->column));
    hidden.insert(r->column);
  }
  Relation out;
  ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_join(left.plan, right.plan, kind, left_keys, right_keys, false));
  if (kind == plan::JoinKind::kRight || kind == plan::JoinKind::kFull)
    return merge_columns(std::move(out), left, right, left_keys, right_keys);
  out.scope = left.scope;
  for (auto& c : right.scope.columns) {
    if (!hidden.contains(c.column)) out.scope.columns.push_back(c);
  }
  return out;
}

// A column of USING shows whichever side is there; each side's own is still there under its table's name.
arrow::Result<Relation> FromLowering::merge_columns(Relation joined, const Relation& left, const Relation& right,
                                                    const std::vector<NodePtr>& left_keys, const std::vector<NodePtr>& right_keys) {
  Scope own = merged(left.scope, right.scope), shown;
  std::vector<NodePtr> outputs;
  for (const auto& f : joined.plan->schema->fields()) outputs.push_back(expr::column(f->name()));
  for (size_t k = 0; k < left_keys.size(); ++k) {
    std::string fresh = "using." + left_keys[k]->name;
    while (joined.plan->schema->GetFieldIndex(fresh) >= 0) fresh += "'";
    outputs.push_back(expr::alias(expr::call("coalesce", {left_keys[k], right_keys[k]}), fresh));
    for (auto& c : own.columns) {
      if (c.column != left_keys[k]->name && c.column != right_keys[k]->name) continue;
      if (c.column == left_keys[k]->name && !c.qualified_only) shown.columns.push_back({"", c.name, fresh});
      c.qualified_only = true;
    }
  }
  ARROW_ASSIGN_OR_RAISE(joined.plan, plan::make_project(joined.plan, std::move(outputs)));
  joined.scope = merged(shown, own);
  return joined;
}

// A condition of an outer join; a subquery in it becomes a column of the side that it looks at.
arrow::Result<NodePtr> FromLowering::on_condition(const PgQuery__Node& c, const Scope& both, Relation& left, Relation& right) const {
  if (uses_only(c, both, text_)) return ExpressionLowering(text_, both).lower(c);
  ARROW_ASSIGN_OR_RAISE(plan::PlanPtr names, plan::make_cross_join(left.plan, right.plan));
  Scope scope = both;
  SelectLevel level(subqueries_, scope, std::move(names));
  scope.subqueries = &level;
  ARROW_ASSIGN_OR_RAISE(NodePtr e, ExpressionLowering(text_, scope).lower(c));
  const auto of = [](const std::vector<std::string>& columns, const Relation& r) {
    return std::all_of(columns.begin(), columns.end(), [&](const std::string& name) { return r.plan->schema->GetFieldIndex(name) >= 0; });
  };
  const std::vector<std::string> columns = subquery_columns(*e);
  if (of(columns, right)) return subqueries_.resolve(right.plan, e);
  if (of(columns, left)) return subqueries_.resolve(left.plan, e);
  return text_.error("a subquery that looks at both sides of an outer join in its ON is not supported yet", -1);
}

arrow::Result<Relation> FromLowering::combine(Relation left, Relation right, plan::JoinKind kind,
                                              const std::vector<const PgQuery__Node*>& conditions) const {
  const Scope both = merged(left.scope, right.scope);
  std::vector<NodePtr> left_keys, right_keys, after;
  for (const PgQuery__Node* condition : conditions) {
    const PgQuery__Node& c = *condition;
    if (std::string_view(operator_of(c)) == "=") {
      const PgQuery__Node *a = c.a_expr->lexpr, *b = c.a_expr->rexpr;
      const bool straight = uses_only(*a, left.scope, text_) && uses_only(*b, right.scope, text_);
      const bool crossed = !straight && uses_only(*b, left.scope, text_) && uses_only(*a, right.scope, text_);
      const bool constant = uses_only(*a, Scope{}, text_) || uses_only(*b, Scope{}, text_);
      if ((straight || crossed) && !constant) {
        ARROW_ASSIGN_OR_RAISE(auto l, ExpressionLowering(text_, left.scope).lower(straight ? *a : *b));
        ARROW_ASSIGN_OR_RAISE(auto r, ExpressionLowering(text_, right.scope).lower(straight ? *b : *a));
        left_keys.push_back(std::move(l));
        right_keys.push_back(std::move(r));
        continue;
      }
    }
    Relation* const nulled = kind == plan::JoinKind::kLeft ? &right : kind == plan::JoinKind::kRight ? &left : nullptr;
    if (nulled && uses_only(c, nulled->scope, text_)) {
      ARROW_ASSIGN_OR_RAISE(auto own, ExpressionLowering(text_, nulled->scope).lower(c));
      ARROW_ASSIGN_OR_RAISE(nulled->plan, plan::make_filter(nulled->plan, std::move(own)));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto rest, on_condition(c, both, left, right));
    after.push_back(std::move(rest));
  }
  NodePtr condition = expr::conjunction(after);
  if (left_keys.empty() && !condition) condition = expr::literal(true);
  Relation out;
  ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_join(left.plan, right.plan, kind, left_keys, right_keys, false, false, "_right", condition));
  out.scope = both;
  return out;
}

arrow::Result<FromItems> FromLowering::lower(PgQuery__Node* const* items, size_t n) {
  FromItems out;
  Relation all;
  if (n == 0) {
    ARROW_ASSIGN_OR_RAISE(all.plan, one_row());
    out.items.push_back(all);
  }
  for (size_t i = 0; i < n; ++i) {
    if (i > 0 && items[i]->node_case == PG_QUERY__NODE__NODE_RANGE_FUNCTION) {
      ARROW_RETURN_NOT_OK(add_function(*items[i]->range_function, out.items, all));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(Relation r, item(*items[i], i > 0 ? &all : nullptr, &out.items));
    if (i > 0) {
      if (depends(all) && depends(r)) return text_.error("two items of FROM that refer to the query around them are not supported yet", -1);
      ARROW_RETURN_NOT_OK(make_distinct_names(all, r));
    }
    out.items.push_back(r);
    if (i == 0) {
      all = std::move(r);
    } else {
      ARROW_ASSIGN_OR_RAISE(all, cross(std::move(all), std::move(r)));
    }
  }
  out.scope = std::move(all.scope);
  out.names = std::move(all.plan);
  out.conditions = std::move(put_off_);
  return out;
}

// A function behind a comma stands alone, or it refers to columns of an item before it, and is joined to that one; else to all of them.
arrow::Status FromLowering::add_function(const PgQuery__RangeFunction& f, std::vector<Relation>& items, Relation& all) const {
  if (auto alone = function(f, nullptr); alone.ok()) {
    ARROW_RETURN_NOT_OK(make_distinct_names(all, *alone));
    items.push_back(*alone);
    ARROW_ASSIGN_OR_RAISE(all, cross(std::move(all), std::move(*alone)));
    return arrow::Status::OK();
  }
  for (size_t k = items.size(); k-- > 0;) {
    if (!items[k].needs.empty()) continue;
    auto joined = function(f, &items[k]);
    if (!joined.ok()) continue;
    joined->null_safe = items[k].null_safe;
    Relation others;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i == k) continue;
      if (!others.plan) {
        others = items[i];
      } else {
        ARROW_ASSIGN_OR_RAISE(others, cross(std::move(others), items[i]));
      }
    }
    if (others.plan) ARROW_RETURN_NOT_OK(make_distinct_names(others, *joined));
    items[k] = std::move(*joined);
    all = items[0];
    for (size_t i = 1; i < items.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(all, cross(std::move(all), items[i]));
    }
    return arrow::Status::OK();
  }
  if (std::any_of(items.begin(), items.end(), [](const Relation& r) { return !r.needs.empty(); }))
    return text_.error("a function that refers to several items of FROM, one of them lateral, is not supported yet", -1);
  ARROW_ASSIGN_OR_RAISE(all, function(f, &all));
  items = {all};
  return arrow::Status::OK();
}

}  // namespace gristmill::sqltext
