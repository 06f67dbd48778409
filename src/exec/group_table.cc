// Growth of index and rows. The index doubles at 5/8; rows are found again by hashing their keys, chunk by chunk.
//
// Chunks double from small to large, so that 64 tables of a few groups cost little and millions of groups cost few
// allocations.

#include "exec/group_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace gristmill::exec {
namespace {

constexpr uint64_t kFirstSlots = 16;
constexpr uint64_t kSmallSlots = 4096;  // below: four times as many at once
constexpr int64_t kFirstRows = 8;

// What an empty index points at: one free slot. Never written: an empty table is full.
uint64_t no_slots[1] = {0};

int64_t limit_of(uint64_t capacity) { return static_cast<int64_t>(capacity / 8 * 5); }

}  // namespace

GroupTable::GroupTable(const RowLayout* layout, arrow::MemoryPool* pool) : layout_(layout), pool_(pool), slots_(no_slots), arena_(layout->largest_piece) {}

void GroupTable::clear() {
  arrow::MemoryPool* const pool = pool_;
  *this = GroupTable(layout_, pool);
}

int64_t GroupTable::side_bytes() const {
  int64_t bytes = 0;
  for (const auto& m : moments_) bytes += m ? m->bytes() : 0;
  for (const auto& m : pairs_) bytes += m ? m->bytes() : 0;
  for (const auto& m : powers_) bytes += m ? m->bytes() : 0;
  // A wide sum has two to some seventy limbs; those of one group seldom need many.
  return bytes + static_cast<int64_t>(wides_.size()) * static_cast<int64_t>(sizeof(column::WideSum) + 96);
}

arrow::Result<uint8_t*> GroupTable::append() {
  const int64_t stride = layout_->stride;
  if (at_ == end_) {
    const int64_t last = chunks_.empty() ? kFirstRows * stride / 2 : chunks_.back().memory.size();
    const int64_t rows = std::max(kFirstRows, std::min(2 * last, layout_->largest_piece) / stride);
    ARROW_ASSIGN_OR_RAISE(PoolBytes memory, PoolBytes::allocate(rows * stride, pool_));
    at_ = memory.data();
    end_ = at_ + rows * stride;
    row_bytes_ += rows * stride;
    chunks_.push_back({std::move(memory), 0});
  }
  uint8_t* const row = at_;
  std::memset(row, 0, static_cast<size_t>(stride));
  at_ += stride;
  chunks_.back().rows++;
  ++groups_;
  return row;
}

arrow::Status GroupTable::reserve(int64_t groups) {
  if (groups <= limit_) return arrow::Status::OK();
  return rebuild(std::max(kFirstSlots, std::bit_ceil(static_cast<uint64_t>(groups) * 8 / 5 + 8)));
}

arrow::Status GroupTable::grow() {
  const uint64_t capacity = limit_ == 0 ? 0 : mask_ + 1;
  return rebuild(capacity == 0 ? kFirstSlots : capacity < kSmallSlots ? capacity * 4 : capacity * 2);
}

arrow::Status GroupTable::rebuild(uint64_t capacity) {
  ARROW_ASSIGN_OR_RAISE(PoolBytes memory, PoolBytes::allocate(static_cast<int64_t>(capacity * sizeof(uint64_t)), pool_));
  std::memset(memory.data(), 0, capacity * sizeof(uint64_t));
  auto* const slots = reinterpret_cast<uint64_t*>(memory.data());
  const uint64_t mask = capacity - 1;
  uint64_t hashes[1024];
  int64_t indexed = 0;
  ARROW_RETURN_NOT_OK(for_each([&](uint8_t* const* rows, int64_t n) {
    row_hashes(*layout_, rows, n, hashes);
    for (int64_t j = 0; j < n; ++j) {
      if (rows[j] == null_row) continue;
      uint64_t at = hashes[j] & mask;
      while (slots[at] != 0) at = (at + 1) & mask;
      slots[at] = slot::make(hashes[j], rows[j]);
      ++indexed;
    }
    return arrow::Status::OK();
  }));
  index_ = std::move(memory);
  slots_ = slots;
  mask_ = mask;
  indexed_ = indexed;
  limit_ = limit_of(capacity);
  return arrow::Status::OK();
}

void GroupTable::drop_index() {
  index_ = PoolBytes();
  slots_ = no_slots;
  mask_ = 0;
  indexed_ = limit_ = 0;
}

void GroupTable::adopt(GroupTable&& other, int64_t new_groups) {
  // The chunk in use stays last.
  chunks_.insert(chunks_.begin(), std::make_move_iterator(other.chunks_.begin()), std::make_move_iterator(other.chunks_.end()));
  row_bytes_ += other.row_bytes_;
  groups_ += new_groups;
  if (chunks_.size() == other.chunks_.size()) at_ = end_ = nullptr;
  arena_.adopt(std::move(other.arena_));
  held_.insert(held_.end(), std::make_move_iterator(other.held_.begin()), std::make_move_iterator(other.held_.end()));
  held_bytes_ += other.held_bytes_;
  wides_.insert(wides_.end(), std::make_move_iterator(other.wides_.begin()), std::make_move_iterator(other.wides_.end()));
  other.clear();
}

column::WideSum* GroupTable::make_wide() {
  wides_.push_back(std::make_unique<column::WideSum>());
  return wides_.back().get();
}

column::GroupVariances& GroupTable::moments(int function, const column::GroupVariances::Units& units) {
  if (moments_.empty()) moments_.resize(static_cast<size_t>(layout_->functions));
  auto& m = moments_[static_cast<size_t>(function)];
  if (!m) m = std::make_unique<column::GroupVariances>(units);
  return *m;
}

column::GroupPairs& GroupTable::pairs(int function, const column::GroupPairs::Units& units) {
  if (pairs_.empty()) pairs_.resize(static_cast<size_t>(layout_->functions));
  auto& m = pairs_[static_cast<size_t>(function)];
  if (!m) m = std::make_unique<column::GroupPairs>(units);
  return *m;
}

column::GroupPowers& GroupTable::powers(int function, const column::GroupPowers::Units& units) {
  if (powers_.empty()) powers_.resize(static_cast<size_t>(layout_->functions));
  auto& m = powers_[static_cast<size_t>(function)];
  if (!m) m = std::make_unique<column::GroupPowers>(units);
  return *m;
}

TableSet::TableSet(const RowLayout* layout, arrow::MemoryPool* pool, int tables)
    : layout_(layout), mask_(static_cast<uint64_t>(tables) - 1) {
  tables_.reserve(static_cast<size_t>(tables));
  hot_.resize(static_cast<size_t>(tables));
  for (int p = 0; p < tables; ++p) {
    tables_.emplace_back(layout, pool);
    refresh(p);
  }
}

TableSet::TableSet(const RowLayout* layout, GroupTable table) : layout_(layout), mask_(0), hot_(1) {
  tables_.push_back(std::move(table));
  refresh(0);
}

int64_t TableSet::groups() const {
  int64_t n = 0;
  for (const auto& t : tables_) n += t.groups();
  return n;
}

int64_t TableSet::bytes() const {
  int64_t n = 0;
  for (const auto& t : tables_) n += t.bytes();
  return n;
}

}  // namespace gristmill::exec
