// One PostgreSQL transaction as an object: statements, locks and COPY, then commit or nothing.
//
//   ARROW_ASSIGN_OR_RAISE(auto tx, PostgresTransaction::open("postgresql://job@db/cost"));
//   ARROW_RETURN_NOT_OK(tx.lock("cost/" + source + "/" + month));
//   ARROW_RETURN_NOT_OK(tx.execute("delete from summary where usage_start between $1 and $2", {from, to}).status());
//   ARROW_RETURN_NOT_OK(tx.copy("summary", batches).status());
//   ARROW_RETURN_NOT_OK(tx.commit());
//
// An object that goes away without commit() undoes everything. Errors end with "(SQLSTATE xxxxx)" when the server made them, and those
// of copy() carry row and column; the password is in none of them. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include "gristmill/postgres.h"

namespace gristmill {

// What a statement gave, as text; at most a million rows (scan_postgres() reads more).
struct PostgresRows {
  int64_t affected = 0;  // rows that the last statement inserted, updated, deleted or gave
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

class PostgresTransaction {
 public:
  // `connection` as libpq takes it: a URI or "host=... dbname=..."; what it leaves out comes from PGHOST, PGPASSWORD, ~/.pgpass, ...
  // `keep_waiting` is asked about ten times a second while the server is waited for; an error ends the wait, and the transaction.
  static arrow::Result<PostgresTransaction> open(const std::string& connection, std::function<arrow::Status()> keep_waiting = {});
  ~PostgresTransaction();
  PostgresTransaction(PostgresTransaction&&) noexcept;
  PostgresTransaction& operator=(PostgresTransaction&&) noexcept;

  // With parameters ($1, $2, as text, nullopt = NULL) one statement, without them one or more.
  arrow::Result<PostgresRows> execute(const std::string& sql, const std::vector<std::optional<std::string>>& parameters = {});

  // An advisory lock that lasts until the end of the transaction; the same name or number is the same lock for everybody.
  arrow::Status lock(int64_t key);
  arrow::Status lock(std::string_view name);
  arrow::Result<bool> try_lock(int64_t key);  // false: somebody else has it
  arrow::Result<bool> try_lock(std::string_view name);

  // Binary COPY into the columns that the batches name; the table's other columns get their defaults. `table` is "name" or
  // "schema.name", spelled exactly. Rows written. begin_copy() ... end_copy() does the same piece by piece.
  arrow::Result<int64_t> copy(const std::string& table, const arrow::RecordBatchVector& batches);
  arrow::Result<int64_t> copy(const std::string& table, arrow::RecordBatchReader& batches);
  arrow::Status begin_copy(const std::string& table, const std::shared_ptr<arrow::Schema>& schema);
  arrow::Status write(const arrow::RecordBatch& batch);
  arrow::Result<int64_t> end_copy();

  arrow::Status commit();
  arrow::Status rollback();

  // True as long as a failure has left no trace in the database: the whole transaction may simply be tried again. False after a commit,
  // and after an error of commit() that leaves open whether it holds.
  bool retry_safe() const;
  // "10.4" and the like.
  std::string server_version() const;

  // The server's five-character code in an error of this class, or nothing. Class 40, 53, 55, 57 and 08: trying again may help.
  static std::string sqlstate(const arrow::Status& error);

 private:
  struct State;
  explicit PostgresTransaction(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gristmill
