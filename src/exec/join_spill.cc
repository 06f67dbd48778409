// Groups of rows are gathered to about 2 MiB before they are split, so that a block is tens of kilobytes and a spill
// needs little memory of its own; each group is freed before the next is made.

#include "exec/join_spill.h"

#include <algorithm>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "column/kernels.h"
#include "exec/collect.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kGroupBytes = int64_t{2} << 20;
constexpr int64_t kBlockBytes = int64_t{256} << 10;  // at most, even if all rows have one key
constexpr int64_t kLeastBlockRows = 256;
constexpr int64_t kWriteFrom = int64_t{4} << 20;  // once spilled, this much may wait

}  // namespace

int64_t raw_bytes(const JoinBlocks& blocks) {
  int64_t n = 0;
  for (const JoinBlock& b : blocks) n += static_cast<int64_t>(b.at.raw_bytes);
  return n;
}

int64_t rows_of(const JoinBlocks& blocks) {
  int64_t n = 0;
  for (const JoinBlock& b : blocks) n += b.rows;
  return n;
}

JoinPartitioner::JoinPartitioner(const JoinShape& shape, const JoinSide& side, int level, std::shared_ptr<base::SpillFile> file,
                                 base::QueryMemory& memory)
    : shape_(shape), side_(side), level_(level), file_(std::move(file)), memory_(memory) {}

arrow::Status JoinPartitioner::write(const column::Batch& batch, uint32_t skip) {
  arrow::MemoryPool* pool = memory_.pool();
  const std::vector<column::Column> key_columns = side_.equal_keys_of(batch.columns);
  std::vector<uint64_t> hashes(static_cast<size_t>(batch.rows));
  if (key_columns.empty()) {  // an as-of join of one chain: all rows stay together
  } else if (shape_.layout.form() == JoinKeyForm::kColumns) {
    column::hash_rows(key_columns, batch.rows, {}, hashes.data());
  } else {
    KeyWords words;
    ARROW_RETURN_NOT_OK(shape_.layout.words(key_columns, batch.rows, pool, words));
    hash_key_words(words.low, words.high, batch.rows, hashes.data());
  }
  std::array<std::vector<int32_t>, kSpillPartitions> rows;
  const int shift = level_ * kSpillBits;
  for (int64_t i = 0; i < batch.rows; ++i)
    rows[(hashes[static_cast<size_t>(i)] >> shift) % kSpillPartitions].push_back(static_cast<int32_t>(i));
  int64_t bytes = 0;
  for (const auto& c : batch.columns) bytes += column::compact_bytes(c, batch.rows);
  const size_t block_rows = static_cast<size_t>(std::max(kLeastBlockRows, kBlockBytes * batch.rows / std::max<int64_t>(bytes, 1)));
  for (size_t p = 0; p < kSpillPartitions; ++p) {
    if ((skip >> p) % 2) continue;
    const std::span<const int32_t> all(rows[p]);
    for (size_t at = 0; at < all.size(); at += block_rows)
      ARROW_RETURN_NOT_OK(write_block(batch, all.subspan(at, std::min(block_rows, all.size() - at)), p));
  }
  return arrow::Status::OK();
}

arrow::Status JoinPartitioner::write_block(const column::Batch& batch, std::span<const int32_t> rows, size_t partition) {
  arrow::MemoryPool* pool = memory_.pool();
  column::Batch part;
  part.rows = static_cast<int64_t>(rows.size());
  for (const auto& c : batch.columns) {
    ARROW_ASSIGN_OR_RAISE(column::Column taken, column::take(c, rows, pool));
    part.columns.push_back(std::move(taken));
  }
  ARROW_ASSIGN_OR_RAISE(auto bytes, column::serialize_batch(part, pool));
  ARROW_ASSIGN_OR_RAISE(base::SpillBlock at, file_->write(bytes->data(), bytes->size()));
  memory_.count_spilled(static_cast<int64_t>(at.stored_bytes));
  const auto* order = column::values_of<uint64_t>(*part.columns.back().values);
  const auto [first, last] = std::minmax_element(order, order + part.rows);
  std::lock_guard lock(mutex_);
  blocks_[partition].push_back({at, part.rows, *first, *last});
  return arrow::Status::OK();
}

std::array<JoinBlocks, kSpillPartitions> JoinPartitioner::take() {
  std::lock_guard lock(mutex_);
  return std::move(blocks_);
}

JoinRows::JoinRows(std::shared_ptr<const JoinShape> shape, const JoinSide& side, const QueryContext& context, std::string name)
    : shape_(std::move(shape)), side_(side), memory_(context.memory), name_(std::move(name)), eager_(context.spill_eagerly) {}

JoinRows::~JoinRows() { unwatch(); }

void JoinRows::watch() {
  if (!watched_.exchange(true)) memory_->register_spillable(this);
}

void JoinRows::unwatch() {
  if (watched_.exchange(false)) memory_->unregister_spillable(this);
}

arrow::Status JoinRows::start_spilling() {
  std::lock_guard lock(mutex_);
  if (partitions_) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(file_, base::SpillFile::create());
  partitions_ = std::make_unique<JoinPartitioner>(*shape_, side_, 0, file_, *memory_);
  spilled_.store(true);
  return arrow::Status::OK();
}

arrow::Status JoinRows::add(KeptRows rows) {
  if (rows.batch.rows == 0) return arrow::Status::OK();
  rows_.fetch_add(rows.batch.rows);
  const int64_t total = bytes_.fetch_add(rows.bytes) + rows.bytes;
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(rows));
  }
  if (eager_) ARROW_RETURN_NOT_OK(start_spilling());
  if (spilled() && (eager_ || total >= kWriteFrom)) return write_waiting().status();
  return arrow::Status::OK();
}

std::vector<KeptRows> JoinRows::take_rows() {
  std::lock_guard lock(mutex_);
  bytes_.store(0);
  return std::move(waiting_);
}

arrow::Status JoinRows::flush() { return write_waiting().status(); }

arrow::Result<int64_t> JoinRows::spill(int64_t) {
  if (bytes_.load() == 0) return 0;
  ARROW_RETURN_NOT_OK(start_spilling());
  return write_waiting();
}

arrow::Result<int64_t> JoinRows::write_waiting() {
  std::vector<KeptRows> mine;
  {
    std::lock_guard lock(mutex_);
    mine.swap(waiting_);
  }
  arrow::MemoryPool* pool = memory_->pool();
  int64_t freed = 0;
  for (size_t i = 0; i < mine.size();) {
    std::vector<column::Batch> group;
    int64_t bytes = 0, rows = 0;
    for (; i < mine.size() && (group.empty() || (bytes + mine[i].bytes <= kGroupBytes && rows < kMostBuildRows / 2)); ++i) {
      ARROW_ASSIGN_OR_RAISE(column::Column order, order_column(mine[i], pool));
      mine[i].batch.columns.push_back(std::move(order));
      bytes += mine[i].bytes;
      rows += mine[i].batch.rows;
      group.push_back(std::move(mine[i].batch));
      mine[i] = {};
    }
    ARROW_ASSIGN_OR_RAISE(column::Batch joined, join_batches(std::move(group), pool));
    group.clear();
    const arrow::Status written = partitions_->write(joined, skip_);
    bytes_.fetch_sub(bytes);
    ARROW_RETURN_NOT_OK(written);
    freed += bytes;
  }
  return freed;
}

}  // namespace gristmill::exec
