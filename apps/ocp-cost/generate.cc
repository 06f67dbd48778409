// Cuts the hours into files, writes each through one plan, and the small tables beside them.

#include "generate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <arrow/table.h>
#include "generate_archive.h"

#include "generate_cluster.h"
#include "generate_rows.h"

namespace ocp {

using gristmill::Frame;

namespace {

constexpr const char* kSource = "00000000-0000-4000-8000-000000000001";
constexpr const char* kMonthNames[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
constexpr Kind kWritten[] = {Kind::kPod, Kind::kStorage, Kind::kNodeLabels, Kind::kNamespaceLabels};

struct Piece {
  int32_t begin = 0, end = 0;
};

arrow::Result<GenerateOptions> filled_in(GenerateOptions o, const Month& month) {
  const bool day = o.shape == Shape::kDay;
  if (o.days == 0) o.days = day ? 1 : month.days();
  if (o.days < 0 || o.days > month.days())
    return arrow::Status::Invalid("the month ", o.year, "-", o.month, " has ", month.days(), " days, not ", o.days);
  if (o.volumes < 0) o.volumes = day ? 0 : 0.2;
  if (o.nodes == 0) {
    const int64_t rows = o.rows > 0 ? o.rows : 100'000;
    // The small days of the shape hold 83 pods a node, the others 104.
    if (o.pods_per_node == 0) o.pods_per_node = day ? (rows <= 20'000 ? 83 : 104) : 70;
    o.nodes = std::llround(static_cast<double>(rows) / static_cast<double>(o.pods_per_node * 24 * o.days));
    if (o.nodes < 4 && !day) o.pods_per_node = std::max<int64_t>(1, rows / (4 * 24 * o.days));
    o.nodes = std::max<int64_t>(day ? 1 : 4, o.nodes);
  }
  if (o.pods_per_node == 0) o.pods_per_node = day ? 104 : 70;
  if (o.namespaces == 0) o.namespaces = day ? std::max<int64_t>(4, o.nodes / 4) : std::max<int64_t>(8, o.nodes * 5 / 2);
  if (o.files == 0) o.files = o.days;
  if (o.layout == Layout::kOperator) o.files = o.days;  // its folders are days
  o.files = std::clamp<int64_t>(o.files, 1, 24 * o.days);
  if (o.form != Form::kParquet && o.daily) return arrow::Status::Invalid("the operator's CSV files are hourly; leave out --daily");
  return o;
}

std::string folder_of(const GenerateOptions& o, Kind kind, bool daily, int32_t day) {
  static constexpr const char* kTypes[] = {"pod_usage", "storage_usage", "node_labels", "namespace_labels"};
  static constexpr const char* kDirs[] = {"openshift_pod_usage_line_items", "openshift_storage_usage_line_items_daily",
                                          "openshift_node_labels_line_items", "openshift_namespace_labels_line_items"};
  const auto k = static_cast<size_t>(kind);
  char when[64];
  switch (o.layout) {
    case Layout::kCase: return o.out + "/" + kind_name(kind) + (daily ? "_daily" : "");
    case Layout::kProduction: {
      const std::string account = o.account.starts_with("acct") ? o.account.substr(4) : o.account;
      std::snprintf(when, sizeof when, "/year=%04d/month=%02d", o.year, o.month);
      return o.out + "/data/parquet/" + (daily ? "daily/" : "") + account + "/OCP/" + kTypes[k] + "/source=" + kSource + when;
    }
    default:
      std::snprintf(when, sizeof when, "/year=%04d/month=%02d/day=%02d/", o.year, o.month, day);
      return o.out + "/data/" + o.account + "/OCP/source=" + kSource + when + kDirs[k];
  }
}

arrow::Status write_text(const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  return out ? arrow::Status::OK() : arrow::Status::IOError("cannot write ", file);
}

arrow::Status write_tables(const GenerateOptions& o, const Cluster& cluster, const Month& month, const gristmill::ParallelOptions& run) {
  std::string keys = "key,enabled,provider_type\n";
  for (const std::string& key : enabled_label_keys()) keys += key + ",true,OCP\n";
  keys += "version,false,OCP\ncomponent,true,AWS\n";
  ARROW_RETURN_NOT_OK(write_text(o.out + "/enabled_keys.csv", keys));
  ARROW_RETURN_NOT_OK(write_text(o.out + "/cost_categories.csv",
                                 "namespace,cost_category_id\nopenshift-%,1\nkube-%,1\nPlatform unallocated,1\npayments\\-_%,2\n"));
  const Frame nodes =
      gristmill::from_arrow(cluster.nodes).select({gristmill::col("node"), gristmill::col("resource_id"), gristmill::col("node_role")});
  ARROW_RETURN_NOT_OK(nodes.sink_csv(o.out + "/nodes.csv", run).status());
  std::string job = "{\n \"source_uuid\": \"" + month.source_uuid + "\",\n \"cluster_id\": \"" + month.cluster_id +
                    "\",\n \"cluster_alias\": \"" + month.cluster_alias +
                    "\",\n \"report_period_id\": " + std::to_string(month.report_period_id) + ",\n \"year\": " + std::to_string(o.year) +
                    ",\n \"month\": " + std::to_string(o.month) + ",\n \"start\": \"" + day_text(month.first_day) + "\",\n \"end\": \"" +
                    day_text(month.last_day) + "\"\n}\n";
  return write_text(o.out + "/job.json", job);
}

// One kind's rows of a piece; gives the rows written.
arrow::Result<int64_t> write_piece(const GenerateOptions& o, const Cluster& cluster, Kind kind, const Month& month, const Piece& piece,
                                   int64_t number, const gristmill::ParallelOptions& run) {
  ARROW_ASSIGN_OR_RAISE(const Frame rows, hourly_rows(cluster, kind, o, month.first_day, piece.begin, piece.end));
  char name[32];
  std::snprintf(name, sizeof name, "%03lld", static_cast<long long>(number));
  const std::string file = name;
  if (o.form == Form::kParquet) {
    const int32_t day = piece.begin / 24 + 1;
    const std::string folder = folder_of(o, kind, false, day);
    std::filesystem::create_directories(folder);
    if (o.daily) {
      const std::string daily = folder_of(o, kind, true, day);
      std::filesystem::create_directories(daily);
      ARROW_RETURN_NOT_OK(daily_rows(rows, kind).sink_parquet(daily + "/" + file + ".parquet", run).status());
    }
    return rows.sink_parquet(folder + "/" + file + ".parquet", run);
  }
  const std::string folder = o.out + (o.form == Form::kTarGz ? "/payload/" + file : "/csv");
  std::filesystem::create_directories(folder);
  const std::string month_name = std::string(kMonthNames[o.month - 1]) + "-" + std::to_string(o.year);
  return rows.sink_csv(folder + "/" + month_name + "-" + file + "-ocp_" + kind_name(kind) + ".csv", run);
}

}  // namespace

arrow::Result<Generated> generate(const GenerateOptions& given, const gristmill::ParallelOptions& run) {
  Generated out;
  Month& month = out.month;
  month.source_uuid = kSource;
  month.cluster_id = "cluster-" + std::to_string(given.seed);
  month.cluster_alias = "Generated cluster " + std::to_string(given.seed);
  month.report_period_id = 1;
  month.year = given.year, month.month = given.month;
  char first[32];
  std::snprintf(first, sizeof first, "%04d-%02d-01", given.year, given.month);
  ARROW_ASSIGN_OR_RAISE(month.first_day, parse_day(first));
  ARROW_ASSIGN_OR_RAISE(const GenerateOptions o, filled_in(given, month));
  month.last_day = month.first_day + o.days - 1;
  if (std::filesystem::exists(o.out) && !std::filesystem::is_empty(o.out))
    return arrow::Status::Invalid(o.out, " is not empty; name a folder that is, or is not there");
  std::filesystem::create_directories(o.out);
  ARROW_ASSIGN_OR_RAISE(const Cluster cluster, make_cluster(o, o.days));
  ARROW_RETURN_NOT_OK(write_tables(o, cluster, month, run));
  gristmill::ParallelOptions cut = run;
  cut.chunk_rows = 32;  // of the outer rows, each of which becomes up to a thousand
  cut.min_parallel_rows = 0;
  for (int64_t i = 0; i < o.files; ++i) {
    // A file's daily rows must not be another's as well: with --daily files end with days.
    const bool whole_days = o.daily || o.layout == Layout::kOperator || o.files <= o.days;
    const int64_t hours = int64_t{24} * o.days, unit = whole_days ? 24 : 1, units = hours / unit, files = std::min<int64_t>(o.files, units);
    if (i >= files) break;
    const Piece piece{static_cast<int32_t>(i * units / files * unit), static_cast<int32_t>((i + 1) * units / files * unit)};
    for (const Kind kind : kWritten) {
      if (kind == Kind::kStorage && cluster.uses.empty()) continue;
      ARROW_ASSIGN_OR_RAISE(const int64_t rows, write_piece(o, cluster, kind, month, piece, i, cut));
      if (kind == Kind::kPod) out.pod_rows += rows;
      if (kind == Kind::kStorage) out.storage_rows += rows;
      ++out.files;
    }
    if (o.form == Form::kTarGz) {
      char name[32];
      std::snprintf(name, sizeof name, "/payload/%03lld", static_cast<long long>(i));
      ARROW_RETURN_NOT_OK(pack_payload(o.out + name, month, o.out + name + ".tar.gz"));
    }
  }
  out.pods = static_cast<int64_t>(cluster.pod_spans.size());
  out.nodes = cluster.node_count;
  out.namespaces = cluster.namespace_count;
  out.volumes = cluster.claims->num_rows();
  return out;
}

}  // namespace ocp
