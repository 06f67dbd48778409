// CREATE TABLE, CREATE VIEW, DROP, INSERT, TRUNCATE: of the session's own tables, in memory.

#include <algorithm>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "plan/expressions.h"
#include "sql/lower_expr.h"
#include "sql/lower_select.h"
#include "sql/over_streams.h"
#include "sql/statements.h"
#include "sql/values.h"
#include "sql/with_clause.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

// Schemas are accepted where they say what is so anyway.
arrow::Result<std::string> plain_name(const PgQuery__RangeVar& v, const ParsedText& text) {
  const std::string schema = v.schemaname ? v.schemaname : "";
  for (const char* known : {"", "main", "public", "temp", "pg_temp"}) {
    if (schema == known) return std::string(v.relname);
  }
  return text.error("a session has no schema \"" + schema + "\"", v.location);
}

// True: it is there and that is fine.
arrow::Result<bool> make_room(const std::string& name, bool replace, bool if_not_exists, const char* what, const ParsedText& text,
                              int location, Work& work) {
  Catalog& catalog = work.catalog;
  if (!catalog.tables.contains(name) && !catalog.views.contains(name)) return false;
  if (if_not_exists) return true;
  const bool is_view = catalog.views.contains(name);
  if (replace && is_view == (std::string_view(what) == "view")) return false;
  return text.error(std::string(is_view ? "view" : "table") + " \"" + name + "\" is there already", location);
}

arrow::Result<std::shared_ptr<arrow::Schema>> stored_schema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& f : schema.fields()) {
    const bool null = f->type()->id() == arrow::Type::NA;  // a column of NULLs alone: text, as in PostgreSQL
    fields.push_back(arrow::field(f->name(), null ? arrow::utf8() : plan::border_type(column::canonical_type(f->type()))));
  }
  auto out = arrow::schema(std::move(fields));
  ARROW_RETURN_NOT_OK(plan::check_unique(*out));
  return out;
}

}  // namespace

arrow::Result<StoredTable*> stored_table(const PgQuery__RangeVar& v, const ParsedText& text, Work& work) {
  ARROW_ASSIGN_OR_RAISE(const std::string name, plain_name(v, text));
  StoredTable* table = work.catalog.find_table(name);
  if (!table) {
    if (work.catalog.find_view(name)) return text.error("\"" + name + "\" is a view", v.location);
    const auto known = work.catalog.names();
    return text.error("the session has no table \"" + name + "\"" + (known.empty() ? "" : base::suggest_name(name, known)), v.location);
  }
  if (table->fixed()) return text.error("\"" + name + "\" is a frame that was given to the session; it cannot be changed", v.location);
  return table;
}

// The columns of `rows`, cast to the table's by position.
arrow::Result<int64_t> insert_rows(StoredTable& table, const Frame& rows, Work& work) {
  ARROW_ASSIGN_OR_RAISE(auto plan, rows.plan());
  std::vector<NodePtr> outputs;
  for (int i = 0; i < table.schema()->num_fields(); ++i) {
    const auto& to = table.schema()->field(i);
    const auto& from = plan->schema->field(i);
    NodePtr e = expr::column(from->name());
    const auto type = column::canonical_type(to->type());
    if (!column::canonical_type(from->type())->Equals(*type)) e = expr::cast(std::move(e), type);
    outputs.push_back(expr::alias(std::move(e), to->name()));
  }
  ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(std::move(plan), std::move(outputs)));
  ParallelOptions in_order = work.catalog.options;
  in_order.ordered = true;
  ARROW_ASSIGN_OR_RAISE(const Table made, Frame(std::move(plan)).collect(in_order, work.cancel));
  ARROW_ASSIGN_OR_RAISE(const auto data, made.arrow());
  const int64_t n = made.num_rows();
  // One schema for all parts: border types and nullability of the table.
  ARROW_RETURN_NOT_OK(table.append(Table(arrow::Table::Make(table.schema(), data->columns(), n)), work.catalog.options, work.cancel));
  return n;
}

