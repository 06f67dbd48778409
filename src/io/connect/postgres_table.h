// A table of the server as something that is written to: looked up, made, emptied, matched with a schema.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/postgres.h"
#include "io/connect/postgres_encode.h"
#include "io/connect/postgres_session.h"

namespace gristmill::io {

// `table` is quoted (quote_table).
arrow::Result<bool> table_exists(PostgresSession& session, const std::string& table);
// Makes, empties or refuses the table as the mode says. Within the transaction that is open.
arrow::Status ready_table(PostgresSession& session, const std::string& table, PostgresMode mode, const arrow::Schema& schema);

// The encoder of rows of `schema` for the columns of these names.
arrow::Result<RowEncoder> encoder_for(PostgresSession& session, const std::string& table, const arrow::Schema& schema);
std::string column_list(const arrow::Schema& schema);
std::string copy_statement(const std::string& table, const arrow::Schema& schema);

}  // namespace gristmill::io
