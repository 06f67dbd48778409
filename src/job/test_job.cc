#include "job/test_job.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <simdjson.h>
#include <unistd.h>

#include "base/spill_file.h"
#include "base/status.h"
#include "job/job_tree.h"
#include "job/run_job.h"

namespace gristmill::job {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    out.push_back(std::move(line));
  }
  return out;
}

std::string clipped(const std::string& line) { return line.size() <= 200 ? line : line.substr(0, 200) + "..."; }

// Empty when they are the same.
std::string difference(const std::vector<std::string>& expected, const std::vector<std::string>& found, const std::string& file) {
  for (size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    if (i < expected.size() && i < found.size() && expected[i] == found[i]) continue;
    const std::string at = file + ", line " + std::to_string(i + 1) + ":";
    return at + "\n    expected: " + (i < expected.size() ? clipped(expected[i]) : "no line") +
           "\n    found:    " + (i < found.size() ? clipped(found[i]) : "no line");
  }
  return {};
}

// Of dead letters what the test's author writes: the record, or the text it was, on a line.
std::vector<std::string> records_of(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  simdjson::dom::parser parser;
  for (const std::string& line : lines) {
    if (line.empty()) continue;
    simdjson::dom::object entry;
    simdjson::dom::element record;
    std::string_view text;
    if (parser.parse(line).get(entry) != simdjson::SUCCESS) {
      out.push_back(line);
    } else if (entry["record"].get(record) == simdjson::SUCCESS) {
      out.push_back(simdjson::minify(record));
    } else if (entry["text"].get(text) == simdjson::SUCCESS) {
      out.emplace_back(text);
    } else {
      out.push_back(simdjson::minify(entry));
    }
  }
  return out;
}

struct Format {
  std::string kind;  // of a source or sink
  std::string ending;
};

arrow::Result<Format> format_of(const std::string& file) {
  constexpr std::pair<const char*, const char*> kEndings[] = {
      {".csv", "csv"}, {".ndjson", "ndjson"}, {".jsonl", "ndjson"}, {".parquet", "parquet"}, {".arrow", "ipc"}};
  for (const auto& [ending, kind] : kEndings) {
    if (file.ends_with(ending)) return Format{kind, ending};
  }
  return base::plan_error("cannot tell the format of " + file, "known endings: .csv, .ndjson, .parquet, .arrow");
}

class Case {
 public:
  Case(std::string job_file, Tree tree, fs::path input, std::string name, fs::path scratch)
      : job_file_(std::move(job_file)), tree_(*tree), input_(std::move(input)), name_(std::move(name)), scratch_(std::move(scratch)) {}

  TestCase run() {
    TestCase out{name_, false, {}};
    const arrow::Status status = try_run(out.what);
    if (!status.ok()) out.what = base::describe_error(status);
    out.passed = out.what.empty();
    return out;
  }

 private:
  struct Output {
    fs::path expected;
    fs::path found;
  };

  arrow::Status try_run(std::string& what) {
    for (const char* gone : {"checkpoint", "watermark", "health"}) remove_key(tree_, gone);  // a case ends
    ARROW_RETURN_NOT_OK(from_input());
    std::vector<Output> outputs;
    ARROW_RETURN_NOT_OK(into_scratch(outputs));
    const fs::path rejected = scratch_ / "rejected.ndjson";
    if (Node* errors = find_key(tree_, "on_error"); errors != nullptr && find_key(*errors, "path") != nullptr)
      set_key(*errors, "path", text_node(*errors, rejected.string()));
    ARROW_ASSIGN_OR_RAISE(const Job job, job_of(std::make_shared<const Node>(tree_), job_file_));
    JobReport report;
    ARROW_RETURN_NOT_OK(run_job(job, {}, report));
    for (const Output& o : outputs) {
      what = difference(lines_of(o.expected), lines_of(o.found), o.expected.filename());
      if (!what.empty()) return arrow::Status::OK();
    }
    const fs::path wanted = input_.parent_path() / (name_ + ".rejected.ndjson");
    if (!fs::exists(wanted)) return arrow::Status::OK();
    what = difference(records_of(lines_of(wanted)), records_of(lines_of(rejected)), wanted.filename());
    return arrow::Status::OK();
  }

