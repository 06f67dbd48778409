// One connection to PostgreSQL, as values and statuses; what every part of the connector stands on.
//
// A password never leaves this file's code: errors, names and JSON get the connection's text without secrets, and what libpq says about a
// connection string that it cannot read is not repeated. A server's error ends with "(SQLSTATE xxxxx)". Used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

#include "io/connect/module/postgres_module.h"

namespace gristmill::io {

// Asked while the server is waited for; an error ends the wait.
using KeepWaiting = std::function<arrow::Status()>;

// A connection string taken apart.
struct PostgresAddress {
  std::string full;      // for libpq
  std::string redacted;  // keyword text without secrets: for JSON
  std::string shown;     // "host:port/database": for errors and explain
  std::vector<std::string> secrets;
};
arrow::Result<PostgresAddress> parse_postgres_address(const std::string& text);

struct PostgresColumn {
  std::string name;
  uint32_t type = 0;
  int32_t modifier = -1;
};

using PostgresText = std::optional<std::string>;

struct PostgresAnswer {
  std::vector<PostgresColumn> columns;
  std::vector<std::vector<PostgresText>> rows;
  std::string tag;
  int64_t affected = 0;  // rows that the last statement touched or gave
};

class PostgresSession {
 public:
  static arrow::Result<std::unique_ptr<PostgresSession>> open(PostgresAddress address, KeepWaiting keep = {});
  ~PostgresSession();
  PostgresSession(const PostgresSession&) = delete;
  PostgresSession& operator=(const PostgresSession&) = delete;

  arrow::Result<PostgresAnswer> execute(const std::string& sql, const std::vector<PostgresText>& parameters = {});
  arrow::Result<std::vector<PostgresColumn>> describe(const std::string& sql);

  arrow::Status begin_copy_out(const std::string& sql);
  arrow::Result<std::optional<std::string_view>> next_copied();  // valid until the next call; nothing at the end
  arrow::Status begin_copy_in(const std::string& sql);
  arrow::Status put(std::string_view bytes);
  arrow::Result<int64_t> end_copy_in();  // rows
  // Ends a COPY that must not count. An error that the server had found in the rows before is given, else OK.
  arrow::Status refuse_copy_in();

  // `undecided`: the commit was sent, and no answer says whether it holds.
  arrow::Status commit(bool* undecided);

  bool copying_in() const { return table_->state(connection_) == GM_PG_COPY_IN; }
  bool in_transaction() const { return table_->in_transaction(connection_) != 0; }
  bool in_failed_transaction() const { return table_->in_transaction(connection_) == 2; }
  std::string parameter(const char* name) const { return table_->parameter(connection_, name); }
  const PostgresAddress& address() const { return address_; }
  void set_keep_waiting(KeepWaiting keep) { keep_ = std::move(keep); }
  void close();  // at once; a transaction that is open is undone by the server

 private:
  PostgresSession(const GmPgTable* table, PostgresAddress address, KeepWaiting keep)
      : table_(table), address_(std::move(address)), keep_(std::move(keep)) {}
  GmPgStop stop();
  arrow::Status check(int outcome, std::string_view doing);
  std::string without_secrets(std::string text) const;

  const GmPgTable* table_;
  GmPg* connection_ = nullptr;
  const PostgresAddress address_;
  KeepWaiting keep_;
  arrow::Status stopped_;
};

std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view text);
// `schema.table` or `table`, parts in double quotes or not, exactly as they are spelled; quoted for SQL.
arrow::Result<std::string> quote_table(const std::string& name);
// The five characters at the end of an error that a server reported, or nothing.
std::string sqlstate_of(const arrow::Status& error);
// Whether the same may go well on another connection a little later: the server was lost, restarts, has no room, or chose this transaction
// to end a conflict.
bool may_pass(const arrow::Status& error);

}  // namespace gristmill::io
