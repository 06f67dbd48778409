// Every table becomes a frame of texts; vm_kubevirt_io_name is always among the keys.

#include "reference.h"

#include <set>

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::col;
using gristmill::Frame;
using gristmill::PostgresTransaction;

namespace {

constexpr const char* kAlwaysKept = "vm_kubevirt_io_name";

using Columns = std::vector<std::string>;
const Columns kKeys = {"key", "enabled", "provider_type"};
const Columns kCategories = {"pattern", "cost_category_id"};
const Columns kNodes = {"node", "resource_id", "node_role"};

Frame table_of(const Columns& columns, const std::vector<std::vector<std::optional<std::string>>>& rows) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < columns.size(); ++c) {
    arrow::StringBuilder builder;
    arrow::Status status;
    for (const auto& row : rows) status &= row[c] ? builder.Append(*row[c]) : builder.AppendNull();
    auto array = builder.Finish();
    if (!status.ok() || !array.ok()) return Frame(status.ok() ? array.status() : status);
    fields.push_back(arrow::field(columns[c], arrow::utf8()));
    arrays.push_back(*array);
  }
  return gristmill::from_arrow(arrow::Table::Make(arrow::schema(fields), arrays, static_cast<int64_t>(rows.size())));
}

arrow::Result<Frame> from_file(const std::string& file, const Columns& columns) {
  if (file.empty()) return table_of(columns, {});
  gristmill::CsvOptions options;
  options.null_values = {"\\N"};
  options.empty_is_null = false;
  for (const std::string& name : columns) options.schema.emplace_back(name, "string");
  ARROW_ASSIGN_OR_RAISE(gristmill::Table rows, gristmill::scan_csv(file, options).collect({.num_workers = 1}));
  return rows.lazy();
}

arrow::Result<Frame> from_database(PostgresTransaction& tx, const std::string& select, const std::string& schema, const std::string& table,
                                   const Columns& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, tx.execute("select " + select + " from " + quoted_name(schema, table)));
  return table_of(columns, rows.rows);
}

arrow::Result<Reference> reference_of(const Frame& key_rows, const Frame& categories, const Frame& nodes) {
  ARROW_ASSIGN_OR_RAISE(gristmill::Table rows, key_rows
                                                   .filter((col("provider_type") == "OCP") & col("key").is_not_null() &
                                                           col("enabled").str().lower().is_in({"true", "t", "1", "yes"}))
                                                   .select({col("key")})
                                                   .collect({.num_workers = 1}));
  ARROW_ASSIGN_OR_RAISE(auto data, rows.arrow());
  std::set<std::string> keys = {kAlwaysKept};
  for (const auto& chunk : data->column(0)->chunks()) {
    const auto& names = static_cast<const arrow::StringArray&>(*chunk);
    for (int64_t i = 0; i < names.length(); ++i) keys.insert(names.GetString(i));
  }
  return Reference{{keys.begin(), keys.end()}, categories.with_columns({col("cost_category_id").cast(arrow::int64())}), nodes};
}

}  // namespace

std::string quoted_name(const std::string& schema, const std::string& table) {
  std::string out;
  for (const std::string* part : {&schema, &table}) {
    out += out.empty() ? "\"" : ".\"";
    for (const char c : *part) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    out += '"';
  }
  return out;
}

arrow::Result<Reference> read_reference(const std::string& keys, const std::string& categories, const std::string& nodes) {
  ARROW_ASSIGN_OR_RAISE(const Frame key_rows, from_file(keys, kKeys));
  ARROW_ASSIGN_OR_RAISE(const Frame category_rows, from_file(categories, kCategories));
  ARROW_ASSIGN_OR_RAISE(const Frame node_rows, from_file(nodes, kNodes));
  return reference_of(key_rows, category_rows, node_rows);
}

arrow::Result<Reference> read_reference(PostgresTransaction& tx, const std::string& schema, const std::string& keys,
                                        const std::string& categories, const std::string& nodes) {
  const auto either = [&](const std::string& file, const Columns& columns, const char* select, const char* table) -> arrow::Result<Frame> {
    if (!file.empty()) return from_file(file, columns);
    return from_database(tx, select, schema, table, columns);
  };
  ARROW_ASSIGN_OR_RAISE(const Frame key_rows, either(keys, kKeys, "key, enabled, provider_type", "reporting_enabledtagkeys"));
  ARROW_ASSIGN_OR_RAISE(const Frame category_rows,
                        either(categories, kCategories, "namespace, cost_category_id", "reporting_ocp_cost_category_namespace"));
  ARROW_ASSIGN_OR_RAISE(const Frame node_rows, either(nodes, kNodes, "node, resource_id, node_role", "reporting_ocp_nodes"));
  return reference_of(key_rows, category_rows, node_rows);
}

}  // namespace ocp
