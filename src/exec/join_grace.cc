// Blocks lie in the file as they came, so probe rows come in any order; the sort behind mends that. Build rows are put in
// order when they are loaded, and parts of them are ranges of orders, so one probe row's matches come in order.

#include "exec/join_grace.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/collect.h"
#include "exec/evaluate_all.h"
#include "exec/join_order.h"

namespace gristmill::exec {
namespace {

using plan::JoinKind;

constexpr int64_t kGroupBytes = int64_t{2} << 20;  // read together to be split again
constexpr int64_t kProbeHeadroom = int64_t{4} << 20;
constexpr int64_t kEagerRows = 64;  // with spill_eagerly, more build rows than these count as too many

struct GraceState {
  explicit GraceState(std::shared_ptr<JoinState> j)
      : join(std::move(j)), shape(join->shape), probe_rows(shape, shape->probe, join->context, "join probe") {}

  bool needs_match() const { return shape->spec.kind == JoinKind::kInner || shape->spec.kind == JoinKind::kSemi; }
  // The build side's partitions, before the first probe row.
  arrow::Status open() {
    std::lock_guard lock(mutex);
    if (opened) return arrow::Status::OK();
    opened = true;
    build = join->rows.partitions().take();
    uint32_t empty = 0;
    for (size_t p = 0; p < build.size(); ++p) empty |= static_cast<uint32_t>(build[p].empty()) << p;
    if (needs_match()) probe_rows.skip(empty);
    return probe_rows.start_spilling();
  }

  const std::shared_ptr<JoinState> join;
  const std::shared_ptr<const JoinShape> shape;
  JoinRows probe_rows;
  std::mutex mutex;
  bool opened = false;
  std::array<JoinBlocks, kSpillPartitions> build, probe;
};

struct GraceLocal final : LocalState {
  explicit GraceLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

class GraceSink final : public Sink {
 public:
  explicit GraceSink(std::shared_ptr<GraceState> state) : state_(std::move(state)) {}
  std::string name() const override { return "join spill " + state_->shape->spec.label; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override {
    ARROW_RETURN_NOT_OK(state_->open());
    return std::make_unique<GraceLocal>(context.pool());
  }
  arrow::Status consume(column::Batch batch, Position position, LocalState& local) override {
    const JoinShape& shape = *state_->shape;
    ARROW_ASSIGN_OR_RAISE(auto keys, evaluate_all(local.as<GraceLocal>().evaluator, shape.probe.keys, batch));
    const bool drop = state_->needs_match() && !shape.layout.nulls_equal();
    ARROW_ASSIGN_OR_RAISE(KeptRows kept,
                          keep_rows(shape.probe, std::move(batch), keys, drop, position.order, state_->join->context.pool()));
    return state_->probe_rows.add(std::move(kept));
  }
  arrow::Status combine(LocalState&) override { return arrow::Status::OK(); }
  arrow::Status finalize() override { return state_->probe_rows.flush(); }

 private:
  std::shared_ptr<GraceState> state_;
};

// One partition on one thread, its splits included.
class PartitionJoin {
 public:
  PartitionJoin(GraceState& state, const Emit& emit)
      : state_(state),
        shape_(*state.shape),
        memory_(*state.join->context.memory),
        pool_(memory_.pool()),
        emit_(emit),
        prober_(shape_.spec.kind, shape_.layout, output_of(shape_), build_types(shape_), state.join->context.batch_rows, pool_) {}

  arrow::Status join(JoinBlocks build, JoinBlocks probe, int level) {
    if (probe.empty() || (build.empty() && state_.needs_match())) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const std::optional<BuildRows> rows, load_if_fits(build, rows_of(build)));
    if (rows) return join_fitting(*rows, probe);
    if (level < kSpillLevels && rows_of(build) > 1) {
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
    return join_in_parts(build, probe);
  }

 private:
  static std::vector<OutputColumn> output_of(const JoinShape& shape) {
    std::vector<OutputColumn> out = shape.output;
    for (auto& c : out) {
      if (c.from == OutputColumn::kProbe) c.index = shape.probe.kept_of(c.index);
    }
    if (shape.spec.build_left) out.push_back({OutputColumn::kBuild, static_cast<int>(shape.build.types.size())});
    out.push_back({OutputColumn::kProbe, static_cast<int>(shape.probe.types.size())});
    return out;
  }
  static std::vector<column::TypePtr> build_types(const JoinShape& shape) {
    std::vector<column::TypePtr> types = shape.build.types;
    types.push_back(arrow::uint64());
    return types;
  }

