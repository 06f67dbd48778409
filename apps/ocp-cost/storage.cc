// Storage rows: volumes by day and label set, their request and usage shared between the nodes that use the volume.
//
// The node of a volume is that of the pods that claim it, never the one in the storage file.

#include <arrow/type.h>

#include "cost.h"
#include "units.h"

namespace ocp {

using gristmill::coalesce;
using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::Join;
using gristmill::lit;
using gristmill::when;

namespace {

constexpr double kDaySeconds = 86400;

// (day, persistentvolumeclaim, persistentvolume, pod, namespace, node, resource_id), each once.
Frame volume_nodes(const Usage& usage) {
  const Frame pods = usage.pods_daily.select({col("day"), col("namespace"), col("pod"), col("node"), col("resource_id")}).distinct();
  return usage.storage_daily.select({col("day"), col("persistentvolumeclaim"), col("persistentvolume"), col("pod"), col("namespace")})
      .distinct()
      .join(pods, {.on = {"namespace", "pod", "day"}})
      .distinct();
}

// node_count per (day, persistentvolume); NULL is no node, a NULL volume has no count.
Frame node_counts(const Frame& volume_nodes) {
  return volume_nodes.filter(col("persistentvolume").is_not_null())
      .select({col("day"), col("persistentvolume"), col("node")})
      .distinct()
      .group_by({"day", "persistentvolume"})
      .agg({col("node").count().alias("node_count")});
}

}  // namespace

Frame storage_costs(const Usage& usage, const LabelSets& labels, const Reference& reference, const Month& month) {
  const Frame nodes = volume_nodes(usage);
  const Frame users =
      nodes.select({col("day"), col("persistentvolumeclaim"), col("pod"), col("namespace"), col("node"), col("resource_id")});
  const Frame storage =
      usage.storage_daily.with_columns({enabled_labels(col("persistentvolume_labels"), reference).alias("own_volume_labels"),
                                        enabled_labels(col("persistentvolumeclaim_labels"), reference).alias("own_claim_labels")});
  const Expr from_node = coalesce({col("from_node"), lit("{}")}), from_namespace = coalesce({col("from_namespace"), lit("{}")});
  const Frame joined =
      storage.join(users, {.on = {"day", "persistentvolumeclaim", "pod", "namespace"}, .how = Join::kLeft})
          .join(labels.nodes, {.on = {"day", "node"}, .how = Join::kLeft})
          .join(labels.namespaces, {.on = {"day", "namespace"}, .how = Join::kLeft})
          .join(node_counts(nodes), {.on = {"day", "persistentvolume"}, .how = Join::kLeft})
          .join(categories_of(storage, reference, month.mode), {.on = {"namespace"}, .how = Join::kLeft})
          .with_columns({merged_labels({from_node, from_namespace, col("own_volume_labels"), col("own_claim_labels")}).alias("labels")});
  // A count of 0 stops the incumbent with a division by zero; here it is 1. No count: PostgreSQL's incumbent divides by 1.
  Expr count = when(col("node_count").max() == 0).then(lit(int64_t{1})).otherwise(col("node_count").max()).cast(arrow::float64());
  if (month.mode == Mode::kSelfHosted) count = count.fill_null(1.0);
  const double month_seconds = kDaySeconds * month.days();
  const auto shared = [&](const char* column) { return gigabytes(col(column).sum() / count / month_seconds); };
  return joined
      .group_by({"namespace", "node", "resource_id", "persistentvolumeclaim", "persistentvolume", "storageclass", "csi_volume_handle",
                 "day", "labels"})
      .agg({col("cost_category_id").max(), gristmill::count().alias("line_items"), col("node_count").max(),
            gigabytes(col("persistentvolumeclaim_capacity_bytes").max()).alias("persistentvolumeclaim_capacity_gigabyte"),
            gigabytes(col("persistentvolumeclaim_capacity_byte_seconds").sum() / month_seconds)
                .alias("persistentvolumeclaim_capacity_gigabyte_months"),
            shared("volume_request_storage_byte_seconds").alias("volume_request_storage_gigabyte_months"),
            shared("persistentvolumeclaim_usage_byte_seconds").alias("persistentvolumeclaim_usage_gigabyte_months")});
}

}  // namespace ocp
