// What the parts of one sort share: the sink fills it, the phases work on it, the source reads it (sort.cc tells the way).
//
// Invariant: runs and file change under the mutex only (any thread may be asked to spill), chunks in one combine at a time. The
// pieces of a phase write disjoint places; what they all read is settled before the phase starts.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "exec/breaker.h"
#include "exec/sort.h"
#include "exec/sort_chunk.h"
#include "exec/sort_run.h"

namespace gristmill::exec {

struct SortState {
  SortSpec spec;
  RunLayout layout;                      // payload and hidden key columns
  std::vector<expr::BoundPtr> computed;  // keys that are not plain input columns
  QueryContext context;
  bool encode_late = false;      // key prefixes are made when rows go to disk: in memory somebody else orders them
  int64_t more_bytes_a_row = 0;  // what the rows' owner will need beside the sort, in memory

  std::mutex mutex;  // runs, file
  std::vector<SortChunk> chunks;
  std::vector<SortedRun> runs;
  std::shared_ptr<base::SpillFile> file;

  // Between the phases.
  bool exact = true;
  int64_t rows = 0;
  std::vector<bool> apart;  // by column: it is not joined, and stays in the chunks; empty: none
  size_t shared_keys = 0;   // the first ones, in which no two rows differ
  size_t shared_bytes = 0;  // at the front of the texts of the key behind those
  std::vector<int64_t> chunk_start;
  column::Batch joined;
  uint64_t min = ~uint64_t{0}, max = 0;
  std::optional<PrefixBuckets> buckets;
  std::vector<std::pair<size_t, size_t>> slices;
  std::vector<std::vector<int64_t>> counts;              // [slice][bucket], then write positions
  std::vector<std::pair<int64_t, int64_t>> sort_pieces;  // entry ranges, whole buckets
  std::shared_ptr<arrow::Buffer> entries;
  std::vector<RunCut> cuts;
  bool to_disk = false;  // what is left in memory follows

  bool spilled() const { return !runs.empty(); }  // settled when the first phase has run
  int64_t run_bytes() const;
  int64_t piece_rows(int64_t least, int64_t most) const;  // of a piece, so that all workers have some
  int64_t wanted() const { return spec.top ? std::min(*spec.top, rows) : rows; }
  SortEntry* entry() const { return reinterpret_cast<SortEntry*>(entries->mutable_data()); }

  // The chunks as one sorted run on disk.
  arrow::Status spill_chunks(std::vector<SortChunk> some);

 private:
  arrow::Result<base::SpillFile*> spill_file();
};

// The parts of a sort for operators that do more with the rows than hand them on in order (sort.cc). With `emit_orders` the source
// of rows on disk gives each row's order as one more column.
arrow::Result<std::shared_ptr<SortState>> make_sort_state(SortSpec spec, const QueryContext& context);
std::shared_ptr<Sink> make_sort_sink(std::shared_ptr<SortState> state);
std::shared_ptr<Phase> make_write_runs(std::shared_ptr<SortState> state);
std::shared_ptr<Phase> make_merge_runs(std::shared_ptr<SortState> state);  // behind it
std::shared_ptr<Source> make_sort_source(std::shared_ptr<SortState> state);

}  // namespace gristmill::exec
