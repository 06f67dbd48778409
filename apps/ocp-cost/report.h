// What a run did: numbers by cluster and phase, files, warnings with names. Written as JSON, as one HTML page, as metrics.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gristmill/metrics.h"
#include "layout.h"
#include "month.h"

namespace ocp {

struct Phase {
  std::string name;
  double seconds = 0;
  int64_t rows = 0;        // that it made
  int64_t spilled = 0;     // bytes
  int64_t peak_bytes = 0;  // of the process so far
};

struct Warning {
  std::string code;  // docs/ocp-cost.md says what each one means
  std::string message;
  int64_t count = 0;
  std::vector<std::string> names;  // the first ones
};

struct RowsIn {
  int64_t files = 0;
  int64_t rows = 0;       // in the files
  int64_t used = 0;       // within the days asked for
  int64_t too_large = 0;  // CSV rows with a metric beyond 1e18, dropped
  int64_t outside = 0;    // of other days
};

struct RowsOut {
  int64_t pods = 0, storage = 0, unallocated = 0, written = 0, deleted = 0;
};

// Lines of the charts: hours, and gigabyte-hours.
struct Total {
  std::string name;
  double cpu_usage = 0, cpu_request = 0, cpu_capacity = 0;
  double memory_usage = 0, memory_request = 0, memory_capacity = 0;
};

struct ClusterReport {
  Job job;
  bool done = false;
  std::string error;
  int64_t attempts = 1;
  double seconds = 0;
  Listing listing;
  RowsIn hourly[4], daily[4];
  RowsOut out;
  int64_t line_items = 0, joined_items = 0;      // pods: daily rows, and as many after fan-out
  int64_t volume_items = 0, joined_volumes = 0;  // the same of volumes
  std::vector<std::string> partitions, unknown_columns, outputs;
  std::vector<Warning> warnings;
  std::vector<Phase> phases;
  std::vector<Total> namespaces, nodes, days;
};

struct RunReport {
  std::string started;
  double seconds = 0;
  int64_t peak_bytes = 0;
  bool dry_run = false;
  std::string mode;
  std::vector<ClusterReport> clusters;
  bool done() const;
};

std::string report_json(const RunReport& report);
std::string report_html(const RunReport& report);
gristmill::Metrics report_metrics(const RunReport& report);

// The process's greatest resident memory.
int64_t peak_memory();

}  // namespace ocp
