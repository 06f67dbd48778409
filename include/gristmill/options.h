// How a query is run. Nothing here ever changes a result, except where a field says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <arrow/status.h>

namespace gristmill {

enum class Strategy { kAuto, kFixedChunks, kCacheFriendly, kMemoryBound };

// How far a running query is; give one with the options and look at it from any thread. Copies share the state.
class Progress {
 public:
  Progress();
  int64_t rows() const;                         // read by the steps of the query so far
  std::pair<int64_t, int64_t> steps() const;    // done, all
  std::pair<int64_t, int64_t> morsels() const;  // done, all that are known by now: of the steps that have begun

 private:
  friend class QueryRunner;
  std::shared_ptr<void> state_;
};

struct ParallelOptions {
  int num_workers = 0;                 // 0 = all cores this process may use; 1 = the caller's thread
  int64_t chunk_rows = 0;              // rows of a morsel; 0 = auto
  int64_t chunk_bytes = 0;             // bytes of a morsel; 0 = auto
  int64_t batch_rows = 0;              // rows of a batch inside; 0 = auto
  // Fewer: the caller's thread does it all. So it does where tables in memory go through filters and plain arithmetic only and there is
  // less to do than 64 additions for each of so many rows (by the default some 0.3 ms: others would wake when all is done). 0: never.
  int64_t min_parallel_rows = 10'000;
  Strategy strategy = Strategy::kAuto;
  int64_t memory_limit = 0;  // bytes; 0 = the process's budget only
  bool pin_workers = false;
  bool ordered = true;           // false: rows may come in any order (still a function of the data alone)
  bool exact_float_sums = true;  // false: float sums depend on the order of addition; faster
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<Progress> progress;
};

// Stops a running query from another thread. Copies share the state.
class Cancellation {
 public:
  Cancellation();
  void cancel() const;
  bool cancelled() const;

 private:
  friend class QueryRunner;
  std::shared_ptr<void> state_;
};

}  // namespace gristmill
