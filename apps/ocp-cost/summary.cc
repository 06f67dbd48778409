// The columns of the summary table from the three kinds of rows.
//
// Numbers are doubles until here; then 15 significant digits and 15 places, as PostgreSQL casts a double to numeric(33,15). The rows
// are sorted by every column that tells them apart, so equal input gives equal bytes.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "cost.h"
#include "units.h"

namespace ocp {

using gristmill::asc;
using gristmill::coalesce;
using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::lit;

namespace {

constexpr const char* kNoInfrastructureCost = R"({"cpu": 0.000000000, "memory": 0.000000000, "storage": 0.000000000})";

constexpr const char* kPodNumbers[] = {"pod_usage_cpu_core_hours",
                                       "pod_request_cpu_core_hours",
                                       "pod_effective_usage_cpu_core_hours",
                                       "pod_limit_cpu_core_hours",
                                       "pod_usage_memory_gigabyte_hours",
                                       "pod_request_memory_gigabyte_hours",
                                       "pod_effective_usage_memory_gigabyte_hours",
                                       "pod_limit_memory_gigabyte_hours",
                                       "node_capacity_cpu_cores",
                                       "node_capacity_cpu_core_hours",
                                       "node_capacity_memory_gigabytes",
                                       "node_capacity_memory_gigabyte_hours",
                                       "cluster_capacity_cpu_core_hours",
                                       "cluster_capacity_memory_gigabyte_hours"};
constexpr const char* kStorageNumbers[] = {"persistentvolumeclaim_capacity_gigabyte", "persistentvolumeclaim_capacity_gigabyte_months",
                                           "volume_request_storage_gigabyte_months", "persistentvolumeclaim_usage_gigabyte_months"};

// What one kind of rows has; everything else is NULL.
struct Part {
  const char* source;
  bool pod_labels = false, volume_labels = false, limits = false, infrastructure = false;
};

Frame shaped(const Frame& rows, const Part& part, const Month& month) {
  const bool storage = part.volume_labels;
  const auto text = [](bool there, const char* name) { return (there ? col(name) : no_text()).alias(name); };
  const auto number = [](bool there, const char* name) {
    const Expr value = there ? col(name) : no_number();
    return numeric(value).alias(name);
  };
  std::vector<Expr> columns = {lit(month.report_period_id).alias("report_period_id"),
                               col("cost_category_id"),
                               lit(month.cluster_id).alias("cluster_id"),
                               lit(month.cluster_alias).alias("cluster_alias"),
                               lit(part.source).alias("data_source"),
                               col("namespace"),
                               col("node"),
                               col("resource_id"),
                               col("day").alias("usage_start"),
                               col("day").alias("usage_end"),
                               (part.pod_labels ? col("labels") : no_text()).alias("pod_labels")};
  for (const char* name : kPodNumbers)
    columns.push_back(number(!storage && (part.limits || std::string(name).find("_limit_") == std::string::npos), name));
  for (const char* name : {"persistentvolumeclaim", "persistentvolume", "storageclass"}) columns.push_back(text(storage, name));
  columns.push_back((storage ? col("labels") : no_text()).alias("volume_labels"));
  const Expr labels = part.pod_labels || storage ? coalesce({col("labels"), lit("{}")}) : lit("{}");
  columns.push_back(labels.alias("all_labels"));
  for (const char* name : kStorageNumbers) columns.push_back(number(storage, name));
  columns.push_back((part.infrastructure ? lit(kNoInfrastructureCost) : no_text()).alias("infrastructure_usage_cost"));
  columns.push_back(lit(month.source_uuid).alias("source_uuid"));
  columns.push_back(text(storage, "csi_volume_handle"));
  return rows.select(std::move(columns));
}

}  // namespace

gristmill::ParquetSinkOptions parquet_form() {
  gristmill::ParquetSinkOptions out;
  out.row_group_rows = 16384;  // of some 700 bytes
  return out;
}

Frame summary(const Costs& costs, const Month& month, bool staging) {
  const Frame all =
      gristmill::concat({shaped(costs.pods, {.source = "Pod", .pod_labels = true, .limits = true, .infrastructure = true}, month),
                         shaped(costs.storage, {.source = "Storage", .volume_labels = true, .infrastructure = true}, month),
                         shaped(costs.unallocated, {.source = "Pod"}, month)});
  std::vector<gristmill::SortKey> keys;
  for (const char* name : {"usage_start", "data_source", "namespace", "node", "pod_labels", "resource_id", "cost_category_id",
                           "persistentvolumeclaim", "persistentvolume", "storageclass", "volume_labels", "csi_volume_handle"}) {
    keys.push_back(asc(name));
  }
  const Frame sorted = all.sort(std::move(keys));
  if (!staging) return sorted.drop({"csi_volume_handle"});
  return sorted.with_columns({lit(month.source_uuid).alias("source"), lit(std::to_string(month.year)).alias("year"),
                              lit(std::string(month.month < 10 ? "0" : "") + std::to_string(month.month)).alias("month"),
                              col("usage_start").dt().strftime("%d").alias("day")});
}

}  // namespace ocp
