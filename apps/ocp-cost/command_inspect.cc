// gristmill-ocp inspect: what a month's input holds, without computing it.

#include <CLI/CLI.hpp>

#include <iostream>
#include <map>

#include <arrow/array/array_binary.h>
#include <arrow/chunked_array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include "command.h"
#include "configure.h"
#include "json_text.h"
#include "payload.h"
#include "stop.h"

namespace ocp {

using gristmill::asc;
using gristmill::col;
using gristmill::Frame;

namespace {

struct DayCount {
  std::string day;
  int64_t rows = 0;
};

struct KindFacts {
  int64_t files = 0, rows = 0, bytes = 0, names = 0;
  std::string what;  // that `names` counts
  std::vector<DayCount> days;
  std::map<std::string, int64_t> missing;  // optional column: files without it
};

arrow::Result<int64_t> number(const Frame& one, const gristmill::ParallelOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const gristmill::Table rows, one.collect(options));
  ARROW_ASSIGN_OR_RAISE(const auto data, rows.arrow());
  ARROW_ASSIGN_OR_RAISE(const auto value, data->column(0)->GetScalar(0));
  return static_cast<const arrow::Int64Scalar&>(*value).value;
}

arrow::Status add_rows(Kind kind, const InputFiles& files, bool daily, const Month& month, const gristmill::ParallelOptions& options,
                       KindFacts& facts) {
  ARROW_ASSIGN_OR_RAISE(Frame rows, read_rows(kind, daily ? files.daily : files.hourly, month, files.storage));
  if (!daily && !files.rows.empty()) {
    std::vector<Frame> all = {std::move(rows)};
    for (const Frame& f : files.rows) all.push_back(within_days(f, month));
    rows = gristmill::concat(std::move(all));
  }
  facts.what = kind == Kind::kStorage ? "persistentvolumeclaim" : kind == Kind::kNamespaceLabels ? "namespace" : "node";
  ARROW_ASSIGN_OR_RAISE(facts.names, number(rows.select({col(facts.what).n_unique().alias("n")}), options));
  ARROW_ASSIGN_OR_RAISE(const gristmill::Table days, rows.group_by({col("day").dt().strftime("%Y-%m-%d").alias("day")})
                                                         .agg({gristmill::count().alias("rows")})
                                                         .sort({asc("day")})
                                                         .collect(options));
  ARROW_ASSIGN_OR_RAISE(const auto data, days.arrow());
  for (int64_t i = 0; i < data->num_rows(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto day, data->column(0)->GetScalar(i));
    ARROW_ASSIGN_OR_RAISE(const auto n, data->column(1)->GetScalar(i));
    facts.days.push_back(
        {std::string(static_cast<const arrow::StringScalar&>(*day).view()), static_cast<const arrow::Int64Scalar&>(*n).value});
  }
  return arrow::Status::OK();
}

void print_text(const Job& job, const Listing& listing, const std::vector<std::pair<std::string, KindFacts>>& kinds) {
  std::cout << job.month.source_uuid << " " << day_text(job.month.first_day) << " to " << day_text(job.month.last_day) << "\n";
  for (const auto& [name, f] : kinds) {
    std::cout << "  " << name << ": " << f.files << " files, " << f.bytes << " bytes, " << f.rows << " rows";
    if (f.files == 0) {
      std::cout << "\n";
      continue;
    }
    std::cout << ", " << f.names << " values of " << f.what << ", " << f.days.size() << " days asked for have rows\n";
    for (const DayCount& d : f.days) std::cout << "    " << d.day << " " << d.rows << "\n";
    for (const auto& [column, n] : f.missing) std::cout << "    without " << column << ": " << n << " files\n";
  }
  for (const std::string& file : listing.ignored) std::cout << "  ignored: " << file << "\n";
  if (listing.files.empty()) {
    for (const std::string& folder : listing.folders) std::cout << "  nothing in " << folder << "\n";
  }
}

void write_json(JsonText& json, const Job& job, const Listing& listing, const std::vector<std::pair<std::string, KindFacts>>& kinds) {
  json.begin_object().member("source", job.month.source_uuid);
  json.member("start_date", day_text(job.month.first_day)).member("end_date", day_text(job.month.last_day));
  json.key("kinds").begin_object();
  for (const auto& [name, f] : kinds) {
    json.key(name).begin_object().member("files", f.files).member("bytes", f.bytes).member("rows", f.rows);
    if (!f.what.empty()) json.member("distinct_" + f.what, f.names);
    json.key("days").begin_object();
    for (const DayCount& d : f.days) json.member(d.day, d.rows);
    json.end_object().key("files_without").begin_object();
    for (const auto& [column, n] : f.missing) json.member(column, n);
    json.end_object().end_object();
  }
  json.end_object().member("ignored_files", listing.ignored).member("folders", listing.folders).end_object();
}

arrow::Status inspect_job(const Settings& settings, const Job& job, const gristmill::Cancellation& cancel, JsonText* json) {
  ClusterReport report;
  report.job = job;
  InputFiles files[4];
  const gristmill::StorageOptions storage = settings.store.options();
  if (settings.input.payloads.empty()) {
    ARROW_ASSIGN_OR_RAISE(report.listing, list_month(settings, job));
    ARROW_RETURN_NOT_OK(look_inside(report.listing, storage));
    input_files(report.listing, storage, files);
  } else {
    ARROW_RETURN_NOT_OK(read_payloads(settings, job, cancel, report, files));
  }
  std::vector<std::pair<std::string, KindFacts>> kinds;
  for (const Kind kind : kKinds) {
    for (const bool daily : {false, true}) {
      KindFacts facts;
      for (const ListedFile& f : report.listing.files) {
        if (f.kind != kind || f.daily != daily) continue;
        ++facts.files;
        facts.rows += f.rows;
        facts.bytes += f.facts.bytes;
        for (const std::string& column : f.missing_columns) ++facts.missing[column];
      }
      if (facts.files == 0 && daily) continue;
      if (facts.files > 0) ARROW_RETURN_NOT_OK(add_rows(kind, files[static_cast<int>(kind)], daily, job.month, settings.options(), facts));
      kinds.emplace_back(std::string(kind_name(kind)) + (daily ? "_daily" : ""), std::move(facts));
    }
  }
  if (json != nullptr) {
    write_json(*json, job, report.listing, kinds);
  } else {
    print_text(job, report.listing, kinds);
  }
  return arrow::Status::OK();
}

arrow::Result<int> inspect(const ConfigureFlags& flags, bool as_json) {
  Settings settings;
  std::string printed;
  const auto usage = [](const arrow::Status& s) {
    std::cerr << "gristmill-ocp inspect: " << error_text(s) << "\n";
    return kUsage;
  };
  if (const arrow::Status s = configure(flags, settings, printed); !s.ok()) return usage(s);
  if (flags.print) {
    std::cout << printed;
    return kDone;
  }
  settings.run.dry_run = true;  // no output is needed
  settings.postgres = {};
  if (!settings.cluster.report_period_id) settings.cluster.report_period_id = 0;
  if (!settings.cluster.cluster_id) settings.cluster.cluster_id = "";
  if (const arrow::Status s = settings.check(); !s.ok()) return usage(s);
  const auto jobs = settings.jobs(today());
  if (!jobs.ok()) return usage(jobs.status());
  const gristmill::Cancellation cancel;
  stop_on_signals(cancel);
  JsonText json;
  json.begin_list();
  for (const Job& job : *jobs) ARROW_RETURN_NOT_OK(inspect_job(settings, job, cancel, as_json ? &json : nullptr));
  if (as_json) std::cout << json.end_list().text() << "\n";
  return stop_signal() != 0 ? 128 + stop_signal() : kDone;
}

}  // namespace

Run declare_inspect(CLI::App& command) {
  auto flags = std::make_shared<ConfigureFlags>();
  auto json = std::make_shared<bool>(false);
  add_configure_flags(command, flags, false);
  command.add_flag("--json", *json, "print JSON");
  return [flags, json] { return inspect(*flags, *json); };
}

}  // namespace ocp
