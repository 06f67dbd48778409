// Freezing: the first phase asks for the memory that the table needs before it touches anything. If that is refused the
// rows go to disk; if granted they are no longer offered for spilling.

#include "exec/join_build.h"

#include <algorithm>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/collect.h"
#include "exec/evaluate_all.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kLeastHeadroom = int64_t{8} << 20;
constexpr int64_t kHeadroomShare = 4;  // of a limited query's memory, left to what comes after

struct BuildLocal final : LocalState {
  explicit BuildLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
  KeyWords words;
  KeyRange range;
};

class BuildSink final : public Sink {
 public:
  explicit BuildSink(std::shared_ptr<JoinState> state) : state_(std::move(state)) {}
  std::string name() const override { return "join build " + state_->shape->spec.label; }

  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override {
    state_->rows.watch();
    return std::make_unique<BuildLocal>(context.pool());
  }

  arrow::Status consume(column::Batch batch, Position position, LocalState& raw) override {
    auto& local = raw.as<BuildLocal>();
    const JoinShape& shape = *state_->shape;
    arrow::MemoryPool* pool = state_->context.pool();
    ARROW_ASSIGN_OR_RAISE(auto keys, evaluate_all(local.evaluator, shape.build.keys, batch));
    ARROW_ASSIGN_OR_RAISE(KeptRows kept, keep_rows(shape.build, std::move(batch), keys, shape.drops_null_build(), position.order, pool));
    if (kept.batch.rows == 0) return arrow::Status::OK();
    if (shape.layout.integer()) {
      const column::Column& key = kept.batch.columns[static_cast<size_t>(shape.build.key_at[0])];
      ARROW_ASSIGN_OR_RAISE(const KeyRange range, key_range(shape.layout, key, kept.batch.rows, pool, local.words));
      local.range.widen(range);
    }
    return state_->rows.add(std::move(kept));
  }

  arrow::Status combine(LocalState& local) override {
    state_->range.widen(local.as<BuildLocal>().range);
    return arrow::Status::OK();
  }
  arrow::Status finalize() override { return arrow::Status::OK(); }

 private:
  std::shared_ptr<JoinState> state_;
};

// Rows in order, one piece per kept column.
class OrderRows final : public Phase {
 public:
  explicit OrderRows(std::shared_ptr<JoinState> state) : state_(std::move(state)) {}
  std::string name() const override { return "join rows"; }

  arrow::Result<int64_t> start(const QueryContext& context) override {
    ARROW_RETURN_NOT_OK(freeze(context));
    if (state_->rows.spilled()) return 0;
    chunks_ = state_->rows.take_rows();
    std::sort(chunks_.begin(), chunks_.end(), [](const KeptRows& a, const KeptRows& b) { return a.order_of(0) < b.order_of(0); });
    for (const auto& c : chunks_) state_->built.rows += c.batch.rows;
    if (chunks_.empty()) return 0;
    const size_t width = chunks_[0].batch.columns.size();
    state_->built.columns.resize(width);
    return static_cast<int64_t>(width);
  }

  arrow::Status run(int64_t piece) override {
    std::vector<column::Batch> parts;
    parts.reserve(chunks_.size());
    for (auto& c : chunks_) {
      column::Batch part;
      part.rows = c.batch.rows;
      part.columns.push_back(std::move(c.batch.columns[static_cast<size_t>(piece)]));
      parts.push_back(std::move(part));
    }
    ARROW_ASSIGN_OR_RAISE(column::Batch joined, join_batches(std::move(parts), state_->context.pool()));
    state_->built.columns[static_cast<size_t>(piece)] = std::move(joined.columns[0]);
    return arrow::Status::OK();
  }

  arrow::Status finish() override {
    chunks_.clear();
    return arrow::Status::OK();
  }

