// Sorted runs on disk, and their merge.
//
// A run is a sequence of blocks of rows in key order; each block carries payload, key columns and the rows' orders. The
// first key of every block stays in memory, so a merge can be cut into ranges of keys that are merged independently:
// the cuts depend on the runs' rows, the merged rows do not depend on the cuts.
//
// A merge holds blocks of all its runs at once. So blocks are small beside a worker's share of the limit, and runs that are too many
// for it are first merged into fewer (SpilledLimits).
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/spill_file.h"
#include "exec/operator.h"
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

// What reading a block back needs to know, and how large things are made.
struct RunLayout {
  std::vector<column::TypePtr> types;  // payload, then keys that are not payload columns
  std::vector<int> keys;               // columns that are the keys
  std::vector<column::SortKey> order;
  size_t payload = 0;  // leading columns to emit
  bool emit_orders = false;  // and the rows' orders, uint64, behind them
  int64_t block_bytes = int64_t{256} << 10;                      // about
  int64_t batch_bytes = std::numeric_limits<int64_t>::max() / 4;  // a merged batch ends when its rows take so many
  bool own_text = false;                                         // texts of merged batches are copied: no batch keeps blocks alive
};

// What merging may take of a query's limit.
struct SpilledLimits {
  explicit SpilledLimits(const QueryContext& context);
  void shape(RunLayout* layout) const;                   // sizes of blocks and batches
  size_t fan_in(const std::vector<SortedRun>& runs) const;  // as many runs are merged at once
  int64_t piece_rows(const std::vector<SortedRun>& runs) const;  // of a range of keys, the outcome of which may have to wait for its turn

  bool limited = false;
  int64_t bytes = 0;  // of one worker's merge
};

// Sorts the chunks and writes them. The chunks are consumed.
arrow::Result<SortedRun> write_run(std::vector<SortChunk> chunks, const RunLayout& layout, base::SpillFile& file,
                                   base::QueryMemory& memory);

// Merges `runs` into one, never more than `fan_in` at once; they are consumed.
arrow::Result<SortedRun> merge_into_one(std::vector<SortedRun> runs, size_t fan_in, const RunLayout& layout, base::SpillFile& file,
                                        const QueryContext& context);

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
