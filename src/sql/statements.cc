// Which statement is run by what, and the small ones.

#include "sql/statements.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/clock.h"
#include "base/status.h"
#include "expr/bind.h"
#include "sql/lower_expr.h"
#include "sql/lower_select.h"
#include "sql/over_streams.h"

namespace gristmill::sqltext {
namespace {

// What the values of a statement's parameters are.
arrow::Status bind_parameters(ParsedText& text, const SqlParameters& given) {
  const auto& wanted = text.parameters();
  std::vector<std::shared_ptr<arrow::Scalar>> values(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].empty()) {
      if (i < given.positional.size()) values[i] = given.positional[i];
      continue;
    }
    const auto found = std::find_if(given.named.begin(), given.named.end(), [&](const auto& g) { return g.first == wanted[i]; });
    if (found != given.named.end()) values[i] = found->second;
  }
  text.set_parameters(std::move(values));
  return arrow::Status::OK();
}

// Values and the time, as a statement begins.
arrow::Status begin_statement(ParsedText& text, Work& work) {
  work.catalog.now = base::Clock::system().unix_micros();
  text.set_now(work.catalog.now);
  return bind_parameters(text, work.input.parameters);
}

const char* unsupported_name(const PgQuery__Node& n) {
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_UPDATE_STMT: return "UPDATE";
    case PG_QUERY__NODE__NODE_DELETE_STMT: return "DELETE";
    case PG_QUERY__NODE__NODE_MERGE_STMT: return "MERGE";
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT: return "a transaction (every statement stands for itself)";
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT: return "ALTER TABLE";
    case PG_QUERY__NODE__NODE_RENAME_STMT: return "ALTER ... RENAME";
    case PG_QUERY__NODE__NODE_INDEX_STMT: return "CREATE INDEX";
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT: return "CREATE FUNCTION";
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT: return "CREATE SCHEMA";
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT: return "CREATE SEQUENCE";
    case PG_QUERY__NODE__NODE_VACUUM_STMT: return "VACUUM or ANALYZE";
    case PG_QUERY__NODE__NODE_GRANT_STMT: return "GRANT";
    case PG_QUERY__NODE__NODE_LOCK_STMT: return "LOCK";
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT: return "a cursor";
    case PG_QUERY__NODE__NODE_DO_STMT: return "DO";
    case PG_QUERY__NODE__NODE_CALL_STMT: return "CALL";
    default: return "this statement";
  }
}

bool changes_something(const PgQuery__Node& n) {
  return n.node_case != PG_QUERY__NODE__NODE_SELECT_STMT && n.node_case != PG_QUERY__NODE__NODE_EXPLAIN_STMT &&
         n.node_case != PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT;
}

}  // namespace

arrow::Result<Stream> stream_of_query(ParsedText& text, Work& work) {
  if (text.verb() != Verb::kPlain || text.statement().node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
    return base::plan_error("a stream is made of a query (SELECT)");
  ARROW_RETURN_NOT_OK(begin_statement(text, work));
  ARROW_ASSIGN_OR_RAISE(const Query query, lower_query(*text.statement().select_stmt, text, lookup_in(work.catalog, work.input)));
  return as_stream(query);
}

arrow::Result<Frame> frame_of_select(const PgQuery__SelectStmt& select, const ParsedText& text, Work& work) {
  ARROW_ASSIGN_OR_RAISE(Query query, lower_query(select, text, lookup_in(work.catalog, work.input)));
  ARROW_ASSIGN_OR_RAISE(query, as_table(std::move(query)));
  ARROW_ASSIGN_OR_RAISE(auto plan, shown(query));
  return Frame(std::move(plan));
}

arrow::Result<Outcome> run_node(const PgQuery__Node& n, const std::shared_ptr<ParsedText>& text, Work& work) {
  if (!work.may_change && changes_something(n)) {
    return base::plan_error("only queries, EXPLAIN, DESCRIBE, SUMMARIZE and SHOW give rows lazily",
                            "statements that leave something behind are run on a session: connect().execute(...)");
  }
  switch (n.node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT: {
      ARROW_ASSIGN_OR_RAISE(Frame frame, frame_of_select(*n.select_stmt, *text, work));
      return Outcome{"SELECT", std::move(frame), -1};
    }
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT: return run_create_table_as(*n.create_table_as_stmt, text, work);
    case PG_QUERY__NODE__NODE_CREATE_STMT: return run_create_table(*n.create_stmt, *text, work);
    case PG_QUERY__NODE__NODE_VIEW_STMT: return run_create_view(*n.view_stmt, text, work);
    case PG_QUERY__NODE__NODE_DROP_STMT: return run_drop(*n.drop_stmt, *text, work);
    case PG_QUERY__NODE__NODE_INSERT_STMT: return run_insert(*n.insert_stmt, *text, work);
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT: return run_truncate(*n.truncate_stmt, *text, work);
    case PG_QUERY__NODE__NODE_COPY_STMT: return run_copy(*n.copy_stmt, *text, work);
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT: return run_explain(*n.explain_stmt, text, work);
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT: return run_set(*n.variable_set_stmt, *text, work);
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT: return run_show(*n.variable_show_stmt, work);
    case PG_QUERY__NODE__NODE_PREPARE_STMT: return run_prepare(*n.prepare_stmt, text, work);
    case PG_QUERY__NODE__NODE_EXECUTE_STMT: return run_execute(*n.execute_stmt, *text, work);
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT: return run_deallocate(*n.deallocate_stmt, work);
    default: return base::plan_error(std::string(unsupported_name(n)) + " is not supported");
  }
}

arrow::Result<Outcome> run_statement(const std::shared_ptr<ParsedText>& text, Work& work) {
  if (text->verb() == Verb::kShowTables) return show_tables(work);
  ARROW_RETURN_NOT_OK(begin_statement(*text, work));
  if (text->verb() == Verb::kPlain) return run_node(text->statement(), text, work);
  const PgQuery__Node& n = text->statement();
  if (n.node_case != PG_QUERY__NODE__NODE_SELECT_STMT) return base::plan_error("only tables and queries can be described");
  ARROW_ASSIGN_OR_RAISE(const Frame frame, frame_of_select(*n.select_stmt, *text, work));
  return text->verb() == Verb::kDescribe ? describe(frame) : summarize(frame, work);
}

Frame text_table(const std::vector<std::string>& names, const std::vector<std::vector<std::string>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < names.size(); ++i) {
    arrow::StringBuilder builder;
    const arrow::Status s = builder.AppendValues(columns[i]);
    auto array = s.ok() ? builder.Finish() : arrow::Result<std::shared_ptr<arrow::Array>>(s);
    if (!array.ok()) return Frame(array.status());
    fields.push_back(arrow::field(names[i], arrow::utf8()));
    arrays.push_back(std::move(*array));
  }
  return from_arrow(arrow::Table::Make(arrow::schema(std::move(fields)), std::move(arrays)));
}

