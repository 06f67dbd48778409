// Opens what a scan reads, wherever it lies: a local file, a pipe, an object in a store, something behind a URL.
//
// An Input is found once, when a scan is made, and opened by every worker that reads it. Its stamp was taken then: an input that
// has changed since is an IoError when it is opened (or, of a store, when it is read), never a mixture of old and new bytes.
// What is opened belongs to one thread at a time for Read and Seek; ReadAt may be called from several.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "io/files.h"
#include "io/storage_options.h"
#include "io/transfer.h"

namespace gristmill::io {

class Input {
 public:
  Input(std::string path, FileStamp stamp) : path_(std::move(path)), stamp_(std::move(stamp)), meter_(TransferScope::current()) {}
  virtual ~Input() = default;
  const std::string& path() const { return path_; }  // as messages name it
  const FileStamp& stamp() const { return stamp_; }  // of a pipe: 0 bytes
  virtual bool local() const { return false; }       // path() means a regular file to the operating system
  virtual bool sequential() const { return false; }  // a pipe: stream() once, or open(), which waits for its end

  const TransferMeterPtr& meter() const { return meter_; }  // that its reads count for, or null

  virtual arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(arrow::MemoryPool* pool) const = 0;
  virtual arrow::Result<std::shared_ptr<arrow::io::InputStream>> stream(arrow::MemoryPool* pool) const;
  // The first `bytes` bytes, fewer only when there are no more. A pipe keeps them for stream() and open().
  virtual arrow::Result<std::shared_ptr<arrow::Buffer>> head(int64_t bytes, arrow::MemoryPool* pool) const;

 private:
  const std::string path_;
  const FileStamp stamp_;
  const TransferMeterPtr meter_;
};
using InputPtr = std::shared_ptr<const Input>;

// `path` as expand_files() gave it. IoError: missing, not readable, a directory.
arrow::Result<InputPtr> find_input(const std::string& path, const StoragePtr& storage = {});

// "s3", "http", ...; empty of a local path.
std::string scheme_of(const std::string& path);

// Kinds of inputs, each in a file of its own.
arrow::Result<InputPtr> find_local(const std::string& path);
arrow::Result<InputPtr> find_pipe(const std::string& path);
bool is_pipe(const std::string& path);  // there, and neither a regular file nor a directory

}  // namespace gristmill::io
