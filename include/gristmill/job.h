// Record jobs: rows from a source through steps into sinks, every row accounted for.
//
//   using namespace gristmill::jobs;
//   auto result = Pipeline(csv("in/*.csv"))
//       .transform(rename({{"cust", "customer_id"}}))
//       .transform(filter("value > 0"))
//       .transform([](Record& r) { r.set("score", r.float64("value") * 2); return true; }, {{"score", "float64"}})
//       .into(parquet("out.parquet"))
//       .on_error(dead_letters("rejected.ndjson"))
//       .run();
//   result->written   // and result->json: the accounting of every step
//
// What a job file can say (docs/records.md) a Pipeline can: from_file() and from_yaml() read one, and a part's options are those of the
// file. Whatever the number of workers: the same rows in the same order, the same dead letters, the same first error.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/files.h"
#include "gristmill/options.h"

namespace gristmill {

// A row as a function of a Pipeline sees it. Reading a column that is not there or of another type, and writing one that was not declared,
// makes the row a bad one, as does fail().
class Record {
 public:
  virtual ~Record() = default;
  virtual bool is_null(std::string_view column) = 0;
  virtual int64_t int64(std::string_view column) = 0;   // of any integer column
  virtual double float64(std::string_view column) = 0;  // of any column of numbers
  virtual bool boolean(std::string_view column) = 0;
  virtual std::string_view text(std::string_view column) = 0;  // valid during the call

  virtual void set(std::string_view column, int64_t value) = 0;
  virtual void set(std::string_view column, double value) = 0;
  virtual void set(std::string_view column, bool value) = 0;
  virtual void set(std::string_view column, std::string_view value) = 0;
  void set(std::string_view column, const char* value) { set(column, std::string_view(value)); }
  void set(std::string_view column, int value) { set(column, static_cast<int64_t>(value)); }
  virtual void set_null(std::string_view column) = 0;

  // The row goes where the job's policy sends bad rows, with this reason.
  virtual void fail(std::string message) = 0;
};

// True keeps the row, false drops it (it counts as filtered). Called row by row, by several threads at once.
using RecordFunction = std::function<bool(Record& record)>;

// What a function of batches made of one.
struct BatchOutcome {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::optional<std::vector<int64_t>> places = {};        // rows of the input that they are, ascending; nothing: all of them
  std::vector<std::pair<int64_t, std::string>> bad = {};  // rows of the input that failed, ascending, and why
};
// Called with pieces of any size, by several threads at once; each row's result must depend on that row alone. An error ends the run under
// policy fail; else the piece is halved until the rows that it is about are found.
using BatchFunction = std::function<arrow::Result<BatchOutcome>(const std::shared_ptr<arrow::RecordBatch>& rows)>;

// A source, step or sink as a job file has it: a kind, and its value as JSON or YAML.
struct JobPart {
  std::string kind;
  std::string value;
};

namespace jobs {

using JobNames = std::vector<std::pair<std::string, std::string>>;
// Further keys of a part by their names in a job file, their values as YAML: {{"separator", ";"}, {"schema", "{id: int64}"}}.
using JobKeys = std::vector<std::pair<std::string, std::string>>;

// Sources and sinks.
JobPart csv(const std::string& path, const JobKeys& keys = {});
JobPart ndjson(const std::string& path, const JobKeys& keys = {});
JobPart parquet(const std::string& path, const JobKeys& keys = {});
JobPart ipc(const std::string& path, const JobKeys& keys = {});
// Steps.
JobPart rename(const JobNames& names);
JobPart cast(const JobNames& types);
JobPart compute(const JobNames& expressions);
JobPart filter(const std::string& expression);
JobPart select(const std::vector<std::string>& columns);
JobPart drop(const std::vector<std::string>& columns);
JobPart sql(const std::string& query);
JobPart dedupe(const std::vector<std::string>& key, const std::string& keep = "first");
// Anything else a job file knows: part("postgres", "{connection: ..., table: t}").
JobPart part(std::string kind, std::string value);

// Policies.
JobPart fail();
JobPart skip();
JobPart dead_letters(const std::string& path);

}  // namespace jobs

struct JobOptions {
  int workers = 0;           // 0: as the job says
  int64_t batch_rows = 0;    // 0: as the job says
  int64_t memory_limit = 0;  // 0: as the job says
  bool add_to_existing = false;
  Cancellation cancel;              // ends the run at once; nothing is written
  std::function<bool()> stop = {};  // asked now and then: true finishes what was accepted and reads no more
};

struct JobResult {
  bool stopped = false;  // before the end of the source
  int64_t read = 0;      // rows
  int64_t written = 0;
  int64_t filtered = 0;
  int64_t bad = 0;  // rejected or skipped
  double seconds = 0;
  std::string text;  // the accounting for people
  std::string json;  // and for programs
};

class Pipeline {
 public:
  explicit Pipeline(JobPart source);
  static arrow::Result<Pipeline> from_file(const std::string& file);
  static arrow::Result<Pipeline> from_yaml(const std::string& yaml, const std::string& name = "job");

  Pipeline& name(std::string name);
  Pipeline& transform(JobPart step);
  // `writes`: the columns that the function sets, with their types; new ones are added, others replaced.
  Pipeline& transform(RecordFunction function, ColumnTypes writes = {});
  // `gives`: all columns of what it returns; nothing: those that it gets.
  Pipeline& transform_batches(BatchFunction function, ColumnTypes gives = {});
  // What a job read from a file calls `function: NAME`.
  Pipeline& define(const std::string& name, RecordFunction function, ColumnTypes writes = {});
  Pipeline& define_batches(const std::string& name, BatchFunction function, ColumnTypes gives = {});
  Pipeline& into(JobPart sink);                           // all rows
  Pipeline& into(JobPart sink, const std::string& when);  // those for which it is true, of what no sink before took
  Pipeline& on_error(JobPart policy);
  // A further section of the job: with(jobs::part("checkpoint", "{path: state/orders}")), "watermark", "health", "parallel".
  Pipeline& with(JobPart section);

  // The columns behind the source and each step, without running.
  arrow::Result<std::vector<std::pair<std::string, std::shared_ptr<arrow::Schema>>>> check() const;
  arrow::Result<JobResult> run(JobOptions options = {}) const;

 private:
  struct State;
  explicit Pipeline(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// The JSON Schema of job files, for editors.
std::string job_schema();

}  // namespace gristmill
