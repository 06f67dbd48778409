// Loads the rows that the month is made from, lets verify.sql make the summary, and loads the result beside it.
//
// Rows come through read_rows(), so both sides see the same line items; all that follows is the server's own.

#include "verify.h"

#include <arrow/array/builder_binary.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::PostgresTransaction;

namespace {

// Rows of `frame` into the temporary table of that name, whose columns have the frame's names.
arrow::Status load(PostgresTransaction& tx, const std::string& table, const Frame& frame, const gristmill::ParallelOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto schema, frame.schema());
  ARROW_RETURN_NOT_OK(tx.begin_copy(table, schema));
  ARROW_RETURN_NOT_OK(frame.collect_batches([&](const std::shared_ptr<arrow::RecordBatch>& batch) { return tx.write(*batch); }, options));
  return tx.end_copy().status();
}

// name: a column of the server; text is compared by bytes.
arrow::Status make_table(PostgresTransaction& tx, const std::string& table, const std::string& columns) {
  return tx.execute("create temp table " + table + " (" + columns + ") on commit drop").status();
}

arrow::Status load_usage(PostgresTransaction& tx, const std::string& table, Kind kind, const std::vector<std::string>& files,
                         const Month& month, const gristmill::ParallelOptions& options) {
  ARROW_ASSIGN_OR_RAISE(Frame rows, read_rows(kind, files, month));
  std::string columns = "interval_start timestamptz";
  std::vector<Expr> wanted = {col("interval_start")};
  for (const InputColumn& c : input_columns(kind)) {
    columns += std::string(", ") + c.name + (c.what == InputColumn::What::kNumber ? " float8" : " text collate \"C\"");
    wanted.push_back(col(c.name));
  }
  ARROW_RETURN_NOT_OK(make_table(tx, table, columns));
  ARROW_RETURN_NOT_OK(load(tx, table, rows.select(wanted), options));
  return tx.execute("analyze " + table).status();
}

arrow::Status load_reference(PostgresTransaction& tx, const Reference& reference, const gristmill::ParallelOptions& options) {
  ARROW_RETURN_NOT_OK(make_table(tx, "verify_keys", "key text collate \"C\""));
  for (const std::string& key : reference.keys) ARROW_RETURN_NOT_OK(tx.execute("insert into verify_keys values ($1)", {key}).status());
  ARROW_RETURN_NOT_OK(make_table(tx, "verify_categories", "pattern text collate \"C\", cost_category_id bigint"));
  ARROW_RETURN_NOT_OK(load(tx, "verify_categories", reference.categories.select({col("pattern"), col("cost_category_id")}), options));
  ARROW_RETURN_NOT_OK(
      make_table(tx, "verify_nodes", "node text collate \"C\", resource_id text collate \"C\", node_role text collate \"C\""));
  return load(tx, "verify_nodes", reference.nodes.select({col("node"), col("resource_id"), col("node_role")}), options);
}

arrow::Status load_parameters(PostgresTransaction& tx, const Month& month, bool daily_pods, bool daily_storage) {
  ARROW_RETURN_NOT_OK(make_table(tx, "verify_month",
                                 "source_uuid text, cluster_id text, cluster_alias text, report_period_id bigint, days int, trino bool, "
                                 "daily_pods bool, daily_storage bool"));
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  return tx
      .execute("insert into verify_month values ($1, $2, $3, $4::bigint, $5::int, $6::bool, $7::bool, $8::bool)",
               {month.source_uuid, month.cluster_id, month.cluster_alias, std::to_string(month.report_period_id),
                std::to_string(month.days()), flag(month.mode == Mode::kTrino), flag(daily_pods), flag(daily_storage)})
      .status();
}

std::string type_of(const SummaryColumn& c) {
  switch (c.what) {
    case SummaryColumn::What::kInteger: return "bigint";
    case SummaryColumn::What::kText: return "text collate \"C\"";
    case SummaryColumn::What::kDay: return "date";
    case SummaryColumn::What::kLabels: return "jsonb";
    default: return "numeric(33, 15)";
  }
}

arrow::Status load_result(PostgresTransaction& tx, const Frame& result, const gristmill::ParallelOptions& options) {
  std::string columns;
  std::vector<Expr> wanted;
  for (const SummaryColumn& c : summary_columns()) {
    columns += (columns.empty() ? "" : ", ") + std::string(c.name) + " " + type_of(c);
    wanted.push_back(col(c.name));
  }
  ARROW_RETURN_NOT_OK(make_table(tx, "verify_actual", columns));
  return load(tx, "verify_actual", result.select(wanted), options);
}

}  // namespace

