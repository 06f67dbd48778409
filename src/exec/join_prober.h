// From a batch of probe rows to joined batches: looks the keys up and puts the output together.
//
// Used by the probe operator and, partition by partition, when a join has spilled. Probe rows leave in their order, the
// matches of one row in build order. Where every probe row has at most one match its columns are not copied: the
// selection says which rows matched.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "exec/join_marks.h"
#include "exec/join_near.h"
#include "exec/join_pairs.h"
#include "exec/join_shape.h"
#include "exec/join_table.h"

namespace gristmill::exec {

// The finished build side; immutable.
struct BuildRows {
  int64_t rows = 0;
  std::vector<column::Column> columns;  // kept columns; those only needed as keys may be missing
  std::unique_ptr<JoinTable> table;
  std::unique_ptr<NearIndex> near;  // as-of joins
};

class JoinProber {
 public:
  // `output` and `residual` index the columns of the batches given to probe() and of `build`.
  JoinProber(const JoinShape& shape, std::vector<OutputColumn> output, std::vector<std::pair<int, OutputColumn>> residual,
             int64_t batch_rows, base::CancelToken cancel, arrow::MemoryPool* pool);

  // `keys`: the evaluated keys of the batch. `marks`, for kinds that keep build rows: of first rows of chains without a
  // residual, of rows with one.
  arrow::Status probe(const BuildRows& build, column::Batch batch, std::span<const column::Column> keys, BuildMarks* marks,
                      const Emit& emit);

  // In steps, for a build side that comes in several parts: the first match of each physical row (kNoRow: none or not
  // selected), valid until the next call; then what to do with it.
  arrow::Result<const int32_t*> find(const BuildRows& build, const column::Batch& batch, std::span<const column::Column> keys);
  arrow::Status emit_matches(const BuildRows& build, column::Batch batch, const int32_t* first, const Emit& emit);
  // Rows of the batch's selection as they leave without a match (left) or as they are (semi, anti).
  arrow::Status emit_unmatched(column::Batch batch, const Emit& emit);
  // Pairs that meet the residual, for kinds that show pairs; `hits` are the probe rows that had one.
  arrow::Status emit_pairs(const BuildRows& build, const column::Batch& batch, const int32_t* first, BuildMarks* marks, column::Mask* hits,
                           const Emit& emit);
  // Build rows as they leave without a match.
  arrow::Status emit_build(const BuildRows& build, const column::Mask& rows, int64_t begin, int64_t end, const Emit& emit);
  // A row of nulls at this place in the order (kOrder).
  arrow::Status emit_nothing(uint64_t order, const Emit& emit);

 private:
  arrow::Status probe_pairs(const BuildRows& build, column::Batch batch, const int32_t* first, BuildMarks* marks, const Emit& emit);
  arrow::Status pick_near(const BuildRows& build, const column::Batch& batch, const column::Column& on);
  arrow::Status add_pair(const BuildRows& build, const column::Batch& batch, int32_t probe_row, int32_t build_row, const Emit& emit);
  arrow::Status emit_build_rows(const BuildRows& build, const Emit& emit);
  arrow::Status emit_single(const BuildRows& build, column::Batch batch, const int32_t* first, const Emit& emit);
  arrow::Status emit_chains(const BuildRows& build, const column::Batch& batch, const int32_t* first, const Emit& emit);
  arrow::Status flush_pairs(const BuildRows& build, const column::Batch& batch, const Emit& emit);
  arrow::Result<column::Column> build_column(const BuildRows& build, const OutputColumn& c, std::span<const int32_t> rows);
  arrow::Status find_entries(const BuildRows& build, const column::Batch& batch, const column::Column& key);
  bool by_entries(const column::Batch& batch, const column::Column& key);
  void look_up(const BuildRows& build, LookupKeys& keys, std::span<const column::Column> columns, int64_t rows,
               const column::Selection& live);

  const JoinShape& shape_;
  const KeyLayout& layout_;
  const std::vector<OutputColumn> output_;
  const std::vector<column::TypePtr> types_;  // of the output without what was added to it for the order
  std::optional<PairFilter> pairs_;
  NearRule rule_;
  const int64_t batch_rows_;
  arrow::MemoryPool* const pool_;

  // Scratch.
  KeyWords words_;
  LookupScratch lookup_;
  std::vector<uint64_t> low_, high_, hash_, all_hash_;
  std::vector<int32_t> first_, dense_first_;
  std::vector<int32_t> build_rows_, probe_rows_;
  NearWords near_;
  NearPlaces places_;
  std::optional<NearCursors> cursors_;  // as-of joins
  uint64_t cursors_of_ = 0;  // whose they are
  // First rows of a dictionary's entries, kept from batch to batch; made when they are no more than the rows or come again.
  std::shared_ptr<arrow::ArrayData> last_entries_;
  std::shared_ptr<arrow::ArrayData> known_entries_;
  uint64_t known_table_ = 0;
  std::vector<int32_t> entry_first_;
};

}  // namespace gristmill::exec
