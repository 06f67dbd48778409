// Makes usage that looks like a cluster's: what the job can be tried, measured and checked on without a cluster.
//
// Everything is a function of the options: the same seed gives the same bytes at any number of workers. Nodes, pods and labels are held
// in memory (a few hundred bytes each), usage rows never are.
#pragma once

#include <cstdint>
#include <string>

#include <arrow/result.h>

#include "gristmill/options.h"
#include "month.h"

namespace ocp {

// kDay: one day, 24 rows a pod, every pod a label set of its own. kMonth: what a month of a real cluster looks like.
enum class Shape { kDay, kMonth };
// kCase: a folder as `case` takes it. kProduction, kOperator: the two object layouts.
enum class Layout { kCase, kProduction, kOperator };
enum class Form { kParquet, kCsv, kTarGz };

struct GenerateOptions {
  std::string out;
  Shape shape = Shape::kDay;
  Layout layout = Layout::kCase;
  Form form = Form::kParquet;
  bool daily = false;  // daily files beside the hourly ones
  int64_t rows = 0;    // pod rows, nearly; sets nodes and namespaces where these are 0
  int64_t nodes = 0;
  int64_t namespaces = 0;
  int64_t pods_per_node = 0;  // kDay: exactly, kMonth: on average; 0 = 104 and 70
  double volumes = -1;        // persistent volume claims a pod; below 0 = 0 and 0.2
  int year = 2025, month = 10;
  int days = 0;       // from the first on; 0 = one, and the whole month
  int64_t files = 0;  // of each kind; 0 = one a day
  uint64_t seed = 1;
  std::string account = "org1234567";
};

struct Generated {
  Month month;
  int64_t pods = 0, nodes = 0, namespaces = 0, volumes = 0;
  int64_t pod_rows = 0, storage_rows = 0, files = 0;
};

// `out` must be empty or not there; a failed run leaves what it wrote so far.
arrow::Result<Generated> generate(const GenerateOptions& options, const gristmill::ParallelOptions& run);

}  // namespace ocp
