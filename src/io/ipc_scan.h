// Reading Arrow IPC files, memory-mapped and without copying where they are not compressed, and IPC streams in files.
//
// A morsel is a record batch of the file. The schema is the first file's; a file with other columns or types is
// refused by name when the source is made. A file in the stream format is read from front to back.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "io/storage_options.h"
#include "plan/table_source.h"

namespace gristmill::io {

struct IpcReadOptions {
  StoragePtr storage;  // null: the environment
};

arrow::Result<plan::TableSourcePtr> scan_ipc(const std::vector<std::string>& patterns, IpcReadOptions options = {});

}  // namespace gristmill::io
