// A file that is whole or not there, wherever it lies.
//
// On disk: written beside its place under a temporary name, synced and renamed when complete. In a store: a multipart upload that is
// completed at the end. A reader never sees a part of it, and what stood there before stays until then. Dropped or
// abandoned without finish(), nothing remains. "-" and pipes (/dev/stdout) get the bytes as they come; nothing can be taken back there.
// Every failure is an IoError naming the path the user gave.
#pragma once

#include <memory>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include "io/storage_options.h"
#include "io/transfer.h"

namespace gristmill::io {

class OutputFile : public arrow::io::OutputStream {
 public:
  static arrow::Result<std::shared_ptr<OutputFile>> create(const std::string& path, const StoragePtr& storage = {});

  using arrow::io::OutputStream::Write;
  arrow::Result<int64_t> Tell() const override { return written_; }
  arrow::Status Flush() override { return arrow::Status::OK(); }
  arrow::Status Close() override { return arrow::Status::OK(); }  // format writers call it; finish() decides

  // The bytes are where they belong and nothing can fail any more but giving them their name. Optional before finish().
  virtual arrow::Status settle() { return arrow::Status::OK(); }
  virtual arrow::Status finish() = 0;
  virtual void abandon() = 0;
  const std::string& path() const { return path_; }

 protected:
  explicit OutputFile(std::string path) : path_(std::move(path)), meter_(TransferScope::current()) {}
  arrow::Status failed(const char* what) const;  // by errno
  void count(int64_t bytes) {                    // as written
    written_ += bytes;
    if (meter_ != nullptr) meter_->add(bytes);
  }

  const std::string path_;
  int64_t written_ = 0;

 private:
  const TransferMeterPtr meter_;
};

// An error when there is something under this name already.
arrow::Status must_be_new(const std::string& path, const StoragePtr& storage = {});

}  // namespace gristmill::io
