// Files by themselves, on disk or in a store: what lies in a folder, whether it is still the same, its bytes.
//
// Scans find their own files (frame.h); this is for programs that must know which files they read, or read bytes of no format known here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include "gristmill/files.h"
#include "gristmill/frame.h"

namespace gristmill {

// A file as it was when somebody looked. Two looks are equal when it has not changed in between.
struct FileFacts {
  std::string path;  // or URL
  int64_t bytes = 0;
  std::string etag;     // of a store's object, without quotes; empty on disk
  std::string version;  // changes with every change: tag and time of an object, time in nanoseconds on disk
  bool operator==(const FileFacts&) const = default;
};

// Files directly in the folder, in byte order of their names; none when the folder is not there. Names that begin with `.` or `_` are other
// programs' notes and left out. `deep`: also those in folders below.
arrow::Result<std::vector<FileFacts>> list_files(const std::string& folder, const StorageOptions& storage = {}, bool deep = false);

// One file. IoError: not there, not readable, a folder.
arrow::Result<FileFacts> look_at(const std::string& file, const StorageOptions& storage = {});

// Whether there is a file, a folder or a bucket of this name. An IoError when that cannot be found out.
arrow::Result<bool> exists(const std::string& name, const StorageOptions& storage = {});

// The bytes in order, fetched ahead from a store. An object that changes meanwhile is an IoError.
arrow::Result<std::shared_ptr<arrow::io::InputStream>> open_bytes(const std::string& file, const StorageOptions& storage = {});

// A whole file at once: complete, or what stood there before stays.
arrow::Status write_bytes(const std::string& file, const std::string& bytes, const StorageOptions& storage = {});

// Files of equal columns and types, one table.
Frame scan_parquet_files(const std::vector<std::string>& files, const StorageOptions& storage = {});

// Rows of a frame that is one scan and nothing else, where its files say how many; they are not read.
std::optional<int64_t> rows_without_reading(const Frame& scan);

}  // namespace gristmill
