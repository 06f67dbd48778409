// The short flags are names for keys; what they do is the table's business.

#include "configure.h"

#include <CLI/CLI.hpp>

#include <chrono>

namespace ocp {

namespace {

struct ShortFlag {
  const char* flag;
  const char* key;
  bool output;
};

constexpr ShortFlag kShortFlags[] = {
    {"--source", "cluster.source", false},
    {"--cluster-id", "cluster.cluster_id", false},
    {"--cluster-alias", "cluster.cluster_alias", false},
    {"--schema", "cluster.schema", false},
    {"--org-id", "cluster.org_id", false},
    {"--report-period-id", "cluster.report_period_id", true},
    {"--year", "cluster.year", false},
    {"--month", "cluster.month", false},
    {"--start-date", "cluster.start_date", false},
    {"--end-date", "cluster.end_date", false},
    {"--input", "input.folder", false},
    {"--layout", "input.layout", false},
    {"--enabled-keys", "reference.enabled_keys", true},
    {"--cost-categories", "reference.cost_categories", true},
    {"--nodes", "reference.nodes", true},
    {"--postgres", "postgres.url", true},
    {"--parquet", "output.parquet", true},
    {"--staging", "output.staging", true},
    {"--csv", "output.csv", true},
    {"--mode", "run.mode", true},
    {"--report", "run.report", true},
    {"--html", "run.html", true},
    {"--metrics", "run.metrics", true},
    {"--workers", "run.workers", false},
    {"--memory", "run.memory", false},
    {"--log", "run.log", false},
};

constexpr const char* kMonthKeys[] = {"cluster.year", "cluster.month", "cluster.start_date", "cluster.end_date"};

bool is_month_key(const std::string& key) {
  for (const char* k : kMonthKeys) {
    if (key == k) return true;
  }
  return false;
}

// A flag means every cluster: the month's are set there too, what identifies one of several is refused.
arrow::Status reach_clusters(const std::string& key, const std::string& where, Settings& s) {
  if (s.clusters.empty() || !key.starts_with("cluster.")) return arrow::Status::OK();
  if (!is_month_key(key) && key != "cluster.schema" && key != "cluster.org_id")
    return arrow::Status::Invalid(where, " says which cluster, but the configuration has a list of clusters");
  for (const auto& c : s.clusters) {
    if (key == "cluster.year") c->year = s.cluster.year;
    if (key == "cluster.month") c->month = s.cluster.month;
    if (key == "cluster.start_date") c->start_date = s.cluster.start_date;
    if (key == "cluster.end_date") c->end_date = s.cluster.end_date;
    if (key == "cluster.schema") c->schema = s.cluster.schema;
    if (key == "cluster.org_id") c->org_id = s.cluster.org_id;
  }
  return arrow::Status::OK();
}

}  // namespace

void add_configure_flags(CLI::App& command, const std::shared_ptr<ConfigureFlags>& flags, bool outputs) {
  command.add_option("--config", flags->file, "the configuration, YAML")->check(CLI::ExistingFile);
  command.add_option("--set", flags->set, "any key of it: --set input.layout=day_folders")->allow_extra_args(false);
  command.add_option("--payload", flags->payloads, "an archive or CSV file of the operator, or a folder of them")->allow_extra_args(false);
  command.add_flag("--print-config", flags->print, "print what file, environment and flags make, secrets masked, and stop");
  if (outputs) command.add_flag("--dry-run", flags->dry_run, "compute and report, change nothing");
  for (const ShortFlag& f : kShortFlags) {
    if (f.output && !outputs) continue;
    const std::string key = f.key, flag = f.flag;
    command
        .add_option_function<std::string>(
            flag, [flags, key](const std::string& value) { flags->given.emplace_back(key, value); }, "sets " + key)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

arrow::Status configure(const ConfigureFlags& flags, Settings& settings, std::string& printed) {
  gristmill::ConfigTable table = settings.table();
  if (!flags.file.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto file, gristmill::Config::load(flags.file));
    ARROW_RETURN_NOT_OK(table.read(file));
  }
  ARROW_RETURN_NOT_OK(table.read_environment());
  for (const std::string& assignment : flags.set) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos) return arrow::Status::Invalid("--set takes key=value, got \"", assignment, "\"");
    const std::string key = assignment.substr(0, equals);
    ARROW_RETURN_NOT_OK(table.set(key, assignment.substr(equals + 1), "--set " + key));
    ARROW_RETURN_NOT_OK(reach_clusters(key, "--set " + key, settings));
  }
  for (const auto& [key, value] : flags.given) {
    std::string flag;
    for (const ShortFlag& f : kShortFlags) {
      if (key == f.key) flag = f.flag;
    }
    ARROW_RETURN_NOT_OK(table.set(key, value, flag));
    ARROW_RETURN_NOT_OK(reach_clusters(key, flag, settings));
  }
  if (!flags.payloads.empty()) settings.input.payloads = flags.payloads;
  if (flags.dry_run) settings.run.dry_run = true;
  if (flags.print) printed = table.to_yaml();
  return arrow::Status::OK();
}

int32_t today() {
  return static_cast<int32_t>(std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()).time_since_epoch().count());
}

}  // namespace ocp
