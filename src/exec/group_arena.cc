// Blocks and arenas. Blocks of a table's size are asked to be huge pages: high-cardinality aggregation is bound by
// page faults and TLB misses before anything else.

#include "exec/group_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/status.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kFirstBlock = 256;
constexpr int64_t kAlone = int64_t{256} << 10;  // a piece that has a block of its own, which goes when it is given back
constexpr int64_t kCapacityBytes = sizeof(uint32_t);

}  // namespace

template <typename Attempt>
arrow::Status PatientPool::insist(int64_t more, Attempt&& attempt) {
  constexpr int kMostLonely = 16;  // room that was made may go to somebody quicker
  for (int lonely = 0;;) {
    arrow::Status status = attempt();
    if (status.ok() || base::error_kind(status) != base::ErrorKind::kMemory) return status;
    bool made = false;
    if (spills_) {
      const arrow::Status room = memory_->ensure_headroom(more, "aggregation");
      if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
      made = room.ok();
      status = attempt();
      if (status.ok() || base::error_kind(status) != base::ErrorKind::kMemory) return status;
    }
    if (!turns_->wait_for_others() && (!made || ++lonely > kMostLonely)) return status;
  }
}

arrow::Status PatientPool::Allocate(int64_t size, int64_t alignment, uint8_t** out) {
  return insist(size, [&] { return pool_->Allocate(size, alignment, out); });
}

arrow::Status PatientPool::Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) {
  return insist(new_size - old_size, [&] { return pool_->Reallocate(old_size, new_size, alignment, ptr); });
}

arrow::Result<PoolBytes> PoolBytes::allocate(int64_t bytes, arrow::MemoryPool* pool) {
  PoolBytes b;
  ARROW_RETURN_NOT_OK(pool->Allocate(bytes, &b.data_));
  b.size_ = bytes;
  b.pool_ = pool;
  if (bytes >= 2 * kHugePage) {
    const auto begin = (reinterpret_cast<uintptr_t>(b.data_) + kHugePage - 1) & ~static_cast<uintptr_t>(kHugePage - 1);
    const auto end = (reinterpret_cast<uintptr_t>(b.data_) + static_cast<uintptr_t>(bytes)) & ~static_cast<uintptr_t>(kHugePage - 1);
    if (end > begin) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  }
  return b;
}

PoolBytes::~PoolBytes() {
  if (data_ != nullptr) pool_->Free(data_, size_);
}

arrow::Status Arena::new_block(int64_t wanted, arrow::MemoryPool* pool) {
  const int64_t last = blocks_.empty() ? kFirstBlock / 2 : blocks_.back().size();
  const int64_t size = std::max(std::clamp(2 * last, kFirstBlock, largest_block_), wanted);
  ARROW_ASSIGN_OR_RAISE(PoolBytes block, PoolBytes::allocate(size, pool));
  at_ = block.data();
  end_ = at_ + size;
  bytes_ += size;
  blocks_.push_back(std::move(block));
  return arrow::Status::OK();
}

arrow::Result<uint8_t*> Arena::borrow(int64_t capacity, arrow::MemoryPool* pool) {
  if (capacity >= kAlone) {
    ARROW_ASSIGN_OR_RAISE(PoolBytes block, PoolBytes::allocate(capacity, pool));
    bytes_ += capacity;
    large_.push_back(std::move(block));
    return large_.back().data();
  }
  for (Free& f : free_) {
    if (f.capacity != capacity || f.piece == nullptr) continue;
    return std::exchange(f.piece, reinterpret_cast<uint8_t*>(load<uint64_t>(f.piece)));
  }
  // Whole words, so that what lies there can be read as such.
  const auto padding = [&] { return static_cast<int64_t>(-reinterpret_cast<uintptr_t>(at_) & 7); };
  if (end_ - at_ < capacity + padding()) ARROW_RETURN_NOT_OK(new_block(capacity, pool));
  at_ += padding();
  return std::exchange(at_, at_ + capacity);
}

void Arena::give_back(uint8_t* piece, int64_t capacity) {
  if (capacity >= kAlone) {
    const auto at = std::find_if(large_.begin(), large_.end(), [&](const PoolBytes& b) { return b.data() == piece; });
    if (at == large_.end()) return;  // of an arena that will be adopted
    bytes_ -= capacity;
    std::swap(*at, large_.back());
    large_.pop_back();
    return;
  }
  auto at = std::find_if(free_.begin(), free_.end(), [&](const Free& f) { return f.capacity == capacity; });
  if (at == free_.end()) at = free_.insert(at, {capacity, nullptr});
  exec::store<uint64_t>(piece, reinterpret_cast<uint64_t>(at->piece));
  at->piece = piece;
}

arrow::Result<uint8_t*> Arena::store(std::string_view bytes, arrow::MemoryPool* pool, int64_t capacity) {
  capacity = std::max<int64_t>(capacity, static_cast<int64_t>(bytes.size()));
  const int64_t wanted = kCapacityBytes + capacity;
  if (end_ - at_ < wanted) ARROW_RETURN_NOT_OK(new_block(wanted, pool));
  exec::store<uint32_t>(at_, static_cast<uint32_t>(capacity));
  uint8_t* const data = at_ + kCapacityBytes;
  std::memcpy(data, bytes.data(), bytes.size());
  at_ += wanted;
  return data;
}

arrow::Status Arena::assign(Blob* blob, std::string_view bytes, arrow::MemoryPool* pool) {
  if (bytes.size() <= Blob::kInline) {
    *blob = Blob::of(bytes);
    return arrow::Status::OK();
  }
  uint8_t* data = blob->is_long() ? reinterpret_cast<uint8_t*>(blob->tail) : nullptr;
  if (data != nullptr && load<uint32_t>(data - kCapacityBytes) >= bytes.size()) {
    std::memmove(data, bytes.data(), bytes.size());
  } else {
    // What replaces a long value once will do so again: leave room, so that the space wasted stays within what is used.
    const int64_t capacity = data != nullptr ? static_cast<int64_t>(std::bit_ceil(bytes.size())) : 0;
    ARROW_ASSIGN_OR_RAISE(data, store(bytes, pool, std::min<int64_t>(capacity, int64_t{1} << 31)));
  }
  *blob = Blob::of({reinterpret_cast<const char*>(data), bytes.size()});
  return arrow::Status::OK();
}

void Arena::adopt(Arena&& other) {
  // The block in use stays last, where its size decides the next one's.
  blocks_.insert(blocks_.begin(), std::make_move_iterator(other.blocks_.begin()), std::make_move_iterator(other.blocks_.end()));
  large_.insert(large_.end(), std::make_move_iterator(other.large_.begin()), std::make_move_iterator(other.large_.end()));
  bytes_ += other.bytes_;
  for (const Free& f : other.free_) {
    for (uint8_t* piece = f.piece; piece != nullptr;) {
      uint8_t* const next = reinterpret_cast<uint8_t*>(load<uint64_t>(piece));
      give_back(piece, f.capacity);
      piece = next;
    }
  }
  other.blocks_.clear();
  other.clear();
}

void Arena::clear() {
  blocks_.clear();
  large_.clear();
  free_.clear();
  at_ = end_ = nullptr;
  bytes_ = 0;
}

}  // namespace gristmill::exec
