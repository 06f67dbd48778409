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
#include "io/output_file.h"
#include "job/dead_letters.h"
#include "job/fed_files.h"
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
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  static void remove(const std::string& file) {
    std::error_code ignored;
    fs::remove(file, ignored);
  }

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
    ARROW_RETURN_NOT_OK(look_through());
    if (ways_.empty()) return arrow::Status::OK();
    const std::string job_file = options_.job_file.empty() ? named_job_ : options_.job_file;
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
  // Reads every line once, before anything is touched.
  arrow::Status look_through() {
    ARROW_ASSIGN_OR_RAISE(const auto file, RejectedFile::open(rejected_));
    RejectedRecord r;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const bool more, file->next(r));
      if (!more) return arrow::Status::OK();
      if (named_job_.empty()) named_job_ = r.job;
      ways_[r.way] += 1;
      told_columns_ |= r.columns != nullptr;
    }
  }

  // The claimed records that go back this way.
  template <typename Take>
  arrow::Status each_of(const std::string& way, const Take& take) const {
    ARROW_ASSIGN_OR_RAISE(const auto file, RejectedFile::open(claim_));
    RejectedRecord r;
    while (true) {
      ARROW_ASSIGN_OR_RAISE(const bool more, file->next(r));
      if (!more) return arrow::Status::OK();
      if (r.way == way) ARROW_RETURN_NOT_OK(take(r));
    }
  }

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
      ARROW_RETURN_NOT_OK(feed(at->first));
      report_.fed += at->second;
      ways_.erase(at);
      if (options_.run.stop.cancelled()) return arrow::Status::OK();
    }
    return arrow::Status::OK();
  }

  arrow::Status feed(const std::string& way) {
    Node tree = *tree_;
    for (const char* gone : {"checkpoint", "watermark", "health"}) remove_key(tree, gone);  // the records end
    const std::string again = scratch_->file("again-" + std::to_string(runs_) + ".ndjson");
    Node& source = *find_key(tree, "source");
    ARROW_ASSIGN_OR_RAISE(const auto claimed, RejectedFile::open(claim_));
    FedFiles fed(scratch_->path(), "fed-" + std::to_string(runs_++) + "-");
    ARROW_RETURN_NOT_OK(way == kAsText ? text_source(source, fed) : record_source(source, way, fed));
    if (way.starts_with("sink ")) ARROW_RETURN_NOT_OK(only_sink(tree, way.substr(5)));
    if (Node* errors = find_key(tree, "on_error"); errors != nullptr && find_key(*errors, "path") != nullptr)
      set_key(*errors, "path", text_node(*errors, again));
    ARROW_ASSIGN_OR_RAISE(Job job, job_of(std::make_shared<const Node>(std::move(tree)), job_file_));
    ARROW_ASSIGN_OR_RAISE(const auto was, job_.source());
    ARROW_ASSIGN_OR_RAISE(const auto is, job.source());
    RunOptions run = options_.run;
    run.add_to_existing = true;
    run.retell = [&fed, &claimed, &way, was = was->name(), is = is->name()](Rejection& told) {
      if (told.step == is) told.step = was;
      retell(fed, *claimed, way, told);
    };
    JobReport report;
    const arrow::Status status = run_job(job, run, report);
    report_.runs.push_back(std::move(report));
    ARROW_RETURN_NOT_OK(status);
    if (fs::exists(again)) rejected_again_.push_back(again);
    for (const std::string& path : fed.paths()) scratch_->remove(path);
    return arrow::Status::OK();
  }

  // What is rejected again stands where it stood in the source, and as it was fed.
  static void retell(const FedFiles& fed, const RejectedFile& claimed, const std::string& way, Rejection& told) {
    const auto place = fed.place_of(told.file, told.row);
    if (!place) return;
    const auto found = claimed.at(*place);
    if (!found.ok()) return;
    const RejectedRecord& r = *found;
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

  arrow::Status record_source(Node& source, const std::string& way, FedFiles& fed) {
    ARROW_RETURN_NOT_OK(fed.begin(".ndjson", ""));
    ARROW_RETURN_NOT_OK(each_of(way, [&](const RejectedRecord& r) {
      fed.add(r.content + "\n", r.place);
      return arrow::Status::OK();
    }));
    ARROW_RETURN_NOT_OK(fed.finish());
    std::vector<std::pair<std::string, Node>> keys{{"path", text_node(source, fed.paths()[0])}};
    if (way.empty() && !columns_.empty()) keys.emplace_back("schema", names_node(source, columns_));
    source.sections = {{"ndjson", section_node(source, std::move(keys))}};
    return arrow::Status::OK();
  }

  // Read as the job reads its source.
  arrow::Status text_source(Node& source, FedFiles& fed) {
    auto& [kind, keys] = source.sections.front();
    const TextShape shape = shape_of(kind, settings_of(*tree_));
    TextLayout layout(shape, told_columns_, fed);
    ARROW_RETURN_NOT_OK(each_of(kAsText, [&](const RejectedRecord& r) { return layout.add(r); }));
    ARROW_RETURN_NOT_OK(fed.finish());
    if (kind == "kafka") keys = section_node(source, {});
    kind = shape.csv ? "csv" : "ndjson";
    for (const char* gone : {"format", "skip_rows", "compression", "hive_partitioning", "columns", "schema", "types", "storage"})
      remove_key(keys, gone);
    if (layout.named()) remove_key(keys, "header");
    set_key(keys, "path", list_node(source, fed.paths()));
    if (!columns_.empty()) set_key(keys, layout.named() ? "types" : "schema", names_node(source, columns_));
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
    std::shared_ptr<io::OutputFile> rest;
    const auto leave = [&](const std::string& line) -> arrow::Status {
      if (rest == nullptr) {
        ARROW_ASSIGN_OR_RAISE(rest, io::OutputFile::create(rejected_));
      }
      report_.left += 1;
      return rest->Write(line.data(), std::ssize(line));
    };
    for (const std::string& path : rejected_again_) {
      std::ifstream in(path, std::ios::binary);
      for (std::string line; std::getline(in, line);) ARROW_RETURN_NOT_OK(leave(line + "\n"));
      if (!in.eof()) return base::io_error("cannot read " + path, path, "every record is still in " + claim_);
    }
    for (const auto& [way, records] : ways_) {
      ARROW_RETURN_NOT_OK(each_of(way, [&](const RejectedRecord& r) { return leave(r.line + "\n"); }));
    }
    if (rest != nullptr) ARROW_RETURN_NOT_OK(rest->finish());
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
  std::string named_job_;                // by the first record
  std::map<std::string, int64_t> ways_;  // that are not fed yet, and how many records go there
  bool told_columns_ = false;
  int runs_ = 0;
  std::unique_ptr<Scratch> scratch_;
  std::vector<std::pair<std::string, std::string>> columns_;  // of the source
  bool folders_ = false;                                      // some of which come from folders
  std::vector<std::string> rejected_again_;                   // files, in the order of the runs
};

}  // namespace

arrow::Status retry_job(const std::string& rejected, const RetryOptions& options, RetryReport& report) {
  return Retry(rejected, options, report).run();
}

}  // namespace gristmill::job