 private:
  // After it the rows either stay in memory or are all on disk.
  arrow::Status freeze(const QueryContext& context) {
    JoinRows& rows = state_->rows;
    base::QueryMemory& memory = *context.memory;
    if (!rows.spilled()) {
      const int64_t width = std::max<int64_t>(1, static_cast<int64_t>(state_->shape->build.types.size()));
      const int64_t at_once = std::min<int64_t>(context.workers, width);
      const int64_t headroom = std::max(kLeastHeadroom, memory.limited() ? memory.cap() / kHeadroomShare : 0);
      const int64_t want = rows.bytes() * at_once / width + rows.rows() * table_bytes_per_row(*state_->shape) + headroom;
      const arrow::Status granted = rows.bytes() > 0 ? memory.reserve(want, "join build").status() : arrow::Status::OK();
      if (!granted.ok() && base::error_kind(granted) != base::ErrorKind::kMemory) return granted;
      if (!granted.ok() || rows.rows() > kMostBuildRows) ARROW_RETURN_NOT_OK(rows.start_spilling());
    }
    rows.unwatch();
    return rows.spilled() ? rows.flush() : arrow::Status::OK();
  }

  std::shared_ptr<JoinState> state_;
  std::vector<KeptRows> chunks_;
};

struct Building {
  std::unique_ptr<JoinTableBuilder> builder;
};

class SplitKeys final : public Phase {
 public:
  SplitKeys(std::shared_ptr<JoinState> state, std::shared_ptr<Building> building)
      : state_(std::move(state)), building_(std::move(building)) {}
  std::string name() const override { return "join keys"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (state_->built.rows == 0 || !state_->shape->needs_table()) return 0;
    std::vector<column::Column> keys = state_->shape->build.equal_keys_of(state_->built.columns);
    ARROW_ASSIGN_OR_RAISE(building_->builder, JoinTableBuilder::make(state_->shape->layout, std::move(keys), state_->built.rows,
                                                                     state_->range, context.pool()));
    return building_->builder->pieces();
  }
  arrow::Status run(int64_t piece) override { return building_->builder->add(piece); }

 private:
  std::shared_ptr<JoinState> state_;
  std::shared_ptr<Building> building_;
};

class FillTable final : public Phase {
 public:
  FillTable(std::shared_ptr<JoinState> state, std::shared_ptr<Building> building)
      : state_(std::move(state)), building_(std::move(building)) {}
  std::string name() const override { return "join table"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    if (!building_->builder) return 0;
    ARROW_RETURN_NOT_OK(building_->builder->start_partitions());
    return building_->builder->partitions();
  }
  arrow::Status run(int64_t piece) override { return building_->builder->build(piece); }
  arrow::Status finish() override {
    if (state_->rows.spilled()) return arrow::Status::OK();
    if (building_->builder) state_->built.table = building_->builder->finish();
    building_->builder.reset();
    if (state_->shape->keeps_build()) {
      ARROW_ASSIGN_OR_RAISE(state_->marks, BuildMarks::make(state_->built.rows, state_->context.pool()));
    }
    return publish_filters();
  }

