// Streams: operators over batches, run on morsels. The source may end (files, tables, iterables) or not (Kafka); only it knows which.
//
//   Stream events = Stream(scan_parquet("events/*.parquet"))
//       .map(enrich)                                     // batch -> batch, a function of yours
//       .parallel({.num_workers = 8, .morsel_size_kb = 64})
//       .filter(col("amount") > 100);
//   ARROW_ASSIGN_OR_RAISE(StreamReader batches, events.batches());
//   while (true) {
//     ARROW_ASSIGN_OR_RAISE(auto batch, batches.next());  // never empty; null at the end
//     if (!batch) break;
//   }
//
// Built-in operators always use every worker. A function of yours sees one batch after the other, whole, in order; behind parallel() it
// sees morsels, several at once, and must then treat each row alone. Results keep the order of their input unless `ordered` is false, and
// are the same at any number of workers and any size of morsels.
//
// A Stream is immutable; a chain keeps its first error until it is run. A run belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/expr.h"
#include "gristmill/frame.h"
#include "gristmill/options.h"

namespace gristmill {

namespace stream {
struct EventTime;
struct StreamState;
class ReaderState;
}  // namespace stream

using RecordBatchPtr = std::shared_ptr<arrow::RecordBatch>;

// A piece of the stream on its way through users' operators.
struct Morsel {
  RecordBatchPtr batch;
  uint64_t number = 0;     // of the run, in the order of the rows
  int32_t partition = 0;   // of the source
  int64_t first_row = -1;  // of the source where it is known
  int numa_node = -1;      // of the worker that has it, where memory has more than one place
  std::map<std::string, std::string> metadata = {};
  bool processed = false;
};

// An operator of your own. Defining process_batch() is enough.
class StreamOperator {
 public:
  virtual ~StreamOperator() = default;
  // What becomes of a batch; null or no rows: nothing. Several threads at once behind parallel(), unless is_stateful().
  virtual arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) = 0;
  // By default the batch inside is processed; number and metadata stay, `processed` is set; nothing when no row is left.
  virtual arrow::Result<std::optional<Morsel>> process_morsel(Morsel morsel);
  // All that a morsel becomes, for operators that give more than one.
  virtual arrow::Result<std::vector<Morsel>> process(Morsel morsel);

  virtual std::string name() const { return "operator"; }
  virtual arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>& input) const { return input; }
  virtual bool is_stateful() const { return false; }  // sees everything in order, one morsel at a time, whatever parallel() says
  virtual bool needs_shuffle() const { return is_stateful() && !partition_keys().empty(); }
  virtual std::vector<std::string> partition_keys() const { return {}; }
  virtual int parallelism_hint() const { return 0; }  // the most morsels at once that are of use; 0: any
  // Of operators with state, in runs with a checkpoint: what it knows, and what it is to know instead. Between two morsels, so the bytes
  // are of exactly the rows before. By default an error: such a run must not begin.
  virtual arrow::Result<std::string> save_state();
  virtual arrow::Status load_state(const std::string& state);
};
using StreamOperatorPtr = std::shared_ptr<StreamOperator>;
using StreamFunction = std::function<arrow::Result<RecordBatchPtr>(RecordBatchPtr)>;
using StreamExpansion = std::function<arrow::Result<std::vector<RecordBatchPtr>>(RecordBatchPtr)>;

struct StreamParallel {
  int num_workers = 0;         // 0 = all cores this process may use; 1 = the caller's thread
  double morsel_size_kb = 0;   // 0 = chosen by the engine
  // Batches with fewer rows go straight through on the caller's thread. So does, in collect(), a list of batches with as little to do as
  // ParallelOptions::min_parallel_rows says. 0: none does.
  int64_t threshold = 10'000;
  bool ordered = true;
  bool enabled = true;  // false: as if parallel() were not there
};

struct StreamCheckpoint {
  std::string path;              // a folder, or s3://bucket/prefix
  double interval_seconds = 10;  // between the ends of one and the beginnings of the next
};

// A table of names and values, as get_stats() has them, as JSON.
using StreamStats = std::string;

// The batches of a run, one after the other. Dropping it ends the run.
class StreamReader {
 public:
  explicit StreamReader(std::unique_ptr<stream::ReaderState> state);
  ~StreamReader();
  StreamReader(StreamReader&&) noexcept;
  StreamReader& operator=(StreamReader&&) noexcept;
  arrow::Result<RecordBatchPtr> next();  // null: the stream has ended
  void stop();                           // from any thread: next() gives what is already there, then the end
  StreamStats stats() const;
  const std::shared_ptr<arrow::Schema>& schema() const;

