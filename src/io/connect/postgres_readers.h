// Threads that read ranges of a query, each over a connection of its own and all within one snapshot.
//
// Chunks are taken in the order of the ranges; a reader that is ahead stops once its share of memory is full, and the server waits with it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "base/cancellation.h"
#include "base/waiting.h"
#include "io/connect/postgres_ranges.h"

namespace gristmill::io {

// Whole rows of a binary COPY, without its header and trailer.
struct CopiedChunk {
  std::shared_ptr<arrow::Buffer> bytes;
  int64_t rows = 0;
  size_t range = 0;
  int64_t first_row = 0;  // within the range
};

struct PostgresReading {
  PostgresAddress address;
  std::string query;                    // as the user gave it
  std::vector<PostgresColumn> columns;  // that it had when it was planned
  std::string selected;                 // the select list
  int64_t limit = -1;
  std::string key;  // empty: one range
  PostgresType key_type;
  int partitions = 1;
  int64_t chunk_rows = 65'536;
  int64_t chunk_bytes = 1 << 20;
  int64_t bytes_ahead = 8 << 20;  // of each reader
  arrow::MemoryPool* pool = nullptr;
  std::shared_ptr<void> pool_owner;
  base::CancelToken cancel;
};

class PostgresReaders {
 public:
  explicit PostgresReaders(PostgresReading reading);
  ~PostgresReaders();  // ends the statements that run

  struct Taken {
    bool end = false;
    base::WaitHandlePtr wait;  // nothing there yet
    CopiedChunk chunk;
  };
  arrow::Result<Taken> take();  // one caller at a time
  std::string range_text(size_t range) const;
  size_t ranges() const;
  bool server_checks_text() const { return server_checks_text_; }  // false: SQL_ASCII, any bytes may come

 private:
  struct Range {
    std::deque<CopiedChunk> chunks;
    bool done = false;
  };
  arrow::Status keep_waiting() const;
  void start();
  void lead();
  void follow(size_t reader, const std::string& snapshot);
  arrow::Status prepare(PostgresSession& session, std::string* snapshot);
  arrow::Status read_ranges(PostgresSession& session, size_t reader);
  arrow::Status read_range(PostgresSession& session, size_t reader, size_t range);
  bool push(size_t reader, CopiedChunk chunk);
  void fail(size_t range, const arrow::Status& why);
  void wake(std::unique_lock<std::mutex>& lock);

  const PostgresReading reading_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<KeyRange> cuts_;
  std::vector<Range> ranges_;
  std::vector<int64_t> held_;  // bytes by reader
  size_t readers_ = 0;
  size_t joining_ = 0;  // readers that have not taken up the snapshot yet
  size_t at_ = 0;       // the range that take() stands in
  bool ready_ = false;  // the ranges are known
  bool stop_ = false;
  size_t failed_range_ = SIZE_MAX;
  arrow::Status failed_;
  std::vector<base::WaitHandlePtr> waiting_;
  std::atomic<bool> server_checks_text_{true};
  std::vector<std::thread> threads_;
};

}  // namespace gristmill::io