 private:
  // Only to those somebody holds.
  arrow::Status publish_filters() {
    const BuildRows& built = state_->built;
    for (const auto& [key, filter] : state_->filters) {
      if (filter.use_count() == 1) continue;
      const size_t at = static_cast<size_t>(state_->shape->build.key_at[static_cast<size_t>(key)]);
      column::Column values = built.rows == 0 ? column::Column{} : built.columns[at];
      int64_t rows = built.rows;
      if (rows > 0 && column::has_nulls(values)) {  // only an anti join keeps them
        const column::Mask there = column::validity_mask(values, rows);
        std::vector<int32_t> live;
        for (int64_t i = 0; i < rows; ++i) {
          if (there.get(i)) live.push_back(static_cast<int32_t>(i));
        }
        ARROW_ASSIGN_OR_RAISE(values, column::take(values, std::span<const int32_t>(live), state_->context.pool()));
        rows = static_cast<int64_t>(live.size());
      }
      filter->publish(std::move(values), rows, state_->context.memory);
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<JoinState> state_;
  std::shared_ptr<Building> building_;
};

// The index of an as-of join; then what only building needed goes.
class SortNear final : public Phase {
 public:
  explicit SortNear(std::shared_ptr<JoinState> state) : state_(std::move(state)) {}
  std::string name() const override { return "join nearest"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    BuildRows& built = state_->built;
    if (built.rows == 0 || !state_->shape->spec.asof) return 0;
    const column::Column& on = built.columns[static_cast<size_t>(state_->shape->build.key_at.back())];
    ARROW_ASSIGN_OR_RAISE(built.near, NearIndex::make(built.table.get(), on, built.rows, context.pool()));
    return built.near->pieces();
  }
  arrow::Status run(int64_t piece) override {
    state_->built.near->sort(piece);
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    if (state_->built.near) state_->built.near->merge();
    drop_keys();
    return arrow::Status::OK();
  }

 private:
  // Columns that only were keys.
  void drop_keys() {
    std::vector<column::Column>& columns = state_->built.columns;
    std::vector<bool> wanted(columns.size(), false);
    const auto want = [&](const OutputColumn& o) {
      if (o.from == OutputColumn::kBuild && !columns.empty()) wanted[static_cast<size_t>(o.index)] = true;
    };
    for (const auto& o : state_->shape->output) want(o);
    for (const auto& [at, o] : state_->shape->residual) want(o);
    for (size_t c = 0; c < columns.size(); ++c) {
      if (!wanted[c]) columns[c] = {};
    }
  }

  std::shared_ptr<JoinState> state_;
};

struct ProbeLocal final : LocalState {
  ProbeLocal(const JoinShape& shape, const QueryContext& context)
      : evaluator(context.pool()), prober(shape, output_of(shape), shape.residual, context.batch_rows, context.cancel, context.pool()) {}

  // The number of the build row, which is the left row's order, leads to the output order when left was built and that order is seen.
  static std::vector<OutputColumn> output_of(const JoinShape& shape) {
    std::vector<OutputColumn> out = shape.output;
    if (shape.out_of_order()) out.push_back({OutputColumn::kBuildRow, 0});
    return out;
  }

  expr::Evaluator evaluator;
  JoinProber prober;
};

class Probe final : public Operator {
 public:
  explicit Probe(std::shared_ptr<const JoinState> state) : state_(std::move(state)) {}
  std::string name() const override {
    static constexpr const char* kNames[] = {"inner join ", "left join ", "semi join ", "anti join ",
                                             "right join ", "full join ", "as-of join "};
    return kNames[static_cast<int>(state_->shape->spec.kind)] + state_->shape->spec.label;
  }
  bool generates_rows() const override { return !state_->shape->filters(); }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const override {
    return std::make_unique<ProbeLocal>(*state_->shape, context);
  }

  arrow::Status process(column::Batch batch, LocalState& raw, const Emit& emit) const override {
    auto& local = raw.as<ProbeLocal>();
    const JoinShape& shape = *state_->shape;
    if (state_->built.rows == 0 && shape.needs_match() && !shape.fallible_probe) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto keys, evaluate_all(local.evaluator, shape.probe.keys, batch));
    return local.prober.probe(state_->built, std::move(batch), keys, state_->marks.get(), emit);
  }

 private:
  std::shared_ptr<const JoinState> state_;
};

}  // namespace

Breaker make_join_build(std::shared_ptr<JoinState> state) {
  auto building = std::make_shared<Building>();
  Breaker b;
  b.sink = std::make_shared<BuildSink>(state);
  b.phases = {std::make_shared<OrderRows>(state), std::make_shared<SplitKeys>(state, building),
              std::make_shared<FillTable>(state, building), std::make_shared<SortNear>(state)};
  return b;
}

std::shared_ptr<const Operator> make_join_probe(std::shared_ptr<const JoinState> state) {
  return std::make_shared<Probe>(std::move(state));
}

}  // namespace gristmill::exec
