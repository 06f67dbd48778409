// A stateful operator of a stream: windows, joins of streams, distinct, reduce, whatever must see rows in order and remember.
//
// Two halves. prepare() runs on the worker that made the rows, many at once: evaluate keys, hash, assign windows, pre-aggregate. apply()
// gets the pieces one by one in the order of the rows and should be short. Who calls what, per run:
//
//   open         once, before everything; then restore() when a checkpoint is there
//   make_local   once per worker and input
//   prepare      for each batch (at most kMaxBatchRows rows, maybe with a selection), on the worker that made it
//   apply        each piece once, in row order; pieces of different inputs interleave as `MorselPart::seq` rises
//   on_watermark, on_tick   between pieces, in their place of the order
//   snapshot     between pieces, everything before the barrier applied, nothing after it; the run goes on afterwards
//   on_input_end when an input has ended; on_end once, when all have
//
// apply() and everything below it is called by one thread at a time. Errors of rows: prepare() sets ErrorDetail::batch_row of the batch it
// was given; what apply() fails with ends the run at that place of the order.
//
// Invariant: what it emits is a function of the rows and their order in each partition, never of where batches or morsels ended, nor of
// workers. (on_tick is the clock's, and outside of it.)
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "exec/operator.h"

namespace gristmill::stream {

class SnapshotWriter;
class SnapshotReader;

struct MorselPart {
  int input = 0;          // 1: the right side of an operator with two
  int32_t partition = 0;  // of the input's source, from 0; rows of one partition only
  uint64_t seq = 0;       // of the morsel, rising over the run; 0 again after a restore
  int64_t first_row = 0;  // rows of this morsel that came before this batch
};

// What prepare() made of one batch.
class Piece {
 public:
  virtual ~Piece() = default;
  virtual int64_t bytes() const = 0;
};

// Where apply() puts rows, in order. Output 0 is the stream; 1 is the side output (late rows, side_schema()).
class Emitter {
 public:
  virtual ~Emitter() = default;
  virtual arrow::Status rows(column::Batch batch, int output = 0) = 0;  // at most kMaxBatchRows rows; empty ones are dropped
  // For the stateful operator behind this one: no row before `ticks` (of its time column) will follow on output 0.
  virtual arrow::Status watermark(int64_t ticks) = 0;
};

// What the clock and the source say when nothing else comes.
struct Tick {
  int64_t now_micros = 0;  // steady time of the run's clock
  int input = 0;
  std::vector<int32_t> at_end;  // partitions that are connected and have given all there is; all they gave is applied
};

struct OperatorContext {
  const exec::QueryContext* query = nullptr;  // memory and cancellation; outlives the run
  std::vector<int32_t> partitions;            // of each input's source; 1 behind another stateful operator
  bool replay = false;                        // no clock: on_tick never comes
};

class StatefulOperator {
 public:
  virtual ~StatefulOperator() = default;
  virtual std::string name() const = 0;
  virtual std::shared_ptr<arrow::Schema> output_schema() const = 0;               // border types
  virtual std::shared_ptr<arrow::Schema> side_schema() const { return nullptr; }  // null: there is no side output
  virtual int inputs() const { return 1; }
  virtual bool is_stateful() const { return true; }
  virtual bool needs_shuffle() const { return !partition_keys().empty(); }
  virtual std::vector<std::string> partition_keys() const { return {}; }
  virtual int parallelism_hint() const { return 0; }
  // True: it gives its rows only when its inputs have ended (a global aggregate without window), an error over an endless source.
  virtual bool needs_end() const { return false; }

  virtual arrow::Status open(const OperatorContext& context) { return arrow::Status::OK(); }
  virtual arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const {
    return std::make_unique<exec::LocalState>();
  }
  virtual arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const = 0;
  virtual arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) = 0;
  virtual arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) { return arrow::Status::OK(); }
  virtual arrow::Status on_tick(const Tick& tick, Emitter& out) { return arrow::Status::OK(); }
  // How often on_tick() should come while the source has nothing, in microseconds; 0: never.
  virtual int64_t tick_every() const { return 0; }
  virtual arrow::Status on_input_end(int input, Emitter& out) { return arrow::Status::OK(); }
  virtual arrow::Status on_end(Emitter& out) { return arrow::Status::OK(); }
  // True: no further row is wanted (a limit was met); the run then ends in order.
  virtual bool enough() const { return false; }

  virtual arrow::Status snapshot(SnapshotWriter& writer) { return arrow::Status::OK(); }
  virtual arrow::Status restore(SnapshotReader& reader) { return arrow::Status::OK(); }
  // Another plan with the same text here may go on from this one's state: kinds, keys, lengths, types. Part of every checkpoint.
  virtual std::string fingerprint() const { return name(); }
  virtual int64_t bytes() const { return 0; }
  virtual std::map<std::string, int64_t> stats() const { return {}; }  // late_rows, watermark, ...
};
using StatefulOperatorPtr = std::shared_ptr<StatefulOperator>;
// A new operator for each run: operators keep state.
using MakeStateful = std::function<arrow::Result<StatefulOperatorPtr>()>;

}  // namespace gristmill::stream
