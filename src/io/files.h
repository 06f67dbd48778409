// From what a user wrote (a path, a pattern, a directory, a URL) to the list of files a scan reads.
//
// Patterns know * ? [abc] [!abc] and ** (any number of directories); wildcards do not match names beginning with a dot. A
// directory stands for every file below it with one of the reader's extensions. A name that exists as written is never a pattern. "-" is
// the standard input.
//
// Invariant: the files of one pattern come in byte order of their paths, so a row's ordinal never depends on the
// order in which the file system lists a directory. Several patterns keep the order in which they were given.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

#include "io/storage_options.h"

namespace gristmill::io {

// Never empty: nothing found is an IoError that names the pattern and the nearest existing name.
// `extensions`: ".parquet", ...; only for directories.
arrow::Result<std::vector<std::string>> expand_files(const std::string& pattern, const std::vector<std::string>& extensions,
                                                     const StoragePtr& storage = {});
arrow::Result<std::vector<std::string>> expand_files(const std::vector<std::string>& patterns, const std::vector<std::string>& extensions,
                                                     const StoragePtr& storage = {});

// What must not change between planning and reading.
struct FileStamp {
  int64_t bytes = 0;
  int64_t modified_ns = 0;
  std::string tag = {};  // of stores: the object's ETag
  bool operator==(const FileStamp&) const = default;
};
arrow::Result<FileStamp> stamp_of(const std::string& path);  // IoError: missing, not readable, a directory

// "trips.parquet", or "trips/*.parquet (12 files)", for explain.
std::string files_text(const std::vector<std::string>& patterns, size_t files);

}  // namespace gristmill::io
