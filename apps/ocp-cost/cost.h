// The cost summary of one month: from usage rows to the rows of the summary table, as one plan.
//
// hourly rows -> daily rows -> pods | storage -> unallocated shares -> summary. Each step is a frame over those before; steps that several
// others use are run once and kept. Where the modes differ, Month::mode decides.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/frame.h"
#include "input.h"
#include "kept_steps.h"
#include "month.h"

namespace ocp {

// The three small tables beside the usage: enabled keys, namespace patterns and their category, nodes and their role.
struct Reference {
  std::vector<std::string> keys;  // enabled for OCP; vm_kubevirt_io_name is added
  gristmill::Frame categories;    // pattern: string, cost_category_id: int64
  gristmill::Frame nodes;         // node, resource_id, node_role: string
};

// Rows of the month in the form of input.h; `rows` says for how many rows of the input a daily row stands, but for pods_daily made of
// pods_hourly, which always serve capacity and are counted there.
struct Usage {
  gristmill::Frame pods_hourly, pods_daily, storage_daily, node_labels, namespace_labels;
  bool has_storage = false;
};
arrow::Result<Usage> daily_usage(const InputFiles (&files)[4], const Month& month);

// Seconds and byte-seconds: node_cpu and node_memory per (day, node), cluster_cpu and cluster_memory per day; `rows` of the input.
struct Capacity {
  gristmill::Frame nodes, clusters;
};
gristmill::Frame cluster_capacity(const gristmill::Frame& nodes);
Capacity capacity(const gristmill::Frame& pods_hourly);

// Labels of nodes (day, node, labels) and namespaces (day, namespace, labels), each set once; only enabled keys.
struct LabelSets {
  gristmill::Frame nodes, namespaces;
};
LabelSets label_sets(const Usage& usage, const Reference& reference);
// JSON text cut to the enabled keys; NULL and blank text are {} .
gristmill::Expr enabled_labels(gristmill::Expr text, const Reference& reference);

// (namespace, cost_category_id) for the namespaces in `rows`, one row per matching pattern.
gristmill::Frame categories_of(const gristmill::Frame& rows, const Reference& reference, Mode mode);

// `line_items`: the daily rows, duplicated by fan-out, that a row stands for.
gristmill::Frame pod_costs(const Usage& usage, const Capacity& capacity, const LabelSets& labels, const Reference& reference,
                           const Month& month);
gristmill::Frame storage_costs(const Usage& usage, const LabelSets& labels, const Reference& reference, const Month& month);
gristmill::Frame unallocated_costs(const gristmill::Frame& pods, const Reference& reference, const Month& month);

// Runs a step and gives its rows for all later ones; frames that group the same rows make one step, which reads them once.
using Keep = std::function<arrow::Result<std::vector<gristmill::Frame>>(const char* step, const std::vector<gristmill::Frame>& rows)>;
Keep keep_by(KeptSteps& steps);

// Every step, kept.
struct Costs {
  Usage usage;
  Capacity capacity;
  LabelSets labels;
  gristmill::Frame pods, storage, unallocated;
};
arrow::Result<Costs> month_costs(const InputFiles (&files)[4], const Reference& reference, const Month& month, const Keep& keep);

// All rows with the columns of the summary table (uuid aside), numbers as numeric(33,15), in a fixed order. `staging`: and source, year,
// month, day and csi_volume_handle.
gristmill::Frame summary(const Costs& costs, const Month& month, bool staging = false);

// How a file of them is written: a row group waits in memory until it is whole.
gristmill::ParquetSinkOptions parquet_form();

// All of it.
arrow::Result<gristmill::Frame> month_summary(const InputFiles (&files)[4], const Reference& reference, const Month& month,
                                              KeptSteps& steps);

}  // namespace ocp
