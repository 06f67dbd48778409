// Blocks lie in the file as they came, so probe rows come in any order; the sort behind mends that.

#include "exec/join_partition.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/collect.h"
#include "exec/join_order.h"

namespace gristmill::exec {
namespace {

using plan::JoinKind;

constexpr int64_t kGroupBytes = int64_t{2} << 20;  // read together to be split again
constexpr int64_t kProbeHeadroom = int64_t{4} << 20;
constexpr int64_t kEagerRows = 64;  // with spill_eagerly, more build rows than these count as too many

std::vector<OutputColumn> output_of(const JoinShape& shape) {
  std::vector<OutputColumn> out;
  for (const OutputColumn& c : shape.output) out.push_back(shape.of_kept(c));
  if (shape.out_of_order()) out.push_back({OutputColumn::kBuild, static_cast<int>(shape.build.types.size())});
  out.push_back({OutputColumn::kOrder, static_cast<int>(shape.probe.types.size())});
  return out;
}

std::vector<std::pair<int, OutputColumn>> residual_of(const JoinShape& shape) {
  std::vector<std::pair<int, OutputColumn>> out;
  for (const auto& [at, c] : shape.residual) out.emplace_back(at, shape.of_kept(c));
  return out;
}

}  // namespace

arrow::Status GraceState::open() {
  std::lock_guard lock(mutex);
  if (opened) return arrow::Status::OK();
  opened = true;
  build = join->rows.partitions().take();
  uint32_t empty = 0;
  for (size_t p = 0; p < build.size(); ++p) empty |= static_cast<uint32_t>(build[p].empty()) << p;
  if (shape->needs_match()) probe_rows.skip(empty);
  return probe_rows.start_spilling();
}

uint64_t GraceState::keep_smallest(uint64_t order, const arrow::Status& failed) {
  base::ErrorDetail detail = *base::error_detail(failed);
  detail.batch_row = detail.row = -1;
  std::lock_guard lock(mutex);
  if (error_order && *error_order <= order) return *error_order;
  error_order = order;
  error = base::with_detail(failed, std::move(detail));
  return order;
}

PartitionJoin::PartitionJoin(GraceState& state, const Emit& emit)
    : state_(state),
      shape_(*state.shape),
      memory_(*state.join->context.memory),
      pool_(memory_.pool()),
      emit_(emit),
      prober_(shape_, output_of(shape_), residual_of(shape_), state.join->context.batch_rows, state.join->context.cancel, pool_) {
  if (shape_.spec.asof) rule_ = NearRule(*shape_.spec.asof, column::is_float(*shape_.spec.asof->left_on->type));
}

arrow::Status PartitionJoin::join(JoinBlocks build, JoinBlocks probe, int level) {
  if (probe.empty() && !(shape_.keeps_build() && !build.empty())) return arrow::Status::OK();
  if (build.empty() && shape_.needs_match()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::optional<BuildRows> rows, load_if_fits(build, rows_of(build)));
  if (rows) return join_fitting(*rows, probe);
  if (level < kSpillLevels && rows_of(build) > 1 && shape_.build.equal_keys > 0) {
    ARROW_ASSIGN_OR_RAISE(auto parts, split(build, shape_.build, state_.join->rows.file(), level));
    const bool helps = std::count_if(parts.begin(), parts.end(), [](const JoinBlocks& b) { return !b.empty(); }) > 1;
    if (helps) {
      build.clear();
      ARROW_ASSIGN_OR_RAISE(auto probes, split(probe, shape_.probe, state_.probe_rows.file(), level));
      probe.clear();
      for (size_t p = 0; p < parts.size(); ++p) ARROW_RETURN_NOT_OK(join(std::move(parts[p]), std::move(probes[p]), level + 1));
      return arrow::Status::OK();
    }
  }
  return shape_.spec.asof ? nearest_in_parts(build, probe) : join_in_parts(build, probe);
}

// The rows of orders first..last (about `rows`), in order; nothing if there is no memory for them.
arrow::Result<std::optional<BuildRows>> PartitionJoin::load_if_fits(const JoinBlocks& blocks, int64_t rows, uint64_t first, uint64_t last) {
  const auto refused = [](const arrow::Status& s) { return base::error_kind(s) == base::ErrorKind::kMemory; };
  if (state_.join->context.spill_eagerly && rows > kEagerRows) return std::nullopt;
  if (rows > kMostBuildRows / 2) return std::nullopt;
  arrow::Result<BuildRows> loaded = load(blocks, rows, first, last);
  if (!loaded.ok() && refused(loaded.status())) return std::nullopt;
  ARROW_RETURN_NOT_OK(loaded.status());
  return std::move(*loaded);
}

// What is promised shrinks as the allocations it stands for are made.
arrow::Result<BuildRows> PartitionJoin::load(const JoinBlocks& blocks, int64_t rows, uint64_t first, uint64_t last) {
  BuildRows out;
  if (blocks.empty()) return out;
  const int64_t raw = raw_bytes(blocks), share = std::min(raw, raw / rows_of(blocks) * rows);
  ARROW_ASSIGN_OR_RAISE(base::Reservation promised, memory_.reserve(3 * share + rows * table_bytes_per_row(shape_), "join partition"));
  std::vector<column::Batch> parts;
  for (const JoinBlock& b : blocks) {
    if (b.last < first || b.first > last) continue;
    promised.shrink_to(promised.bytes() - static_cast<int64_t>(b.at.raw_bytes) * rows / rows_of(blocks));
    ARROW_ASSIGN_OR_RAISE(column::Batch part, read(b, shape_.build, *state_.join->rows.file()));
    if (b.first < first || b.last > last) ARROW_RETURN_NOT_OK(put_in_order(part, first, last));
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return out;
  promised.shrink_to(promised.bytes() - share);
  ARROW_ASSIGN_OR_RAISE(column::Batch joined, join_batches(std::move(parts), pool_));
  ARROW_RETURN_NOT_OK(put_in_order(joined, first, last));
  promised.release();
  return with_table(std::move(joined));
}

arrow::Result<BuildRows> PartitionJoin::with_table(column::Batch joined) {
  BuildRows out;
  if (joined.rows == 0) return out;
  if (shape_.needs_table()) {
    std::vector<column::Column> keys = shape_.build.equal_keys_of(joined.columns);
    KeyRange range;
    if (shape_.layout.integer()) {
      KeyWords words;
      ARROW_ASSIGN_OR_RAISE(range, key_range(shape_.layout, keys[0], joined.rows, pool_, words));
    }
    ARROW_ASSIGN_OR_RAISE(auto builder, JoinTableBuilder::make(shape_.layout, std::move(keys), joined.rows, range, pool_));
    ARROW_ASSIGN_OR_RAISE(out.table, builder->build_all());
  }
  out.rows = joined.rows;
  out.columns = std::move(joined.columns);
  if (!shape_.spec.asof) return out;
  ARROW_ASSIGN_OR_RAISE(out.near,
                        NearIndex::make(out.table.get(), out.columns[static_cast<size_t>(shape_.build.key_at.back())], out.rows, pool_));
  for (int64_t p = 0; p < out.near->pieces(); ++p) out.near->sort(p);
  out.near->merge();
  return out;
}

arrow::Status PartitionJoin::put_in_order(column::Batch& rows, uint64_t first, uint64_t last) {
  const auto* order = column::values_of<uint64_t>(*rows.columns.back().values);
  std::vector<int32_t> at;
  bool same = true;
  for (int64_t i = 0; i < rows.rows; ++i) {
    same &= (i == 0 || order[i - 1] < order[i]) && order[i] >= first && order[i] <= last;
    if (order[i] >= first && order[i] <= last) at.push_back(static_cast<int32_t>(i));
  }
  if (same) return arrow::Status::OK();
  std::sort(at.begin(), at.end(), [&](int32_t a, int32_t b) { return order[a] < order[b]; });
  rows.rows = static_cast<int64_t>(at.size());
  for (auto& c : rows.columns) {
    ARROW_ASSIGN_OR_RAISE(c, column::take(c, std::span<const int32_t>(at), pool_));
  }
  return arrow::Status::OK();
}

arrow::Result<column::Batch> PartitionJoin::read(const JoinBlock& block, const JoinSide& side, const base::SpillFile& file) {
  ARROW_ASSIGN_OR_RAISE(auto bytes, file.read(block.at, pool_));
  std::vector<column::TypePtr> types = side.types;
  types.push_back(arrow::uint64());
  return column::deserialize_batch(bytes, types, pool_);
}

arrow::Result<std::array<JoinBlocks, kSpillPartitions>> PartitionJoin::split(const JoinBlocks& blocks, const JoinSide& side,
                                                                             const std::shared_ptr<base::SpillFile>& file, int level) {
  JoinPartitioner partitioner(shape_, side, level, file, memory_);
  for (size_t i = 0; i < blocks.size();) {
    std::vector<column::Batch> group;
    for (int64_t bytes = 0; i < blocks.size() && (group.empty() || bytes + static_cast<int64_t>(blocks[i].at.raw_bytes) <= kGroupBytes);
         ++i) {
      bytes += static_cast<int64_t>(blocks[i].at.raw_bytes);
      ARROW_ASSIGN_OR_RAISE(column::Batch part, read(blocks[i], side, *file));
      group.push_back(std::move(part));
    }
    ARROW_ASSIGN_OR_RAISE(column::Batch joined, join_batches(std::move(group), pool_));
    ARROW_RETURN_NOT_OK(partitioner.write(joined));
  }
  return partitioner.take();
}

arrow::Status PartitionJoin::for_each_probe(const JoinBlocks& probe, const EachProbe& f) {
  int64_t number = 0;
  const int64_t batch_rows = std::clamp<int64_t>(state_.join->context.batch_rows, 1, column::kMaxBatchRows);
  for (const JoinBlock& b : probe) {
    ARROW_RETURN_NOT_OK(state_.join->context.cancel.check());
    if (memory_.limited()) ARROW_RETURN_NOT_OK(memory_.ensure_headroom(kProbeHeadroom, "join partition"));
    ARROW_ASSIGN_OR_RAISE(const column::Batch whole, read(b, shape_.probe, *state_.probe_rows.file()));
    for (int64_t at = 0; at < whole.rows; at += batch_rows) {
      const int64_t n = std::min(batch_rows, whole.rows - at);
      column::Batch batch = n == whole.rows ? whole : column::slice(whole, at, n);
      const std::vector<column::Column> keys = shape_.probe.keys_of(batch);
      ARROW_RETURN_NOT_OK(f(std::move(batch), keys, number + at));
    }
    number += whole.rows;
  }
  return arrow::Status::OK();
}

arrow::Status PartitionJoin::cut_at_failure(column::Batch batch, const std::function<arrow::Status(column::Batch)>& f) {
  for (;;) {
    const arrow::Status status = f(batch);
    const auto detail = status.ok() ? nullptr : base::error_detail(status);
    if (!detail || detail->batch_row < 0) return status;
    ARROW_ASSIGN_OR_RAISE(const column::Column flat, column::flatten(batch.columns.back(), batch.rows, pool_));
    const auto* orders = column::values_of<uint64_t>(*flat.values);
    const uint64_t until = state_.keep_smallest(orders[detail->batch_row], status);
    ARROW_RETURN_NOT_OK(prober_.emit_nothing(orders[detail->batch_row], emit_));
    column::Mask before(batch.rows, false);  // rows of a block are in no order
    for (int64_t i = 0; i < batch.rows; ++i) {
      if (orders[i] < until) before.set(i);
    }
    batch.selection = column::Selection::from_mask(std::move(before));
    if (batch.selection.empty(batch.rows)) return arrow::Status::OK();
  }
}

arrow::Status PartitionJoin::join_fitting(const BuildRows& rows, const JoinBlocks& probe) {
  std::unique_ptr<BuildMarks> marks;
  if (shape_.keeps_build()) {
    ARROW_ASSIGN_OR_RAISE(marks, BuildMarks::make(rows.rows, pool_));
  }
  ARROW_RETURN_NOT_OK(for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>& keys, int64_t) {
    return cut_at_failure(std::move(batch), [&](column::Batch b) { return prober_.probe(rows, std::move(b), keys, marks.get(), emit_); });
  }));
  return emit_kept_build(rows, marks.get());
}

