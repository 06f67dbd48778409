// Reads the folder; what the month costs is cost.h's.

#include "golden_case.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <arrow/array/array_binary.h>
#include <arrow/chunked_array.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <simdjson.h>

namespace ocp {

using gristmill::col;
using gristmill::Frame;

namespace {

constexpr const char* kAlwaysKept = "vm_kubevirt_io_name";

arrow::Result<Frame> read_table(const std::string& file, std::vector<std::string> columns) {
  gristmill::CsvOptions options;
  options.null_values = {"\\N"};
  options.empty_is_null = false;
  for (std::string& name : columns) options.schema.emplace_back(std::move(name), "string");
  ARROW_ASSIGN_OR_RAISE(gristmill::Table rows, gristmill::scan_csv(file, options).collect({.num_workers = 1}));
  return rows.lazy();
}

arrow::Result<std::vector<std::string>> enabled_keys(const Frame& table) {
  ARROW_ASSIGN_OR_RAISE(gristmill::Table rows, table
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
  return std::vector<std::string>(keys.begin(), keys.end());
}

// stem.parquet, or all Parquet files of the folder of that name.
std::vector<std::string> parquet_files(const std::string& stem) {
  std::vector<std::string> out;
  if (std::filesystem::exists(stem + ".parquet")) out.push_back(stem + ".parquet");
  if (std::filesystem::is_directory(stem)) {
    for (const auto& entry : std::filesystem::directory_iterator(stem)) {
      if (entry.path().extension() == ".parquet") out.push_back(entry.path().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

arrow::Status read_job(const std::string& file, Month& month) {
  simdjson::dom::parser parser;
  simdjson::dom::element job;
  if (const auto error = parser.load(file).get(job)) return arrow::Status::IOError(file, ": ", simdjson::error_message(error));
  const auto text = [&](const char* key) -> arrow::Result<std::string> {
    std::string_view s;
    if (job[key].get(s)) return arrow::Status::Invalid(file, ": \"", key, "\" must be a text");
    return std::string(s);
  };
  const auto number = [&](const char* key) -> arrow::Result<int64_t> {
    int64_t n = 0;
    if (job[key].get(n)) return arrow::Status::Invalid(file, ": \"", key, "\" must be an integer");
    return n;
  };
  ARROW_ASSIGN_OR_RAISE(month.source_uuid, text("source_uuid"));
  ARROW_ASSIGN_OR_RAISE(month.cluster_id, text("cluster_id"));
  ARROW_ASSIGN_OR_RAISE(month.cluster_alias, text("cluster_alias"));
  ARROW_ASSIGN_OR_RAISE(month.report_period_id, number("report_period_id"));
  ARROW_ASSIGN_OR_RAISE(const int64_t year, number("year"));
  ARROW_ASSIGN_OR_RAISE(const int64_t which, number("month"));
  month.year = static_cast<int>(year);
  month.month = static_cast<int>(which);
  ARROW_ASSIGN_OR_RAISE(const std::string first, text("start"));
  ARROW_ASSIGN_OR_RAISE(const std::string last, text("end"));
  ARROW_ASSIGN_OR_RAISE(month.first_day, parse_day(first));
  ARROW_ASSIGN_OR_RAISE(month.last_day, parse_day(last));
  return month.check();
}

}  // namespace

arrow::Result<Reference> read_reference(const std::string& keys, const std::string& categories, const std::string& nodes) {
  ARROW_ASSIGN_OR_RAISE(Frame key_rows, read_table(keys, {"key", "enabled", "provider_type"}));
  ARROW_ASSIGN_OR_RAISE(auto kept, enabled_keys(key_rows));
  ARROW_ASSIGN_OR_RAISE(Frame category_rows, read_table(categories, {"pattern", "cost_category_id"}));
  ARROW_ASSIGN_OR_RAISE(Frame node_rows, read_table(nodes, {"node", "resource_id", "node_role"}));
  return Reference{std::move(kept), category_rows.with_columns({col("cost_category_id").cast(arrow::int64())}), node_rows};
}

arrow::Result<CaseFolder> open_case(const std::string& folder) {
  Month month;
  ARROW_RETURN_NOT_OK(read_job(folder + "/job.json", month));
  ARROW_ASSIGN_OR_RAISE(Reference reference,
                        read_reference(folder + "/enabled_keys.csv", folder + "/cost_categories.csv", folder + "/nodes.csv"));
  CaseFolder out{month, {}, std::move(reference)};
  for (const Kind kind : {Kind::kPod, Kind::kStorage, Kind::kNodeLabels, Kind::kNamespaceLabels}) {
    const std::string stem = folder + "/" + kind_name(kind);
    InputFiles& files = out.files[static_cast<int>(kind)];
    files.hourly = parquet_files(stem);
    files.daily = parquet_files(stem + "_daily");
  }
  return out;
}

}  // namespace ocp
