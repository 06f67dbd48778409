// Small queries over the kept steps. Names are cut to the first ones in order; counts are of all.

#include "findings.h"

#include <algorithm>

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/chunked_array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::asc;
using gristmill::col;
using gristmill::count;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::ParallelOptions;

namespace {

constexpr int64_t kNames = 20;

class Findings {
 public:
  Findings(const Costs& costs, const Reference& reference, const ParallelOptions& options, ClusterReport& report)
      : costs_(costs), reference_(reference), options_(options), report_(report) {}

  arrow::Status add_rows();
  arrow::Status add_warnings();
  arrow::Status add_totals();

 private:
  // One row of whole numbers; NULL is 0.
  arrow::Result<std::vector<int64_t>> numbers(const Frame& rows, std::vector<Expr> aggregates) const {
    for (Expr& e : aggregates) e = e.cast(arrow::int64()).fill_null(int64_t{0});
    for (size_t i = 0; i < aggregates.size(); ++i) aggregates[i] = aggregates[i].alias("n" + std::to_string(i));
    ARROW_ASSIGN_OR_RAISE(const gristmill::Table one, rows.select(aggregates).collect(options_));
    ARROW_ASSIGN_OR_RAISE(const auto table, one.arrow());
    std::vector<int64_t> out;
    for (const auto& column : table->columns()) out.push_back(static_cast<const arrow::Int64Array&>(*column->chunk(0)).Value(0));
    return out;
  }
  // Adds a warning if there are rows; `name` is a text of a row.
  arrow::Status warn(const char* code, const char* message, const Frame& rows, const Expr& name) const {
    ARROW_ASSIGN_OR_RAISE(const auto n, numbers(rows, {count()}));
    if (n[0] == 0) return arrow::Status::OK();
    Warning warning{code, message, n[0], {}};
    ARROW_ASSIGN_OR_RAISE(const gristmill::Table some, rows.select({gristmill::coalesce({name, gristmill::lit("NULL")}).alias("name")})
                                                           .distinct()
                                                           .sort({asc("name")})
                                                           .head(kNames)
                                                           .collect(options_));
    ARROW_ASSIGN_OR_RAISE(const auto table, some.arrow());
    for (const auto& chunk : table->column(0)->chunks()) {
      const auto& names = static_cast<const arrow::StringArray&>(*chunk);
      for (int64_t i = 0; i < names.length(); ++i) warning.names.push_back(names.GetString(i));
    }
    report_.warnings.push_back(std::move(warning));
    return arrow::Status::OK();
  }
  arrow::Result<std::vector<Total>> totals(const Frame& rows) const;

  const Costs& costs_;
  const Reference& reference_;
  const ParallelOptions options_;
  ClusterReport& report_;
};

arrow::Status Findings::add_rows() {
  const auto set = [&](Kind kind, bool daily_only, int64_t used) {
    const int k = static_cast<int>(kind);
    RowsIn& in = daily_only || report_.daily[k].files > 0 ? report_.daily[k] : report_.hourly[k];
    in.used = used;
    in.outside = std::max<int64_t>(0, in.rows - in.too_large - used);
  };
  ARROW_ASSIGN_OR_RAISE(const auto hourly, numbers(costs_.capacity.nodes, {col("rows").sum()}));
  RowsIn& pods_hourly = report_.hourly[static_cast<int>(Kind::kPod)];
  pods_hourly.used = hourly[0];
  pods_hourly.outside = std::max<int64_t>(0, pods_hourly.rows - pods_hourly.too_large - hourly[0]);
  const Expr on_a_node = col("node").is_not_null() & (col("node") != "");
  ARROW_ASSIGN_OR_RAISE(const auto pods, numbers(costs_.usage.pods_daily, {count().filter(on_a_node)}));
  report_.line_items = pods[0];
  if (report_.daily[static_cast<int>(Kind::kPod)].files > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto given, numbers(costs_.usage.pods_daily, {col("rows").sum()}));
    set(Kind::kPod, true, given[0]);
  }
  ARROW_ASSIGN_OR_RAISE(const auto storage, numbers(costs_.usage.storage_daily, {col("rows").sum(), count()}));
  set(Kind::kStorage, false, storage[0]);
  report_.volume_items = storage[1];
  ARROW_ASSIGN_OR_RAISE(const auto nodes, numbers(costs_.usage.node_labels, {col("rows").sum()}));
  set(Kind::kNodeLabels, false, nodes[0]);
  ARROW_ASSIGN_OR_RAISE(const auto namespaces, numbers(costs_.usage.namespace_labels, {col("rows").sum()}));
  set(Kind::kNamespaceLabels, false, namespaces[0]);
  ARROW_ASSIGN_OR_RAISE(const auto out_pods, numbers(costs_.pods, {count(), col("line_items").sum()}));
  report_.out.pods = out_pods[0];
  report_.joined_items = out_pods[1];
  ARROW_ASSIGN_OR_RAISE(const auto out_storage, numbers(costs_.storage, {count(), col("line_items").sum()}));
  report_.out.storage = out_storage[0];
  report_.joined_volumes = out_storage[1];
  ARROW_ASSIGN_OR_RAISE(const auto out_unallocated, numbers(costs_.unallocated, {count()}));
  report_.out.unallocated = out_unallocated[0];
  return arrow::Status::OK();
}

