// Reads the folder; what the month costs is cost.h's.

#include "golden_case.h"

#include <algorithm>
#include <filesystem>

#include <simdjson.h>

namespace ocp {

namespace {

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
