#include "job/retry.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <arrow/type.h>
#include <simdjson.h>
#include <unistd.h>

#include "base/spill_file.h"
#include "base/status.h"
#include "column/types.h"
#include "gristmill/store.h"
#include "job/job_tree.h"

namespace gristmill::job {
namespace {

namespace fs = std::filesystem;

// Records that go the same way back: "" with fields, "text" as the source had them, "sink NAME" as a sink was to write them.
struct Records {
  std::string lines;  // for the source that reads them
  std::string kept;   // as they stand in the dead-letter file
  int64_t count = 0;
};
using Groups = std::map<std::string, Records>;

constexpr const char* kText = "text";

std::string text_of(simdjson::dom::object& entry, const char* key) {
  std::string_view out;
  return entry[key].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
}

arrow::Result<Groups> read_rejected(const std::string& file, std::string& job_file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return base::io_error("cannot read " + file, file);
  Groups out;
  simdjson::dom::parser parser;
  std::string line;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    simdjson::dom::object entry;
    const auto wrong = [&](const std::string& what) { return base::data_error(file + ", line " + std::to_string(number) + ": " + what); };
    if (parser.parse(line).get(entry) != simdjson::SUCCESS) return wrong("this is no JSON object");
    if (job_file.empty()) job_file = text_of(entry, "job");
    simdjson::dom::element record;
    const bool has_record = entry["record"].get(record) == simdjson::SUCCESS;
    const std::string text = text_of(entry, kText);
    if (!has_record && text.empty()) return wrong("there is neither \"record\" nor \"text\"");
    Records& group = out[has_record ? text_of(entry, "at") : kText];
    group.lines += (has_record ? simdjson::minify(record) : text) + "\n";
    group.kept += line + "\n";
    ++group.count;
  }
  return out;
}

// A folder that is gone with this object.
class Scratch {
 public:
  static arrow::Result<std::unique_ptr<Scratch>> make() {
    std::string name = base::spill_directory() + "/gristmill-retry-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      return base::io_error("cannot make a folder in " + base::spill_directory() + ": " + std::strerror(errno));
    return std::unique_ptr<Scratch>(new Scratch(name));
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

class Retry {
 public:
  Retry(std::string rejected, const RetryOptions& options, RetryReport& report)
      : rejected_(std::move(rejected)), claim_(rejected_ + ".retrying"), options_(options), report_(report) {}

  arrow::Status run() {
    if (fs::exists(claim_)) {
      return base::io_error("a retry of " + rejected_ + " was interrupted: " + claim_ + " is still there", claim_,
                            "look whether its records reached the sinks; rename it back to feed them again, or remove it");
    }
    std::string job_file = options_.job_file;
    ARROW_ASSIGN_OR_RAISE(groups_, read_rejected(rejected_, job_file));
    if (groups_.empty()) return arrow::Status::OK();
    if (job_file.empty())
      return base::plan_error("the records of " + rejected_ + " do not say which job they are from",
                              "gristmill retry " + rejected_ + " --job JOB.yaml");
    job_file_ = job_file;
    ARROW_ASSIGN_OR_RAISE(tree_, load_tree(job_file));
    ARROW_ASSIGN_OR_RAISE(job_, job_of(tree_, job_file));
    ARROW_ASSIGN_OR_RAISE(scratch_, Scratch::make());
    ARROW_RETURN_NOT_OK(learn_schema());
    if (std::rename(rejected_.c_str(), claim_.c_str()) != 0)
      return base::io_error("cannot rename " + rejected_ + ": " + std::strerror(errno), rejected_);
    const arrow::Status status = feed_all();
    ARROW_RETURN_NOT_OK(leave_rest());
    return status;
  }

 private:
  // The columns of the source: as the job names them, else of its files.
  arrow::Status learn_schema() {
    const Settings settings = settings_of(*tree_);
    columns_ = settings.names("schema");
    if (!columns_.empty() || settings.key().name == "stdin") return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto source, job_.source());
    const auto table = source->open({});
    if (!table.ok()) {
      return base::io_error("the columns of the source are not known without its files: " + table.status().message(), {},
                            "write its columns into the job: schema: {name: type, ...}");
    }
    for (const auto& f : (*table)->schema()->fields())
      columns_.emplace_back(f->name(), column::type_text(*column::canonical_type(f->type())));
    return arrow::Status::OK();
  }

  static Settings settings_of(const Node& tree) {
    const Settings source = *Settings(tree, job_key()).section("source");
    for (const SourceKind& k : source_kinds()) {
      if (auto s = source.section(k.key.name)) return *s;
    }
    return source;
  }

  arrow::Status feed_all() {
    while (!groups_.empty()) {
      const auto at = groups_.begin();
      ARROW_RETURN_NOT_OK(feed(at->first, at->second));
      report_.fed += at->second.count;
      groups_.erase(at);
      if (options_.run.stop.cancelled()) return arrow::Status::OK();
    }
    return arrow::Status::OK();
  }

  arrow::Status feed(const std::string& way, const Records& records) {
    Node tree = *tree_;
    const std::string again = scratch_->file("again.ndjson");
    Node& source = *find_key(tree, "source");
    ARROW_RETURN_NOT_OK(way == kText ? text_source(source, records) : record_source(source, records, way.empty()));
    if (way.starts_with("sink ")) ARROW_RETURN_NOT_OK(only_sink(tree, way.substr(5)));
    if (Node* errors = find_key(tree, "on_error"); errors != nullptr && find_key(*errors, "path") != nullptr)
      set_key(*errors, "path", text_node(*errors, again));
    ARROW_ASSIGN_OR_RAISE(Job job, job_of(std::make_shared<const Node>(std::move(tree)), job_file_));
    RunOptions run = options_.run;
    run.add_to_existing = true;
    JobReport report;
    const arrow::Status status = run_job(job, run, report);
    report_.runs.push_back(std::move(report));
    ARROW_RETURN_NOT_OK(status);
    std::ifstream in(again, std::ios::binary);
    for (std::string line; std::getline(in, line); ++report_.left) rejected_again_ += line + "\n";
    in.close();
    std::error_code ignored;
    fs::remove(again, ignored);
    return arrow::Status::OK();
  }

  arrow::Status record_source(Node& source, const Records& records, bool of_source) {
    const std::string file = scratch_->file("records.ndjson");
    ARROW_RETURN_NOT_OK(write_bytes(file, records.lines));
    std::vector<std::pair<std::string, Node>> keys{{"path", text_node(source, file)}};
    if (of_source && !columns_.empty()) keys.emplace_back("schema", names_node(source, columns_));
    source.sections = {{"ndjson", section_node(source, std::move(keys))}};
    return arrow::Status::OK();
  }

  // Read as the job reads its source, with a header of the source's columns where it wants one.
  arrow::Status text_source(Node& source, const Records& records) {
    auto& [kind, keys] = source.sections.front();
    const Settings settings = settings_of(*tree_);
    const bool csv = kind == "csv" || settings.text("format") == "csv";
    std::string text;
    if (csv && settings.boolean("header", true)) {
      const std::string separator = settings.text("separator", ",");
      for (const auto& [name, type] : columns_) text += (text.empty() ? "" : separator == "tab" ? "\t" : separator) + name;
      text += "\n";
    }
    const std::string file = scratch_->file(csv ? "records.csv" : "records-text.ndjson");
    ARROW_RETURN_NOT_OK(write_bytes(file, text + records.lines));
    kind = csv ? "csv" : "ndjson";
    for (const char* gone : {"format", "skip_rows", "compression", "hive_partitioning", "types", "storage"}) remove_key(keys, gone);
    if (csv && settings.boolean("header", true)) remove_key(keys, "columns");
    set_key(keys, "path", text_node(source, file));
    if (!columns_.empty()) set_key(keys, "schema", names_node(source, columns_));
    return arrow::Status::OK();
  }

  // No steps, and only the sink that refused the records.
  arrow::Status only_sink(Node& tree, const std::string& name) {
    remove_key(tree, "transforms");
    if (job_.sinks.size() == 1) return arrow::Status::OK();
    Node* sinks = find_key(tree, "sinks");
    for (size_t i = 0; i < job_.sinks.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto sink, job_.sinks[i].make());
      if (sink->name() != name) continue;
      Node one = sinks->items[i];
      remove_key(one, "when");
      sinks->items = {std::move(one)};
      return arrow::Status::OK();
    }
    return base::plan_error("the job has no sink \"" + name + "\" any more", "its records stay in " + rejected_);
  }

  // What was rejected again and what was not fed, under the old name; then the claim goes.
  arrow::Status leave_rest() {
    std::string rest = rejected_again_;
    for (const auto& [way, records] : groups_) {
      rest += records.kept;
      report_.left += records.count;
    }
    if (!rest.empty()) ARROW_RETURN_NOT_OK(write_bytes(rejected_, rest));
    std::error_code ignored;
    fs::remove(claim_, ignored);
    return arrow::Status::OK();
  }

  const std::string rejected_, claim_;
  const RetryOptions& options_;
  RetryReport& report_;
  std::string job_file_;
  Tree tree_;
  Job job_;
  Groups groups_;
  std::unique_ptr<Scratch> scratch_;
  std::vector<std::pair<std::string, std::string>> columns_;
  std::string rejected_again_;
};

}  // namespace

arrow::Status retry_job(const std::string& rejected, const RetryOptions& options, RetryReport& report) {
  return Retry(rejected, options, report).run();
}

}  // namespace gristmill::job
