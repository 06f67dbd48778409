// Panes go to disk whole, those that close last first. A spill file takes at most kFileBytes and goes with the last pane it holds, so that
// an endless stream does not fill the disk.

#include "stream/pane_store.h"

#include <limits>
#include <utility>

#include "base/status.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kFileBytes = int64_t{256} << 20;
constexpr int64_t kSpareHeadroom = int64_t{1} << 20;

}  // namespace

arrow::Status PaneStore::open() {
  ARROW_ASSIGN_OR_RAISE(side_, plan_.context.memory->reserve(0, "windows"));
  plan_.context.memory->register_spillable(this);
  open_ = true;
  return arrow::Status::OK();
}

void PaneStore::close() {
  if (open_) plan_.context.memory->unregister_spillable(this);
  open_ = false;
}

arrow::Status PaneStore::lock(int64_t more) {
  ARROW_RETURN_NOT_OK(side_.grow_to(side_bytes_));
  side_.shrink_to(side_bytes_);
  const arrow::Status room = plan_.context.memory->ensure_headroom(more + kSpareHeadroom, "windows");
  if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
  mutex_.lock();
  owner_.store(std::this_thread::get_id());
  // Nobody has anything to give: what is needed may still fit where everything of ours was.
  if (!room.ok() || plan_.context.spill_eagerly) {
    const auto freed = spill_locked(std::numeric_limits<int64_t>::max());
    if (!freed.ok()) {
      unlock();
      return freed.status();
    }
  }
  return arrow::Status::OK();
}

void PaneStore::unlock() {
  side_bytes_ = 0;
  for (auto& [start, pane] : panes_) side_bytes_ += pane.tables.table(0).side_bytes();
  owner_.store(std::thread::id());
  mutex_.unlock();
}

arrow::Status PaneStore::make_room() {
  constexpr double kShort = 0.85;  // of the limit
  if (plan_.context.memory->pressure() < kShort && !plan_.context.spill_eagerly) return arrow::Status::OK();
  return spill_locked(std::numeric_limits<int64_t>::max()).status();
}

arrow::Status PaneStore::load(Pane* pane) {
  for (const exec::GroupBlock& block : pane->blocks) {
    ARROW_ASSIGN_OR_RAISE(exec::LoadedGroups loaded, exec::read_groups(plan_.layout, block, false, *pane->file, plan_.pool()));
    ARROW_RETURN_NOT_OK(fold_rows(plan_, &pane->tables, loaded.rows.data(), static_cast<int64_t>(loaded.rows.size()), *loaded.side));
  }
  pane->blocks.clear();
  pane->file.reset();
  return arrow::Status::OK();
}

arrow::Result<exec::TableSet*> PaneStore::open_pane(int64_t start) {
  auto at = panes_.find(start);
  if (at == panes_.end()) at = panes_.emplace(start, Pane(one_table(plan_))).first;
  if (!at->second.blocks.empty()) ARROW_RETURN_NOT_OK(load(&at->second));
  return &at->second.tables;
}

arrow::Result<exec::TableSet*> PaneStore::find_pane(int64_t start) {
  if (!panes_.contains(start)) return nullptr;
  return open_pane(start);
}

arrow::Status PaneStore::merge(int64_t start, exec::TableSet tables) {
  const auto at = panes_.find(start);
  if (at == panes_.end()) {
    panes_.emplace(start, Pane(std::move(tables)));
  } else {
    // What is on disk stays there: rows merge when the pane is read back.
    ARROW_RETURN_NOT_OK(fold_table(plan_, &at->second.tables, tables.table(0)));
  }
  count(start);
  return arrow::Status::OK();
}

arrow::Result<exec::TableSet> PaneStore::take(int64_t start) {
  ARROW_RETURN_NOT_OK(open_pane(start).status());
  const auto at = panes_.find(start);
  exec::TableSet out = std::move(at->second.tables);
  bytes_.fetch_sub(at->second.counted, std::memory_order_relaxed);
  panes_.erase(at);
  return out;
}

void PaneStore::drop(int64_t start) {
  const auto at = panes_.find(start);
  if (at == panes_.end()) return;
  bytes_.fetch_sub(at->second.counted, std::memory_order_relaxed);
  panes_.erase(at);
}

void PaneStore::count(int64_t start) {
  const auto at = panes_.find(start);
  if (at == panes_.end()) return;
  const int64_t now = at->second.tables.bytes();
  bytes_.fetch_add(now - at->second.counted, std::memory_order_relaxed);
  at->second.counted = now;
}

arrow::Result<int64_t> PaneStore::spill(int64_t bytes) {
  if (owner_.load() == std::this_thread::get_id()) return 0;
  const std::unique_lock held(mutex_, std::try_to_lock);
  if (!held.owns_lock()) return 0;
  owner_.store(std::this_thread::get_id());  // what the spill allocates may ask for a spill
  const arrow::Result<int64_t> freed = spill_locked(bytes);
  owner_.store(std::thread::id());
  return freed;
}

arrow::Status PaneStore::write(int64_t start, Pane* pane) {
  exec::GroupTable& table = pane->tables.table(0);
  if (!pane->file) {
    if (!file_ || file_->bytes_written() >= kFileBytes) {
      ARROW_ASSIGN_OR_RAISE(file_, base::SpillFile::create());
    }
    pane->file = file_;
  }
  const size_t before = pane->blocks.size();
  ARROW_RETURN_NOT_OK(exec::write_table(plan_.layout, table, *pane->file, &pane->blocks));
  int64_t written = 0;
  for (size_t b = before; b < pane->blocks.size(); ++b) written += static_cast<int64_t>(pane->blocks[b].block.stored_bytes);
  plan_.context.memory->count_spilled(written);
  table.clear();
  pane->tables.refresh(0);
  count(start);
  ++spills_;
  return arrow::Status::OK();
}

arrow::Status PaneStore::put_away(int64_t start) {
  const auto at = panes_.find(start);
  if (at == panes_.end() || at->second.tables.table(0).empty()) return arrow::Status::OK();
  return write(start, &at->second);
}

arrow::Result<int64_t> PaneStore::spill_locked(int64_t bytes) {
  int64_t freed = 0;
  for (auto at = panes_.rbegin(); at != panes_.rend() && freed < bytes; ++at) {
    const int64_t here = at->second.tables.bytes();
    if (at->second.tables.table(0).empty()) continue;
    ARROW_RETURN_NOT_OK(write(at->first, &at->second));
    freed += here;
  }
  if (freed > 0) plan_.pool()->ReleaseUnused();
  return freed;
}

}  // namespace gristmill::stream
