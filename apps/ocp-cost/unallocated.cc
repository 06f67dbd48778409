// Unallocated rows: what a node had on a day less what its pods used, by the node's role.

#include <arrow/type.h>

#include "cost.h"
#include "units.h"

namespace ocp {

using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::Join;
using gristmill::when;

Frame unallocated_costs(const Frame& pods, const Reference& reference, const Month& month) {
  const Frame roles = reference.nodes.group_by({"node", "resource_id"}).agg({col("node_role").max().alias("role")});
  std::vector<Expr> values = {col("role").max(),
                              col("resource_id").max(),
                              col("node_capacity_cpu_cores").max(),
                              col("node_capacity_memory_gigabytes").max(),
                              col("node_capacity_cpu_core_hours").max(),
                              col("node_capacity_memory_gigabyte_hours").max(),
                              col("cluster_capacity_cpu_core_hours").max(),
                              col("cluster_capacity_memory_gigabyte_hours").max()};
  for (const char* what : {"usage", "request", "effective_usage"}) {
    for (const char* unit : {"cpu_core_hours", "memory_gigabyte_hours"}) {
      const std::string name = std::string("pod_") + what + "_" + unit;
      values.push_back((col(std::string("node_capacity_") + unit).max() - col(name).sum()).alias(name));
    }
  }
  const Frame shares =
      pods.filter(col("namespace").is_not_null() &
                  !col("namespace").is_in({"Platform unallocated", "Worker unallocated", "Network unattributed", "Storage unattributed"}) &
                  col("node").is_not_null())
          .join(roles, {.on = {"node", "resource_id"}, .how = Join::kLeft})
          .group_by({"node", "day"})
          .agg(values)
          .with_columns({when(col("role").is_in({"master", "infra"}))
                             .then("Platform unallocated")
                             .when(col("role") == "worker")
                             .then("Worker unallocated")
                             .otherwise(no_text())
                             .alias("namespace")});
  return shares.join(categories_of(shares, reference, month.mode), {.on = {"namespace"}, .how = Join::kLeft});
}

}  // namespace ocp