Frame several(const Frame& sets, const std::string& name) {
  return sets.group_by({col("day"), col(name)}).agg({count().alias("sets")}).filter(col("sets") > 1);
}

Expr on_day(const std::string& name) { return gristmill::concat_ws(" on ", {col(name), col("day").dt().strftime("%Y-%m-%d")}); }

arrow::Status Findings::add_warnings() {
  ARROW_RETURN_NOT_OK(warn("node_label_fanout", "a node has several label sets on a day: its line items count once for each",
                           several(costs_.labels.nodes, "node"), on_day("node")));
  ARROW_RETURN_NOT_OK(warn("namespace_label_fanout", "a namespace has several label sets on a day: its line items count once for each",
                           several(costs_.labels.namespaces, "namespace"), on_day("namespace")));
  const Frame named = gristmill::concat({costs_.pods.select({col("namespace")}), costs_.storage.select({col("namespace")})});
  const Frame matched = categories_of(named, reference_, report_.job.month.mode);
  ARROW_RETURN_NOT_OK(warn("category_fanout", "several cost category patterns match a namespace: its line items count once for each",
                           matched.group_by({"namespace"}).agg({count().alias("patterns")}).filter(col("patterns") > 1), col("namespace")));
  ARROW_RETURN_NOT_OK(warn("unknown_role", "a node's role is not known: its unallocated row has no namespace",
                           costs_.unallocated.filter(col("namespace").is_null()), on_day("node")));
  return warn("no_node_of_volume", "the pods of a volume are on no node: its usage is divided by 1",
              costs_.storage.filter(col("node_count") == 0), on_day("persistentvolume"));
}

arrow::Result<std::vector<Total>> Findings::totals(const Frame& rows) const {
  ARROW_ASSIGN_OR_RAISE(const gristmill::Table sums, rows.sort({asc("name")}).collect(options_));
  ARROW_ASSIGN_OR_RAISE(const auto data, sums.arrow());
  std::vector<Total> out;
  for (int64_t i = 0; i < data->num_rows(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto label, data->column(0)->GetScalar(i));
    Total total;
    total.name = label->is_valid ? static_cast<const arrow::StringScalar&>(*label).view() : std::string_view("NULL");
    double* const fields[] = {&total.cpu_usage,    &total.cpu_request,    &total.cpu_capacity,
                              &total.memory_usage, &total.memory_request, &total.memory_capacity};
    for (int c = 1; c < data->num_columns(); ++c) {
      ARROW_ASSIGN_OR_RAISE(const auto value, data->column(c)->GetScalar(i));
      if (value->is_valid) *fields[c - 1] = static_cast<const arrow::DoubleScalar&>(*value).value;
    }
    out.push_back(std::move(total));
  }
  return out;
}

arrow::Status Findings::add_totals() {
  const auto sums = [](bool capacity) {
    const Expr none = gristmill::lit(0.0);
    return std::vector<Expr>{col("pod_usage_cpu_core_hours").sum().alias("a"),
                             col("pod_request_cpu_core_hours").sum().alias("b"),
                             (capacity ? col("node_capacity_cpu_core_hours").max() : none.max()).alias("c"),
                             col("pod_usage_memory_gigabyte_hours").sum().alias("d"),
                             col("pod_request_memory_gigabyte_hours").sum().alias("e"),
                             (capacity ? col("node_capacity_memory_gigabyte_hours").max() : none.max()).alias("f")};
  };
  const std::vector<Expr> again = {col("a").sum(), col("b").sum(), col("c").sum(), col("d").sum(), col("e").sum(), col("f").sum()};
  const Frame by_node_day = costs_.pods.group_by({"day", "node"}).agg(sums(true));
  ARROW_ASSIGN_OR_RAISE(report_.namespaces, totals(costs_.pods.group_by({col("namespace").alias("name")}).agg(sums(false))));
  ARROW_ASSIGN_OR_RAISE(report_.nodes, totals(by_node_day.group_by({col("node").alias("name")}).agg(again)));
  ARROW_ASSIGN_OR_RAISE(report_.days, totals(by_node_day.group_by({col("day").dt().strftime("%Y-%m-%d").alias("name")}).agg(again)));
  return arrow::Status::OK();
}

}  // namespace

arrow::Status add_findings(const Costs& costs, const Reference& reference, const ParallelOptions& options, ClusterReport& report) {
  Findings findings(costs, reference, options, report);
  ARROW_RETURN_NOT_OK(findings.add_rows());
  ARROW_RETURN_NOT_OK(findings.add_warnings());
  return findings.add_totals();
}

}  // namespace ocp
