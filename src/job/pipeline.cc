// The public Pipeline: parts collected as the text of a job file, functions beside it, both read and run as any job.

#include "gristmill/job.h"

#include "base/status.h"
#include "frame/query_runner.h"
#include "io/text_format.h"
#include "job/function_step.h"
#include "job/run_job.h"

namespace gristmill {
namespace {

std::string quoted(const std::string& text) {
  std::string plain, out;
  for (const char c : text) plain += c == '$' ? "$$" : std::string(1, c);  // what a program says holds no variables
  io::append_json_text(plain, out);
  return out;
}

std::string names_text(const std::vector<std::pair<std::string, std::string>>& names) {
  std::string out = "{";
  for (const auto& [k, v] : names) out += (out.size() > 1 ? ", " : "") + quoted(k) + ": " + quoted(v);
  return out + "}";
}

std::string list_text(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& t : texts) out += (out.size() > 1 ? ", " : "") + quoted(t);
  return out + "]";
}

JobPart file_part(const char* kind, const std::string& path, const jobs::JobKeys& keys) {
  std::string out = "{path: " + quoted(path);
  for (const auto& [k, v] : keys) out += ", " + k + ": " + v;
  return {kind, out + "}"};
}

}  // namespace

namespace jobs {

JobPart csv(const std::string& path, const JobKeys& keys) { return file_part("csv", path, keys); }
JobPart ndjson(const std::string& path, const JobKeys& keys) { return file_part("ndjson", path, keys); }
JobPart parquet(const std::string& path, const JobKeys& keys) { return file_part("parquet", path, keys); }
JobPart ipc(const std::string& path, const JobKeys& keys) { return file_part("ipc", path, keys); }
JobPart rename(const JobNames& names) { return {"rename", names_text(names)}; }
JobPart cast(const JobNames& types) { return {"cast", names_text(types)}; }
JobPart compute(const JobNames& expressions) { return {"compute", names_text(expressions)}; }
JobPart filter(const std::string& expression) { return {"filter", quoted(expression)}; }
JobPart select(const std::vector<std::string>& columns) { return {"select", list_text(columns)}; }
JobPart drop(const std::vector<std::string>& columns) { return {"drop", list_text(columns)}; }
JobPart sql(const std::string& query) { return {"sql", quoted(query)}; }
JobPart dedupe(const std::vector<std::string>& key, const std::string& keep) {
  return {"dedupe", "{" + (key.empty() ? "" : "key: " + list_text(key) + ", ") + "keep: " + quoted(keep) + "}"};
}
JobPart part(std::string kind, std::string value) { return {std::move(kind), std::move(value)}; }

JobPart fail() { return {"on_error", "{policy: fail}"}; }
JobPart skip() { return {"on_error", "{policy: skip}"}; }
JobPart dead_letters(const std::string& path) { return {"on_error", "{policy: dead_letter, path: " + quoted(path) + "}"}; }

}  // namespace jobs

struct Pipeline::State {
  std::string yaml;  // of a job that was read; else made of the parts
  std::string file = "pipeline";
  std::string name = "pipeline";
  JobPart source;
  std::vector<JobPart> steps;
  std::vector<std::pair<JobPart, std::string>> sinks;
  JobPart on_error{"on_error", "{policy: fail}"};
  std::vector<JobPart> sections;
  job::Functions functions;
  job::Tree tree;  // of a job that was read

  std::string text() const {
    std::string out = "name: " + quoted(name) + "\nsource: {" + source.kind + ": " + source.value + "}\ntransforms:";
    if (steps.empty()) out += " []";
    for (const JobPart& s : steps) out += "\n  - {" + s.kind + ": " + s.value + "}";
    out += "\nsinks:";
    for (const auto& [sink, when] : sinks)
      out += "\n  - {" + (when.empty() ? "" : "when: " + quoted(when) + ", ") + sink.kind + ": " + sink.value + "}";
    out += "\non_error: " + on_error.value + "\n";
    for (const JobPart& s : sections) out += s.kind + ": " + s.value + "\n";
    return out;
  }

  arrow::Result<job::Job> job() const {
    if (tree != nullptr) return job::job_of(tree, file, functions);
    if (sinks.empty()) return base::plan_error("the pipeline goes nowhere", "give it a sink: .into(parquet(\"out.parquet\"))");
    return job::parse_job(text(), file, functions);
  }

  std::string add_function(job::MakeTransform make) {
    const std::string called = "function " + std::to_string(functions.size() + 1);
    functions[called] = std::move(make);
    return called;
  }
};

Pipeline::Pipeline(JobPart source) : state_(std::make_shared<State>()) { state_->source = std::move(source); }

