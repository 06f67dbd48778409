// Sorted runs on disk, and their merge.
//
// A run is a sequence of blocks of rows in key order; each block carries payload, key columns and the rows' orders. The
// first key of every block stays in memory, so a merge can be cut into ranges of keys that are merged independently:
// the cuts depend on the runs' rows, the merged rows do not depend on the cuts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/spill_file.h"
#include "exec/sort_chunk.h"

namespace gristmill::exec {

struct RunBlock {
  base::SpillBlock block;
  int64_t rows = 0;
  std::vector<uint8_t> first_key;  // encoded
  uint64_t first_order = 0;
};

struct SortedRun {
  std::vector<RunBlock> blocks;
};

// What reading a block back needs to know.
struct RunLayout {
  std::vector<column::TypePtr> types;  // payload, then keys that are not payload columns
  std::vector<int> keys;               // columns that are the keys
  std::vector<column::SortKey> order;
  size_t payload = 0;  // leading columns to emit
  bool emit_orders = false;  // and the rows' orders, uint64, behind them
};

// Sorts the chunks and writes them. The chunks are consumed.
arrow::Result<SortedRun> write_run(std::vector<SortChunk> chunks, const RunLayout& layout, base::SpillFile& file,
                                   base::QueryMemory& memory);

// A place between rows: everything with (key, order) below it lies before.
struct RunCut {
  std::vector<uint8_t> key;
  uint64_t order = 0;
};

// Cuts that divide the runs into pieces of about `rows` rows.
std::vector<RunCut> plan_cuts(const std::vector<SortedRun>& runs, int64_t rows);

// Emits rows of [from, to) (null = open) of all runs in order, in batches of at most `batch_rows`.
arrow::Status merge_runs(const std::vector<SortedRun>& runs, const RunLayout& layout, const base::SpillFile& file, const RunCut* from,
                         const RunCut* to, int64_t batch_rows, arrow::MemoryPool* pool, const Emit& emit);

}  // namespace gristmill::exec