  // The rows of orders first..last (about `rows`), in order; nothing if there is no memory for them.
  arrow::Result<std::optional<BuildRows>> load_if_fits(const JoinBlocks& blocks, int64_t rows, uint64_t first = 0,
                                                       uint64_t last = ~uint64_t{0}) {
    const auto refused = [](const arrow::Status& s) { return base::error_kind(s) == base::ErrorKind::kMemory; };
    if (state_.join->context.spill_eagerly && rows > kEagerRows) return std::nullopt;
    if (rows > kMostBuildRows / 2) return std::nullopt;
    arrow::Result<BuildRows> loaded = load(blocks, rows, first, last);
    if (!loaded.ok() && refused(loaded.status())) return std::nullopt;
    ARROW_RETURN_NOT_OK(loaded.status());
    return std::move(*loaded);
  }

  // What is promised shrinks as the allocations it stands for are made.
  arrow::Result<BuildRows> load(const JoinBlocks& blocks, int64_t rows, uint64_t first, uint64_t last) {
    BuildRows out;
    if (blocks.empty()) return out;
    const int64_t raw = raw_bytes(blocks), share = std::min(raw, raw / rows_of(blocks) * rows);
    ARROW_ASSIGN_OR_RAISE(base::Reservation promised,
                          memory_.reserve(3 * share + rows * JoinTableBuilder::bytes_per_row(shape_.layout), "join partition"));
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
    if (joined.rows == 0) return out;
    std::vector<column::Column> keys;
    for (int k : shape_.build.key_at) keys.push_back(joined.columns[static_cast<size_t>(k)]);
    KeyRange range;
    if (shape_.layout.integer()) {
      KeyWords words;
      ARROW_RETURN_NOT_OK(shape_.layout.words(keys, joined.rows, pool_, words));
      range = key_range(shape_.layout, words.low, joined.rows);
    }
    ARROW_ASSIGN_OR_RAISE(auto builder, JoinTableBuilder::make(shape_.layout, std::move(keys), joined.rows, range, pool_));
    ARROW_ASSIGN_OR_RAISE(out.table, builder->build_all());
    out.rows = joined.rows;
    out.columns = std::move(joined.columns);
    return out;
  }

  arrow::Status put_in_order(column::Batch& rows, uint64_t first, uint64_t last) {
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

  arrow::Result<column::Batch> read(const JoinBlock& block, const JoinSide& side, const base::SpillFile& file) {
    ARROW_ASSIGN_OR_RAISE(auto bytes, file.read(block.at, pool_));
    std::vector<column::TypePtr> types = side.types;
    types.push_back(arrow::uint64());
    return column::deserialize_batch(bytes, types, pool_);
  }

  arrow::Result<std::array<JoinBlocks, kSpillPartitions>> split(const JoinBlocks& blocks, const JoinSide& side,
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

  // f(rows of at most a batch, keys, number of the first row among the partition's probe rows)
  template <typename F>
  arrow::Status for_each_probe(const JoinBlocks& probe, F&& f) {
    int64_t number = 0;
    const int64_t batch_rows = std::clamp<int64_t>(state_.join->context.batch_rows, 1, column::kMaxBatchRows);
    for (const JoinBlock& b : probe) {
      ARROW_RETURN_NOT_OK(state_.join->context.cancel.check());
      if (memory_.limited()) ARROW_RETURN_NOT_OK(memory_.ensure_headroom(kProbeHeadroom, "join partition"));
      ARROW_ASSIGN_OR_RAISE(const column::Batch whole, read(b, shape_.probe, *state_.probe_rows.file()));
      for (int64_t at = 0; at < whole.rows; at += batch_rows) {
        const int64_t n = std::min(batch_rows, whole.rows - at);
        column::Batch batch = n == whole.rows ? whole : column::slice(whole, at, n);
        std::vector<column::Column> keys;
        for (int k : shape_.probe.key_at) keys.push_back(batch.columns[static_cast<size_t>(k)]);
        ARROW_RETURN_NOT_OK(f(std::move(batch), keys, number + at));
      }
      number += whole.rows;
    }
    return arrow::Status::OK();
  }

  arrow::Status join_fitting(const BuildRows& rows, const JoinBlocks& probe) {
    return for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>& keys, int64_t) {
      return prober_.probe(rows, std::move(batch), keys, emit_);
    });
  }