arrow::Status PartitionJoin::emit_kept_build(const BuildRows& rows, const BuildMarks* marks) {
  if (!marks || rows.rows == 0) return arrow::Status::OK();
  const column::Mask leaving = marks->rows(shape_.spec.kind == JoinKind::kSemi, shape_.spec.residual ? nullptr : rows.table.get());
  return prober_.emit_build(rows, leaving, 0, rows.rows, emit_);
}

// Some orders of the build rows, ascending: where parts of them may begin.
arrow::Result<std::vector<uint64_t>> PartitionJoin::sample_orders(const JoinBlocks& build) {
  const int64_t step = std::clamp<int64_t>(rows_of(build) / 256, 1, 64);
  std::vector<uint64_t> out;
  for (const JoinBlock& b : build) {
    ARROW_ASSIGN_OR_RAISE(const column::Batch rows, read(b, shape_.build, *state_.join->rows.file()));
    const auto* order = column::values_of<uint64_t>(*rows.columns.back().values);
    for (int64_t i = 0; i < rows.rows; i += step) out.push_back(order[i]);
  }
  std::sort(out.begin(), out.end());
  return out;
}

arrow::Status PartitionJoin::for_each_part(const JoinBlocks& build, const std::vector<uint64_t>& cuts, const EachPart& f) {
  for (size_t from = 0; from < cuts.size();) {
    size_t to = cuts.size();
    for (;; to = from + (to - from) / 2) {
      const uint64_t first = from == 0 ? 0 : cuts[from], last = to == cuts.size() ? ~uint64_t{0} : cuts[to] - 1;
      const int64_t rows = rows_of(build) * static_cast<int64_t>(to - from) / static_cast<int64_t>(cuts.size()) + 1;
      ARROW_ASSIGN_OR_RAISE(std::optional<BuildRows> part, load_if_fits(build, rows, first, last));
      if (!part && to > from + 1) continue;
      if (!part) {  // it cannot be less
        ARROW_ASSIGN_OR_RAISE(part, load(build, rows, first, last));
      }
      ARROW_RETURN_NOT_OK(f(*part));
      break;
    }
    from = to;
  }
  return arrow::Status::OK();
}

