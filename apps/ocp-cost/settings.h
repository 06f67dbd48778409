// What one run is asked to do: a YAML file, overruled by the environment, overruled by flags.
//
// The table in settings.cc is the one place that knows the keys: the file's strictness, --print-config and --help all come from it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/config.h"
#include "gristmill/files.h"
#include "gristmill/options.h"
#include "month.h"

namespace ocp {

struct InputSettings {
  std::string folder, bucket, layout = "month_folders", hourly, daily, labels = "json";
  std::map<std::string, std::string> types;
  std::vector<std::string> payloads;
  bool daily_files = true;
};

struct StoreSettings {
  std::string endpoint, region, access_key, secret_key, session_token, ca_file;
  bool path_style = true, anonymous = false;
  int64_t timeout_ms = 30'000, retries = 8;
  gristmill::StorageOptions options() const;
};

struct PostgresSettings {
  std::string url, host, database, user, password, sslmode = "verify-full", sslrootcert;
  std::string table = "reporting_ocpusagelineitem_daily_summary";
  int64_t port = 5432, attempts = 5, lock_timeout_s = 0;
  bool given() const { return !url.empty() || !host.empty(); }
  std::string connection() const;  // for libpq; holds the password
};

struct OutputSettings {
  std::string parquet, staging, csv;
};

struct ReferenceSettings {
  std::string enabled_keys, cost_categories, nodes;
};

// What `clusters` may leave out comes from `cluster`.
struct ClusterSettings {
  std::optional<std::string> source, cluster_id, cluster_alias, schema, org_id, month, start_date, end_date;
  std::optional<int64_t> report_period_id, year;
};

struct RunSettings {
  std::string mode = "self_hosted", log = "text", report, html, metrics;
  int64_t workers = 0, memory = 0;
  bool dry_run = false;
};

// One cluster's month, everything known.
struct Job {
  Month month;
  std::string schema;
  std::string account;  // the schema without a leading acct
  std::string org_id;
  std::optional<int64_t> report_period_id;  // nothing: looked up in the database
};

struct Settings {
  InputSettings input;
  StoreSettings store;
  PostgresSettings postgres;
  OutputSettings output;
  ReferenceSettings reference;
  RunSettings run;
  ClusterSettings cluster;
  std::vector<std::shared_ptr<ClusterSettings>> clusters;

  gristmill::ConfigTable table();
  gristmill::ParallelOptions options() const;
  Mode mode() const { return run.mode == "trino" ? Mode::kTrino : Mode::kSelfHosted; }
  // In the order of the file. `today` (days since 1970) is what `month: current` and `previous` go by.
  arrow::Result<std::vector<Job>> jobs(int32_t today) const;
  arrow::Status check() const;
};

// `{source}`, `{year}`, ... in a path: account, cluster_id, org, schema, source, year, month (two digits), month_number, and `more`.
arrow::Result<std::string> filled(const std::string& pattern, const Job& job, const std::map<std::string, std::string>& more = {});

}  // namespace ocp
