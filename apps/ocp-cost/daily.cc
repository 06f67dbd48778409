// Daily rows from hourly ones, node capacity from hourly pod rows, label sets from label rows.
//
// Labels are keys by their text here: a pod whose label text changes has two daily rows.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include <algorithm>

#include "cost.h"
#include "units.h"

namespace ocp {

using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::when;

namespace {

bool ends_with(const std::string& s, const char* end) {
  const std::string e = end;
  return s.size() >= e.size() && s.compare(s.size() - e.size(), e.size(), e) == 0;
}

// Of a node and an hour: only its capacity is made of them, from hourly rows.
bool of_hours_only(const std::string& name) {
  return name == "node_capacity_cpu_core_seconds" || name == "node_capacity_memory_byte_seconds";
}

// Seconds are summed; capacities in cores and bytes, and text that is no key, give their greatest.
Frame to_daily(const Frame& hourly, Kind kind, const std::vector<std::string>& keys) {
  std::vector<Expr> group = {col("day")}, values;
  for (const std::string& key : keys) group.push_back(col(key));
  if (kind != Kind::kPod) values.push_back(gristmill::count().alias("rows"));  // those of pods are counted with their nodes
  for (const InputColumn& c : input_columns(kind)) {
    if (of_hours_only(c.name) || std::find(keys.begin(), keys.end(), c.name) != keys.end()) continue;
    values.push_back(ends_with(c.name, "_seconds") ? col(c.name).sum() : col(c.name).max());
  }
  return hourly.group_by(group).agg(values);
}

Frame day_labels(const Frame& rows, const char* name) {
  return rows.group_by({col("day"), col(name), col(std::string(name) + "_labels")}).agg({gristmill::count().alias("rows")});
}

}  // namespace

arrow::Result<Usage> daily_usage(const InputFiles (&files)[4], const Month& month) {
  const auto of = [&](Kind kind) -> const InputFiles& { return files[static_cast<int>(kind)]; };
  const auto hourly = [&](Kind kind) -> arrow::Result<Frame> {
    ARROW_ASSIGN_OR_RAISE(Frame rows, read_rows(kind, of(kind).hourly, month, of(kind).storage));
    if (of(kind).rows.empty()) return rows;
    std::vector<Frame> all = {std::move(rows)};
    for (const Frame& given : of(kind).rows) all.push_back(within_days(given, month));
    return gristmill::concat(std::move(all));
  };
  // Daily files where there are some; else nothing.
  const auto daily = [&](Kind kind) -> arrow::Result<Frame> {
    ARROW_ASSIGN_OR_RAISE(const Frame rows, read_rows(kind, of(kind).daily, month, of(kind).storage));
    return rows.with_columns({gristmill::lit(int64_t{1}).alias("rows")});
  };
  const auto has_daily = [&](Kind kind) { return !of(kind).daily.empty(); };
  const auto either = [&](Kind kind) { return has_daily(kind) ? daily(kind) : hourly(kind); };
  ARROW_ASSIGN_OR_RAISE(const Frame pods, hourly(Kind::kPod));
  ARROW_ASSIGN_OR_RAISE(Frame pods_daily, daily(Kind::kPod));
  ARROW_ASSIGN_OR_RAISE(Frame storage, either(Kind::kStorage));
  ARROW_ASSIGN_OR_RAISE(const Frame nodes, either(Kind::kNodeLabels));
  ARROW_ASSIGN_OR_RAISE(const Frame namespaces, either(Kind::kNamespaceLabels));
  if (!has_daily(Kind::kPod)) pods_daily = to_daily(pods, Kind::kPod, {"namespace", "node", "pod", "pod_labels"});
  if (!has_daily(Kind::kStorage)) {
    storage = to_daily(storage, Kind::kStorage,
                       {"namespace", "pod", "persistentvolumeclaim", "persistentvolume", "storageclass", "csi_driver", "csi_volume_handle",
                        "persistentvolume_labels", "persistentvolumeclaim_labels"});
  }
  return Usage{pods,
               pods_daily,
               storage,
               day_labels(nodes, "node"),
               day_labels(namespaces, "namespace"),
               has_daily(Kind::kStorage) || of(Kind::kStorage).has_hourly()};
}

Frame cluster_capacity(const Frame& nodes) {
  return nodes.group_by({"day"}).agg({col("node_cpu").sum().alias("cluster_cpu"), col("node_memory").sum().alias("cluster_memory")});
}

Capacity capacity(const Frame& pods_hourly) {
  Frame nodes = pods_hourly.group_by({"interval_start", "node"})
                    .agg({col("node_capacity_cpu_core_seconds").max().alias("node_cpu"),
                          col("node_capacity_memory_byte_seconds").max().alias("node_memory"), gristmill::count().alias("rows")})
                    .with_columns({col("interval_start").dt().date().alias("day")})
                    .group_by({"day", "node"})
                    .agg({col("node_cpu").sum(), col("node_memory").sum(), col("rows").sum()});
  return {nodes, cluster_capacity(nodes)};
}

Expr enabled_labels(Expr text, const Reference& reference) {
  const Expr blank = text.is_null() | (text.str().trim() == "");
  return when(blank).then("{}").otherwise(label_object(text, reference.keys));
}

LabelSets label_sets(const Usage& usage, const Reference& reference) {
  const auto sets = [&](const Frame& rows, const char* name, const char* labels) {
    return rows.select({col("day"), col(name), enabled_labels(col(std::string(name) + "_labels"), reference).alias(labels)})
        .filter(col(name).is_not_null())
        .distinct();
  };
  return {sets(usage.node_labels, "node", "from_node"), sets(usage.namespace_labels, "namespace", "from_namespace")};
}

Frame categories_of(const Frame& rows, const Reference& reference, Mode mode) {
  // Trino's LIKE has no escape: a backslash stands for itself.
  const Expr pattern = mode == Mode::kTrino ? col("pattern").str().replace("\\", "\\\\") : col("pattern");
  return rows.select({col("namespace")})
      .distinct()
      .filter(col("namespace").is_not_null())
      .cross_join(reference.categories)
      .filter(col("namespace").str().like(pattern))
      .select({col("namespace"), col("cost_category_id")});
}

}  // namespace ocp
