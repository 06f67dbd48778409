// The bytes of a stream kept on disk, so that a reader which wants to jump can.
//
// Written once, front to back, as compressed blocks of a spill file; then immutable and read by any number of threads. What
// is in memory is one block a reader.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "base/spill_file.h"

namespace gristmill::io {

class Spool : public std::enable_shared_from_this<Spool> {
 public:
  static constexpr int64_t kBlock = int64_t{1} << 20;

  static arrow::Result<std::shared_ptr<const Spool>> of(arrow::io::InputStream& in);  // up to its end
  int64_t bytes() const { return bytes_; }
  arrow::Result<std::shared_ptr<arrow::Buffer>> read(int64_t block, arrow::MemoryPool* pool) const {
    return file_->read(blocks_[static_cast<size_t>(block)], pool);
  }
  std::shared_ptr<arrow::io::RandomAccessFile> open(arrow::MemoryPool* pool) const;

 private:
  std::shared_ptr<base::SpillFile> file_;
  std::vector<base::SpillBlock> blocks_;  // of kBlock bytes, the last one shorter
  int64_t bytes_ = 0;
};

}  // namespace gristmill::io
