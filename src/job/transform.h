// One step of a job that works row by row: what it is asked before the run, and what it does with a batch.
//
// A step is bound to the columns it gets, which gives the columns it makes, and is immutable from then on; what changes while it runs is
// in a StepLocal, one a worker. Steps sit inside the scan of their source: a worker claims a morsel, reads it, and takes each batch through
// all the steps on its own thread, so the engine's sinks and plans stand behind them as behind any table. process() may wait (a remote
// service): it then holds its worker, must look at context.cancel, and should keep as many calls going as its limits allow.
//
// Rows keep their places: a step replaces, adds or drops columns of the batch and narrows its selection, but physical row i stays physical
// row i. So a rejected row can be told from the source's record, whatever step rejects it.
//
//   rows in = rows out + filtered + rejected + skipped
//
// holds for each step and is counted by the caller: rows that process() rejected are rejected or skipped (the job's policy), rows that
// left the selection otherwise are filtered.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/cancellation.h"
#include "base/memory_budget.h"
#include "column/batch.h"
#include "expr/node.h"
#include "job/settings.h"

namespace gristmill::job {

class JobStatus;

// Numbers a step wants in the report besides its rows: cache_hits, retries, requests. Thread safe.
class NamedCounts {
 public:
  void add(const std::string& name, int64_t n);
  std::map<std::string, int64_t> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, int64_t> counts_;
};

// What a step may know of its run; outlives every local.
struct StepContext {
  std::shared_ptr<base::QueryMemory> memory;
  base::CancelToken cancel;  // fires when the run is over before its end: a failure elsewhere, a second signal, a time-out
  int workers = 1;
  JobStatus* status = nullptr;  // null: nobody looks
  std::shared_ptr<NamedCounts> counts = std::make_shared<NamedCounts>();
  arrow::MemoryPool* pool() const { return memory->pool(); }
};

// Where process() puts rows that it cannot handle.
class RowErrors {
 public:
  virtual ~RowErrors() = default;
  // Row `row` (physical) of the batch that process() was given, at most once a row, in any order. `error`: a data error; its detail's
  // column and value are told to the user.
  virtual void reject(int64_t row, arrow::Status error) = 0;
  // False: the first error ends the run (policy fail), so only the one of the smallest row matters; a step may then stop looking after it.
  virtual bool wants_all() const = 0;
};

class StepLocal {
 public:
  virtual ~StepLocal() = default;
  template <typename T>
  T& as() {
    return static_cast<T&>(*this);
  }
};

// Rows of a batch that wait for answers from elsewhere.
class PendingRows {
 public:
  virtual ~PendingRows() = default;
  virtual void give_up() = 0;  // nobody wants the answers: they are answered soon, with an error
};

// What a step wakes when something has changed; on any thread, perhaps within the call that began the wait. Must be short.
struct Wakes {
  std::function<void(bool failed)>
      answered;                      // once: finish_rows() would not wait; failed: it will give an error, so rows behind do not matter
  std::function<void()> takes_more;  // whenever takes_more() has become true
};

// A step that asks somebody else. Its process() holds a worker until all rows are answered; in two halves nobody waits:
// begin_rows() asks, finish_rows() does the rest with the same batch.
class AskingStep {
 public:
  virtual ~AskingStep() = default;
  virtual arrow::Result<std::shared_ptr<PendingRows>> begin_rows(const column::Batch& batch, bool wants_all, Wakes wakes) const = 0;
  virtual arrow::Status finish_rows(column::Batch& batch, PendingRows& pending, RowErrors& errors) const = 0;
  // Whether so few rows wait that those of another batch would be asked for soon.
  virtual bool takes_more() const = 0;
};

class Transform {
 public:
  virtual ~Transform() = default;
  // As the accounting calls it: "cast", "filter value > 0".
  virtual std::string name() const = 0;
  // Once, before the run: the columns that come, and those that leave. Unknown columns and wrong types are errors here.
  virtual arrow::Result<std::shared_ptr<arrow::Schema>> bind(const std::shared_ptr<arrow::Schema>& input) = 0;
  // Once a run, after bind(): opens connections, loads a table.
  virtual arrow::Status open(const StepContext& context) { return arrow::Status::OK(); }
  // After the last batch, also of a run that failed: nothing of the step may be at work when it returns.
  virtual void close() {}
  virtual arrow::Result<std::unique_ptr<StepLocal>> make_local(const StepContext& context) const { return std::make_unique<StepLocal>(); }
  // Changes `batch` as described above. Rejected rows may stay selected: the caller drops them. An error that is returned ends the run
  // whatever the policy: for what is no single row's fault. Several workers at once, each with its own local.
  virtual arrow::Status process(column::Batch& batch, StepLocal& local, RowErrors& errors) const = 0;
  // Null: process() does not wait for anybody else.
  virtual const AskingStep* asking() const { return nullptr; }
  // Costs something for every physical row, so batches with few selected rows are made dense before.
  virtual bool computes() const { return true; }
  // After bind(): which of the columns that come must be there, for those of the columns that leave that are wanted and for what the step
  // itself looks at on every row. The others may come as nulls. Empty: all.
  virtual std::vector<bool> needs(const std::vector<bool>& wanted) const { return {}; }
  // Whether somebody outside sees where batches end; then they stay as the source cut them.
  virtual bool shows_batches() const { return false; }
  // Whether process() can reject rows at all; asked after bind().
  virtual bool may_reject() const { return true; }
};

// What a job file calls a step, and how it is made. The value of the entry was checked against `key`.
struct TransformKind {
  Key key;              // its name is that of the step
  std::string example;  // YAML of one entry, without "- "
  arrow::Result<std::unique_ptr<Transform>> (*make)(const Settings& settings);
};

// The table of all kinds; a new one is a file that defines its TransformKind and a line in transform_kinds.cc.
const std::vector<TransformKind>& transform_kinds();

// An SQL expression over the columns of `schema` as a node that binds to it (semantics: SQL's).
arrow::Result<expr::NodePtr> parse_expression(const std::string& text, const arrow::Schema& schema);

}  // namespace gristmill::job
