// A block is states one behind the other, each with its length in four bytes.

#include "stream/cold_states.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include <arrow/buffer.h>

#include "base/status.h"

namespace gristmill::stream {
namespace {

constexpr size_t kColdBlockBytes = size_t{32} << 10;
constexpr int64_t kColdFileBytes = int64_t{256} << 20;
constexpr int64_t kColdSpareBytes = int64_t{64} << 20;  // that may lie dead
constexpr size_t kDueAtOnce = 4096;                    // due states that come back together
constexpr auto kLaterDue = std::greater<std::pair<int64_t, uint64_t>>();

}  // namespace

int64_t ColdStates::bytes() const {
  return static_cast<int64_t>(places_.capacity() * sizeof(Place) + due_.capacity() * sizeof(due_[0]) + blocks_.capacity() * sizeof(Block) +
                              writing_.capacity());
}

bool ColdStates::may_have(uint64_t hash) const { return !places_of({hash}).empty(); }

// Whoever changes a place through this is not const itself.
std::vector<ColdStates::Place*> ColdStates::places_of(std::vector<uint64_t> hashes) const {
  std::vector<Place*> out;
  if (live_ == 0) return out;
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  const size_t mask = places_.size() - 1;
  for (const uint64_t hash : hashes) {
    for (size_t i = hash & mask; places_[i].block != kFree; i = (i + 1) & mask) {
      if (places_[i].hash == hash && places_[i].here()) out.push_back(const_cast<Place*>(&places_[i]));
    }
  }
  return out;
}

// At least half of the places are free afterwards.
void ColdStates::grow() {
  size_t size = 1024;
  while (size < static_cast<size_t>(live_ + 1) * 2) size *= 2;
  std::vector<Place> before = std::exchange(places_, std::vector<Place>(size));
  used_ = 0;
  for (const Place& p : before) {
    if (!p.here()) continue;
    size_t i = p.hash & (size - 1);
    while (places_[i].block != kFree) i = (i + 1) & (size - 1);
    places_[i] = p;
    ++used_;
  }
}

uint32_t ColdStates::begin_block() {
  if (!free_blocks_.empty()) {
    const uint32_t out = free_blocks_.back();
    free_blocks_.pop_back();
    return out;
  }
  blocks_.emplace_back();
  return static_cast<uint32_t>(blocks_.size() - 1);
}

arrow::Status ColdStates::end_block() {
  if (writing_block_ == kFree) return arrow::Status::OK();
  Block& b = blocks_[writing_block_];
  if (b.live == 0) {
    free_blocks_.push_back(writing_block_);
  } else {
    if (!file_ || file_->bytes_written() >= kColdFileBytes) {
      ARROW_ASSIGN_OR_RAISE(file_, base::SpillFile::create());
    }
    ARROW_ASSIGN_OR_RAISE(b.at, file_->write(writing_.data(), static_cast<int64_t>(writing_.size())));
    b.file = file_;
    bytes_ += static_cast<int64_t>(writing_.size());
    memory_->count_spilled(static_cast<int64_t>(b.at.stored_bytes));
  }
  writing_.clear();
  writing_block_ = kFree;
  return arrow::Status::OK();
}

arrow::Status ColdStates::append(Place* place, std::string_view state) {
  if (writing_block_ == kFree) writing_block_ = begin_block();
  place->block = writing_block_;
  place->offset = static_cast<uint32_t>(writing_.size());
  const auto size = static_cast<uint32_t>(state.size());
  writing_.resize(writing_.size() + sizeof size + size);
  std::memcpy(writing_.data() + place->offset, &size, sizeof size);
  if (size > 0) std::memcpy(writing_.data() + place->offset + sizeof size, state.data(), size);
  ++blocks_[writing_block_].live;
  return writing_.size() >= kColdBlockBytes ? end_block() : arrow::Status::OK();
}

void ColdStates::queue(int64_t due, uint64_t hash) {
  if (due == kAllTime) return;
  if (due_.size() > static_cast<size_t>(live_) * 2 + kDueAtOnce) {  // most have left by another way
    due_.clear();
    for (const Place& p : places_) {
      if (p.here() && p.due != kAllTime) due_.emplace_back(p.due, p.hash);
    }
    std::make_heap(due_.begin(), due_.end(), kLaterDue);
  }
  due_.emplace_back(due, hash);
  std::push_heap(due_.begin(), due_.end(), kLaterDue);
}

arrow::Status ColdStates::put(uint64_t hash, int64_t due, std::string_view state) {
  if (state.size() >= (size_t{1} << 31)) return base::memory_error("the state of one key is larger than 2 GiB");
  if ((used_ + 1) * 4 > places_.size() * 3) grow();
  queue(due, hash);
  const size_t mask = places_.size() - 1;
  size_t i = hash & mask;
  while (places_[i].here()) i = (i + 1) & mask;
  if (places_[i].block == kFree) ++used_;
  places_[i].hash = hash;
  places_[i].due = due;
  ++live_;
  live_bytes_ += static_cast<int64_t>(state.size() + sizeof(uint32_t));
  return append(&places_[i], state);
}

arrow::Status ColdStates::flush() {
  ARROW_RETURN_NOT_OK(end_block());
  writing_.shrink_to_fit();
  return bytes_ > 3 * live_bytes_ + kColdSpareBytes ? write_anew() : arrow::Status::OK();
}

void ColdStates::drop(Place* place, int64_t bytes) {
  Block& b = blocks_[place->block];
  if (--b.live == 0 && place->block != writing_block_) {
    bytes_ -= static_cast<int64_t>(b.at.raw_bytes);
    b = Block();
    free_blocks_.push_back(place->block);
  }
  place->block = kGone;
  --live_;
  live_bytes_ -= bytes;
}

arrow::Status ColdStates::read(std::vector<Place*> places, const VisitPlace& visit) const {
  std::sort(places.begin(), places.end(),
            [](const Place* a, const Place* b) { return std::pair(a->block, a->offset) < std::pair(b->block, b->offset); });
  std::shared_ptr<arrow::Buffer> block;
  uint32_t of = kFree;
  for (Place* const p : places) {
    std::string_view bytes(reinterpret_cast<const char*>(writing_.data()), writing_.size());
    if (p->block != writing_block_) {
      if (p->block != of) {
        const Block& b = blocks_[p->block];
        ARROW_ASSIGN_OR_RAISE(block, b.file->read(b.at, memory_->pool()));
        of = p->block;
      }
      bytes = std::string_view(*block);
    }
    uint32_t size = 0;
    if (p->offset + sizeof size > bytes.size()) return base::internal_error("a state on disk lies behind its block");
    std::memcpy(&size, bytes.data() + p->offset, sizeof size);
    if (p->offset + sizeof size + size > bytes.size()) return base::internal_error("a state on disk reaches beyond its block");
    ARROW_RETURN_NOT_OK(visit(p, bytes.substr(p->offset + sizeof size, size)));
  }
  return arrow::Status::OK();
}

arrow::Status ColdStates::take(std::vector<uint64_t> hashes, const Visit& visit) { return take_out(places_of(std::move(hashes)), visit); }

arrow::Status ColdStates::take_out(std::vector<Place*> places, const Visit& visit) {
  return read(std::move(places), [&](Place* p, std::string_view state) -> arrow::Status {
    ARROW_RETURN_NOT_OK(visit(p->hash, state));
    drop(p, static_cast<int64_t>(state.size() + sizeof(uint32_t)));
    return arrow::Status::OK();
  });
}

arrow::Status ColdStates::look(std::vector<uint64_t> hashes, const Visit& visit) const {
  return read(places_of(std::move(hashes)), [&](Place* p, std::string_view state) { return visit(p->hash, state); });
}

arrow::Status ColdStates::take_due(int64_t to, const Visit& visit) {
  std::vector<uint64_t> hashes;
  int64_t last = kNoTime;
  while (!due_.empty() && due_.front().first <= to && (hashes.size() < kDueAtOnce || due_.front().first == last)) {
    last = due_.front().first;
    hashes.push_back(due_.front().second);
    std::pop_heap(due_.begin(), due_.end(), kLaterDue);
    due_.pop_back();
  }
  // A key may have left and come again since it was queued: its state is due later then, and stays.
  std::vector<Place*> places = places_of(std::move(hashes));
  std::erase_if(places, [&](const Place* p) { return p->due > to; });
  return take_out(std::move(places), visit);
}

std::vector<ColdStates::Place*> ColdStates::all() const {
  std::vector<Place*> out;
  out.reserve(static_cast<size_t>(live_));
  for (const Place& p : places_) {
    if (p.here()) out.push_back(const_cast<Place*>(&p));
  }
  return out;
}

arrow::Status ColdStates::each(const Visit& visit) const {
  return read(all(), [&](Place* p, std::string_view state) { return visit(p->hash, state); });
}

arrow::Status ColdStates::write_anew() {
  std::vector<Block> before = std::exchange(blocks_, {});
  free_blocks_.clear();
  file_ = nullptr;
  bytes_ = 0;
  std::vector<Place*> places = all();
  std::sort(places.begin(), places.end(),
            [](const Place* a, const Place* b) { return std::pair(a->block, a->offset) < std::pair(b->block, b->offset); });
  std::shared_ptr<arrow::Buffer> block;
  uint32_t of = kFree;
  for (Place* const p : places) {
    if (p->block != of) {
      const uint32_t was = of;
      of = p->block;
      ARROW_ASSIGN_OR_RAISE(block, before[of].file->read(before[of].at, memory_->pool()));
      if (was != kFree) before[was] = Block();  // its file goes with its last block
    }
    uint32_t size = 0;
    std::memcpy(&size, block->data() + p->offset, sizeof size);
    ARROW_RETURN_NOT_OK(append(p, std::string_view(*block).substr(p->offset + sizeof size, size)));
  }
  return end_block();
}

}  // namespace gristmill::stream
