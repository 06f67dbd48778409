// Groups on disk: rows as they are, and behind them what they point at, in blocks of a spill file.
//
//   rows 8 | bytes of rows | for every long reference of every row: its bytes, found by the offset the row holds instead of an address
//
// Reading gives the rows back in memory of their own, with addresses put in; nothing is decoded or converted on the way.
#pragma once

#include <memory>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "base/spill_file.h"
#include "exec/group_row.h"
#include "exec/group_table.h"

namespace gristmill::exec {

struct GroupBlock {
  base::SpillBlock block;
  int64_t rows = 0;
  int64_t bytes = 0;       // in memory, about
  uint64_t first_key = 0;  // sorted runs: smallest and greatest sort key
  uint64_t last_key = 0;
};

// Rows of one block. `side` owns their wide sums and moments.
struct LoadedGroups {
  std::shared_ptr<arrow::Buffer> buffer;
  std::unique_ptr<GroupTable> side;
  std::vector<uint8_t*> rows;
};

// What a row takes in a block, about.
int64_t stored_bytes(const RowLayout& layout, const uint8_t* row, bool sealed);

// In blocks of a few hundred kilobytes. `owner` has the rows' moments; null: rows are sealed and have none any more. A row that is
// not sealed and keeps more than a block holds is written as several rows of its group, which merge to what it was.
arrow::Status write_rows(const RowLayout& layout, const uint8_t* const* rows, int64_t n, const GroupTable* owner, base::SpillFile& file,
                         std::vector<GroupBlock>* out);
arrow::Result<LoadedGroups> read_groups(const RowLayout& layout, const GroupBlock& block, bool sealed, const base::SpillFile& file,
                                        arrow::MemoryPool* pool);

// All groups of a table, in blocks of a few hundred kilobytes.
arrow::Status write_table(const RowLayout& layout, const GroupTable& table, base::SpillFile& file, std::vector<GroupBlock>* out);

}  // namespace gristmill::exec
