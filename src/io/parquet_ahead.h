// Row groups of remote Parquet files fetched before they are asked for.
//
// The column chunks that a scan wants of a row group become a few ranges: neighbours are joined, small holes are read over. Whoever
// reads a row group starts the ranges of the next ones that statistics do not rule out. Everything held or on its way stays under a
// byte limit: a group that does not fit is read as a stream through small buffers instead, so memory never follows the size of a group.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "io/parquet_file.h"
#include "io/remote_input.h"

namespace gristmill::io {

class ParquetAhead {
 public:
  struct Group {
    const ParquetFile* file = nullptr;  // outlives the scan
    RemoteInputPtr input;               // null: local, nothing to do
    int group = 0;
    std::vector<int> leaves;  // column chunks wanted
    int pieces = 0;           // how often done() will be called
  };
  using MayMatch = std::function<bool(size_t index)>;

  ParquetAhead(std::vector<Group> groups, int64_t most_bytes, arrow::MemoryPool* pool, MayMatch may_match);

  // The ranges of group `index`, or null: read it as a stream. Any thread.
  arrow::Result<std::shared_ptr<const RangeSet>> take(size_t index);
  void done(size_t index);  // a piece of it was read, or passed over

 private:
  struct Held {
    std::shared_ptr<const RangeSet> ranges;
    int64_t bytes = 0;
  };
  // False when it does not fit now. Under the lock.
  arrow::Result<bool> begin(size_t index);

  const std::vector<Group> groups_;
  const int64_t most_bytes_;
  arrow::MemoryPool* const pool_;
  const MayMatch may_match_;
  std::mutex mutex_;
  std::map<size_t, Held> held_;
  std::vector<int> pieces_done_;
  int64_t bytes_ = 0;
};

}  // namespace gristmill::io
