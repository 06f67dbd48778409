// The frame of a scan over text blocks: handing them out, keeping them until they are read.
//
// Subclasses read one block. next() is called by one worker at a time; what it cut waits under a lock for whoever claimed it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/text_blocks.h"
#include "plan/table_source.h"

namespace gristmill::io {

// One conjunct of a predicate and the output columns it reads.
struct BlockConjunct {
  expr::BoundPtr predicate;
  std::vector<int> inputs;
};
std::vector<BlockConjunct> conjuncts_of(const expr::BoundPtr& predicate);

class BlockScan : public plan::Scan {
 public:
  BlockScan(std::vector<TextFile> files, BlockRules rules, const plan::ScanRequest& request, bool rows_may_go);

  int64_t num_morsels() const override { return -1; }
  std::string file_of(int32_t input) const override { return input < 0 || input >= std::ssize(files_) ? "" : files_[input].input->path(); }
  bool filters_exactly() const override { return true; }
  std::string detail() const override;
  arrow::Result<Next> next(uint64_t seq) override;
  arrow::Status read(uint64_t seq, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override;

 protected:
  virtual arrow::Status read_block(TextBlock& block, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) = 0;
  // Rows without columns.
  arrow::Status count_rows(const TextBlock& block, const plan::BatchConsumer& emit, plan::ScanCounts& counts) const;
  column::Origin origin_of(const TextBlock& block, int64_t row) const;

  const std::vector<TextFile> files_;
  const plan::ScanRequest request_;
  const std::vector<BlockConjunct> conjuncts_;
  arrow::MemoryPool* const pool_;
  int64_t batch_rows_ = 0;
  std::atomic<int64_t> nulled_{0}, skipped_{0};

 private:
  const bool rows_may_go_;
  BlockCutter cutter_;
  int64_t given_ = 0;  // rows of the blocks so far
  std::mutex mutex_;
  std::unordered_map<uint64_t, TextBlock> blocks_;
};

}  // namespace gristmill::io
