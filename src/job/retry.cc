#include "job/retry.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include <arrow/type.h>
#include <unistd.h>

#include "base/spill_file.h"
#include "base/status.h"
#include "column/types.h"
#include "gristmill/store.h"
#include "job/dead_letters.h"
#include "job/job_tree.h"
#include "job/letters_log.h"
#include "job/rejected_records.h"
#include "job/retry_text.h"

namespace gristmill::job {
namespace {

namespace fs = std::filesystem;

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
    ARROW_RETURN_NOT_OK(check_not_in_use(rejected_));
    if (fs::exists(claim_)) {
      return base::io_error("a retry of " + rejected_ + " was interrupted: " + claim_ + " is still there", claim_,
                            "look whether its records reached the sinks; rename it back to feed them again, or remove it");
    }
    ARROW_ASSIGN_OR_RAISE(RejectedFile read, read_rejected(rejected_));
    ways_ = std::move(read.ways);
    if (ways_.empty()) return arrow::Status::OK();
    const std::string job_file = options_.job_file.empty() ? read.job : options_.job_file;
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
  // The columns of the source: of its files, of which folders may be columns too, else as the job names them.
  arrow::Status learn_schema() {
    const Settings settings = settings_of(*tree_);
    const std::string& kind = settings.key().name;
    columns_ = settings.names("schema");
    const bool files = kind == "csv" || kind == "ndjson" || kind == "parquet" || kind == "ipc";
    if (!files && !columns_.empty()) return arrow::Status::OK();
    const char* const hint = "write its columns into the job: schema: {name: type, ...}";
    if (kind == "stdin") return base::plan_error("nobody knows any more which columns the standard input had", hint);
    ARROW_ASSIGN_OR_RAISE(const auto source, job_.source());
    const auto table = source->open({});
    if (!table.ok()) {
      if (!columns_.empty()) return arrow::Status::OK();
      return base::io_error("the columns of the source are not known without its files: " + table.status().message(), {}, hint);
    }
    columns_.clear();
    for (const auto& f : (*table)->schema()->fields())
      columns_.emplace_back(f->name(), column::type_text(*column::canonical_type(f->type())));
    folders_ = (*table)->kind() == "hive";
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
    while (!ways_.empty()) {
      const auto at = ways_.begin();
      ARROW_RETURN_NOT_OK(feed(at->first, at->second));
      report_.fed += std::ssize(at->second);
      ways_.erase(at);
      if (options_.run.stop.cancelled()) return arrow::Status::OK();
    }
    return arrow::Status::OK();
  }

