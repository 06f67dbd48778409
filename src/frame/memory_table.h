// A table in memory as a source: no copies of fixed-width columns, any layout of chunks.
//
// Morsels are fixed ranges of rows of the whole table, whatever its chunks. Columns become canonical when a morsel is
// read (strings become views then, into the table's bytes); the entries of a dictionary are imported once and shared by
// all scans. Batches are cut at chunk borders, unless that would make crumbs: those are put together.
//
// Thread safety: immutable but for the dictionaries, each imported once under its own flag.
#pragma once

#include <memory>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "plan/table_source.h"

namespace gristmill::frame {

// A plan error for tables that are not valid Arrow (lengths that differ).
arrow::Result<plan::TableSourcePtr> make_memory_table(std::shared_ptr<arrow::Table> table);
// A result of the engine with the types of `schema`: views where that has text.
arrow::Result<plan::TableSourcePtr> make_memory_table(std::shared_ptr<arrow::Table> table, std::shared_ptr<arrow::Schema> schema);
// One that needs no check, which reads every text of views; without chunks that have no rows.
plan::TableSourcePtr make_valid_memory_table(std::shared_ptr<arrow::Table> table, std::shared_ptr<arrow::Schema> schema);

// The table of a source made above, and the types its user sees; nothing for other sources.
struct MemoryData {
  std::shared_ptr<arrow::Table> table;
  std::shared_ptr<arrow::Schema> schema;
};
MemoryData memory_data(const plan::TableSource& source);

// Rows of a morsel when the query leaves the choice to us: at least four morsels a worker where there are rows for it.
int64_t auto_morsel_rows(int64_t rows, int workers);

}  // namespace gristmill::frame
