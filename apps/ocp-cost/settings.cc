// The table of keys, and how clusters and months follow from what it read.

#include "settings.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>

namespace ocp {

using gristmill::ConfigTable;

namespace {

constexpr const char* kSystemCertificates[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"};

ConfigTable cluster_table(ClusterSettings& c, const std::string& prefix, bool environment) {
  const auto from = [&](const char* name) { return environment ? std::string(name) : std::string(); };
  ConfigTable t;
  t.text(prefix + "source", &c.source, "the provider's uuid", {.environment = from("OCP_PROVIDER_UUID")})
      .text(prefix + "cluster_id", &c.cluster_id, "the cluster's id", {.environment = from("OCP_CLUSTER_ID")})
      .text(prefix + "cluster_alias", &c.cluster_alias, "its name; the id if left out", {.environment = from("OCP_CLUSTER_ALIAS")})
      .text(prefix + "schema", &c.schema, "the tenant's schema, acct... or org...", {.environment = from("POSTGRES_SCHEMA")})
      .text(prefix + "org_id", &c.org_id, "the organisation, {org} in layouts", {.environment = from("ORG_ID")})
      .integer(prefix + "report_period_id", &c.report_period_id, "looked up in the database if left out",
               {.environment = from("OCP_REPORT_PERIOD_ID"), .least = 0, .most = INT32_MAX})
      .integer(prefix + "year", &c.year, "the month's year", {.environment = from("OCP_YEAR"), .least = 1970, .most = 9999})
      .text(prefix + "month", &c.month, "1 to 12, current or previous (by UTC)", {.environment = from("OCP_MONTH")})
      .text(prefix + "start_date", &c.start_date, "first day, 2025-10-01; the month's if left out", {.environment = from("OCP_START_DATE")})
      .text(prefix + "end_date", &c.end_date, "last day; the month's if left out", {.environment = from("OCP_END_DATE")});
  return t;
}

}  // namespace

// Keys of one section stand together: that is how they are printed.
ConfigTable Settings::table() {
  ConfigTable t = cluster_table(cluster, "cluster.", true);
  t.list(
       "clusters",
       [this] {
         clusters.push_back(std::make_shared<ClusterSettings>());
         return cluster_table(*clusters.back(), "", false);
       },
       "several clusters, the keys of `cluster` each; what one leaves out comes from there")
      .text("input.folder", &input.folder, "where the layout begins: a directory or s3://bucket/prefix")
      .text("input.bucket", &input.bucket, "the same for a whole bucket", {.environment = "S3_BUCKET"})
      .text("input.layout", &input.layout, "how folders are named", {.choices = {"month_folders", "day_folders"}})
      .text("input.hourly", &input.hourly, "folders of hourly files, instead of the layout's")
      .text("input.daily", &input.daily, "folders of daily files, instead of the layout's")
      .names("input.types", &input.types, "what {type} is for pod, storage, node_labels, namespace_labels")
      .boolean("input.daily_files", &input.daily_files, "whether daily files are used where they are")
      .text("input.labels", &input.labels, "labels in Parquet: JSON objects, or k:v|k:v", {.choices = {"json", "pairs"}})
      .texts("input.payloads", &input.payloads, "the operator's archives or CSV files instead: files or folders")
      .text("s3.endpoint", &store.endpoint, "of an S3-compatible store", {.environment = "S3_ENDPOINT"})
      .text("s3.region", &store.region, "us-east-1 with an endpoint", {.environment = "S3_REGION"})
      .text("s3.access_key", &store.access_key, "", {.environment = "S3_ACCESS_KEY", .secret = true})
      .text("s3.secret_key", &store.secret_key, "", {.environment = "S3_SECRET_KEY", .secret = true})
      .text("s3.session_token", &store.session_token, "", {.environment = "S3_SESSION_TOKEN", .secret = true})
      .text("s3.ca_file", &store.ca_file, "certificates to trust besides the system's", {.environment = "S3_CA_FILE"})
      .boolean("s3.path_style", &store.path_style, "the bucket in the path, not in the host's name")
      .boolean("s3.anonymous", &store.anonymous, "unsigned requests")
      .integer("s3.timeout_ms", &store.timeout_ms, "without a byte", {.least = 1})
      .integer("s3.retries", &store.retries, "of one request, with growing pauses", {.least = 0, .most = 100})
      .text("postgres.url", &postgres.url, "postgresql://..., instead of the keys below", {.environment = "POSTGRES_URL", .secret = true})
      .text("postgres.host", &postgres.host, "host, or folder of a Unix socket", {.environment = "POSTGRES_HOST"})
      .integer("postgres.port", &postgres.port, "", {.environment = "POSTGRES_PORT", .least = 1, .most = 65535})
      .text("postgres.database", &postgres.database, "", {.environment = "POSTGRES_DB"})
      .text("postgres.user", &postgres.user, "", {.environment = "POSTGRES_USER"})
      .text("postgres.password", &postgres.password, "", {.environment = "POSTGRES_PASSWORD", .secret = true})
      .text("postgres.sslmode", &postgres.sslmode, "as libpq has it; Unix sockets need none",
            {.environment = "POSTGRES_SSLMODE", .choices = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}})
      .text("postgres.sslrootcert", &postgres.sslrootcert, "certificates to trust; the system's if left out",
            {.environment = "POSTGRES_SSLROOTCERT"})
      .text("postgres.table", &postgres.table, "in the tenant's schema")
      .integer("postgres.attempts", &postgres.attempts, "of the whole transaction, with growing pauses", {.least = 1, .most = 100})
      .integer("postgres.lock_timeout_s", &postgres.lock_timeout_s, "patience with another run of the month; 0 = no end",
               {.least = 0, .most = 86400})
      .text("output.parquet", &output.parquet, "the summary as one Parquet file; {source}, {year}, {month}, ... are filled in")
      .text("output.staging", &output.staging, "the same with source, year, month, day and csi_volume_handle")
      .text("output.csv", &output.csv, "the summary as CSV; \\N is NULL")
      .text("reference.enabled_keys", &reference.enabled_keys, "CSV (key, enabled, provider_type) instead of the database's table")
      .text("reference.cost_categories", &reference.cost_categories, "CSV (namespace, cost_category_id) likewise")
      .text("reference.nodes", &reference.nodes, "CSV (node, resource_id, node_role) likewise")
      .text("run.mode", &run.mode, "whose rules for NULL", {.environment = "OCP_MODE", .choices = {"self_hosted", "trino"}})
      .integer("run.workers", &run.workers, "threads; 0 = the cores this process may use", {.least = 0, .most = 4096})
      .bytes("run.memory", &run.memory, "spill, then fail, beyond it, e.g. 512MB; 0 = 60 % of what the machine allows")
      .boolean("run.dry_run", &run.dry_run, "compute and report, change nothing")
      .text("run.log", &run.log, "", {.environment = "OCP_LOG", .choices = {"text", "json"}})
      .text("run.report", &run.report, "the report as JSON: a file, or - for the standard output")
      .text("run.html", &run.html, "the report as one page")
      .text("run.metrics", &run.metrics, "numbers for Prometheus's file collector");
  return t;
}

gristmill::StorageOptions StoreSettings::options() const {
  gristmill::StorageOptions out = {{"path_style", path_style ? "true" : "false"},
                                   {"anonymous", anonymous ? "true" : "false"},
                                   {"timeout_ms", std::to_string(timeout_ms)},
                                   {"retries", std::to_string(retries)}};
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  // Behind an endpoint without a scheme is TLS.
  set("endpoint", endpoint.empty() || endpoint.find("://") != std::string::npos ? endpoint : "https://" + endpoint);
  set("region", region);
  set("access_key", access_key);
  set("secret_key", secret_key);
  set("session_token", session_token);
  set("ca_file", ca_file);
  return out;
}

std::string PostgresSettings::connection() const {
  if (!url.empty()) return url;
  std::string out;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    out += (out.empty() ? "" : " ") + std::string(name) + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    out += "'";
  };
  add("host", host);
  add("port", std::to_string(port));
  add("dbname", database);
  add("user", user);
  add("password", password);
  add("application_name", "gristmill-ocp");
  if (host.starts_with('/')) return out;
  add("sslmode", sslmode);
  std::string certificates = sslrootcert;
  for (const char* file : kSystemCertificates) {
    std::error_code ignored;
    if (certificates.empty() && sslmode.starts_with("verify") && std::filesystem::exists(file, ignored)) certificates = file;
  }
  add("sslrootcert", certificates);
  return out;
}

