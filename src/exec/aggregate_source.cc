// Reading groups: morsels cut so that each is a range of the output, whatever runs it comes from.
//
// In order, a morsel is a range of keys: splitters are taken from a sample of every run (each 256th key), so morsels
// are about equal and need no state between them; reading collects the range from all runs and sorts it. Without order, runs
// follow one another, partition by partition. Rows on disk are read by the block, each morsel its own.

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status.h"
#include "exec/aggregate_sink.h"
#include "exec/group_spill.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kMorselRows = 65536;
constexpr int64_t kLeastMorselRows = 4096;
constexpr int64_t kMorselsAWorker = 8;  // where there are few groups, so that all workers read some
constexpr int64_t kRowsPerRun = 64;
constexpr int64_t kSampleRows = 256;
constexpr int64_t kSortBytes = 2 * sizeof(GroupEntry);

// The groups of one morsel and what keeps their rows alive.
struct Gathered {
  std::vector<GroupEntry> entries;
  std::vector<LoadedGroups> loaded;
  std::vector<std::shared_ptr<const GroupRun>> runs;
};

class GroupSource final : public Source {
 public:
  explicit GroupSource(std::shared_ptr<AggregateState> state) : state_(std::move(state)), plan_(*state_->plan) {}

  std::string name() const override { return "groups"; }

  std::string detail() const override { return std::to_string(groups_) + " groups"; }

