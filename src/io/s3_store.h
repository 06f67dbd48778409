// S3-compatible stores: objects as inputs, listings, and uploads.
//
// Clients are kept for the process, one for each set of options. An upload appears under its key when it is complete and not
// before; one that is dropped is aborted, and what stood there stays.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include "io/open_input.h"

namespace gristmill::io {

// `url`: s3://bucket/key.
arrow::Result<InputPtr> find_s3(const std::string& url, const StoragePtr& storage);

struct ObjectName {
  std::string path;  // as a URL
  bool directory = false;
};
// What lies below the directory `url` (with everything below that when `deep`), in no order; nothing when there is no such prefix.
arrow::Result<std::vector<ObjectName>> list_s3(const std::string& url, bool deep, const StoragePtr& storage);
enum class ObjectKind { kMissing, kObject, kPrefix };
arrow::Result<ObjectKind> kind_s3(const std::string& url, const StoragePtr& storage);

// Close() completes the upload, Abort() gives it up; one of them must be called. Memory holds a few parts.
arrow::Result<std::shared_ptr<arrow::io::OutputStream>> create_s3(const std::string& url, const StoragePtr& storage);
arrow::Status delete_s3(const std::string& url, const StoragePtr& storage);

}  // namespace gristmill::io
