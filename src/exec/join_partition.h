// Joining one partition of a join that went to disk: both sides' rows of one hash, on one thread, its splits included.
//
// Build rows are put in order when they are loaded, and parts of them are ranges of orders, so one probe row's matches come in
// order. Every row that leaves carries its place in the output as a last column; build rows without a match stand behind all probe
// rows. A residual that fails leaves a row of nulls at the place of its probe row and its error in the state: whoever reads the
// rows in order stops there.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "exec/join_build.h"

namespace gristmill::exec {

struct GraceState {
  explicit GraceState(std::shared_ptr<JoinState> j)
      : join(std::move(j)), shape(join->shape), probe_rows(shape, shape->probe, join->context, "join probe") {}

  // The build side's partitions, before the first probe row.
  arrow::Status open();
  // Of all that failed, the smallest order so far.
  uint64_t keep_smallest(uint64_t order, const arrow::Status& failed);

  const std::shared_ptr<JoinState> join;
  const std::shared_ptr<const JoinShape> shape;
  JoinRows probe_rows;
  std::mutex mutex;
  bool opened = false;
  std::array<JoinBlocks, kSpillPartitions> build, probe;
  std::optional<uint64_t> error_order;  // of the smallest probe row whose residual failed
  arrow::Status error;
};

class PartitionJoin {
 public:
  PartitionJoin(GraceState& state, const Emit& emit);
  arrow::Status join(JoinBlocks build, JoinBlocks probe, int level);

 private:
  struct Nearest;  // join_partition_near.cc

  arrow::Result<std::optional<BuildRows>> load_if_fits(const JoinBlocks& blocks, int64_t rows, uint64_t first = 0,
                                                       uint64_t last = ~uint64_t{0});
  arrow::Result<BuildRows> load(const JoinBlocks& blocks, int64_t rows, uint64_t first, uint64_t last);
  arrow::Result<BuildRows> with_table(column::Batch rows);
  arrow::Status put_in_order(column::Batch& rows, uint64_t first, uint64_t last);
  arrow::Result<column::Batch> read(const JoinBlock& block, const JoinSide& side, const base::SpillFile& file);
  arrow::Result<std::array<JoinBlocks, kSpillPartitions>> split(const JoinBlocks& blocks, const JoinSide& side,
                                                                const std::shared_ptr<base::SpillFile>& file, int level);
  // f(rows of at most a batch, keys, number of the first row among the blocks' rows)
  using EachProbe = std::function<arrow::Status(column::Batch, const std::vector<column::Column>&, int64_t)>;
  arrow::Status for_each_probe(const JoinBlocks& probe, const EachProbe& f);
  arrow::Status join_fitting(const BuildRows& rows, const JoinBlocks& probe);
  // Build rows in parts that fit: ranges of orders, ascending.
  using EachPart = std::function<arrow::Status(const BuildRows&)>;
  arrow::Result<std::vector<uint64_t>> sample_orders(const JoinBlocks& build);
  arrow::Status for_each_part(const JoinBlocks& build, const std::vector<uint64_t>& cuts, const EachPart& f);
  arrow::Status join_in_parts(const JoinBlocks& build, const JoinBlocks& probe);
  arrow::Status join_part(const BuildRows& rows, const JoinBlocks& probe, column::Mask& matched);
  arrow::Status join_batch_of_part(const BuildRows& rows, column::Batch batch, const std::vector<column::Column>& keys, int64_t number,
                                   BuildMarks* marks, column::Mask& matched);
  arrow::Status emit_kept_build(const BuildRows& rows, const BuildMarks* marks);
  // Runs `f`; a pair that fails is kept for the end, and only rows before the first that failed are still wanted.
  arrow::Status cut_at_failure(column::Batch batch, const std::function<arrow::Status(column::Batch)>& f);

  arrow::Status nearest_in_parts(const JoinBlocks& build, const JoinBlocks& probe);
  arrow::Status find_nearest(const BuildRows& part, const JoinBlocks& probe, std::vector<Nearest>& best);
  arrow::Status emit_nearest(const BuildRows& part, const JoinBlocks& probe, const std::vector<Nearest>& best);
  arrow::Status emit_without(const JoinBlocks& probe, const std::function<bool(int64_t)>& left_out);

  GraceState& state_;
  const JoinShape& shape_;
  base::QueryMemory& memory_;
  arrow::MemoryPool* const pool_;
  const Emit& emit_;
  JoinProber prober_;
  NearRule rule_;
};

}  // namespace gristmill::exec