arrow::Result<Pipeline> Pipeline::from_file(const std::string& file) {
  auto state = std::make_shared<State>();
  state->file = file;
  ARROW_ASSIGN_OR_RAISE(state->tree, job::load_tree(file));
  return Pipeline(std::move(state));
}

arrow::Result<Pipeline> Pipeline::from_yaml(const std::string& yaml, const std::string& name) {
  auto state = std::make_shared<State>();
  state->file = name;
  ARROW_ASSIGN_OR_RAISE(const Config config, Config::parse(yaml, name));
  state->tree = std::make_shared<const Config::Node>(config.root());
  return Pipeline(std::move(state));
}

Pipeline& Pipeline::name(std::string name) {
  state_->name = std::move(name);
  return *this;
}

Pipeline& Pipeline::transform(JobPart step) {
  state_->steps.push_back(std::move(step));
  return *this;
}

Pipeline& Pipeline::transform(RecordFunction function, ColumnTypes writes) {
  const std::string called = state_->add_function({});
  state_->functions[called] = [=] { return job::make_record_step(called, function, writes); };
  state_->steps.push_back({"function", quoted(called)});
  return *this;
}

Pipeline& Pipeline::transform_batches(BatchFunction function, ColumnTypes gives) {
  const std::string called = state_->add_function({});
  state_->functions[called] = [=] { return job::make_batch_step(called, function, gives); };
  state_->steps.push_back({"function", quoted(called)});
  return *this;
}

Pipeline& Pipeline::define(const std::string& name, RecordFunction function, ColumnTypes writes) {
  state_->functions[name] = [=] { return job::make_record_step(name, function, writes); };
  return *this;
}

Pipeline& Pipeline::define_batches(const std::string& name, BatchFunction function, ColumnTypes gives) {
  state_->functions[name] = [=] { return job::make_batch_step(name, function, gives); };
  return *this;
}

Pipeline& Pipeline::into(JobPart sink) { return into(std::move(sink), ""); }

Pipeline& Pipeline::into(JobPart sink, const std::string& when) {
  state_->sinks.emplace_back(std::move(sink), when);
  return *this;
}

Pipeline& Pipeline::on_error(JobPart policy) {
  state_->on_error = std::move(policy);
  return *this;
}

Pipeline& Pipeline::with(JobPart section) {
  state_->sections.push_back(std::move(section));
  return *this;
}

arrow::Result<std::vector<std::pair<std::string, std::shared_ptr<arrow::Schema>>>> Pipeline::check() const {
  ARROW_ASSIGN_OR_RAISE(const job::Job made, state_->job());
  ARROW_ASSIGN_OR_RAISE(job::CheckedJob checked, job::check_job(made));
  return std::move(checked.steps);
}

namespace {

// Asks `stop` whenever the engine asks for interrupts.
class StopWatch {
 public:
  StopWatch(const std::function<bool()>& stop, const base::CancelToken& token)
      : before_(QueryRunner::interrupt()), on_(static_cast<bool>(stop)) {
    if (!on_) return;
    QueryRunner::set_interrupt([stop, token, before = before_]() -> arrow::Status {
      if (stop()) token.cancel(base::cancelled_error("stopped"));
      return before ? before() : arrow::Status::OK();
    });
  }
  ~StopWatch() {
    if (on_) QueryRunner::set_interrupt(before_);
  }
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

 private:
  const std::function<arrow::Status()> before_;
  const bool on_;
};

}  // namespace

arrow::Result<JobResult> Pipeline::run(JobOptions options) const {
  ARROW_ASSIGN_OR_RAISE(job::Job made, state_->job());
  if (options.workers > 0) made.parallel.workers = options.workers;
  if (options.batch_rows > 0) made.parallel.batch_rows = options.batch_rows;
  if (options.memory_limit > 0) made.parallel.memory = options.memory_limit;
  job::RunOptions run;
  run.cancel = options.cancel;
  run.add_to_existing = options.add_to_existing;
  job::JobReport report;
  {
    const StopWatch watch(options.stop, run.stop);
    ARROW_RETURN_NOT_OK(job::run_job(made, run, report));
  }
  JobResult out;
  out.stopped = report.outcome == "stopped";
  out.seconds = report.seconds;
  out.bad = report.bad_rows();
  out.text = report.text();
  out.json = report.json();
  for (const job::StepTotals& s : report.steps) {
    if (s.kind == job::StepKind::kSource) out.read += s.counts.rows_in;
    if (s.kind == job::StepKind::kSink) out.written += s.counts.rows_out;
    out.filtered += s.counts.filtered;
  }
  return out;
}

std::string job_schema() { return job::job_schema_json(); }

}  // namespace gristmill