  // Some orders of the build rows, ascending: where parts of them may begin.
  arrow::Result<std::vector<uint64_t>> sample_orders(const JoinBlocks& build) {
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

  // Build rows in parts that fit: ranges of orders, ascending. A bit per probe row says whether it had a match in any part.
  arrow::Status join_in_parts(const JoinBlocks& build, const JoinBlocks& probe) {
    ARROW_ASSIGN_OR_RAISE(const base::Reservation for_bits, memory_.reserve(rows_of(probe) / 8, "join partition"));
    column::Mask matched(rows_of(probe), false);
    ARROW_ASSIGN_OR_RAISE(const std::vector<uint64_t> cuts, sample_orders(build));
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
        ARROW_RETURN_NOT_OK(join_part(*part, probe, matched));
        break;
      }
      from = to;
    }
    if (shape_.spec.kind != JoinKind::kLeft && shape_.spec.kind != JoinKind::kAnti) return arrow::Status::OK();
    return for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>&, int64_t number) {
      column::Mask without(batch.rows, false);
      for (int64_t i = 0; i < batch.rows; ++i) {
        if (!matched.get(number + i)) without.set(i);
      }
      batch.selection = column::Selection::from_mask(std::move(without));
      return prober_.emit_unmatched(std::move(batch), emit_);
    });
  }

  arrow::Status join_part(const BuildRows& rows, const JoinBlocks& probe, column::Mask& matched) {
    const JoinKind kind = shape_.spec.kind;
    return for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>& keys, int64_t number) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const int32_t* first, prober_.find(rows, batch, keys));
      column::Mask hit(batch.rows, false);
      for (int64_t i = 0; i < batch.rows; ++i) {
        const bool fresh = kind != JoinKind::kSemi || !matched.get(number + i);
        if (first[i] >= 0 && fresh) hit.set(i);
        if (first[i] >= 0) matched.set(number + i);
      }
      batch.selection = column::Selection::from_mask(std::move(hit));
      if (batch.selection.empty(batch.rows) || kind == JoinKind::kAnti) return arrow::Status::OK();
      if (kind == JoinKind::kSemi) return prober_.emit_unmatched(std::move(batch), emit_);
      return prober_.emit_matches(rows, std::move(batch), first, emit_);
    });
  }

  GraceState& state_;
  const JoinShape& shape_;
  base::QueryMemory& memory_;
  arrow::MemoryPool* const pool_;
  const Emit& emit_;
  JoinProber prober_;
};

// Joins the partitions, one a piece, into the sort's sink.
class JoinPartitions final : public Phase {
 public:
  JoinPartitions(std::shared_ptr<GraceState> state, std::shared_ptr<Sink> sorted) : state_(std::move(state)), sorted_(std::move(sorted)) {}
  std::string name() const override { return "join partitions"; }

  arrow::Result<int64_t> start(const QueryContext& context) override {
    context_ = context;
    state_->probe = state_->probe_rows.partitions().take();
    locals_.resize(kSpillPartitions);
    return kSpillPartitions;
  }

  arrow::Status run(int64_t piece) override {
    auto& local = locals_[static_cast<size_t>(piece)];
    ARROW_ASSIGN_OR_RAISE(local, sorted_->make_local(context_));
    Position at{static_cast<uint64_t>(piece), static_cast<uint64_t>(piece) << 48};
    const Emit emit = [&](column::Batch batch) {
      const Position here = at;
      at.order += static_cast<uint64_t>(batch.rows);
      return sorted_->consume(std::move(batch), here, *local);
    };
    PartitionJoin partition(*state_, emit);
    const size_t p = static_cast<size_t>(piece);
    ARROW_RETURN_NOT_OK(partition.join(std::move(state_->build[p]), std::move(state_->probe[p]), 1));
    return sorted_->end_morsel(at, *local);
  }

  arrow::Status finish() override {
    for (auto& local : locals_) {
      ARROW_RETURN_NOT_OK(sorted_->combine(*local));
      local.reset();
    }
    return sorted_->finalize();
  }

 private:
  std::shared_ptr<GraceState> state_;
  std::shared_ptr<Sink> sorted_;
  QueryContext context_;
  std::vector<std::unique_ptr<LocalState>> locals_;
};

}  // namespace

arrow::Result<Breaker> make_join_grace(std::shared_ptr<JoinState> join) {
  const JoinShape& shape = *join->shape;
  std::vector<column::TypePtr> types = output_types(shape);
  types.resize(types.size() + (shape.spec.build_left ? 2 : 1), arrow::uint64());
  ARROW_ASSIGN_OR_RAISE(Breaker sorted, make_join_order(std::move(types), shape.spec.label, join->context));
  auto state = std::make_shared<GraceState>(std::move(join));
  Breaker b;
  b.sink = std::make_shared<GraceSink>(state);
  b.phases.push_back(std::make_shared<JoinPartitions>(state, sorted.sink));
  b.phases.insert(b.phases.end(), sorted.phases.begin(), sorted.phases.end());
  b.source = sorted.source;
  return b;
}

}  // namespace gristmill::exec
