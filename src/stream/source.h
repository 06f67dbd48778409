// A source that may never end: Kafka, an iterable of the user's, a table replayed. Partitions keep an order each; chunks of them come in
// turn.
//
// Who calls what: schema() and partitions() any time; start() once, before the first poll(); poll(), commit() and stop() never at the same
// time as another of them (the driver's lock); decode() from many workers at once, each with its own local; the rest from any thread.
//
// poll() is short: it hands out what has already arrived and never waits. What takes time (parsing) belongs into decode(), what waits
// (network) into threads or event loops of the source's own.
//
// Invariant: the rows of a partition depend on its positions only, never on how poll() cut them into chunks. Positions rise.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/waiting.h"
#include "exec/operator.h"
#include "plan/table_source.h"
#include "sched/task.h"

namespace gristmill::stream {

// Rows [position, next_position) of one partition, or as many records of which decode() makes rows.
struct Chunk {
  int32_t partition = 0;
  int64_t position = 0;
  int64_t next_position = 0;
  int64_t bytes = 0;
  std::shared_ptr<void> raw;                 // the source's own, for decode()
  std::shared_ptr<arrow::RecordBatch> rows;  // or rows as they are, of schema()
};

struct Polled {
  std::unique_ptr<Chunk> chunk;  // null: see below
  bool end = false;              // nothing will ever come again
  base::WaitHandlePtr wait;      // nothing there yet; fires when it is worth asking again
};

// Where each partition goes on: (partition, next position).
using Positions = std::vector<std::pair<int32_t, int64_t>>;

struct StartContext {
  const exec::QueryContext* query = nullptr;  // memory, cancellation; outlives the source's run
  sched::Background* background = nullptr;    // timers, I/O threads, the clock
};

class EndlessSource {
 public:
  virtual ~EndlessSource() = default;
  virtual std::string name() const = 0;  // "kafka transactions": stable, part of a checkpoint
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;
  // Known after start(); partitions are numbered from 0.
  virtual int32_t partitions() const { return 1; }
  // False: it is known to end (a file, a table in memory), so breakers may wait for its end.
  virtual bool endless() const { return true; }
  // The same input gives the same rows whenever it is read (a table, a recorded topic up to an end): the clock must not show.
  virtual bool replay() const { return false; }
  // Positions of a checkpoint; empty: from the beginning, as the source's settings say.
  virtual arrow::Status start(const Positions& positions, const StartContext& context) = 0;
  // Where partitions stand right after start(), as far as that is known: a checkpoint keeps it of those that give nothing before it.
  virtual Positions begun_at() const { return {}; }
  virtual arrow::Result<Polled> poll() = 0;
  // Parallel: rows of `columns` (fields of schema(), in this order) as batches of canonical columns, at most kMaxBatchRows rows each, in
  // order. The default imports chunk.rows. Records that are refused and skipped by policy are counts.skipped.
  virtual arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() { return std::make_unique<plan::ScanLocal>(); }
  virtual arrow::Status decode(const Chunk& chunk, const std::vector<int>& columns, plan::ScanLocal& local, arrow::MemoryPool* pool,
                               const plan::BatchConsumer& emit, plan::ScanCounts& counts);
  // Partitions that are connected and have given everything there is; what idleness is judged by.
  virtual std::vector<int32_t> at_end() const { return {}; }
  // Rows before these positions have left every sink for good (a consumer group's offsets).
  virtual arrow::Status commit(const Positions& positions) { return arrow::Status::OK(); }
  // No poll() comes any more; waits with handles given out are fired. Must not block long. Also from another thread.
  virtual void stop() {}
  // For get_stats(): "lag" (all partitions), "lag_0", "skipped", ...
  virtual std::map<std::string, int64_t> stats() const { return {}; }
  // What a source knows of a row that is not in its columns, for errors: "partition 3, offset 17".
  virtual std::string file_of(int32_t partition) const { return {}; }
};
using EndlessSourcePtr = std::shared_ptr<EndlessSource>;

}  // namespace gristmill::stream
