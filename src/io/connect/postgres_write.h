// The sink into a table of PostgreSQL: workers encode, rows go in order over one connection, in one transaction.
//
// All or nothing: the transaction is committed when every row was taken, and undone when anything failed. The first error in
// the order of the rows is the one reported, the server's among them.
//
// With patience a server that is lost is followed by another connection: what was sent so far is kept (on disk, compressed) and sent again
// in a new transaction. Of a commit whose answer did not come the server is asked whether it holds, so no row is there twice.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "gristmill/postgres.h"
#include "io/connect/postgres_session.h"

namespace gristmill::io {

struct PostgresPatience {
  // Called after a failure that may pass, before another attempt; an error: there is none. Empty: the first failure is the sink's.
  std::function<arrow::Status(const arrow::Status& why)> wait = {};
  std::function<void()> answered = [] {};  // an attempt went well
  // A server that takes no byte of rows for so long counts as lost.
  std::optional<std::chrono::nanoseconds> silence = {};
};

class PostgresSink : public exec::OrderedSink {
 public:
  // All rows were delivered: the server has taken and checked them; what is left to finalize() is the commit. Optional.
  virtual arrow::Status settle() = 0;
  // A statement in the transaction, behind all rows (settles).
  virtual arrow::Result<PostgresAnswer> execute(const std::string& sql, const std::vector<PostgresText>& parameters) = 0;
  // An error of the server in rows before the one that made the run fail, or `why`.
  virtual arrow::Status first_error(const arrow::Status& why) const = 0;
};

// Connects, begins, makes the table ready. `schema`: border types.
arrow::Result<std::shared_ptr<PostgresSink>> write_postgres(const std::string& connection, const std::string& table,
                                                            std::shared_ptr<arrow::Schema> schema, const PostgresSinkOptions& options,
                                                            std::shared_ptr<base::QueryMemory> memory, KeepWaiting keep,
                                                            PostgresPatience patience = {});

}  // namespace gristmill::io
