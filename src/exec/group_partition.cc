// Merging one partition, cutting it when it does not fit, and its way to disk before and after.

#include "exec/group_partition.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "exec/group_merge.h"

namespace gristmill::exec {
namespace {

constexpr int kCutBits = 4;
constexpr int kCuts = 1 << kCutBits;
constexpr int kDeepestCut = 4;
constexpr int64_t kLeastShare = int64_t{1} << 20;
constexpr int64_t kLeastBlockRows = 32;
constexpr int64_t kMostBlockRows = 1024;

// Rows of a block of a run. Who reads in order holds a block or two of every run at once.
int64_t run_block_rows(const AggregatePlan& plan, int64_t runs) {
  return std::clamp(share_of_limit(plan.context) / (4 * runs * plan.layout.stride), kLeastBlockRows, kMostBlockRows);
}

class Merge {
 public:
  Merge(const AggregatePlan& plan, SharedSpill& spill, int number)
      : plan_(plan), layout_(plan.layout), spill_(spill), number_(number), share_(share_of_limit(plan.context)) {}

  arrow::Status run(GroupInputs in, int depth) {
    if (in.empty()) return arrow::Status::OK();
    const int64_t wanted = bytes_wanted(in);
    bool cut = depth < kDeepestCut && wanted > share_ && !(in.tables.size() == 1 && in.blocks.empty() && in.pending.empty());
    if (plan_.context.spill_eagerly && depth == 0 && number_ % 2 == 1) cut = true;
    // The other workers merge too.
    const int64_t room = wanted * std::max(1, plan_.context.workers);
    if (!cut && !plan_.context.memory->ensure_headroom(room, "aggregation").ok())
      cut = depth < kDeepestCut && layout_.form != KeyForm::kNone;
    return cut ? run_cut(std::move(in), depth) : run_whole(std::move(in), depth);
  }

  GroupRuns take_runs() { return std::move(runs_); }

 private:
  int64_t bytes_wanted(const GroupInputs& in) const {
    constexpr int64_t kIndex = 16, kEntries = 2 * sizeof(GroupEntry);
    const bool alone = in.tables.size() == 1 && in.pending.empty();
    int64_t bytes = 0;
    for (const auto& t : in.tables) bytes += t.groups() * kEntries + (alone ? 0 : t.groups() * kIndex);
    for (const auto& s : in.pending) bytes += s.n * (layout_.stride + kIndex + kEntries);
    for (const auto& b : in.blocks) bytes += b.bytes + b.rows * (kIndex + kEntries);
    return bytes;
  }

  arrow::Status run_whole(GroupInputs in, int depth) {
    TableSet into(&layout_, GroupTable(&layout_, plan_.patient.get()));
    if (rows_of(in.pending) > groups_of(in.tables)) {
      ARROW_RETURN_NOT_OK(merge_by_order(std::move(in.tables), std::move(in.pending), &into));
    } else {
      ARROW_RETURN_NOT_OK(merge_tables(std::move(in.tables), &into));
      ARROW_RETURN_NOT_OK(merge_by_order({}, std::move(in.pending), &into));
    }
    for (const GroupBlock& block : in.blocks) {
      ARROW_RETURN_NOT_OK(plan_.context.cancel.check());
      ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill_.file());
      ARROW_ASSIGN_OR_RAISE(LoadedGroups loaded, read_groups(layout_, block, false, *file, plan_.patient.get()));
      ARROW_RETURN_NOT_OK(merge_rows(plan_, &into, loaded.rows.data(), static_cast<int64_t>(loaded.rows.size()), *loaded.side));
    }
    ARROW_ASSIGN_OR_RAISE(auto run, finish(std::move(into.table(0))));
    if (depth > 0) {
      ARROW_ASSIGN_OR_RAISE(run, run_to_disk(plan_, spill_, *run, run_block_rows(plan_, kPartitions * kCuts)));
    } else if (plan_.context.spill_eagerly && layout_.form != KeyForm::kNone) {
      ARROW_ASSIGN_OR_RAISE(run, run_to_disk(plan_, spill_, *run, run_block_rows(plan_, kPartitions)));
    }
    runs_.push_back(std::move(run));
    return arrow::Status::OK();
  }

  // Into the largest.
  arrow::Status merge_tables(std::vector<GroupTable> tables, TableSet* into) {
    if (tables.empty()) return arrow::Status::OK();
    std::iter_swap(tables.begin(),
                   std::max_element(tables.begin(), tables.end(), [](const auto& a, const auto& b) { return a.groups() < b.groups(); }));
    into->table(0) = std::move(tables[0]);
    into->table(0).set_pool(plan_.patient.get());
    into->refresh(0);
    for (size_t t = 1; t < tables.size(); ++t) {
      if (layout_.form == KeyForm::kNone) {
        ARROW_RETURN_NOT_OK(merge_global(plan_, &into->table(0), std::move(tables[t])));
      } else {
        ARROW_RETURN_NOT_OK(merge_table(plan_, into, std::move(tables[t])));
      }
    }
    return arrow::Status::OK();
  }

