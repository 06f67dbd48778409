// Cuts a query's rows into ranges of a key column, for several connections to read side by side.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "io/connect/postgres_types.h"

namespace gristmill::io {

struct KeyRange {
  std::string where;  // a condition, or empty: all rows
};

// Together the ranges are all rows, in the order of the key, rows without one last. Between `parts` and many times as many: small ranges
// keep every connection busy while rows are taken in order. Depends on the data and the server's estimate alone.
arrow::Result<std::vector<KeyRange>> cut_ranges(PostgresSession& session, const std::string& query, const std::string& column,
                                                const PostgresType& type, int parts);
arrow::Status check_range_key(const PostgresType& type, const std::string& column);

// Rows the server's planner expects; -1 when it does not say.
int64_t estimated_rows(PostgresSession& session, const std::string& query);

}  // namespace gristmill::io
