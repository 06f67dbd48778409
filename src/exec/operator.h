// The contracts inside a pipeline: source -> operators -> sink, all on one worker's thread for one morsel.
//
// Operators and sinks are immutable after planning but for what they declare as state: per-worker LocalState, and for
// sinks a shared state they guard themselves. Who calls what:
//
//   make_local    once per (worker slot, operator), on that worker, before its first batch
//   begin_morsel  before a morsel's first batch
//   process       for every batch of a morsel, in row order; may emit any number of batches (never empty ones)
//   end_morsel    after the last batch of a morsel: emit what was held back; locals carry nothing over to the next morsel
//   Sink::consume every batch that reaches the end; Sink::end_morsel; then, when all is consumed:
//   Sink::combine once per local, one at a time; Sink::finalize once, after all combines
//
// Errors: a data error with batch_row set means "this row of the batch I was given failed". The pipeline then runs the
// operator again on the rows before it (selection cut), so every earlier row reaches the operators behind and the smallest
// row wins whatever the batch size. process() must therefore change nothing lasting before it can fail on a row.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "base/cancellation.h"
#include "base/memory_budget.h"
#include "base/progress.h"
#include "base/waiting.h"
#include "column/batch.h"

namespace gristmill::exec {

// What an operator may know about the query it runs in. Shared, outlives every local.
struct QueryContext {
  std::shared_ptr<base::QueryMemory> memory;
  base::CancelToken cancel;
  int workers = 1;
  int64_t morsel_rows = 0;  // 0 = auto
  int64_t batch_rows = column::kDefaultBatchRows;
  int64_t scan_batch_rows = 0;  // of what sources give; 0 = as each finds best for its rows
  bool exact_float_sums = true;
  std::shared_ptr<base::Progress> progress;  // null: nobody looks
  bool spill_eagerly = false;                // tests: spill whenever spilling is possible
  arrow::MemoryPool* pool() const { return memory->pool(); }
};

class LocalState {
 public:
  virtual ~LocalState() = default;
  template <typename T>
  T& as() {
    return static_cast<T&>(*this);
  }
};

using Emit = std::function<arrow::Status(column::Batch)>;

// ErrorDetail::row of an error with a batch_row that stands for no row of a source (one of a pair of rows).
inline constexpr int64_t kNoSourceRow = -2;

// Position of a batch in the pipeline's input order. Row i (physical index) of the batch stands at `order + i`;
// positions compare like ordinals: (morsel << 32) + rows of this morsel seen before. Only their order means anything.
struct Position {
  uint64_t seq = 0;
  uint64_t order = 0;
};

// Law 3, per operator and worker; summed at the end. in = passed + filtered + rejected + skipped + merged; out = passed + generated.
struct RowCounts {
  int64_t in = 0, out = 0;
  int64_t filtered = 0, rejected = 0, skipped = 0, merged = 0, generated = 0;
  int64_t batches = 0;
  int64_t nanoseconds = 0;
  void add(const RowCounts& o);
};

class Operator {
 public:
  virtual ~Operator() = default;
  virtual std::string name() const = 0;  // for explain(analyze): "filter fare > 10"
  virtual arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const = 0;
  // Before the first batch of a morsel; `seq` rises in the pipeline's order of rows.
  virtual void begin_morsel(uint64_t seq, LocalState& local) const {}
  virtual arrow::Status process(column::Batch batch, LocalState& local, const Emit& emit) const = 0;
  virtual arrow::Status end_morsel(LocalState& local, const Emit& emit) const { return arrow::Status::OK(); }
  // How the difference between rows in and rows out is to be booked: dropped rows are `filtered`, extra ones `generated`.
  virtual bool generates_rows() const { return false; }  // join, explode
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::string name() const = 0;
  // True: end_morsel(seq) must reach the sink's flush in order of seq; the pipeline then uses OrderedSink below.
  virtual bool ordered() const { return false; }
  virtual arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) = 0;
  virtual arrow::Status consume(column::Batch batch, Position position, LocalState& local) = 0;
  virtual arrow::Status end_morsel(Position position, LocalState& local) { return arrow::Status::OK(); }
  virtual arrow::Status combine(LocalState& local) = 0;
  virtual arrow::Status finalize() = 0;
};

// A sink fed morsel by morsel in input order (collect, files, limit). The batches of a morsel wait in a ring slot;
// deliver() gets them whole, one call at a time, seq = 0, 1, 2, ...
class OrderedSink {
 public:
  virtual ~OrderedSink() = default;
  virtual std::string name() const = 0;
  struct Answer {
    base::WaitHandlePtr wait;  // not taken: give the same batches again when it fires
    bool enough = false;       // taken; nothing after this morsel is wanted
  };
  virtual arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) = 0;
  virtual arrow::Status finalize() = 0;
  // Called instead of finalize when the run failed: leave nothing half-written.
  virtual void abandon() {}
  // Work on a morsel's batches before they wait (flatten, encode), on the producing worker.
  virtual arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const QueryContext& context) {
    return batches;
  }
};

// Where a pipeline's morsels come from: a plan::Scan, or the finished state of a breaker (groups, sorted runs, ...).
class Source {
 public:
  virtual ~Source() = default;
  virtual std::string name() const = 0;
  virtual void expect_ranges() {}  // before start(): as plan::Scan's
  // Asked once when the pipeline starts (all pipelines it depends on have finished). -1: unknown, ask next().
  virtual arrow::Result<int64_t> start(const QueryContext& context) = 0;
  struct Next {
    bool end = false;
    base::WaitHandlePtr wait;
  };
  virtual arrow::Result<Next> next(uint64_t seq) { return Next{true, nullptr}; }
  virtual arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) = 0;
  virtual arrow::Status read(uint64_t seq, LocalState& local, const Emit& emit, RowCounts& counts) = 0;
  virtual std::string file_of(int32_t input) const { return {}; }
  virtual bool numbers_rows() const { return false; }  // the origins of its batches number the rows of the whole source from 0
  virtual std::string detail() const { return {}; }
};

}  // namespace gristmill::exec