const std::vector<SummaryColumn>& summary_columns() {
  using What = SummaryColumn::What;
  static const std::vector<SummaryColumn> columns = {
      {"report_period_id", What::kInteger},
      {"cost_category_id", What::kInteger},
      {"cluster_id", What::kText},
      {"cluster_alias", What::kText},
      {"data_source", What::kText},
      {"namespace", What::kText},
      {"node", What::kText},
      {"resource_id", What::kText},
      {"usage_start", What::kDay},
      {"usage_end", What::kDay},
      {"pod_labels", What::kLabels},
      {"pod_usage_cpu_core_hours", What::kNumber},
      {"pod_request_cpu_core_hours", What::kNumber},
      {"pod_effective_usage_cpu_core_hours", What::kNumber},
      {"pod_limit_cpu_core_hours", What::kNumber},
      {"pod_usage_memory_gigabyte_hours", What::kNumber},
      {"pod_request_memory_gigabyte_hours", What::kNumber},
      {"pod_effective_usage_memory_gigabyte_hours", What::kNumber},
      {"pod_limit_memory_gigabyte_hours", What::kNumber},
      {"node_capacity_cpu_cores", What::kNumber},
      {"node_capacity_cpu_core_hours", What::kNumber},
      {"node_capacity_memory_gigabytes", What::kNumber},
      {"node_capacity_memory_gigabyte_hours", What::kNumber},
      {"cluster_capacity_cpu_core_hours", What::kNumber},
      {"cluster_capacity_memory_gigabyte_hours", What::kNumber},
      {"persistentvolumeclaim", What::kText},
      {"persistentvolume", What::kText},
      {"storageclass", What::kText},
      {"volume_labels", What::kLabels},
      {"all_labels", What::kLabels},
      {"persistentvolumeclaim_capacity_gigabyte", What::kNumber},
      {"persistentvolumeclaim_capacity_gigabyte_months", What::kNumber},
      {"volume_request_storage_gigabyte_months", What::kNumber},
      {"persistentvolumeclaim_usage_gigabyte_months", What::kNumber},
      {"infrastructure_usage_cost", What::kLabels},
      {"source_uuid", What::kText},
  };
  return columns;
}

arrow::Result<Frame> read_result(const std::string& file) {
  if (file.ends_with(".parquet")) return gristmill::scan_parquet(file);
  gristmill::CsvOptions options;
  options.null_values = {"\\N"};
  options.empty_is_null = false;
  for (const SummaryColumn& c : summary_columns()) {
    switch (c.what) {
      case SummaryColumn::What::kInteger: options.schema_overrides.emplace_back(c.name, "int64"); break;
      case SummaryColumn::What::kDay: options.schema_overrides.emplace_back(c.name, "date"); break;
      case SummaryColumn::What::kNumber: options.schema_overrides.emplace_back(c.name, "decimal(33,15)"); break;
      default: options.schema_overrides.emplace_back(c.name, "string");
    }
  }
  return gristmill::scan_csv(file, options);
}

arrow::Result<Comparison> verify_month(const InputFiles (&files)[4], const Reference& reference, const Month& month, const Frame& result,
                                       const std::string& connection, const gristmill::ParallelOptions& options) {
  ARROW_RETURN_NOT_OK(month.check());
  ARROW_ASSIGN_OR_RAISE(PostgresTransaction tx, PostgresTransaction::open(connection));
  ARROW_RETURN_NOT_OK(tx.execute("set local jit = off").status());  // compiling the statement takes longer than a small month
  const auto of = [&](Kind kind) -> const InputFiles& { return files[static_cast<int>(kind)]; };
  const auto either = [&](Kind kind) { return of(kind).daily.empty() ? of(kind).hourly : of(kind).daily; };
  const auto usage = [&](const char* table, Kind kind, const std::vector<std::string>& names) {
    return load_usage(tx, table, kind, names, month, options);
  };
  ARROW_RETURN_NOT_OK(usage("verify_pods", Kind::kPod, of(Kind::kPod).hourly));
  ARROW_RETURN_NOT_OK(usage("verify_pods_daily", Kind::kPod, of(Kind::kPod).daily));
  ARROW_RETURN_NOT_OK(usage("verify_storage", Kind::kStorage, either(Kind::kStorage)));
  ARROW_RETURN_NOT_OK(usage("verify_node_labels", Kind::kNodeLabels, either(Kind::kNodeLabels)));
  ARROW_RETURN_NOT_OK(usage("verify_namespace_labels", Kind::kNamespaceLabels, either(Kind::kNamespaceLabels)));
  ARROW_RETURN_NOT_OK(load_reference(tx, reference, options));
  ARROW_RETURN_NOT_OK(load_parameters(tx, month, !of(Kind::kPod).daily.empty(), !of(Kind::kStorage).daily.empty()));
  ARROW_RETURN_NOT_OK(load_result(tx, result, options));
  ARROW_RETURN_NOT_OK(tx.execute(kVerifyStatement).status());
  ARROW_ASSIGN_OR_RAISE(Comparison comparison, compare_tables(tx));
  ARROW_RETURN_NOT_OK(tx.rollback());
  return comparison;
}

}  // namespace ocp