// A bit per probe row says whether it had a match in any part.
arrow::Status PartitionJoin::join_in_parts(const JoinBlocks& build, const JoinBlocks& probe) {
  ARROW_ASSIGN_OR_RAISE(const base::Reservation for_bits, memory_.reserve(rows_of(probe) / 8, "join partition"));
  column::Mask matched(rows_of(probe), false);
  ARROW_ASSIGN_OR_RAISE(const std::vector<uint64_t> cuts, sample_orders(build));
  ARROW_RETURN_NOT_OK(for_each_part(build, cuts, [&](const BuildRows& part) { return join_part(part, probe, matched); }));
  if (!shape_.keeps_probe() && (shape_.spec.kind != JoinKind::kAnti || shape_.marks_only())) return arrow::Status::OK();
  return emit_without(probe, [&](int64_t row) { return matched.get(row); });
}

arrow::Status PartitionJoin::emit_without(const JoinBlocks& probe, const std::function<bool(int64_t)>& left_out) {
  return for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>&, int64_t number) {
    column::Mask without(batch.rows, false);
    for (int64_t i = 0; i < batch.rows; ++i) {
      if (!left_out(number + i)) without.set(i);
    }
    batch.selection = column::Selection::from_mask(std::move(without));
    return prober_.emit_unmatched(std::move(batch), emit_);
  });
}

