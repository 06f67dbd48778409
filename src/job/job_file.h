// A job as its file says it: read strictly and checked, nothing opened yet.
//
//   name: orders
//   source: {csv: {path: "in/*.csv"}}
//   transforms: [{rename: {cust: customer_id}}, {filter: "value > 0"}]
//   sink: {parquet: {path: out/}}
//   on_error: {policy: dead_letter, path: rejected.ndjson}
//
// Steps, sources and sinks are made anew by each run from what the file says, so a Job may be run often and by several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <arrow/result.h>

#include "gristmill/config.h"
#include "job/chain.h"
#include "job/frame_step.h"
#include "job/settings.h"
#include "job/sink.h"
#include "job/source.h"
#include "job/transform.h"

namespace gristmill::job {

struct ErrorRules {
  Policy policy = Policy::kFail;
  std::string path;                // of dead letters
  std::optional<int64_t> at_most;  // bad rows that a run may have
};

struct ParallelRules {
  int64_t workers = 0;        // 0: one for each core this process may use
  int64_t groups = 0;         // that workers are counted in; 0: one for each NUMA node
  int64_t batch_rows = 0;     // 0: auto
  int64_t queue_batches = 0;  // morsels between source and sinks at most; 0: auto
  bool affinity = false;      // workers stay on their cores
  bool ordered = true;
  int64_t memory = 0;  // bytes; 0: the process's budget
};

using MakeSource = std::function<arrow::Result<std::unique_ptr<Source>>()>;
using MakeTransform = std::function<arrow::Result<std::unique_ptr<Transform>>()>;
using MakeFrameStep = std::function<arrow::Result<std::unique_ptr<FrameStep>>()>;
using MakeSink = std::function<arrow::Result<std::unique_ptr<Sink>>()>;

struct SinkEntry {
  std::string name;  // as the user calls it, or its kind
  std::string when;  // an expression; empty: all rows that no sink before it took
  std::optional<Settings> place;
  MakeSink make;
};

struct CheckpointRules {
  std::string path;  // a folder, or s3://bucket/prefix
  double interval_seconds = 10;
};

struct WatermarkRules {
  std::string column;  // of the rows behind the row-wise steps
  std::string delay;
  std::string idle_after;
};

struct Job {
  std::string name;
  std::string file;  // as it was given; empty: there is none
  MakeSource source;
  std::vector<std::variant<MakeTransform, MakeFrameStep>> steps;
  std::vector<SinkEntry> sinks;
  ErrorRules errors;
  ParallelRules parallel;
  bool endless = false;  // its source may never end; only then there are
  std::optional<CheckpointRules> checkpoint;
  std::optional<WatermarkRules> watermark;
  double stalled_after_seconds = 60;
  std::shared_ptr<const Config::Node> tree;  // what the settings point into
};

// Functions that a program gives its job: what `function: NAME` stands for.
using Functions = std::map<std::string, MakeTransform>;

using Tree = std::shared_ptr<const Config::Node>;
arrow::Result<Tree> load_tree(const std::string& file, const Config::Variables& variables = {});
arrow::Result<Job> job_of(Tree tree, const std::string& file, const Functions& functions = {});
arrow::Result<Job> load_job(const std::string& file, const Config::Variables& variables = {});
// `file` names the text in errors.
arrow::Result<Job> parse_job(const std::string& yaml, const std::string& file, const Functions& functions = {},
                             const Config::Variables& variables = {});

// The key tree of a whole job file.
const Key& job_key();
// The JSON Schema that editors complete by.
std::string job_schema_json();
// A commented job to start from.
std::string starting_job();

}  // namespace gristmill::job
