// Rows of one side of a join on their way to memory or to disk.
//
// Workers hand in dense rows (kept columns); they wait in a list. Once the side has spilled, the list goes to a spill
// file whenever it is large enough: split into 32 partitions by hash, a block per partition, each row with its order as
// an additional last column. Which rows share a block depends on timing; what a partition holds does not.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/spill_file.h"
#include "exec/join_shape.h"

namespace gristmill::exec {

inline constexpr int kSpillBits = 5;
inline constexpr int kSpillPartitions = 1 << kSpillBits;
inline constexpr int kSpillLevels = 60 / kSpillBits;

struct JoinBlock {
  base::SpillBlock at;
  int64_t rows = 0;
  uint64_t first = 0, last = 0;  // smallest and largest order
};
using JoinBlocks = std::vector<JoinBlock>;

int64_t raw_bytes(const JoinBlocks& blocks);
int64_t rows_of(const JoinBlocks& blocks);

// Splits rows by level * kSpillBits.. of their keys' hash and writes them. Thread safe.
class JoinPartitioner {
 public:
  JoinPartitioner(const JoinShape& shape, const JoinSide& side, int level, std::shared_ptr<base::SpillFile> file,
                  base::QueryMemory& memory);

  // Kept columns and the order; rows of partitions in `skip` (bits) are dropped.
  arrow::Status write(const column::Batch& batch, uint32_t skip = 0);
  std::array<JoinBlocks, kSpillPartitions> take();

 private:
  arrow::Status write_block(const column::Batch& batch, std::span<const int32_t> rows, size_t partition);

  const JoinShape& shape_;
  const JoinSide& side_;
  const int level_;
  const std::shared_ptr<base::SpillFile> file_;
  base::QueryMemory& memory_;
  std::mutex mutex_;
  std::array<JoinBlocks, kSpillPartitions> blocks_;
};

// The waiting list of one side. Thread safe.
class JoinRows final : public base::Spillable {
 public:
  JoinRows(std::shared_ptr<const JoinShape> shape, const JoinSide& side, const QueryContext& context, std::string name);
  ~JoinRows() override;

  arrow::Status add(KeptRows rows);
  void watch();    // from here on spill() may come
  void unwatch();  // and from here on not any more; what spilled() says is final
  arrow::Status start_spilling();
  bool spilled() const { return spilled_.load(); }
  int64_t bytes() const { return bytes_.load(); }  // that wait
  int64_t rows() const { return rows_.load(); }    // ever added
  void skip(uint32_t partitions) { skip_ = partitions; }

  std::vector<KeptRows> take_rows();  // not spilled
  arrow::Status flush();              // spilled: writes what waits
  JoinPartitioner& partitions() { return *partitions_; }
  const std::shared_ptr<base::SpillFile>& file() const { return file_; }

  std::string spill_name() const override { return name_; }
  int64_t spillable_bytes() const override { return bytes_.load(std::memory_order_relaxed); }
  arrow::Result<int64_t> spill(int64_t bytes) override;

 private:
  arrow::Result<int64_t> write_waiting();

  const std::shared_ptr<const JoinShape> shape_;
  const JoinSide& side_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const std::string name_;
  const bool eager_;
  uint32_t skip_ = 0;
  std::atomic<int64_t> bytes_{0}, rows_{0};
  std::atomic<bool> spilled_{false};
  std::atomic<bool> watched_{false};
  std::mutex mutex_;  // the list and the beginning of spilling
  std::vector<KeptRows> waiting_;
  std::shared_ptr<base::SpillFile> file_;
  std::unique_ptr<JoinPartitioner> partitions_;
};

}  // namespace gristmill::exec
