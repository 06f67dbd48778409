// Sorting: range buckets by key prefix, each radix-sorted on its own, payload gathered once while it is read. Under a
// limit sorted runs go to disk and are merged.
//
//   consume      per worker: dense chunks with 8-byte key prefixes           (spill(): sorted runs of bounded size on disk)
//   finalize     all chunks in input order; memory or disk
//   write runs   disk: what is left, in pieces of bounded size, each a run, by all workers
//   merge runs   disk: into as few as a merge may read at once
//   ...          memory: joined, counted, scattered, sorted by the phases of sort_phases.cc
//   source       memory: per 64K output rows, gathered; disk: per range of keys, merged from all runs
//
// Invariant: either all rows are on disk or none is when the source starts. Entries enter every step in input order and no step
// reorders equals (runs carry the rows' orders), so the sort is stable whatever the workers did.

#include "exec/sort.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include <arrow/buffer.h>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/evaluate_all.h"
#include "exec/sort_phases.h"
#include "exec/sort_state.h"
#include "exec/top_n.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kOutputMorsel = 65536;
constexpr int64_t kLeastOutputMorsel = 1024;
constexpr int64_t kLeastFreeMorsel = 8192;  // without a limit
constexpr int64_t kRunBytes = int64_t{64} << 20;  // of one run at most: sorting it takes twice that again
constexpr int64_t kRunShare = 24;                 // and of the query's limit

// What the rows would take on their own: slices of shared input count their part.
int64_t referenced_bytes(const column::Batch& b) {
  int64_t n = 0;
  for (const auto& c : b.columns) n += column::compact_bytes(c, b.rows);
  return n;
}

int64_t chunk_bytes(const SortChunk& c) { return referenced_bytes(c.rows) + (c.prefixes ? c.prefixes->size() : 0); }

// Neighbours together, up to `bytes` each.
std::vector<std::vector<SortChunk>> pieces_of(std::vector<SortChunk> chunks, int64_t bytes) {
  std::vector<std::vector<SortChunk>> out;
  int64_t held = 0;
  for (auto& c : chunks) {
    if (out.empty() || held >= bytes) {
      out.emplace_back();
      held = 0;
    }
    held += chunk_bytes(c);
    out.back().push_back(std::move(c));
  }
  return out;
}

struct SortLocal final : LocalState, base::Spillable {
  SortLocal(std::shared_ptr<SortState> s, arrow::MemoryPool* pool) : shared(std::move(s)), evaluator(pool) {
    shared->context.memory->register_spillable(this);
  }
  ~SortLocal() override { shared->context.memory->unregister_spillable(this); }

  std::string spill_name() const override { return "sort"; }
  int64_t spillable_bytes() const override { return bytes.load(std::memory_order_relaxed); }
  arrow::Result<int64_t> spill(int64_t) override {
    std::unique_lock lock(mutex, std::try_to_lock);
    if (!lock || chunks.empty()) return 0;
    const int64_t freed = bytes.exchange(0);
    for (auto& piece : pieces_of(std::exchange(chunks, {}), shared->run_bytes())) {
      ARROW_RETURN_NOT_OK(shared->spill_chunks(std::move(piece)));
    }
    return freed;
  }

  std::shared_ptr<SortState> shared;
  expr::Evaluator evaluator;
  std::mutex mutex;  // chunks: the owner while it consumes, whoever spills it
  std::vector<SortChunk> chunks;
  std::atomic<int64_t> bytes{0};
};

