// A spool and the files that read it.

#include "io/spool.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <arrow/buffer.h>

namespace gristmill::io {
namespace {

constexpr int64_t kBlock = Spool::kBlock;

class SpoolFile final : public arrow::io::RandomAccessFile {
 public:
  SpoolFile(std::shared_ptr<const Spool> spool, arrow::MemoryPool* pool) : spool_(std::move(spool)), pool_(pool) {}
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return at_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0) return arrow::Status::Invalid("negative position");
    at_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return spool_->bytes(); }
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(at_, bytes, out));
    at_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, bytes));
    at_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t bytes, void* out) override {
    bytes = std::max<int64_t>(std::min(bytes, spool_->bytes() - position), 0);
    auto* p = static_cast<uint8_t*>(out);
    for (int64_t got = 0; got < bytes;) {
      const int64_t block = (position + got) / kBlock, within = (position + got) % kBlock;
      ARROW_ASSIGN_OR_RAISE(const auto data, cached(block));
      const int64_t n = std::min(bytes - got, data->size() - within);
      std::memcpy(p + got, data->data() + within, static_cast<size_t>(n));
      got += n;
    }
    return bytes;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t bytes) override {
    bytes = std::max<int64_t>(std::min(bytes, spool_->bytes() - position), 0);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateBuffer(bytes, pool_));
    ARROW_RETURN_NOT_OK(ReadAt(position, bytes, buffer->mutable_data()).status());
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Buffer>> cached(int64_t block) {
    {
      std::lock_guard lock(mutex_);
      if (block == cached_block_) return cached_;
    }
    ARROW_ASSIGN_OR_RAISE(auto data, spool_->read(block, pool_));
    std::lock_guard lock(mutex_);
    cached_block_ = block;
    cached_ = data;
    return data;
  }

  const std::shared_ptr<const Spool> spool_;
  arrow::MemoryPool* const pool_;
  int64_t at_ = 0;
  bool closed_ = false;
  std::mutex mutex_;
  int64_t cached_block_ = -1;
  std::shared_ptr<arrow::Buffer> cached_;
};

}  // namespace

arrow::Result<std::shared_ptr<const Spool>> Spool::of(arrow::io::InputStream& in) {
  auto spool = std::make_shared<Spool>();
  ARROW_ASSIGN_OR_RAISE(spool->file_, base::SpillFile::create());
  std::vector<uint8_t> block(kBlock);
  while (true) {
    int64_t filled = 0;
    while (filled < kBlock) {
      ARROW_ASSIGN_OR_RAISE(const int64_t got, in.Read(kBlock - filled, block.data() + filled));
      if (got == 0) break;
      filled += got;
    }
    if (filled > 0) {
      ARROW_ASSIGN_OR_RAISE(const auto written, spool->file_->write(block.data(), filled));
      spool->blocks_.push_back(written);
      spool->bytes_ += filled;
    }
    if (filled < kBlock) return spool;
  }
}

std::shared_ptr<arrow::io::RandomAccessFile> Spool::open(arrow::MemoryPool* pool) const {
  return std::make_shared<SpoolFile>(shared_from_this(), pool);
}

}  // namespace gristmill::io
