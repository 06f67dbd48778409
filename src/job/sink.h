// Where a job's rows go: kinds of sinks by the key a job file uses, each giving an ordered sink of the engine.
//
// deliver() of the sink that open() gives may answer with a wait handle: that is the back-pressure that reaches the source. finalize() is
// called when all rows were delivered and the accounting balanced so far; what it makes visible is then the job's result. abandon() leaves
// nothing half-written.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include "base/cancellation.h"
#include "base/memory_budget.h"
#include "exec/operator.h"
#include "gristmill/frame.h"
#include "job/settings.h"
#include "stream/epoch_sink.h"

namespace gristmill::job {

class JobStatus;
class NamedCounts;

// A sink that may refuse rows (a service that answers 422): the rows as they were to be written, in order. Under policy fail the call
// returns the error to be returned; otherwise OK, and the rows are booked as rejected or skipped by the sink.
using RejectRows = std::function<arrow::Status(const column::Batch& rows, const arrow::Status& why)>;

struct SinkContext {
  std::shared_ptr<base::QueryMemory> memory;
  base::CancelToken cancel;
  std::function<arrow::Status()> keep_waiting;  // asked about ten times a second by who waits for a server
  JobStatus* status = nullptr;
  std::shared_ptr<NamedCounts> counts;
  RejectRows reject;
  int workers = 1;
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual std::string name() const = 0;  // for reports: "parquet out/"
  // The folder that becomes this sink's as a whole, or empty.
  virtual std::string folder() const { return {}; }
  // What must happen to all rows before (sorting by partition); most sinks take them as they come.
  virtual arrow::Result<Frame> prepare(const Frame& rows) { return rows; }
  // `schema`: of the rows that prepare() gave.
  virtual arrow::Result<std::shared_ptr<exec::OrderedSink>> open(const std::shared_ptr<arrow::Schema>& schema,
                                                                 const SinkContext& context) = 0;
  // The same for a source that may not end: rows epoch by epoch.
  virtual arrow::Result<stream::EpochSinkPtr> open_epochs();
  // All rows were delivered; what is still under way is waited for, and its rows may be refused. Before the balance and the dead letters'
  // name; then comes finalize() of the ordered sink.
  virtual arrow::Status complete() { return arrow::Status::OK(); }
  // An error of the run as this sink knows it better (a server's own words).
  virtual arrow::Status explain(const arrow::Status& status) { return status; }
  // Rows of a job that are fed back are added to what is there: files get a name beside their first one, folders more files.
  virtual arrow::Status add_to_existing() { return arrow::Status::OK(); }
};

struct SinkKind {
  Key key;
  std::string example;
  arrow::Result<std::unique_ptr<Sink>> (*make)(const Settings& settings);
};

const std::vector<SinkKind>& sink_kinds();

}  // namespace gristmill::job
