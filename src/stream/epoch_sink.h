// Where a stream's rows leave it, epoch by epoch: the sink's half of exactly once.
//
// An epoch is what lies between two barriers. The driver calls, from one thread at a time (stage() from any):
//
//   open      once; the answer is the last epoch that counts in the sink. Unfinished epochs of an earlier run do not count.
//   begin     before the first row of an epoch
//   stage     on the worker that made the morsel: encode
//   deliver   in order; like exec::OrderedSink, a wait handle means "not taken, give them again when it fires"
//   flush     at the barrier: everything delivered has arrived, and nothing of it counts yet. Its token goes into the snapshot
//   commit    after the snapshot is durable: the epoch counts, with its number, all of it or nothing
//
// then begin() of the next. After a crash: snapshot N, found newest, with committed() of every sink.
//   keeps_flushed(): what flush() wrote outlives the process, so commit(N, token) from the snapshot finishes the epoch, any number of
//   times. else: a sink at N - 1 has lost epoch N, and the run restores N - 1 (two snapshots are kept).
// A sink that is ahead of the snapshot skips the rows of the epochs it has: begin(epoch) with epoch <= committed() takes rows and drops
// them, and flush() and commit() of it do nothing.
// Sinks that are only at least once commit at flush() and answer kAtLeastOnce; they keep no epochs, and committed() is 0.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "exec/operator.h"
#include "gristmill/postgres.h"
#include "io/storage_options.h"

namespace gristmill::stream {

enum class Delivery : uint8_t { kAtLeastOnce, kExactlyOnce };

// Where each source stood at the barrier, for sinks that keep positions with the data (Kafka).
struct SourcePositions {
  std::string source;  // a topic, or the source's name
  std::vector<std::pair<int32_t, int64_t>> next;
};

class EpochSink {
 public:
  virtual ~EpochSink() = default;
  virtual std::string name() const = 0;  // "write postgres db/table"
  virtual Delivery delivery() const = 0;
  virtual bool keeps_flushed() const { return false; }

  // `schema`: border types. `sink_id`: stable over restarts and unique in its job; it tells the sink's epochs from others'.
  virtual arrow::Result<int64_t> open(const std::string& sink_id, std::shared_ptr<arrow::Schema> schema,
                                      const exec::QueryContext& context) = 0;
  virtual arrow::Status begin(int64_t epoch) = 0;
  virtual arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) {
    return batches;
  }
  virtual arrow::Result<exec::OrderedSink::Answer> deliver(std::vector<column::Batch>& batches) = 0;
  virtual arrow::Result<std::string> flush(int64_t epoch, const std::vector<SourcePositions>& positions) = 0;
  virtual arrow::Status commit(int64_t epoch, const std::string& token) = 0;
  virtual int64_t committed() const = 0;
  // The run ends here with an error, or is stopped between barriers: what is not committed goes.
  virtual void abort() = 0;
  // After the last commit of a run that ended well.
  virtual arrow::Status close() { return arrow::Status::OK(); }
};
using EpochSinkPtr = std::shared_ptr<EpochSink>;

enum class EpochFormat : uint8_t { kParquet, kCsv, kNdjson, kIpc };
struct EpochFilesOptions {
  EpochFormat format = EpochFormat::kParquet;
  std::string compression;  // of the format; empty: its default
  io::StoragePtr storage = {};
};
// Files "part-000000000042.parquet" in a folder (local or s3://): hidden until their epoch is committed, then shown; an epoch is one file,
// or none when it has no rows.
arrow::Result<EpochSinkPtr> epoch_files(const std::string& folder, const EpochFilesOptions& options);

// Rows and the epoch's number in one transaction; the numbers are kept in the table "gristmill_epochs" beside the rows' table.
arrow::Result<EpochSinkPtr> epoch_postgres(const std::string& connection, const std::string& table, const PostgresSinkOptions& options);

// Any ordered sink made anew for each epoch: what it finalizes is there, and a crash repeats the last epoch.
using MakeOrderedSink =
    std::function<arrow::Result<std::shared_ptr<exec::OrderedSink>>(std::shared_ptr<arrow::Schema>, const exec::QueryContext&)>;
EpochSinkPtr at_least_once(std::string name, MakeOrderedSink make, bool one_for_all_epochs = true);

}  // namespace gristmill::stream