class SortSink final : public Sink {
 public:
  explicit SortSink(std::shared_ptr<SortState> shared) : shared_(std::move(shared)) {}
  std::string name() const override { return "sort " + shared_->spec.label; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override {
    return std::make_unique<SortLocal>(shared_, context.pool());
  }

  arrow::Status consume(column::Batch batch, Position position, LocalState& state) override {
    auto& local = static_cast<SortLocal&>(state);
    arrow::MemoryPool* pool = local.evaluator.pool();
    ARROW_ASSIGN_OR_RAISE(auto keys, evaluate_all(local.evaluator, shared_->computed, batch));
    for (auto& k : keys) batch.columns.push_back(std::move(k));
    SortChunk chunk;
    chunk.first_order = position.order;
    const bool sparse = !batch.selection.all();
    ARROW_ASSIGN_OR_RAISE(chunk.rows, column::compact(std::move(batch), pool));
    chunk.rows.origin = {};
    for (auto& c : chunk.rows.columns) {
      if (!sparse) break;  // a few rows must not keep the text of all alive
      ARROW_ASSIGN_OR_RAISE(c, column::compact_views(c, chunk.rows.rows, pool));
    }
    for (int k : shared_->layout.keys) chunk.keys.push_back(chunk.rows.columns[static_cast<size_t>(k)]);
    if (!shared_->encode_late) {
      ARROW_RETURN_NOT_OK(encode_chunk(chunk, shared_->layout.order, pool));
      chunk.shared_keys = shared_keys(chunk);
    }
    bool eager = false;
    {
      std::lock_guard lock(local.mutex);
      local.bytes.fetch_add(chunk_bytes(chunk));
      local.chunks.push_back(std::move(chunk));
      const auto& memory = *shared_->context.memory;
      const bool filling = memory.limited() && memory.used() > memory.cap() / 2 && local.bytes.load() > shared_->run_bytes();
      eager = filling || (shared_->context.spill_eagerly && local.chunks.size() >= 2);
    }
    return eager ? local.spill(0).status() : arrow::Status::OK();
  }

  arrow::Status combine(LocalState& state) override {
    auto& local = static_cast<SortLocal&>(state);
    std::lock_guard lock(local.mutex);
    for (auto& c : local.chunks) shared_->chunks.push_back(std::move(c));
    local.chunks.clear();
    local.bytes = 0;
    return arrow::Status::OK();
  }

  arrow::Status finalize() override {
    SortState& s = *shared_;
    s.shared_keys = 0;
    std::sort(s.chunks.begin(), s.chunks.end(), [](const SortChunk& a, const SortChunk& b) { return a.first_order < b.first_order; });
    int64_t rows = 0, bytes = 0;
    for (const auto& c : s.chunks) {
      rows += c.rows.rows;
      bytes += referenced_bytes(c.rows);
    }
    const auto& memory = *s.context.memory;
    // Pairs twice, columns joined and gathered: if that may not fit, merging from disk will.
    const bool tight =
        memory.limited() &&
        memory.used() + rows * (2 * static_cast<int64_t>(sizeof(SortEntry)) + s.more_bytes_a_row) + bytes > memory.cap() * 3 / 4;
    s.to_disk = s.spilled() || tight || (s.context.spill_eagerly && rows > 0);
    if (s.to_disk) return arrow::Status::OK();
    for (const auto& c : s.chunks) {
      s.chunk_start.push_back(s.rows);
      s.rows += c.rows.rows;
      s.exact &= c.exact;
      s.min = std::min(s.min, c.least);
      s.max = std::max(s.max, c.greatest);
    }
    if (!s.encode_late) s.shared_keys = shared_keys(s.chunks);
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<SortState> shared_;
};

// Once anything is on disk, all is.
class WriteRuns final : public Phase {
 public:
  explicit WriteRuns(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "write runs"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    if (s_->to_disk) pieces_ = pieces_of(std::exchange(s_->chunks, {}), s_->run_bytes());
    return static_cast<int64_t>(pieces_.size());
  }
  arrow::Status run(int64_t piece) override { return s_->spill_chunks(std::move(pieces_[static_cast<size_t>(piece)])); }

 private:
  std::shared_ptr<SortState> s_;
  std::vector<std::vector<SortChunk>> pieces_;
};

// No more runs than one merge may read are left: some are merged into one, as many of them as is needed.
class MergeRuns final : public Phase {
 public:
  explicit MergeRuns(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "merge runs"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (!s_->to_disk) return 0;
    fan_in_ = SpilledLimits(context).fan_in(s_->runs);
    const size_t runs = s_->runs.size();
    if (runs <= fan_in_) return 0;
    const size_t too_many = runs - fan_in_;
    const size_t groups = std::min(fan_in_, (too_many + fan_in_ - 2) / (fan_in_ - 1));
    const size_t merged = std::min(runs, too_many + groups);
    // The shortest are merged: rows of the others are read once.
    std::sort(s_->runs.begin(), s_->runs.end(), [](const SortedRun& a, const SortedRun& b) { return a.blocks.size() < b.blocks.size(); });
    groups_.resize(groups);
    for (size_t i = 0; i < merged; ++i) groups_[i % groups].push_back(std::move(s_->runs[i]));
    s_->runs.erase(s_->runs.begin(), s_->runs.begin() + static_cast<std::ptrdiff_t>(merged));
    return static_cast<int64_t>(groups);
  }
  arrow::Status run(int64_t piece) override {
    auto& group = groups_[static_cast<size_t>(piece)];
    ARROW_ASSIGN_OR_RAISE(SortedRun merged, merge_into_one(std::move(group), fan_in_, s_->layout, *s_->file, s_->context));
    std::lock_guard lock(s_->mutex);
    s_->runs.push_back(std::move(merged));
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    if (s_->to_disk) s_->cuts = plan_cuts(s_->runs, SpilledLimits(s_->context).piece_rows(s_->runs));
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<SortState> s_;
  size_t fan_in_ = 0;
  std::vector<std::vector<SortedRun>> groups_;
};

class SortSource final : public Source {
 public:
  explicit SortSource(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return s_->spilled() ? "sorted rows, merged from disk" : "sorted rows"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    if (s_->spilled()) return static_cast<int64_t>(s_->cuts.size()) + 1;
    if (s_->context.morsel_rows > 0) {
      morsel_ = s_->context.morsel_rows;
    } else if (const SpilledLimits limits(s_->context); limits.limited && s_->rows > 0) {  // a morsel's rows may wait for their turn
      const int64_t row_bytes = std::max<int64_t>(referenced_bytes(s_->joined) / s_->rows, 1);
      morsel_ = std::clamp(limits.bytes / 4 / row_bytes, kLeastOutputMorsel, kOutputMorsel);
    } else {
      morsel_ = s_->piece_rows(kLeastFreeMorsel, kOutputMorsel);
    }
    return (s_->wanted() + morsel_ - 1) / morsel_;
  }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }

  arrow::Status read(uint64_t seq, LocalState&, const Emit& emit, RowCounts& counts) override {
    if (s_->spilled()) {
      // Room for the merge; where there is none its own allocations decide.
      const arrow::Status room = s_->context.memory->limited()
                                     ? s_->context.memory->ensure_headroom(SpilledLimits(s_->context).bytes / 2, "sort")
                                     : arrow::Status::OK();
      if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
      const RunCut* from = seq == 0 ? nullptr : &s_->cuts[seq - 1];
      const RunCut* to = seq == s_->cuts.size() ? nullptr : &s_->cuts[seq];
      return merge_runs(s_->runs, s_->layout, *s_->file, from, to, s_->context.batch_rows, s_->context.pool(), [&](column::Batch b) {
        counts.in += b.rows;
        return emit(std::move(b));
      });
    }
    const int64_t end = std::min<int64_t>((static_cast<int64_t>(seq) + 1) * morsel_, s_->wanted());
    std::vector<int64_t> rows;
    for (int64_t at = static_cast<int64_t>(seq) * morsel_; at < end; at += s_->context.batch_rows) {
      const int64_t n = std::min(s_->context.batch_rows, end - at);
      rows.resize(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) rows[static_cast<size_t>(i)] = static_cast<int64_t>(s_->entry()[at + i].row);
      column::Batch out;
      out.rows = n;
      for (const auto& c : s_->joined.columns) {
        ARROW_ASSIGN_OR_RAISE(auto taken, column::take(c, std::span<const int64_t>(rows), s_->context.pool()));
        out.columns.push_back(std::move(taken));
      }
      counts.in += n;
      ARROW_RETURN_NOT_OK(emit(std::move(out)));
    }
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<SortState> s_;
  int64_t morsel_ = kOutputMorsel;  // rows, in memory
};

}  // namespace

int64_t SortState::piece_rows(int64_t least, int64_t most) const {
  constexpr int64_t kPiecesAWorker = 4;
  return std::clamp(wanted() / (kPiecesAWorker * std::max(1, context.workers)), least, most);
}

int64_t SortState::run_bytes() const {
  return context.memory->limited() ? std::min(kRunBytes, context.memory->cap() / kRunShare) : kRunBytes;
}

arrow::Result<base::SpillFile*> SortState::spill_file() {
  std::lock_guard lock(mutex);
  if (!file) {
    ARROW_ASSIGN_OR_RAISE(file, base::SpillFile::create());
  }
  return file.get();
}

arrow::Status SortState::spill_chunks(std::vector<SortChunk> some) {
  if (some.empty()) return arrow::Status::OK();
  for (SortChunk& c : some) {
    if (!c.prefixes) ARROW_RETURN_NOT_OK(encode_chunk(c, layout.order, context.pool()));
  }
  ARROW_ASSIGN_OR_RAISE(base::SpillFile * to, spill_file());
  ARROW_ASSIGN_OR_RAISE(SortedRun run, write_run(std::move(some), layout, *to, *context.memory));
  std::lock_guard lock(mutex);
  runs.push_back(std::move(run));
  return arrow::Status::OK();
}

arrow::Result<Breaker> make_sort(SortSpec spec, const QueryContext& context) {
  if (spec.top && *spec.top <= kTopNRows) return make_top_n(std::move(spec), context);
  ARROW_ASSIGN_OR_RAISE(auto shared, make_sort_state(std::move(spec), context));
  Breaker b;
  b.sink = make_sort_sink(shared);
  b.phases = make_sort_phases(shared);
  b.phases.insert(b.phases.begin(), {make_write_runs(shared), make_merge_runs(shared)});
  b.source = make_sort_source(shared);
  return b;
}

std::shared_ptr<Sink> make_sort_sink(std::shared_ptr<SortState> state) { return std::make_shared<SortSink>(std::move(state)); }
std::shared_ptr<Phase> make_write_runs(std::shared_ptr<SortState> state) { return std::make_shared<WriteRuns>(std::move(state)); }
std::shared_ptr<Phase> make_merge_runs(std::shared_ptr<SortState> state) { return std::make_shared<MergeRuns>(std::move(state)); }
std::shared_ptr<Source> make_sort_source(std::shared_ptr<SortState> state) { return std::make_shared<SortSource>(std::move(state)); }

arrow::Result<std::shared_ptr<SortState>> make_sort_state(SortSpec spec, const QueryContext& context) {
  auto shared = std::make_shared<SortState>();
  shared->context = context;
  shared->layout.types = spec.types;
  shared->layout.payload = spec.types.size();
  shared->layout.order = spec.order;
  SpilledLimits(context).shape(&shared->layout);
  for (const auto& k : spec.keys) {
    if (k->kind == expr::BoundKind::kInput) {
      shared->layout.keys.push_back(k->input);
    } else {
      shared->layout.keys.push_back(static_cast<int>(shared->layout.types.size()));
      shared->layout.types.push_back(k->type);
      shared->computed.push_back(k);
    }
  }
  shared->spec = std::move(spec);
  return shared;
}

}  // namespace gristmill::exec
