// The steps in their order, each run once.
//
// What is kept: rows by day (what hours add up to), label sets, capacities, and the rows of each kind before they are put together.

#include <arrow/table.h>
#include <arrow/type.h>

#include "cost.h"

namespace ocp {

using gristmill::Frame;

Keep keep_by(KeptSteps& steps) {
  return [&steps](const char*, const std::vector<Frame>& rows) -> arrow::Result<std::vector<Frame>> {
    ARROW_ASSIGN_OR_RAISE(KeptSteps::Kept kept, steps.run(rows));
    return std::move(kept.frames);
  };
}

arrow::Result<Costs> month_costs(const InputFiles (&files)[4], const Reference& reference, const Month& month, const Keep& keep_all) {
  const auto keep = [&](const char* step, const Frame& rows) -> arrow::Result<Frame> {
    ARROW_ASSIGN_OR_RAISE(const auto kept, keep_all(step, {rows}));
    return kept[0];
  };
  ARROW_RETURN_NOT_OK(month.check());
  ARROW_ASSIGN_OR_RAISE(Usage usage, daily_usage(files, month));
  // Hourly pod rows are what there is most of: read once.
  ARROW_ASSIGN_OR_RAISE(const auto hourly, keep_all("daily pods, node capacity", {usage.pods_daily, capacity(usage.pods_hourly).nodes}));
  usage.pods_daily = hourly[0];
  const Frame nodes = hourly[1];
  ARROW_ASSIGN_OR_RAISE(const Frame clusters, keep("cluster capacity", cluster_capacity(nodes)));
  ARROW_ASSIGN_OR_RAISE(usage.storage_daily, keep("daily volumes", usage.storage_daily));
  ARROW_ASSIGN_OR_RAISE(usage.node_labels, keep("node labels", usage.node_labels));
  ARROW_ASSIGN_OR_RAISE(usage.namespace_labels, keep("namespace labels", usage.namespace_labels));
  LabelSets labels = label_sets(usage, reference);
  ARROW_ASSIGN_OR_RAISE(labels.nodes, keep("node label sets", labels.nodes));
  ARROW_ASSIGN_OR_RAISE(labels.namespaces, keep("namespace label sets", labels.namespaces));
  const Capacity capacities{nodes, clusters};
  ARROW_ASSIGN_OR_RAISE(const Frame pods, keep("pods", pod_costs(usage, capacities, labels, reference, month)));
  Frame storage = storage_costs(usage, labels, reference, month);
  if (!usage.has_storage) {  // nothing of the pods needs to be looked at
    ARROW_ASSIGN_OR_RAISE(const auto schema, storage.schema());
    ARROW_ASSIGN_OR_RAISE(const auto none, arrow::Table::MakeEmpty(schema));
    storage = gristmill::from_arrow(none);
  }
  ARROW_ASSIGN_OR_RAISE(storage, keep("volumes", storage));
  ARROW_ASSIGN_OR_RAISE(const Frame unallocated, keep("unallocated", unallocated_costs(pods, reference, month)));
  return Costs{usage, capacities, labels, pods, storage, unallocated};
}

arrow::Result<Frame> month_summary(const InputFiles (&files)[4], const Reference& reference, const Month& month,
                                   KeptSteps& steps) {
  ARROW_ASSIGN_OR_RAISE(const Costs costs, month_costs(files, reference, month, keep_by(steps)));
  return summary(costs, month);
}

}  // namespace ocp
