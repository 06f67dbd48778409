// A file that is whole or not there: written beside its place under a temporary name, renamed when complete.
//
// finish() syncs the data, then renames; a reader never sees a part of it, and what stood there before stays until
// then. Dropped or abandoned without finish(), nothing remains. Every failure is an IoError naming the path the user gave.
#pragma once

#include <memory>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

namespace gristmill::io {

class OutputFile final : public arrow::io::OutputStream {
 public:
  static arrow::Result<std::shared_ptr<OutputFile>> create(const std::string& path);
  ~OutputFile() override { abandon(); }

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override;
  arrow::Result<int64_t> Tell() const override { return written_; }
  arrow::Status Flush() override { return arrow::Status::OK(); }
  arrow::Status Close() override { return arrow::Status::OK(); }  // format writers call it; finish() decides
  bool closed() const override { return descriptor_ < 0; }

  arrow::Status finish();
  void abandon();
  const std::string& path() const { return path_; }

 private:
  explicit OutputFile(std::string path) : path_(std::move(path)) {}
  arrow::Status failed(const char* what) const;

  const std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
  int64_t written_ = 0;
};

}  // namespace gristmill::io