gristmill::ParallelOptions Settings::options() const {
  gristmill::ParallelOptions out;
  out.num_workers = static_cast<int>(run.workers);
  out.memory_limit = run.memory;
  return out;
}

namespace {

bool is_uuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

std::chrono::year_month month_of(int32_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return date.year() / date.month();
}

// The month by its name, or that of the start date.
arrow::Status set_month(const ClusterSettings& c, int32_t today, const std::string& who, Month& month) {
  std::chrono::year_month at = month_of(today);
  if (c.month && (*c.month == "current" || *c.month == "previous")) {
    if (c.year) return arrow::Status::Invalid(who, ": year and month: ", *c.month, " exclude each other");
    if (*c.month == "previous") at -= std::chrono::months(1);
  } else if (c.month) {
    int number = 0;
    const auto [end, failed] = std::from_chars(c.month->data(), c.month->data() + c.month->size(), number);
    if (failed != std::errc() || end != c.month->data() + c.month->size() || number < 1 || number > 12)
      return arrow::Status::Invalid(who, ": month \"", *c.month, "\" is none of 1 to 12, current, previous");
    if (!c.year) return arrow::Status::Invalid(who, ": the year is missing (year, OCP_YEAR or --year)");
    at = std::chrono::year(static_cast<int>(*c.year)) / std::chrono::month(static_cast<unsigned>(number));
  } else if (c.start_date) {
    ARROW_ASSIGN_OR_RAISE(const int32_t first, parse_day(*c.start_date));
    at = month_of(first);
    if (c.year && static_cast<int>(at.year()) != *c.year)
      return arrow::Status::Invalid(who, ": the start date ", *c.start_date, " does not lie in the year ", *c.year);
  } else {
    return arrow::Status::Invalid(who, ": the month is missing (month and year, a start_date, or month: current)");
  }
  month.year = static_cast<int>(at.year());
  month.month = static_cast<int>(static_cast<unsigned>(at.month()));
  const std::chrono::sys_days first = at / std::chrono::day(1);
  month.first_day = static_cast<int32_t>(first.time_since_epoch().count());
  month.last_day = month.first_day + month.days() - 1;
  if (c.start_date) {
    ARROW_ASSIGN_OR_RAISE(month.first_day, parse_day(*c.start_date));
  }
  if (c.end_date) {
    ARROW_ASSIGN_OR_RAISE(month.last_day, parse_day(*c.end_date));
  }
  const arrow::Status fits = month.check();
  return fits.ok() ? fits : arrow::Status::Invalid(who, ": ", fits.message());
}

template <typename T>
void or_else(std::optional<T>& value, const std::optional<T>& other) {
  if (!value) value = other;
}

}  // namespace

