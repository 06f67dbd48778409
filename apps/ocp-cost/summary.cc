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
using gristmill::when;

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

// Rows of one kind as they are sorted: what tells them apart, and numbers as doubles, which are half as wide.
Frame shaped(const Frame& rows, const Part& part) {
  const bool storage = part.volume_labels;
  const auto text = [](bool there, const char* from, const char* name) { return (there ? col(from) : no_text()).alias(name); };
  const auto number = [](bool there, const char* name) { return (there ? col(name) : no_number()).alias(name); };
  std::vector<Expr> columns = {col("day").alias("usage_start"),
                               lit(part.source).alias("data_source"),
                               col("namespace"),
                               col("node"),
                               text(part.pod_labels, "labels", "pod_labels"),
                               col("resource_id"),
                               col("cost_category_id"),
                               lit(part.infrastructure).alias("has_infrastructure")};
  for (const char* name : {"persistentvolumeclaim", "persistentvolume", "storageclass", "csi_volume_handle"})
    columns.push_back(text(storage, name, name));
  columns.push_back(text(storage, "labels", "volume_labels"));
  for (const char* name : kPodNumbers)
    columns.push_back(number(!storage && (part.limits || std::string(name).find("_limit_") == std::string::npos), name));
  for (const char* name : kStorageNumbers) columns.push_back(number(storage, name));
  return rows.select(std::move(columns));
}

// Sorted rows with the columns of the table.
Frame table_rows(const Frame& sorted, const Month& month) {
  std::vector<Expr> columns = {lit(month.report_period_id).alias("report_period_id"),
                               col("cost_category_id"),
                               lit(month.cluster_id).alias("cluster_id"),
                               lit(month.cluster_alias).alias("cluster_alias"),
                               col("data_source"),
                               col("namespace"),
                               col("node"),
                               col("resource_id"),
                               col("usage_start"),
                               col("usage_start").alias("usage_end"),
                               col("pod_labels")};
  for (const char* name : kPodNumbers) columns.push_back(numeric(col(name)).alias(name));
  for (const char* name : {"persistentvolumeclaim", "persistentvolume", "storageclass", "volume_labels"}) columns.push_back(col(name));
  columns.push_back(coalesce({col("pod_labels"), col("volume_labels"), lit("{}")}).alias("all_labels"));
  for (const char* name : kStorageNumbers) columns.push_back(numeric(col(name)).alias(name));
  columns.push_back(when(col("has_infrastructure")).then(kNoInfrastructureCost).otherwise(no_text()).alias("infrastructure_usage_cost"));
  columns.push_back(lit(month.source_uuid).alias("source_uuid"));
  columns.push_back(col("csi_volume_handle"));
  return sorted.select(std::move(columns));
}

}  // namespace

gristmill::ParquetSinkOptions parquet_form() {
  gristmill::ParquetSinkOptions out;
  out.row_group_rows = 16384;  // of some 700 bytes
  return out;
}

Frame summary(const Costs& costs, const Month& month, bool staging) {
  std::vector<Frame> kinds = {shaped(costs.pods, {.source = "Pod", .pod_labels = true, .limits = true, .infrastructure = true})};
  if (costs.usage.has_storage) kinds.push_back(shaped(costs.storage, {.source = "Storage", .volume_labels = true, .infrastructure = true}));
  kinds.push_back(shaped(costs.unallocated, {.source = "Pod"}));
  std::vector<gristmill::SortKey> keys;
  for (const char* name : {"usage_start", "data_source", "namespace", "node", "pod_labels", "resource_id", "cost_category_id",
                           "persistentvolumeclaim", "persistentvolume", "storageclass", "volume_labels", "csi_volume_handle"}) {
    keys.push_back(asc(name));
  }
  const Frame sorted = table_rows(gristmill::concat(std::move(kinds)).sort(std::move(keys)), month);
  if (!staging) return sorted.drop({"csi_volume_handle"});
  return sorted.with_columns({lit(month.source_uuid).alias("source"), lit(std::to_string(month.year)).alias("year"),
                              lit(std::string(month.month < 10 ? "0" : "") + std::to_string(month.month)).alias("month"),
                              col("usage_start").dt().strftime("%d").alias("day")});
}

}  // namespace ocp