  arrow::Status feed(const std::string& way, const std::vector<RejectedRecord>& records) {
    Node tree = *tree_;
    for (const char* gone : {"checkpoint", "watermark", "health"}) remove_key(tree, gone);  // the records end
    const std::string again = scratch_->file("again.ndjson");
    Node& source = *find_key(tree, "source");
    FedFiles fed;
    ARROW_RETURN_NOT_OK(way == kAsText ? text_source(source, records, fed) : record_source(source, records, way.empty(), fed));
    if (way.starts_with("sink ")) ARROW_RETURN_NOT_OK(only_sink(tree, way.substr(5)));
    if (Node* errors = find_key(tree, "on_error"); errors != nullptr && find_key(*errors, "path") != nullptr)
      set_key(*errors, "path", text_node(*errors, again));
    ARROW_ASSIGN_OR_RAISE(Job job, job_of(std::make_shared<const Node>(std::move(tree)), job_file_));
    ARROW_ASSIGN_OR_RAISE(const auto was, job_.source());
    ARROW_ASSIGN_OR_RAISE(const auto is, job.source());
    RunOptions run = options_.run;
    run.add_to_existing = true;
    run.retell = [&fed, &way, was = was->name(), is = is->name()](Rejection& told) {
      if (told.step == is) told.step = was;
      retell(fed, way, told);
    };
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

  using FedFiles = std::map<std::string, std::vector<const RejectedRecord*>>;  // by path; a file's records in order

  // What is rejected again stands where it stood in the source, and as it was fed.
  static void retell(const FedFiles& fed, const std::string& way, Rejection& told) {
    const auto file = fed.find(told.file);
    if (file == fed.end() || told.row < 0 || told.row >= std::ssize(file->second)) return;
    const RejectedRecord& r = *file->second[static_cast<size_t>(told.row)];
    told.file = r.file;
    told.row = r.row;
    told.line = r.source_line;
    if (!told.record.empty()) return;
    told.columns = r.columns;
    if (way == kAsText) {
      told.text = r.content;
    } else {
      told.record = r.content;
      told.at = way;
    }
  }

  arrow::Status record_source(Node& source, const std::vector<RejectedRecord>& records, bool of_source, FedFiles& fed) {
    const std::string file = scratch_->file("records.ndjson");
    std::string text;
    for (const RejectedRecord& r : records) {
      text += r.content + "\n";
      fed[file].push_back(&r);
    }
    ARROW_RETURN_NOT_OK(write_bytes(file, text));
    std::vector<std::pair<std::string, Node>> keys{{"path", text_node(source, file)}};
    if (of_source && !columns_.empty()) keys.emplace_back("schema", names_node(source, columns_));
    source.sections = {{"ndjson", section_node(source, std::move(keys))}};
    return arrow::Status::OK();
  }

  // Read as the job reads its source.
  arrow::Status text_source(Node& source, const std::vector<RejectedRecord>& records, FedFiles& fed) {
    auto& [kind, keys] = source.sections.front();
    const TextShape shape = shape_of(kind, settings_of(*tree_));
    const FedText text = lay_out_text(records, shape);
    std::vector<std::string> paths;
    for (const FedFile& f : text.files) {
      paths.push_back(scratch_->file(f.name));
      ARROW_RETURN_NOT_OK(write_bytes(paths.back(), f.text));
      if (!f.records.empty()) fed[paths.back()] = f.records;
    }
    if (kind == "kafka") keys = section_node(source, {});
    kind = shape.csv ? "csv" : "ndjson";
    for (const char* gone : {"format", "skip_rows", "compression", "hive_partitioning", "columns", "schema", "types", "storage"})
      remove_key(keys, gone);
    if (text.named) remove_key(keys, "header");
    set_key(keys, "path", list_node(source, paths));
    if (!columns_.empty()) set_key(keys, text.named ? "types" : "schema", names_node(source, columns_));
    return arrow::Status::OK();
  }

  TextShape shape_of(const std::string& kind, const Settings& settings) const {
    TextShape out;
    out.csv = kind == "csv" || (kind == "stdin" && settings.text("format") == "csv");
    out.columns = columns_;
    out.folders = folders_;
    if (!out.csv) return out;
    const auto character = [&](const char* name, int fallback) {
      if (!settings.has(name)) return fallback;
      const std::string text = settings.text(name);
      return text.empty() ? -1 : text == "tab" || text == "\\t" ? '\t' : static_cast<int>(static_cast<uint8_t>(text[0]));
    };
    out.dialect.separator = static_cast<char>(character("separator", ','));
    out.dialect.quote = character("quote", '"');
    out.dialect.escape = character("escape", -1);
    out.dialect.comment = settings.text("comment");
    out.dialect.skip_blank = columns_.size() > 1;
    out.header = settings.boolean("header", true);
    out.by_names = out.header && settings.names("schema").empty() && settings.texts("columns").empty();
    return out;
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
    for (const auto& [way, records] : ways_) {
      for (const RejectedRecord& r : records) rest += r.line + "\n";
      report_.left += std::ssize(records);
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
  std::map<std::string, std::vector<RejectedRecord>> ways_;
  std::unique_ptr<Scratch> scratch_;
  std::vector<std::pair<std::string, std::string>> columns_;  // of the source
  bool folders_ = false;                                      // some of which come from folders
  std::string rejected_again_;
};

}  // namespace

arrow::Status retry_job(const std::string& rejected, const RetryOptions& options, RetryReport& report) {
  return Retry(rejected, options, report).run();
}

}  // namespace gristmill::job