arrow::Result<std::vector<Job>> Settings::jobs(int32_t today) const {
  std::vector<ClusterSettings> all;
  for (const auto& c : clusters) {
    ClusterSettings one = *c;
    or_else(one.source, cluster.source);
    or_else(one.cluster_id, cluster.cluster_id);
    or_else(one.cluster_alias, cluster.cluster_alias);
    or_else(one.schema, cluster.schema);
    or_else(one.org_id, cluster.org_id);
    or_else(one.report_period_id, cluster.report_period_id);
    if (!one.month && !one.year && !one.start_date && !one.end_date) {
      one.month = cluster.month;
      one.year = cluster.year;
      one.start_date = cluster.start_date;
      one.end_date = cluster.end_date;
    } else {
      or_else(one.year, cluster.year);
    }
    all.push_back(std::move(one));
  }
  if (all.empty()) all.push_back(cluster);
  std::vector<Job> out;
  for (size_t i = 0; i < all.size(); ++i) {
    const ClusterSettings& c = all[i];
    const std::string who = clusters.empty() ? "cluster" : "clusters, item " + std::to_string(i + 1);
    const auto missing = [&](const char* what, const char* variable) {
      return arrow::Status::Invalid(who, ": ", what, " is missing (", what, " in the file, ", variable, " or a flag)");
    };
    if (!c.source) return missing("source", "OCP_PROVIDER_UUID");
    if (!is_uuid(*c.source)) return arrow::Status::Invalid(who, ": source \"", *c.source, "\" is no uuid");
    if (!c.cluster_id) return missing("cluster_id", "OCP_CLUSTER_ID");
    if (postgres.given() && !c.schema) return missing("schema", "POSTGRES_SCHEMA");
    if (!postgres.given() && !c.report_period_id) return missing("report_period_id", "OCP_REPORT_PERIOD_ID");
    Job job;
    job.month.source_uuid = *c.source;
    job.month.cluster_id = *c.cluster_id;
    job.month.cluster_alias = c.cluster_alias.value_or(*c.cluster_id);
    job.month.mode = mode();
    job.month.pair_labels = input.labels == "pairs";
    job.month.report_period_id = c.report_period_id.value_or(0);
    job.report_period_id = c.report_period_id;
    job.schema = c.schema.value_or("");
    job.account = job.schema.starts_with("acct") ? job.schema.substr(4) : job.schema;
    job.org_id = c.org_id.value_or(job.schema.starts_with("org") ? job.schema.substr(3) : "");
    ARROW_RETURN_NOT_OK(set_month(c, today, who, job.month));
    for (const Job& other : out) {
      if (other.month.source_uuid == job.month.source_uuid && other.month.first_day <= job.month.last_day &&
          job.month.first_day <= other.month.last_day && other.schema == job.schema)
        return arrow::Status::Invalid(who, ": the source ", *c.source, " comes twice for the same days");
    }
    out.push_back(std::move(job));
  }
  return out;
}