arrow::Status PartitionJoin::join_part(const BuildRows& rows, const JoinBlocks& probe, column::Mask& matched) {
  std::unique_ptr<BuildMarks> marks;
  if (shape_.keeps_build()) {
    ARROW_ASSIGN_OR_RAISE(marks, BuildMarks::make(rows.rows, pool_));
  }
  ARROW_RETURN_NOT_OK(for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>& keys, int64_t number) {
    return cut_at_failure(std::move(batch),
                          [&](column::Batch b) { return join_batch_of_part(rows, std::move(b), keys, number, marks.get(), matched); });
  }));
  return emit_kept_build(rows, marks.get());
}

arrow::Status PartitionJoin::join_batch_of_part(const BuildRows& rows, column::Batch batch, const std::vector<column::Column>& keys,
                                                int64_t number, BuildMarks* marks, column::Mask& matched) {
  const JoinKind kind = shape_.spec.kind;
  ARROW_ASSIGN_OR_RAISE(const int32_t* first, prober_.find(rows, batch, keys));
  column::Mask hit(batch.rows, false);
  if (shape_.spec.residual && rows.rows > 0) {
    ARROW_RETURN_NOT_OK(prober_.emit_pairs(rows, batch, first, marks, &hit, emit_));
  } else {
    for (int64_t i = 0; i < batch.rows; ++i) {
      if (first[i] >= 0) hit.set(i);
      if (first[i] >= 0 && marks) marks->mark(first[i]);
    }
  }
  if (shape_.marks_only()) return arrow::Status::OK();
  column::Mask fresh = hit;
  for (int64_t i = 0; i < batch.rows; ++i) {
    if (hit.get(i) && matched.get(number + i)) fresh.clear(i);
    if (hit.get(i)) matched.set(number + i);
  }
  if (kind == JoinKind::kAnti || (shape_.spec.residual && kind != JoinKind::kSemi)) return arrow::Status::OK();
  batch.selection = column::Selection::from_mask(kind == JoinKind::kSemi ? std::move(fresh) : std::move(hit));
  if (batch.selection.empty(batch.rows)) return arrow::Status::OK();
  return kind == JoinKind::kSemi ? prober_.emit_unmatched(std::move(batch), emit_)
                                 : prober_.emit_matches(rows, std::move(batch), first, emit_);
}

}  // namespace gristmill::exec