  // In the order of first rows, so that groups are made in the order they leave in and need no sorting. Tables are copied.
  arrow::Status merge_by_order(std::vector<GroupTable> tables, std::vector<PendingSlice> pending, TableSet* into) {
    struct Piece {
      uint64_t order;
      GroupTable* table;
      PendingSlice* slice;
    };
    constexpr int64_t kSample = 8192;
    std::vector<Piece> pieces;
    for (GroupTable& t : tables) pieces.push_back({first_order(t), &t, nullptr});
    for (PendingSlice& s : pending) pieces.push_back({s.first_order(), nullptr, &s});
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.order < b.order; });
    const int64_t rows = rows_of(pending) + groups_of(tables);
    GroupTable& table = into->table(0);
    int64_t seen = 0;
    bool sized = false;
    for (const Piece& piece : pieces) {
      if (piece.table) {
        seen += piece.table->groups();
        ARROW_RETURN_NOT_OK(
            piece.table->for_each([&](uint8_t* const* r, int64_t n) { return merge_rows(plan_, into, r, n, *piece.table); }));
        piece.table->clear();
        continue;
      }
      ARROW_RETURN_NOT_OK(plan_.context.cancel.check());
      ARROW_RETURN_NOT_OK(feed_pending(plan_, *piece.slice, into));
      seen += piece.slice->n;
      piece.slice->batch.reset();
      if (sized || seen < kSample) continue;
      ARROW_RETURN_NOT_OK(table.reserve(expected_groups(table.groups(), seen, rows)));
      into->refresh(0);
      sized = true;
    }
    return arrow::Status::OK();
  }

  uint64_t first_order(const GroupTable& table) const {
    const uint8_t* const row = table.first();
    return row == nullptr ? 0 : load<uint64_t>(row + layout_.order_offset) & ~RowLayout::kNullKey;
  }

  static int64_t rows_of(const std::vector<PendingSlice>& pending) {
    int64_t rows = 0;
    for (const auto& s : pending) rows += s.n;
    return rows;
  }
  static int64_t groups_of(const std::vector<GroupTable>& tables) {
    int64_t groups = 0;
    for (const auto& t : tables) groups += t.groups();
    return groups;
  }

  // Sorts the groups of a merged table; its index goes.
  arrow::Result<std::shared_ptr<const GroupRun>> finish(GroupTable table) {
    table.drop_index();
    auto run = std::make_shared<GroupRun>();
    run->rows = table.groups();
    ARROW_ASSIGN_OR_RAISE(run->memory, PoolBytes::allocate(run->rows * static_cast<int64_t>(sizeof(GroupEntry)), plan_.patient.get()));
    auto* const entries = reinterpret_cast<GroupEntry*>(run->memory.data());
    const bool seals = plan_.seals(), keeps = plan_.keeps_values();
    int64_t n = 0;
    ARROW_RETURN_NOT_OK(table.for_each([&](uint8_t* const* rows, int64_t count) {
      if (seals) {
        for (const auto& f : plan_.functions) ARROW_RETURN_NOT_OK(f->seal(rows, count, table, plan_.patient.get()));
      }
      for (int64_t j = 0; keeps && j < count; ++j) run->kept_bytes += stored_bytes(layout_, rows[j], true) - layout_.stride;
      for (int64_t j = 0; j < count; ++j) entries[n++] = {load<uint64_t>(rows[j] + layout_.order_offset) & ~RowLayout::kNullKey, rows[j]};
      return arrow::Status::OK();
    }));
    const auto ascending = [](const GroupEntry& a, const GroupEntry& b) { return a.key < b.key; };
    if (!plan_.spec.ordered || !std::is_sorted(entries, entries + n, ascending)) ARROW_RETURN_NOT_OK(sort_groups(entries, n));
    run->table = std::make_unique<GroupTable>(std::move(table));
    return run;
  }

  arrow::Status sort_groups(GroupEntry* entries, int64_t n) const {
    ARROW_ASSIGN_OR_RAISE(PoolBytes scratch, PoolBytes::allocate(n * static_cast<int64_t>(sizeof(GroupEntry)), plan_.patient.get()));
    sort_entries(entries, reinterpret_cast<GroupEntry*>(scratch.data()), n);
    if (!plan_.spec.ordered) sort_by_hash(entries, reinterpret_cast<GroupEntry*>(scratch.data()), n);
    return arrow::Status::OK();
  }

  // Entries sorted by order come to be sorted by hash; equal hashes keep that order. The null group goes first.
  void sort_by_hash(GroupEntry* entries, GroupEntry* scratch, int64_t n) const {
    constexpr int64_t kSpan = 1024;
    const uint8_t* rows[kSpan];
    uint64_t hashes[kSpan];
    for (int64_t at = 0; at < n; at += kSpan) {
      const int64_t here = std::min(kSpan, n - at);
      for (int64_t j = 0; j < here; ++j) rows[j] = entries[at + j].row;
      if (layout_.form != KeyForm::kNone) row_hashes(layout_, rows, here, hashes);
      for (int64_t j = 0; j < here; ++j) {
        const bool null = (load<uint64_t>(rows[j] + layout_.order_offset) & RowLayout::kNullKey) != 0;
        entries[at + j].key = null || layout_.form == KeyForm::kNone ? 0 : hashes[j];
      }
    }
    sort_entries(entries, scratch, n);
  }

  arrow::Status run_cut(GroupInputs in, int depth) {
    std::vector<std::vector<GroupBlock>> parts(kCuts);
    if (!in.pending.empty()) {
      ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill_.file());
      ARROW_RETURN_NOT_OK(write_pending(plan_, in.pending, *file, &in.blocks));
      in.pending.clear();
    }
    for (auto& table : in.tables) {
      ARROW_RETURN_NOT_OK(table.for_each([&](uint8_t* const* rows, int64_t n) { return cut_rows(rows, n, table, depth, &parts); }));
      table.clear();
    }
    for (const GroupBlock& block : in.blocks) {
      ARROW_RETURN_NOT_OK(plan_.context.cancel.check());
      ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill_.file());
      ARROW_ASSIGN_OR_RAISE(LoadedGroups loaded, read_groups(layout_, block, false, *file, plan_.patient.get()));
      ARROW_RETURN_NOT_OK(cut_rows(loaded.rows.data(), static_cast<int64_t>(loaded.rows.size()), *loaded.side, depth, &parts));
    }
    for (auto& part : parts) {
      spill_.count(part);
      ARROW_RETURN_NOT_OK(run({.tables = {}, .pending = {}, .blocks = std::move(part)}, depth + 1));
    }
    return arrow::Status::OK();
  }

  arrow::Status cut_rows(uint8_t* const* rows, int64_t n, const GroupTable& owner, int depth, std::vector<std::vector<GroupBlock>>* parts) {
    std::vector<uint64_t> hashes(static_cast<size_t>(n));
    row_hashes(layout_, rows, n, hashes.data());
    std::vector<std::vector<const uint8_t*>> chosen(kCuts);
    const int shift = kPartitionShift - kCutBits * (depth + 1);
    for (int64_t j = 0; j < n; ++j) {
      const bool null = (load<uint64_t>(rows[j] + layout_.order_offset) & RowLayout::kNullKey) != 0;
      chosen[null ? 0 : (hashes[static_cast<size_t>(j)] >> shift) & (kCuts - 1)].push_back(rows[j]);
    }
    ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill_.file());
    for (int c = 0; c < kCuts; ++c) {
      const auto& part = chosen[static_cast<size_t>(c)];
      if (part.empty()) continue;
      ARROW_RETURN_NOT_OK(
          write_rows(layout_, part.data(), static_cast<int64_t>(part.size()), &owner, *file, &(*parts)[static_cast<size_t>(c)]));
    }
    return arrow::Status::OK();
  }

 public:
  static arrow::Result<std::shared_ptr<const GroupRun>> run_to_disk(const AggregatePlan& plan, SharedSpill& spill, const GroupRun& run,
                                                                    int64_t block_rows) {
    auto out = std::make_shared<GroupRun>();
    out->rows = run.rows;
    ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill.file());
    std::vector<const uint8_t*> rows(static_cast<size_t>(block_rows));
    for (int64_t at = 0; at < run.rows; at += block_rows) {
      const int64_t n = std::min(block_rows, run.rows - at);
      for (int64_t j = 0; j < n; ++j) rows[static_cast<size_t>(j)] = run.entries()[at + j].row;
      const size_t before = out->blocks.size();
      ARROW_RETURN_NOT_OK(write_rows(plan.layout, rows.data(), n, nullptr, *file, &out->blocks));
      int64_t first = at;
      for (size_t b = before; b < out->blocks.size(); ++b) {
        GroupBlock& block = out->blocks[b];
        block.first_key = run.entries()[first].key;
        first += block.rows;
        block.last_key = run.entries()[first - 1].key;
      }
    }
    out->kept_bytes = run.kept_bytes;
    spill.count(out->blocks);
    return out;
  }

 private:
  const AggregatePlan& plan_;
  const RowLayout& layout_;
  SharedSpill& spill_;
  int number_;
  int64_t share_;
  GroupRuns runs_;
};

}  // namespace

