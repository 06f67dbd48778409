#include "stream/spill_gate.h"

#include <algorithm>

#include "base/status.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kRoomToWork = int64_t{1} << 20;
constexpr double kShort = 0.85;  // of the limit

}  // namespace

arrow::Status SpillGate::open() {
  ARROW_ASSIGN_OR_RAISE(unseen_, memory_->reserve(0, name_));
  memory_->register_spillable(this);
  open_ = true;
  return arrow::Status::OK();
}

void SpillGate::close() {
  if (open_) memory_->unregister_spillable(this);
  open_ = false;
}

arrow::Status SpillGate::enter(int64_t more) {
  // May let this very state go, so it comes before that is held.
  const int64_t uncounted = std::max<int64_t>(0, unseen_bytes_.load() - reserved_.load());
  const arrow::Status room = memory_->ensure_headroom(more + uncounted + kRoomToWork, name_);
  if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
  mutex_.lock();
  owner_.store(std::this_thread::get_id());
  arrow::Status counted = reserve();
  // Nobody has anything to give: what is needed may still fit where all of ours was.
  if (!room.ok() || eager_ || base::error_kind(counted) == base::ErrorKind::kMemory) {
    counted = spill_all();
    if (counted.ok()) counted = reserve();
  }
  if (!counted.ok()) leave();
  return counted;
}

// Everything that touches the reservation is inside.
arrow::Status SpillGate::reserve() {
  const arrow::Status status = unseen_.grow_to(std::max(unseen_.bytes(), unseen_bytes_.load()));
  reserved_.store(unseen_.bytes());
  return status;
}

void SpillGate::leave() {
  count();
  owner_.store(std::thread::id());
  mutex_.unlock();
}

void SpillGate::count() {
  const Size size = size_();
  unseen_bytes_.store(size.unseen);
  spillable_.store(size.spillable, std::memory_order_relaxed);
  if (unseen_.bytes() > size.unseen) unseen_.shrink_to(size.unseen);
  reserved_.store(unseen_.bytes());
}

arrow::Status SpillGate::spill_all() {
  if (spillable_.load() == 0 && size_().spillable == 0) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(spill_());
  ++spills_;
  memory_->pool()->ReleaseUnused();
  count();
  return arrow::Status::OK();
}

arrow::Status SpillGate::make_room() { return memory_->pressure() < kShort && !eager_ ? arrow::Status::OK() : spill_all(); }

arrow::Result<int64_t> SpillGate::spill(int64_t) {
  if (owner_.load() == std::this_thread::get_id()) return 0;
  const std::unique_lock held(mutex_, std::try_to_lock);
  if (!held.owns_lock()) return 0;
  owner_.store(std::this_thread::get_id());  // what the spill allocates may ask for a spill
  const int64_t before = spillable_.load();
  const arrow::Status spilled = spill_all();
  owner_.store(std::thread::id());
  ARROW_RETURN_NOT_OK(spilled);
  return before - spillable_.load();
}

}  // namespace gristmill::stream
