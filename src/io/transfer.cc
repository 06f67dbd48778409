#include "io/transfer.h"

#include <utility>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

namespace gristmill::io {
namespace {

thread_local TransferMeterPtr counting;

class CountedFile final : public arrow::io::RandomAccessFile {
 public:
  CountedFile(std::shared_ptr<arrow::io::RandomAccessFile> file, TransferMeterPtr meter)
      : file_(std::move(file)), meter_(std::move(meter)) {}
  ~CountedFile() override = default;

  arrow::Status Close() override { return file_->Close(); }
  bool closed() const override { return file_->closed(); }
  arrow::Result<int64_t> Tell() const override { return file_->Tell(); }
  arrow::Status Seek(int64_t position) override { return file_->Seek(position); }
  arrow::Result<int64_t> GetSize() override { return file_->GetSize(); }
  bool supports_zero_copy() const override { return file_->supports_zero_copy(); }
  arrow::Status WillNeed(const std::vector<arrow::io::ReadRange>& ranges) override { return file_->WillNeed(ranges); }

  arrow::Result<int64_t> Read(int64_t bytes, void* out) override { return count(file_->Read(bytes, out)); }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override { return count(file_->Read(bytes)); }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t bytes, void* out) override { return count(file_->ReadAt(position, bytes, out)); }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t bytes) override {
    return count(file_->ReadAt(position, bytes));
  }

 private:
  arrow::Result<int64_t> count(arrow::Result<int64_t> got) const {
    if (got.ok()) meter_->add(*got);
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> count(arrow::Result<std::shared_ptr<arrow::Buffer>> got) const {
    if (got.ok()) meter_->add((*got)->size());
    return got;
  }

  const std::shared_ptr<arrow::io::RandomAccessFile> file_;
  const TransferMeterPtr meter_;
};

}  // namespace

TransferScope::TransferScope(TransferMeterPtr meter) : before_(std::exchange(counting, std::move(meter))) {}
TransferScope::~TransferScope() { counting = before_; }
const TransferMeterPtr& TransferScope::current() { return counting; }

std::shared_ptr<arrow::io::RandomAccessFile> counted(std::shared_ptr<arrow::io::RandomAccessFile> file, const TransferMeterPtr& meter) {
  if (meter == nullptr) return file;
  return std::make_shared<CountedFile>(std::move(file), meter);
}

}  // namespace gristmill::io