 private:
  std::unique_ptr<stream::ReaderState> state_;
};

class GroupedStream;

class Stream {
 public:
  explicit Stream(Frame frame);  // any frame: tables in memory, files, PostgreSQL, the result of SQL
  explicit Stream(arrow::Result<std::shared_ptr<const stream::StreamState>> state);

  // Batches of one schema. A function gives the next batch, null at the end; `again` makes such a function for every run.
  static Stream from_batches(std::vector<RecordBatchPtr> batches, std::shared_ptr<arrow::Schema> schema = nullptr);
  using NextBatch = std::function<arrow::Result<RecordBatchPtr>()>;
  static Stream from_function(std::shared_ptr<arrow::Schema> schema, std::function<arrow::Result<NextBatch>()> again,
                              std::string name = "function");
  // The rows of a finite stream as an endless source has them: morsel by morsel, with a position each, so that a run with a checkpoint can
  // go on behind them.
  static Stream replay(Frame frame, int64_t morsel_rows = 16'384);

  // Row by row.
  Stream map(StreamFunction function, std::shared_ptr<arrow::Schema> schema = nullptr, std::string name = "map") const;  // null: as before
  Stream flat_map(StreamExpansion function, std::shared_ptr<arrow::Schema> schema = nullptr, std::string name = "flat_map") const;
  Stream apply(StreamOperatorPtr op) const;
  Stream filter(Expr predicate) const;
  Stream select(std::vector<Expr> exprs) const;
  Stream with_columns(std::vector<Expr> exprs) const;
  Stream drop(std::vector<std::string> columns) const;
  Stream rename(std::vector<std::pair<std::string, std::string>> names) const;
  Stream explode(std::vector<std::string> columns) const;
  // The other streams' rows too: behind this one's when all end, else as they come.
  Stream union_with(std::vector<Stream> others) const;
  // With a table that does not change while the stream runs; rows of the stream keep their order.
  Stream join(const Frame& table, JoinOptions options) const;
  Stream join(const Stream& other, JoinOptions options) const;  // both must end
  Stream join_asof(const Frame& table, AsofOptions options) const;

  // With memory of what came. Over endless sources: distinct, limit and reduce; the others need an end, or a window.
  Stream distinct(std::vector<std::string> subset = {}) const;
  Stream limit(int64_t rows) const;
  // One row: `function` of what it gave before (null at first) and the next batch; it leaves when the stream ends.
  Stream reduce(std::function<arrow::Result<RecordBatchPtr>(RecordBatchPtr state, RecordBatchPtr batch)> function,
                std::shared_ptr<arrow::Schema> schema) const;
  Stream aggregate(std::vector<Expr> aggregates) const;  // one row
  GroupedStream group_by(std::vector<Expr> keys) const;
  Stream sort(std::vector<SortKey> keys) const;
  Stream top(int64_t n, std::vector<SortKey> keys) const;

  // How it is run. The last call counts.
  Stream parallel(StreamParallel settings) const;
  Stream memory_limit(int64_t bytes) const;
  Stream checkpoint(StreamCheckpoint settings) const;
  Stream named(std::string name) const;  // of the job in checkpoints and sinks; default "stream"

  arrow::Result<std::shared_ptr<arrow::Schema>> schema() const;
  arrow::Result<std::string> explain() const;
  bool endless() const;

  // Runs. All but batches() return when the stream has ended, or `cancel` ended it.
  arrow::Result<StreamReader> batches(Cancellation cancel = {}) const;
  arrow::Result<Table> collect(Cancellation cancel = {}) const;
  arrow::Result<int64_t> count(Cancellation cancel = {}) const;
  arrow::Result<Table> take(int64_t rows, Cancellation cancel = {}) const;
  arrow::Status for_each(const std::function<arrow::Status(RecordBatchPtr)>& each, Cancellation cancel = {}) const;

  const arrow::Result<std::shared_ptr<const stream::StreamState>>& state() const { return *state_; }

 private:
  std::shared_ptr<const arrow::Result<std::shared_ptr<const stream::StreamState>>> state_;
};

class GroupedStream {
 public:
  GroupedStream(Stream stream, std::vector<Expr> keys) : stream_(std::move(stream)), keys_(std::move(keys)) {}
  Stream aggregate(std::vector<Expr> aggregates) const;

 private:
  Stream stream_;
  std::vector<Expr> keys_;
};

}  // namespace gristmill
