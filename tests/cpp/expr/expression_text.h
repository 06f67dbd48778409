// A tiny language for expressions in tests: (add a 1), (cast x int32), 'text', 2.5, true, null, date:'2024-01-01', int8:5.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

#include "column/batch.h"
#include "expr/node.h"

namespace gristmill::expr::testing {

// (name args...) calls; (cast x TYPE), (try_cast x TYPE), (round_cast x TYPE); (sum x), ... aggregates with "agg." in front;
// TYPE:value is a typed literal.
arrow::Result<NodePtr> read_expression(std::string_view text);

// Rows of a table: a schema string and a line per row of blank-separated values ("null", 'quoted text').
struct Table {
  std::shared_ptr<arrow::Schema> schema;
  column::Batch batch;  // flat
};
arrow::Result<Table> read_table(std::string_view schema, const std::vector<std::string>& rows);
std::vector<std::string> split_values(std::string_view line);

}  // namespace gristmill::expr::testing