  // The job's own options where the format is its source's; columns as the job names them.
  arrow::Status from_input() {
    ARROW_ASSIGN_OR_RAISE(const Format format, format_of(input_));
    Node& source = *find_key(tree_, "source");
    auto& [kind, keys] = source.sections.front();
    if (kind == format.kind || (kind == "stdin" && find_key(keys, "format")->text == format.kind)) {
      remove_key(keys, "format");
      remove_key(keys, "storage");
      remove_key(keys, "compression");
      kind = format.kind;
    } else {
      Node plain = section_node(source, {});
      if (Node* schema = find_key(keys, "schema"); schema != nullptr) plain.sections.emplace_back("schema", *schema);
      kind = format.kind;
      keys = std::move(plain);
    }
    set_key(keys, "path", text_node(source, input_));
    return arrow::Status::OK();
  }

  arrow::Status into_scratch(std::vector<Output>& outputs) {
    if (Node* one = find_key(tree_, "sink")) return replace_sink(*one, "", outputs);
    Node* several = find_key(tree_, "sinks");
    for (size_t i = 0; i < several->items.size(); ++i) {
      const Node* name = find_key(several->items[i], "name");
      ARROW_RETURN_NOT_OK(replace_sink(several->items[i], name != nullptr ? name->text : std::to_string(i + 1), outputs));
    }
    return arrow::Status::OK();
  }

  arrow::Status replace_sink(Node& sink, const std::string& name, std::vector<Output>& outputs) {
    const std::string stem = name_ + ".expected" + (name.empty() ? "" : "." + name);
    fs::path expected;
    for (const char* ending : {".ndjson", ".csv"}) {
      if (fs::exists(input_.parent_path() / (stem + ending))) expected = input_.parent_path() / (stem + ending);
    }
    if (expected.empty())
      return base::io_error("there is no " + stem + ".ndjson (or .csv) beside " + input_.filename().string(), input_.string());
    ARROW_ASSIGN_OR_RAISE(const Format format, format_of(expected));
    const fs::path found = scratch_ / (stem + format.ending);
    Node made = section_node(sink, {});
    for (const char* kept : {"when", "name"}) {
      if (Node* there = find_key(sink, kept)) made.sections.emplace_back(kept, *there);
    }
    made.sections.emplace_back(format.kind, section_node(sink, {{"path", text_node(sink, found)}}));
    sink = std::move(made);
    outputs.push_back({expected, found});
    return arrow::Status::OK();
  }

  const std::string job_file_;
  Node tree_;
  const fs::path input_;
  const std::string name_;
  const fs::path scratch_;
};

}  // namespace

arrow::Result<std::vector<TestCase>> test_job(const std::string& job_file) {
  ARROW_ASSIGN_OR_RAISE(const Tree tree, load_tree(job_file));
  ARROW_RETURN_NOT_OK(job_of(tree, job_file).status());
  fs::path folder = job_file;
  folder.replace_extension(".tests");
  std::vector<std::pair<std::string, fs::path>> inputs;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string file = at->path().filename().string();
    if (const size_t mark = file.find(".input."); mark != std::string::npos) inputs.emplace_back(file.substr(0, mark), at->path());
  }
  if (inputs.empty()) {
    return base::io_error("there are no cases in " + folder.string(), folder.string(), "put NAME.input.csv and NAME.expected.ndjson there");
  }
  std::sort(inputs.begin(), inputs.end());
  std::string scratch = base::spill_directory() + "/gristmill-test-XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) return base::io_error("cannot make a folder: " + std::string(std::strerror(errno)), scratch);
  std::vector<TestCase> out;
  for (const auto& [name, input] : inputs) out.push_back(Case(job_file, tree, input, name, scratch).run());
  fs::remove_all(scratch, failed);
  return out;
}

}  // namespace gristmill::job
