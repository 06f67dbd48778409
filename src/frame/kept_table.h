// Results between two queries: every column has its border type, but text stays views.
#pragma once

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

namespace gristmill::frame {

// The schema in which rows of `schema` are kept.
std::shared_ptr<arrow::Schema> kept_schema(const arrow::Schema& schema);

// Kept rows as an ordinary table of `schema`; chunks stay chunks, columns that are not text are shared.
arrow::Result<std::shared_ptr<arrow::Table>> border_table(const arrow::Table& kept, const std::shared_ptr<arrow::Schema>& schema);

}  // namespace gristmill::frame