arrow::Result<Outcome> run_create_table_as(const PgQuery__CreateTableAsStmt& s, const std::shared_ptr<ParsedText>& text, Work& work) {
  if (s.objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
    return text->error("a materialized view is not supported; create a table", s.into->rel->location);
  ARROW_ASSIGN_OR_RAISE(const std::string name, plain_name(*s.into->rel, *text));
  ARROW_ASSIGN_OR_RAISE(const bool there,
                        make_room(name, text->or_replace(), s.if_not_exists, "table", *text, s.into->rel->location, work));
  if (there) return Outcome{"CREATE TABLE", {}, 0};
  Query query;
  if (s.query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
    ARROW_ASSIGN_OR_RAISE(query, lower_query(*s.query->select_stmt, *text, lookup_in(work.catalog, work.input)));
    ARROW_ASSIGN_OR_RAISE(query, as_table(std::move(query)));
  } else {
    ARROW_ASSIGN_OR_RAISE(const Outcome rows, run_node(*s.query, text, work));
    if (!rows.rows) return base::plan_error("this statement gives no rows to make a table of");
    ARROW_ASSIGN_OR_RAISE(auto plan, rows.rows->plan());
    query = query_over(std::move(plan));
  }
  ARROW_ASSIGN_OR_RAISE(query,
                        rename_columns(std::move(query), s.into->col_names, s.into->n_col_names, name, *text, s.into->rel->location));
  ARROW_ASSIGN_OR_RAISE(auto plan, shown(query));
  ARROW_ASSIGN_OR_RAISE(auto schema, stored_schema(*plan->schema));
  ARROW_ASSIGN_OR_RAISE(StoredTable table, StoredTable::make(std::move(schema)));
  int64_t rows = 0;
  if (!s.into->skip_data) {
    ARROW_ASSIGN_OR_RAISE(rows, insert_rows(table, Frame(std::move(plan)), work));
  }
  work.catalog.tables.insert_or_assign(name, std::move(table));
  return Outcome{"CREATE TABLE", {}, rows};
}

arrow::Result<Outcome> run_create_table(const PgQuery__CreateStmt& s, const ParsedText& text, Work& work) {
  ARROW_ASSIGN_OR_RAISE(const std::string name, plain_name(*s.relation, text));
  ARROW_ASSIGN_OR_RAISE(const bool there, make_room(name, text.or_replace(), s.if_not_exists, "table", text, s.relation->location, work));
  if (there) return Outcome{"CREATE TABLE", {}, 0};
  arrow::FieldVector fields;
  for (size_t i = 0; i < s.n_table_elts; ++i) {
    if (s.table_elts[i]->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
      return text.error("constraints of a table are not supported: a session's table has columns and types only", s.relation->location);
    const PgQuery__ColumnDef& c = *s.table_elts[i]->column_def;
    if (c.n_constraints > 0) return text.error("constraints and defaults of a column are not supported", c.location);
    auto type = sql_type(*c.type_name);
    if (!type.ok()) return text.error(type.status().message(), c.type_name->location);
    if (c.type_name->n_array_bounds > 1) return text.error("lists of lists are not supported here", c.type_name->location);
    const bool list = c.type_name->n_array_bounds == 1;
    fields.push_back(arrow::field(c.colname, plan::border_type(list ? arrow::list(*type) : *type)));
  }
  if (fields.empty()) return text.error("a table needs at least one column", s.relation->location);
  ARROW_ASSIGN_OR_RAISE(auto schema, stored_schema(arrow::Schema(std::move(fields))));
  ARROW_ASSIGN_OR_RAISE(StoredTable table, StoredTable::make(std::move(schema)));
  work.catalog.tables.insert_or_assign(name, std::move(table));
  return Outcome{"CREATE TABLE", {}, 0};
}

arrow::Result<Outcome> run_create_view(const PgQuery__ViewStmt& s, const std::shared_ptr<ParsedText>& text, Work& work) {
  ARROW_ASSIGN_OR_RAISE(const std::string name, plain_name(*s.view, *text));
  ARROW_ASSIGN_OR_RAISE(const bool there, make_room(name, s.replace, false, "view", *text, s.view->location, work));
  (void)there;
  if (!text->parameters().empty()) return text->error("a view cannot have parameters", s.view->location);
  if (s.query->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) return text->error("a view is a query", s.view->location);
  View view{text, s.query->select_stmt, {}};
  // Given tables and variables are the statement's, not the session's: a view cannot count on them.
  const SqlInput nothing;
  ARROW_ASSIGN_OR_RAISE(Query query, lower_query(*view.select, *text, lookup_in(work.catalog, nothing)));
  ARROW_ASSIGN_OR_RAISE(query, rename_columns(std::move(query), s.aliases, s.n_aliases, name, *text, s.view->location));
  for (size_t i = 0; i < s.n_aliases; ++i) view.names.push_back(query.names[i]);
  work.catalog.views.insert_or_assign(name, std::move(view));
  return Outcome{"CREATE VIEW", {}, -1};
}

arrow::Result<Outcome> run_drop(const PgQuery__DropStmt& s, const ParsedText& text, Work& work) {
  const bool view = s.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW;
  if (!view && s.remove_type != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) return text.error("only tables and views can be dropped", -1);
  std::vector<std::string> names;
  for (size_t i = 0; i < s.n_objects; ++i) {
    const PgQuery__List& parts = *s.objects[i]->list;
    const std::string name = parts.items[parts.n_items - 1]->string->sval;
    const bool there = view ? work.catalog.views.contains(name) : work.catalog.tables.contains(name);
    if (there) {
      names.push_back(name);
    } else if (!s.missing_ok) {
      const auto known = work.catalog.names();
      const bool other = view ? work.catalog.tables.contains(name) : work.catalog.views.contains(name);
      if (other) return base::plan_error("\"" + name + "\" is a " + (view ? "table" : "view"), std::string("drop it as one"));
      return base::plan_error(std::string("the session has no ") + (view ? "view" : "table") + " \"" + name + "\"" +
                              (known.empty() ? "" : base::suggest_name(name, known)));
    }
  }
  for (const std::string& n : names) {
    if (view) {
      work.catalog.views.erase(n);
    } else {
      work.catalog.tables.erase(n);
    }
  }
  return Outcome{view ? "DROP VIEW" : "DROP TABLE", {}, -1};
}

arrow::Result<Outcome> run_insert(const PgQuery__InsertStmt& s, const ParsedText& text, Work& work) {
  ARROW_ASSIGN_OR_RAISE(StoredTable * table, stored_table(*s.relation, text, work));
  if (s.on_conflict_clause) return text.error("ON CONFLICT is not supported", s.on_conflict_clause->location);
  if (s.n_returning_list > 0) return text.error("RETURNING is not supported", -1);
  TableLookup tables = lookup_in(work.catalog, work.input);
  if (s.with_clause) {
    const LowerQuery lower = [&](const PgQuery__SelectStmt& q, const TableLookup& t) { return lower_query(q, text, t); };
    ARROW_ASSIGN_OR_RAISE(tables, with_tables(*s.with_clause, text, tables, lower));
  }
  if (!s.select_stmt) return text.error("INSERT ... DEFAULT VALUES is not supported", s.relation->location);
  const PgQuery__SelectStmt& select = *s.select_stmt->select_stmt;
  const bool plain_values = select.n_values_lists > 0 && !select.with_clause && select.n_sort_clause == 0 && !select.limit_count;
  Query query;
  if (plain_values) {
    ARROW_ASSIGN_OR_RAISE(query, lower_values(select.values_lists, select.n_values_lists, text, true));
  } else {
    ARROW_ASSIGN_OR_RAISE(query, lower_query(select, text, tables));
    ARROW_ASSIGN_OR_RAISE(query, as_table(std::move(query)));
  }
  const auto& schema = *table->schema();
  std::vector<int> target;  // of each column of the query
  for (size_t i = 0; i < s.n_cols; ++i) {
    const PgQuery__ResTarget& c = *s.cols[i]->res_target;
    const int at = schema.GetFieldIndex(c.name);
    if (at < 0)
      return text.error("no column \"" + std::string(c.name) + "\"" + base::suggest_name(c.name, schema.field_names()), c.location);
    if (std::find(target.begin(), target.end(), at) != target.end())
      return text.error("column \"" + std::string(c.name) + "\" is named twice", c.location);
    target.push_back(at);
  }
  const size_t wanted = s.n_cols > 0 ? s.n_cols : static_cast<size_t>(schema.num_fields());
  if (query.names.size() != wanted) {
    return text.error("INSERT has " + std::to_string(wanted) + " columns, but " + std::to_string(query.names.size()) + " values",
                      s.relation->location);
  }
  std::vector<NodePtr> outputs;
  for (int i = 0; i < schema.num_fields(); ++i) {
    const auto at = std::find(target.begin(), target.end(), i);
    const bool given = s.n_cols == 0 || at != target.end();
    const int from = s.n_cols == 0 ? i : static_cast<int>(at - target.begin());
    NodePtr e = given ? expr::column(query.plan->schema->field(from)->name()) : expr::null_literal();
    outputs.push_back(expr::alias(std::move(e), schema.field(i)->name()));
  }
  ARROW_ASSIGN_OR_RAISE(auto plan, plan::make_project(query.plan, std::move(outputs)));
  ARROW_ASSIGN_OR_RAISE(const int64_t rows, insert_rows(*table, Frame(std::move(plan)), work));
  return Outcome{"INSERT", {}, rows};
}

arrow::Result<Outcome> run_truncate(const PgQuery__TruncateStmt& s, const ParsedText& text, Work& work) {
  std::vector<StoredTable*> tables;
  for (size_t i = 0; i < s.n_relations; ++i) {
    ARROW_ASSIGN_OR_RAISE(StoredTable * table, stored_table(*s.relations[i]->range_var, text, work));
    tables.push_back(table);
  }
  for (StoredTable* t : tables) {
    ARROW_ASSIGN_OR_RAISE(*t, StoredTable::make(t->schema()));
  }
  return Outcome{"TRUNCATE", {}, -1};
}

}  // namespace gristmill::sqltext
