// The catalogue's view of a table; DDL.

#include "io/connect/postgres_table.h"

#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::io {

arrow::Result<bool> table_exists(PostgresSession& session, const std::string& table) {
  ARROW_ASSIGN_OR_RAISE(const auto found, session.execute("select pg_catalog.to_regclass($1)", {table}));
  return found.rows[0][0].has_value();
}

// With the server's codes for it: another connection would find the same.
arrow::Status ready_table(PostgresSession& session, const std::string& table, PostgresMode mode, const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(const bool exists, table_exists(session, table));
  if (exists && mode == PostgresMode::kFail)
    return base::io_error("the table " + table + " exists already (SQLSTATE 42P07)", {}, "mode \"append\" adds to it");
  if (exists) return mode == PostgresMode::kReplace ? session.execute("truncate " + table).status() : arrow::Status::OK();
  if (mode == PostgresMode::kAppend || mode == PostgresMode::kUpsert) {
    return base::io_error("there is no table " + table + " in the database " + session.address().shown + " (SQLSTATE 42P01)", {},
                          "mode \"create\" makes it");
  }
  std::string columns;
  for (const auto& f : schema.fields()) {
    ARROW_ASSIGN_OR_RAISE(const auto type, postgres_type_for(*f->type(), f->name()));
    columns += (columns.empty() ? "" : ", ") + quote_identifier(f->name()) + " " + type + (f->nullable() ? "" : " not null");
  }
  return session.execute("create table " + table + " (" + columns + ")").status();
}

arrow::Result<RowEncoder> encoder_for(PostgresSession& session, const std::string& table, const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(const auto found,
                        session.execute("select attname, atttypid, atttypmod from pg_catalog.pg_attribute where attrelid = "
                                        "$1::regclass and attnum > 0 and not attisdropped order by attnum",
                                        {table}));
  std::vector<PostgresColumn> columns;
  std::vector<std::string> names;
  for (const auto& r : found.rows) {
    columns.push_back({*r[0], static_cast<uint32_t>(std::stoul(*r[1])), std::stoi(*r[2])});
    names.push_back(*r[0]);
  }
  ARROW_ASSIGN_OR_RAISE(const auto types, resolve_types(session, columns));
  std::vector<RowEncoder::Target> targets;
  for (const auto& f : schema.fields()) {
    size_t i = 0;
    while (i < names.size() && names[i] != f->name()) ++i;
    if (i == names.size()) {
      return base::plan_error("the table " + table + " has no column \"" + f->name() + "\"", base::suggest_name(f->name(), names));
    }
    targets.push_back({f->name(), f->type(), types[i]});
  }
  return RowEncoder::make(targets);
}

std::string column_list(const arrow::Schema& schema) {
  std::string out;
  for (const auto& f : schema.fields()) out += (out.empty() ? "" : ", ") + quote_identifier(f->name());
  return out;
}

std::string copy_statement(const std::string& table, const arrow::Schema& schema) {
  const std::string columns = column_list(schema);
  return "copy " + table + (columns.empty() ? "" : " (" + columns + ")") + " from stdin (format binary)";
}

}  // namespace gristmill::io