arrow::Status Settings::check() const {
  if (input.payloads.empty() && input.folder.empty() && input.bucket.empty())
    return arrow::Status::Invalid("there is no input: input.folder (--input), input.bucket (S3_BUCKET) or input.payloads (--payload)");
  if (!input.payloads.empty() && (!input.folder.empty() || !input.hourly.empty()))
    return arrow::Status::Invalid("input.payloads and input.folder exclude each other");
  const bool any = postgres.given() || !output.parquet.empty() || !output.staging.empty() || !output.csv.empty();
  if (!any && !run.dry_run)
    return arrow::Status::Invalid("there is no output: postgres.host (POSTGRES_HOST), output.parquet, output.csv, or --dry-run");
  if (postgres.given() && postgres.url.empty() && postgres.database.empty())
    return arrow::Status::Invalid("postgres.database (POSTGRES_DB) is missing");
  for (const auto& [name, folder] : input.types) {
    if (name != "pod" && name != "storage" && name != "node_labels" && name != "namespace_labels")
      return arrow::Status::Invalid("input.types knows pod, storage, node_labels and namespace_labels, not \"", name, "\"");
  }
  return arrow::Status::OK();
}

arrow::Result<std::string> filled(const std::string& pattern, const Job& job, const std::map<std::string, std::string>& more) {
  char two[8];
  std::snprintf(two, sizeof two, "%02d", job.month.month);
  std::map<std::string, std::string> values = {{"account", job.account},
                                               {"cluster_id", job.month.cluster_id},
                                               {"org", job.org_id},
                                               {"schema", job.schema},
                                               {"source", job.month.source_uuid},
                                               {"year", std::to_string(job.month.year)},
                                               {"month", two},
                                               {"month_number", std::to_string(job.month.month)}};
  values.insert(more.begin(), more.end());
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      out += pattern[i];
      continue;
    }
    const size_t end = pattern.find('}', i);
    const std::string name = end == std::string::npos ? "" : pattern.substr(i + 1, end - i - 1);
    const auto value = values.find(name);
    if (value == values.end()) {
      std::string known;
      for (const auto& [key, ignored] : values) known += (known.empty() ? "{" : ", {") + key + "}";
      return arrow::Status::Invalid("\"", pattern, "\": there is no {", name, "}; known: ", known);
    }
    if (value->second.empty()) return arrow::Status::Invalid("\"", pattern, "\" needs {", name, "}, which is not known (schema, org_id)");
    out += value->second;
    i = end;
  }
  return out;
}

}  // namespace ocp