// Prepared statements ---------------------------------------------------------------------------------------------

arrow::Result<Outcome> run_prepare(const PgQuery__PrepareStmt& s, const std::shared_ptr<ParsedText>& text, Work& work) {
  if (work.catalog.prepared.contains(s.name))
    return base::plan_error("there is a prepared statement \"" + std::string(s.name) + "\" already", "deallocate it first");
  Prepared p{text, s.query, {}};
  for (size_t i = 0; i < s.n_argtypes; ++i) {
    const auto type = sql_type(*s.argtypes[i]->type_name);
    if (!type.ok()) return text->error(type.status().message(), s.argtypes[i]->type_name->location);
    p.types.push_back(*type);
  }
  work.catalog.prepared.emplace(s.name, std::move(p));
  return Outcome{"PREPARE", {}, -1};
}

arrow::Result<Outcome> run_execute(const PgQuery__ExecuteStmt& s, const ParsedText& text, Work& work) {
  const auto found = work.catalog.prepared.find(s.name);
  if (found == work.catalog.prepared.end()) {
    std::vector<std::string> known;
    for (const auto& [name, p] : work.catalog.prepared) known.push_back(name);
    return base::plan_error("no prepared statement \"" + std::string(s.name) + "\"" +
                            (known.empty() ? "" : base::suggest_name(s.name, known)));
  }
  const Prepared prepared = found->second;
  const size_t wanted = std::max(prepared.types.size(), prepared.text->parameters().size());
  if (s.n_params != wanted) {
    return base::plan_error("prepared statement \"" + std::string(s.name) + "\" takes " + std::to_string(wanted) + " values, not " +
                            std::to_string(s.n_params));
  }
  const Scope nothing;
  const arrow::Schema none({});
  std::vector<std::shared_ptr<arrow::Scalar>> values;
  for (size_t i = 0; i < s.n_params; ++i) {
    ARROW_ASSIGN_OR_RAISE(expr::NodePtr e, ExpressionLowering(text, nothing).lower(*s.params[i]));
    if (i < prepared.types.size()) e = expr::cast(std::move(e), prepared.types[i]);
    ARROW_ASSIGN_OR_RAISE(const auto bound, expr::bind(e, none));
    if (bound->kind == expr::BoundKind::kConstant) {
      values.push_back(bound->value);
      continue;
    }
    // A cast that may fail is not folded: it is run, and fails as any other.
    ARROW_ASSIGN_OR_RAISE(const Table row,
                          sql("select 1 as one").select({Expr(e).alias("value")}).collect(work.catalog.options, work.cancel));
    ARROW_ASSIGN_OR_RAISE(const auto table, row.arrow());
    ARROW_ASSIGN_OR_RAISE(auto value, table->column(0)->GetScalar(0));
    values.push_back(std::move(value));
  }
  prepared.text->set_parameters(std::move(values));
  prepared.text->set_now(work.catalog.now);
  return run_node(*prepared.statement, prepared.text, work);
}

arrow::Result<Outcome> run_deallocate(const PgQuery__DeallocateStmt& s, Work& work) {
  const std::string name = s.name ? s.name : "";
  if (name.empty()) {
    work.catalog.prepared.clear();
  } else if (work.catalog.prepared.erase(name) == 0) {
    return base::plan_error("no prepared statement \"" + name + "\"");
  }
  return Outcome{"DEALLOCATE", {}, -1};
}

}  // namespace gristmill::sqltext