int64_t share_of_limit(const QueryContext& context) {
  const int64_t cap = context.memory->cap();
  const int64_t process = base::ProcessBudget::instance().limit();
  return std::max(kLeastShare, (cap > 0 ? std::min(cap, process) : process) / 4 / std::max(1, context.workers));
}

arrow::Result<base::SpillFile*> SharedSpill::file() {
  const std::lock_guard lock(mutex_);
  if (!file_) {
    ARROW_ASSIGN_OR_RAISE(file_, base::SpillFile::create());
  }
  return file_.get();
}

void SharedSpill::count(const std::vector<GroupBlock>& blocks) {
  int64_t bytes = 0;
  for (const auto& b : blocks) bytes += static_cast<int64_t>(b.block.stored_bytes);
  memory_->count_spilled(bytes);
}

void GroupPartition::add(GroupTable table, std::vector<GroupBlock> blocks, std::vector<PendingSlice> pending) {
  const std::lock_guard lock(mutex_);
  if (!table.empty()) inputs_.tables.push_back(std::move(table));
  inputs_.blocks.insert(inputs_.blocks.end(), blocks.begin(), blocks.end());
  inputs_.pending.insert(inputs_.pending.end(), std::make_move_iterator(pending.begin()), std::make_move_iterator(pending.end()));
}

