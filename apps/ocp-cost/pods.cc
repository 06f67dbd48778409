// Pod rows: usage by day, namespace, node and label set, beside the capacity of node and cluster.
//
// Two label sets for one node-day or namespace-day, or several matching patterns, duplicate the line items and so their sums, as
// the incumbent does.

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "cost.h"
#include "units.h"

namespace ocp {

using gristmill::call;
using gristmill::coalesce;
using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::Join;
using gristmill::lit;
using gristmill::when;

namespace {

const char* const kKeys[] = {"day", "namespace", "node", "labels"};

// Of a day's sums. PostgreSQL's greatest passes over NULL, Trino's gives NULL.
Expr effective(const std::string& effective_column, const std::string& usage, const std::string& request, Mode mode) {
  const Expr u = col(usage), r = col(request);
  Expr greatest = call("greatest", {u, r});
  if (mode == Mode::kTrino) greatest = when(u.is_null() | r.is_null()).then(no_number()).otherwise(greatest);
  return coalesce({col(effective_column), greatest});
}

}  // namespace

Frame pod_costs(const Usage& usage, const Capacity& capacity, const LabelSets& labels, const Reference& reference, const Month& month) {
  const bool trino = month.mode == Mode::kTrino;
  const Expr own = trino ? when(col("pod_labels").is_null()).then(no_text()).otherwise(enabled_labels(col("pod_labels"), reference))
                         : enabled_labels(col("pod_labels"), reference);
  const Frame pods = usage.pods_daily.filter(col("node").is_not_null() & (col("node") != ""))
                         .with_columns({own.alias("own_labels"),
                                        effective("pod_effective_usage_cpu_core_seconds", "pod_usage_cpu_core_seconds",
                                                  "pod_request_cpu_core_seconds", month.mode)
                                            .alias("pod_effective_usage_cpu_core_seconds"),
                                        effective("pod_effective_usage_memory_byte_seconds", "pod_usage_memory_byte_seconds",
                                                  "pod_request_memory_byte_seconds", month.mode)
                                            .alias("pod_effective_usage_memory_byte_seconds")});
  const Frame joined =
      pods.join(labels.nodes, {.on = {"day", "node"}, .how = Join::kLeft})
          .join(labels.namespaces, {.on = {"day", "namespace"}, .how = Join::kLeft})
          .join(categories_of(pods, reference, month.mode), {.on = {"namespace"}, .how = Join::kLeft})
          .join(capacity.nodes.drop({"rows"}), {.on = {"day", "node"}, .how = Join::kLeft})
          .join(capacity.clusters, {.on = {"day"}, .how = Join::kLeft})
          .with_columns(
              {merged_labels({coalesce({col("from_node"), lit("{}")}), coalesce({col("from_namespace"), lit("{}")}), col("own_labels")})
                   .alias("labels")});
  std::vector<Expr> sums = {col("resource_id").max(), col("cost_category_id").max(), gristmill::count().alias("line_items")};
  for (const char* what : {"usage", "request", "effective_usage", "limit"}) {
    const std::string w = what;
    sums.push_back(hours(col("pod_" + w + "_cpu_core_seconds").sum()).alias("pod_" + w + "_cpu_core_hours"));
    sums.push_back(gigabytes(hours(col("pod_" + w + "_memory_byte_seconds").sum())).alias("pod_" + w + "_memory_gigabyte_hours"));
  }
  const auto or_zero = [&](Expr e) { return trino ? e : e.fill_null(0.0); };
  sums.push_back(col("node_capacity_cpu_cores").max());
  sums.push_back(gigabytes(col("node_capacity_memory_bytes").max()).alias("node_capacity_memory_gigabytes"));
  sums.push_back(or_zero(hours(col("node_cpu").max())).alias("node_capacity_cpu_core_hours"));
  sums.push_back(or_zero(gigabytes(hours(col("node_memory").max()))).alias("node_capacity_memory_gigabyte_hours"));
  sums.push_back(or_zero(hours(col("cluster_cpu").max())).alias("cluster_capacity_cpu_core_hours"));
  sums.push_back(or_zero(gigabytes(hours(col("cluster_memory").max()))).alias("cluster_capacity_memory_gigabyte_hours"));
  return joined.group_by({kKeys[0], kKeys[1], kKeys[2], kKeys[3]}).agg(sums);
}

}  // namespace ocp