  arrow::Result<int64_t> start(const QueryContext&) override {
    if (plan_.layout.form == KeyForm::kNone) return 1;
    groups_ = 0;
    int64_t runs = 0, kept = 0, bytes = 0;
    for (const auto& p : state_->partitions) {
      for (const auto& run : p.runs()) {
        groups_ += run->rows;
        kept += run->kept_bytes;
        bytes += run->group_bytes();
        ++runs;
      }
    }
    if (groups_ == 0) return 0;
    kept_bytes_ = kept / groups_;
    group_bytes_ = std::max(plan_.layout.stride + kept_bytes_, bytes / groups_);
    // Not more than this worker's share of the limit; but with very many runs the blocks at the edges would outweigh it.
    const int64_t least = kept_bytes_ > 0 ? 1 : kLeastMorselRows;
    const int64_t most = std::clamp(groups_ / (kMorselsAWorker * std::max(1, plan_.context.workers)), kLeastMorselRows, kMorselRows);
    morsel_rows_ = std::clamp(share_of_limit(plan_.context) / row_bytes(), least, most);
    if (kept_bytes_ == 0) morsel_rows_ = std::max(morsel_rows_, runs * kRowsPerRun);
    if (plan_.spec.ordered) return cut_by_key();
    return (groups_ + morsel_rows_ - 1) / morsel_rows_;
  }

  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }

  arrow::Status read(uint64_t seq, LocalState&, const Emit& emit, RowCounts&) override {
    if (plan_.layout.form == KeyForm::kNone) return read_global(emit);
    int64_t emitted = 0;
    bool ours = true;
    arrow::Status status = read_rows(seq, false, emit, &emitted, &ours);
    if (status.ok() || !ours || base::error_kind(status) != base::ErrorKind::kMemory) return status;
    // What the others read cannot be spilled meanwhile. The same again, from where it stopped, when they are done.
    return read_rows(seq, true, emit, &emitted, &ours);
  }

 private:
  // `ours`: not an error of whoever takes the batches.
  arrow::Status read_rows(uint64_t seq, bool alone, const Emit& emit, int64_t* emitted, bool* ours) const {
    const Turns::Scope turn(*plan_.turns, alone);
    // While nothing is pinned: once rows are gathered, spilling their partitions frees nothing before this morsel ends. Where
    // there is no such room the allocations themselves decide.
    const arrow::Status room = plan_.context.memory->ensure_headroom(std::min(groups_, morsel_rows_) * row_bytes(), "aggregation");
    if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
    Gathered gathered;
    if (plan_.spec.ordered) {
      ARROW_RETURN_NOT_OK(gather_keys(seq, &gathered));
    } else {
      ARROW_RETURN_NOT_OK(gather_rows(seq, &gathered));
    }
    return emit_rows(gathered.entries, emit, emitted, ours);
  }

  // What a row of a morsel takes while it is read: read back, sorted, written out.
  int64_t row_bytes() const { return 2 * group_bytes_ + kSortBytes; }

  int64_t cut_by_key() {
    std::vector<uint64_t> sample;
    for (const auto& p : state_->partitions) {
      for (const auto& run : p.runs()) {
        if (run->on_disk()) {
          int64_t since = kSampleRows;
          for (const auto& b : run->blocks) {
            if (since >= kSampleRows) {
              sample.push_back(b.first_key);
              since = 0;
            }
            since += b.rows;
          }
        } else {
          for (int64_t i = 0; i < run->rows; i += kSampleRows) sample.push_back(run->entries()[i].key);
        }
      }
    }
    std::sort(sample.begin(), sample.end());
    splitters_ = {0};
    const int64_t morsels = std::max<int64_t>(1, (groups_ + morsel_rows_ / 2) / morsel_rows_);
    const auto samples = static_cast<int64_t>(sample.size());
    for (int64_t m = 1; m < morsels; ++m) {
      const uint64_t key = sample[static_cast<size_t>(m * samples / morsels)];
      if (key > splitters_.back()) splitters_.push_back(key);
    }
    return static_cast<int64_t>(splitters_.size());
  }

  // Keys [from, to].
  arrow::Status gather_keys(uint64_t seq, Gathered* out) const {
    const uint64_t from = splitters_[seq];
    const uint64_t to = seq + 1 < splitters_.size() ? splitters_[seq + 1] - 1 : std::numeric_limits<uint64_t>::max();
    int slices = 0;
    for (const auto& p : state_->partitions) {
      for (const auto& run : p.runs()) {
        const size_t before = out->entries.size();
        if (run->on_disk()) {
          ARROW_RETURN_NOT_OK(gather_disk_keys(*run, from, to, out));
        } else {
          const GroupEntry* const first = run->entries();
          const auto* const begin =
              std::lower_bound(first, first + run->rows, from, [](const GroupEntry& e, uint64_t k) { return e.key < k; });
          const auto* const end = std::upper_bound(begin, first + run->rows, to, [](uint64_t k, const GroupEntry& e) { return k < e.key; });
          out->entries.insert(out->entries.end(), begin, end);
          out->runs.push_back(run);
        }
        slices += out->entries.size() > before;
      }
    }
    if (slices > 1) {
      std::vector<GroupEntry> scratch(out->entries.size());
      sort_entries(out->entries.data(), scratch.data(), static_cast<int64_t>(scratch.size()));
    }
    return arrow::Status::OK();
  }

  arrow::Status gather_disk_keys(const GroupRun& run, uint64_t from, uint64_t to, Gathered* out) const {
    auto block = std::partition_point(run.blocks.begin(), run.blocks.end(), [&](const GroupBlock& b) { return b.last_key < from; });
    for (; block != run.blocks.end() && block->first_key <= to; ++block) {
      ARROW_ASSIGN_OR_RAISE(LoadedGroups loaded, load_block(*block));
      for (uint8_t* const row : loaded.rows) {
        const uint64_t key = load<uint64_t>(row + plan_.layout.order_offset) & ~RowLayout::kNullKey;
        if (key >= from && key <= to) out->entries.push_back({key, row});
      }
      out->loaded.push_back(std::move(loaded));
    }
    return arrow::Status::OK();
  }

  // Rows [seq * morsel, + morsel) of all runs one after the other.
  arrow::Status gather_rows(uint64_t seq, Gathered* out) const {
    const int64_t from = static_cast<int64_t>(seq) * morsel_rows_;
    const int64_t to = std::min(groups_, from + morsel_rows_);
    int64_t at = 0;
    for (const auto& p : state_->partitions) {
      for (const auto& run : p.runs()) {
        const int64_t begin = std::max<int64_t>(from - at, 0);
        const int64_t end = std::min(to - at, run->rows);
        at += run->rows;
        if (begin >= end) continue;
        if (run->on_disk()) {
          ARROW_RETURN_NOT_OK(gather_disk_rows(*run, begin, end, out));
        } else {
          out->entries.insert(out->entries.end(), run->entries() + begin, run->entries() + end);
          out->runs.push_back(run);
        }
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status gather_disk_rows(const GroupRun& run, int64_t begin, int64_t end, Gathered* out) const {
    int64_t at = 0;
    for (const GroupBlock& block : run.blocks) {
      const int64_t from = std::max<int64_t>(begin - at, 0);
      const int64_t to = std::min(end - at, block.rows);
      at += block.rows;
      if (from >= to) continue;
      ARROW_ASSIGN_OR_RAISE(LoadedGroups loaded, load_block(block));
      for (int64_t i = from; i < to; ++i) out->entries.push_back({0, loaded.rows[static_cast<size_t>(i)]});
      out->loaded.push_back(std::move(loaded));
    }
    return arrow::Status::OK();
  }

  arrow::Result<LoadedGroups> load_block(const GroupBlock& block) const {
    ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, state_->spill_store.file());
    return read_groups(plan_.layout, block, true, *file, plan_.patient.get());
  }

  // From row `emitted` on.
  arrow::Status emit_rows(const std::vector<GroupEntry>& entries, const Emit& emit, int64_t* emitted, bool* ours) const {
    constexpr size_t kAhead = 16;
    const auto batch_rows = static_cast<size_t>(std::clamp<int64_t>(plan_.context.batch_rows, 1, column::kMaxBatchRows));
    std::vector<const uint8_t*> rows;
    for (auto at = static_cast<size_t>(*emitted); at < entries.size(); at = static_cast<size_t>(*emitted)) {
      size_t end = std::min(entries.size(), at + batch_rows);
      if (plan_.keeps_values()) end = cut_by_bytes(entries, at, end);
      rows.clear();
      for (size_t i = at; i < end; ++i) {
        if (i + kAhead < end) __builtin_prefetch(entries[i + kAhead].row);
        rows.push_back(entries[i].row);
      }
      arrow::Result<column::Batch> batch = batch_of(rows);
      if (!batch.ok() && base::error_kind(batch.status()) == base::ErrorKind::kData) {
        *ours = false;
        return emit_until_error(rows, emit);
      }
      ARROW_RETURN_NOT_OK(batch.status());
      *ours = false;
      ARROW_RETURN_NOT_OK(emit(std::move(*batch)));
      *ours = true;
      *emitted = static_cast<int64_t>(end);
    }
    return arrow::Status::OK();
  }

  // Where a batch ends that is to hold no more than so many bytes of what groups keep; one group at least.
  size_t cut_by_bytes(const std::vector<GroupEntry>& entries, size_t begin, size_t end) const {
    constexpr int64_t kMostBytes = int64_t{32} << 20;
    const int64_t most = std::min(kMostBytes, share_of_limit(plan_.context) / 4);
    int64_t bytes = 0;
    for (size_t i = begin; i < end; ++i) {
      bytes += stored_bytes(plan_.layout, entries[i].row, true);
      if (bytes > most && i > begin) return i;
    }
    return end;
  }

  // The groups before the first one that has no value go on, as they would in a batch of their own: what they run into comes first.
  arrow::Status emit_until_error(std::span<const uint8_t* const> rows, const Emit& emit) const {
    size_t good = 0, bad = rows.size();  // the first `good` groups are fine, the first `bad` are not
    while (bad - good > 1) {
      const size_t middle = (good + bad) / 2;
      (batch_of(rows.first(middle)).ok() ? good : bad) = middle;
    }
    if (good > 0) {
      ARROW_ASSIGN_OR_RAISE(column::Batch before, batch_of(rows.first(good)));
      ARROW_RETURN_NOT_OK(emit(std::move(before)));
    }
    const arrow::Status status = batch_of(rows.subspan(good, 1)).status();
    return status.ok() ? base::internal_error("a group failed only in company") : status;
  }

  arrow::Result<column::Batch> batch_of(std::span<const uint8_t* const> rows) const {
    column::Batch batch;
    ARROW_ASSIGN_OR_RAISE(batch.columns, plan_.finish(rows));
    batch.rows = static_cast<int64_t>(rows.size());
    return batch;
  }

  // One row, whatever came.
  arrow::Status read_global(const Emit& emit) const {
    std::vector<uint8_t> nothing(static_cast<size_t>(plan_.layout.stride));
    const uint8_t* row = nothing.data();
    const GroupRuns runs = state_->partitions[0].runs();
    if (!runs.empty()) row = runs[0]->entries()[0].row;
    ARROW_ASSIGN_OR_RAISE(column::Batch batch, batch_of({&row, 1}));
    return emit(std::move(batch));
  }

  std::shared_ptr<AggregateState> state_;
  const AggregatePlan& plan_;
  int64_t groups_ = 0;
  int64_t kept_bytes_ = 0;   // of a group, beside its row
  int64_t group_bytes_ = 0;  // of a group with its texts and what it keeps
  int64_t morsel_rows_ = kMorselRows;
  std::vector<uint64_t> splitters_;
};

}  // namespace

std::shared_ptr<Source> make_group_source(std::shared_ptr<AggregateState> state) { return std::make_shared<GroupSource>(std::move(state)); }

}  // namespace gristmill::exec