int64_t GroupPartition::groups_in_memory() const {
  const std::lock_guard lock(mutex_);
  int64_t n = 0;
  for (const auto& t : inputs_.tables) n += t.groups();
  for (const auto& s : inputs_.pending) n += s.n;
  return n;
}

bool GroupPartition::has_blocks() const {
  const std::lock_guard lock(mutex_);
  return !inputs_.blocks.empty();
}

arrow::Status GroupPartition::merge(const AggregatePlan& plan, SharedSpill& spill, int number) {
  GroupInputs inputs;
  {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return !busy_; });
    busy_ = true;
    inputs = std::exchange(inputs_, {});
  }
  Merge merge(plan, spill, number);
  const arrow::Status status = merge.run(std::move(inputs), 0);
  const std::lock_guard lock(mutex_);
  runs_ = merge.take_runs();
  busy_ = false;
  idle_.notify_all();
  return status;
}

GroupRuns GroupPartition::runs() const {
  const std::lock_guard lock(mutex_);
  return runs_;
}

int64_t GroupPartition::spillable_bytes() const {
  const std::lock_guard lock(mutex_);
  if (busy_) return 0;
  int64_t bytes = 0;
  for (const auto& t : inputs_.tables) bytes += t.bytes();
  for (const auto& s : inputs_.pending) bytes += s.bytes();
  for (const auto& r : runs_) bytes += r->bytes();
  return bytes;
}

arrow::Result<int64_t> GroupPartition::spill(const AggregatePlan& plan, SharedSpill& spill) {
  GroupInputs inputs;
  GroupRuns runs;
  {
    const std::lock_guard lock(mutex_);
    if (busy_) return 0;
    busy_ = true;
    inputs = std::exchange(inputs_, {});
    runs = runs_;
  }
  int64_t freed = 0;
  std::vector<GroupBlock> blocks;
  const auto work = [&]() -> arrow::Status {
    for (auto& t : inputs.tables) {
      ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill.file());
      ARROW_RETURN_NOT_OK(write_table(plan.layout, t, *file, &blocks));
    }
    if (!inputs.pending.empty()) {
      ARROW_ASSIGN_OR_RAISE(base::SpillFile* const file, spill.file());
      ARROW_RETURN_NOT_OK(write_pending(plan, inputs.pending, *file, &blocks));
    }
    spill.count(blocks);
    for (auto& run : runs) {
      if (run->on_disk()) continue;
      freed += run->bytes();
      ARROW_ASSIGN_OR_RAISE(run, Merge::run_to_disk(plan, spill, *run, run_block_rows(plan, kPartitions)));
    }
    return arrow::Status::OK();
  };
  const arrow::Status status = work();
  const std::lock_guard lock(mutex_);
  busy_ = false;
  idle_.notify_all();
  if (!status.ok()) {
    inputs_ = std::move(inputs);
    return status;
  }
  for (auto& t : inputs.tables) freed += t.bytes();
  for (auto& s : inputs.pending) freed += s.bytes();
  inputs_.blocks = std::move(inputs.blocks);
  inputs_.blocks.insert(inputs_.blocks.end(), blocks.begin(), blocks.end());
  inputs = GroupInputs();
  if (freed > 0) plan.pool()->ReleaseUnused();
  runs_ = std::move(runs);
  return freed;
}

}  // namespace gristmill::exec
