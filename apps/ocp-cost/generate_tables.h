// The tables of a generated cluster, filled row by row.
#pragma once

#include <memory>
#include <string>

#include <arrow/record_batch.h>
#include <arrow/table_builder.h>

#include "generate_cluster.h"

namespace ocp {

struct PodRow {
  std::string pod, space, node, resource_id, role;
  double cores = 0, bytes = 0;  // of the node
  LabelList labels;
  double pod_cores = 0, pod_bytes = 0;  // what it needs
  bool requests = true;                 // and whether it asks for that
};

struct ClaimRow {
  std::string space, claim, volume, storage_class, driver, handle;
  double bytes = 0;
  LabelList volume_labels, claim_labels;
};

class ClusterTables {
 public:
  explicit ClusterTables(Form form);
  arrow::Status add_node(const std::string& node, const std::string& resource_id, const std::string& role, const LabelList& labels);
  arrow::Status add_namespace(Cluster& cluster, const std::string& space, const LabelList& labels, int32_t begin, int32_t end);
  arrow::Status add_pod(int64_t id, const PodRow& row);
  arrow::Status add_claim(int64_t id, const ClaimRow& row);
  arrow::Status finish(Cluster& cluster);

 private:
  const Form form_;
  std::unique_ptr<arrow::RecordBatchBuilder> nodes_, namespaces_, pods_, claims_;
};

}  // namespace ocp
