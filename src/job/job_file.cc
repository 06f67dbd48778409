#include "job/job_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/status.h"

namespace gristmill::job {
namespace {

std::vector<Key> alternatives(std::vector<Key> keys) {
  for (Key& k : keys) k.alternative = true;
  return keys;
}

template <typename Kinds>
std::vector<Key> keys_of(const Kinds& kinds) {
  std::vector<Key> out;
  for (const auto& k : kinds) out.push_back(k.key);
  return alternatives(std::move(out));
}

std::vector<Key> step_keys() {
  std::vector<Key> out = keys_of(transform_kinds());
  for (Key& k : keys_of(frame_step_kinds())) out.push_back(std::move(k));
  out.push_back({.name = "function", .help = "A function of the program that runs the job, by its name.", .alternative = true});
  return out;
}

std::vector<Key> sink_keys() {
  std::vector<Key> out = keys_of(sink_kinds());
  out.push_back({.name = "when", .help = "An SQL expression: the rows that go here, of those that no sink before took."});
  out.push_back({.name = "name", .help = "What reports call it."});
  return out;
}

// What only jobs over a source that may not end have.
std::vector<Key> endless_keys() {
  return {
      {.name = "checkpoint",
       .kind = ValueKind::kSection,
       .help = "Of a source that may not end: where positions and state are kept, so that a run goes on where the one before was stopped "
               "or killed.",
       .keys = {{.name = "path", .help = "A folder, or s3://bucket/prefix; this job's alone.", .required = true},
                {.name = "interval",
                 .kind = ValueKind::kDuration,
                 .help = "Between two checkpoints; what is in the sinks is as old.",
                 .fallback = "10s"}}},
      {.name = "watermark",
       .kind = ValueKind::kSection,
       .help = "Of a source that may not end: the rows' event time, for windows in sql.",
       .keys = {{.name = "column", .help = "A timestamp or int64 of the rows behind the row-wise steps.", .required = true},
                {.name = "delay", .help = "How far a row may lie behind the latest of its partition: 5s, 1m; a whole number for int64."},
                {.name = "idle_after", .help = "A partition at its end for so long holds event time back no more; else it always does."}}},
      {.name = "health",
       .kind = ValueKind::kSection,
       .help = "Of a source that may not end: when /healthz turns bad.",
       .keys = {{.name = "stalled_after",
                 .kind = ValueKind::kDuration,
                 .help = "How long rows may wait with nothing moving, or a checkpoint be overdue.",
                 .fallback = "60s"}}}};
}

Key make_job_key() {
  Key job{.kind = ValueKind::kSection, .help = "A record job."};
  job.keys = {
      {.name = "name", .help = "What the job is called; else its file's name."},
      {.name = "source",
       .kind = ValueKind::kSection,
       .help = "Where the rows come from.",
       .required = true,
       .keys = keys_of(source_kinds())},
      {.name = "transforms", .kind = ValueKind::kSections, .help = "What happens to them, in this order.", .keys = step_keys()},
      {.name = "sink", .kind = ValueKind::kSection, .help = "Where they go.", .keys = keys_of(sink_kinds())},
      {.name = "sinks",
       .kind = ValueKind::kSections,
       .help = "Or several: each row goes to the first whose `when` is true.",
       .keys = sink_keys()},
      {.name = "on_error",
       .kind = ValueKind::kSection,
       .help = "What becomes of rows that cannot be read or fail in a step.",
       .keys = {{.name = "policy",
                 .help = "fail: the first ends the run. skip: they are left out and counted. dead_letter: they go to a file.",
                 .choices = {"fail", "skip", "dead_letter"},
                 .fallback = "fail"},
                {.name = "path", .help = "The file of rejected records, one JSON object a line."},
                {.name = "at_most", .kind = ValueKind::kInteger, .help = "Bad rows that a run may have; more fail it.", .least = 0}}},
      {.name = "parallel",
       .kind = ValueKind::kSection,
       .help = "How the run uses the machine; never changes what it gives.",
       .keys = {{.name = "workers",
                 .kind = ValueKind::kInteger,
                 .help = "Threads; 0 is one for each core this process may use.",
                 .least = 0,
                 .most = 4096,
                 .fallback = "0"},
                {.name = "groups",
                 .kind = ValueKind::kInteger,
                 .help = "Groups that the workers are counted in; 0 is one for each NUMA node.",
                 .least = 0,
                 .most = 4096,
                 .fallback = "0"},
                {.name = "batch_rows", .help = "Rows of a batch, or auto.", .fallback = "auto"},
                {.name = "queue_batches",
                 .kind = ValueKind::kInteger,
                 .help = "Morsels on their way at most; 0 is four a worker.",
                 .least = 0,
                 .fallback = "0"},
                {.name = "affinity", .kind = ValueKind::kBoolean, .help = "Workers stay on their cores.", .fallback = "false"},
                {.name = "ordered", .kind = ValueKind::kBoolean, .help = "Rows leave in the order in which they came.", .fallback = "true"},
                {.name = "memory",
                 .kind = ValueKind::kBytes,
                 .help = "What the run may use; it spills, then fails. 0 is the process's budget.",
                 .fallback = "0"}}},
  };
  for (Key& k : endless_keys()) job.keys.push_back(std::move(k));
  return job;
}

// The one alternative that a checked section has.
template <typename Kinds, typename F>
bool with_kind(const Settings& section, const Kinds& kinds, F&& f) {
  for (const auto& kind : kinds) {
    if (const auto value = section.section(kind.key.name)) {
      f(kind, *value);
      return true;
    }
  }
  return false;
}

// What holds when the file ends: the first run of a step's maker tells what only the maker knows to be wrong.
template <typename T, typename Kind>
std::function<arrow::Result<std::unique_ptr<T>>()> maker(const Kind& kind, const Settings& settings, Tree tree) {
  return [make = kind.make, settings, tree = std::move(tree)] { return make(settings); };
}

class Reader {
 public:
  Reader(Settings root, Job& job, const Functions& functions) : root_(std::move(root)), job_(job), functions_(functions) {}

  arrow::Status read() {
    ARROW_RETURN_NOT_OK(read_source());
    for (const Settings& entry : root_.sections("transforms")) ARROW_RETURN_NOT_OK(read_step(entry));
    ARROW_RETURN_NOT_OK(read_sinks());
    ARROW_RETURN_NOT_OK(read_errors());
    ARROW_RETURN_NOT_OK(read_endless());
    return read_parallel();
  }

 private:
  arrow::Status read_source() {
    arrow::Status status;
    with_kind(*root_.section("source"), source_kinds(), [&](const SourceKind& kind, const Settings& s) {
      job_.source = maker<Source>(kind, s, job_.tree);
      const auto made = kind.make(s);
      status = made.status();
      job_.endless = made.ok() && (*made)->endless();
    });
    return status;
  }

  arrow::Status read_step(const Settings& entry) {
    arrow::Status status;
    const auto take = [&](const auto& kind, const Settings& s, auto make) {
      job_.steps.emplace_back(std::move(make));
      status = kind.make(s).status();
    };
    if (with_kind(entry, transform_kinds(),
                  [&](const TransformKind& k, const Settings& s) { take(k, s, MakeTransform(maker<Transform>(k, s, job_.tree))); }) ||
        with_kind(entry, frame_step_kinds(),
                  [&](const FrameStepKind& k, const Settings& s) { take(k, s, MakeFrameStep(maker<FrameStep>(k, s, job_.tree))); })) {
      return status;
    }
    const std::string name = entry.text("function");
    const auto known = functions_.find(name);
    if (known == functions_.end()) {
      std::vector<std::string> names;
      for (const auto& [n, f] : functions_) names.push_back(n);
      return entry.error_at("function", "the program gives no function \"" + name + "\"" + base::suggest_name(name, names),
                            "functions come with gm.Job(..., functions={...}) or a C++ Pipeline; the command has none");
    }
    job_.steps.emplace_back(known->second);
    return arrow::Status::OK();
  }

  arrow::Status read_sinks() {
    const bool one = root_.has("sink"), several = root_.has("sinks");
    if (one == several) {
      return root_.error(one ? "a job has a sink or sinks, not both" : "the job needs the key \"sink\"",
                         "sink: {parquet: {path: out.parquet}}");
    }
    if (one) return add_sink(*root_.section("sink"), false);
    const auto entries = root_.sections("sinks");
    if (entries.empty()) return root_.error_at("sinks", "\"sinks\" is empty");
    bool open = true;
    for (const Settings& e : entries) {
      if (!open) return e.error("no row would come here: the sink before it takes all that is left", "give that one a `when`");
      ARROW_RETURN_NOT_OK(add_sink(e, true));
      open = e.has("when");
    }
    return arrow::Status::OK();
  }

  arrow::Status add_sink(const Settings& entry, bool listed) {
    arrow::Status status;
    with_kind(entry, sink_kinds(), [&](const SinkKind& kind, const Settings& s) {
      SinkEntry sink{listed && entry.has("name") ? entry.text("name") : "", listed ? entry.text("when") : "", entry,
                     maker<Sink>(kind, s, job_.tree)};
      status = kind.make(s).status();
      job_.sinks.push_back(std::move(sink));
    });
    return status;
  }

  arrow::Status read_errors() {
    const auto s = root_.section("on_error");
    if (!s) return arrow::Status::OK();
    const std::string policy = s->text("policy", "fail");
    job_.errors.policy = policy == "skip" ? Policy::kSkip : policy == "dead_letter" ? Policy::kDeadLetter : Policy::kFail;
    job_.errors.path = s->text("path");
    if (job_.errors.policy == Policy::kDeadLetter && job_.errors.path.empty())
      return s->error("policy dead_letter needs the path of the file", "on_error: {policy: dead_letter, path: rejected.ndjson}");
    if (job_.errors.policy != Policy::kDeadLetter && s->has("path")) return s->error_at("path", "only policy dead_letter writes a file");
    if (s->has("at_most")) {
      if (job_.errors.policy == Policy::kFail)
        return s->error_at("at_most", "policy fail ends at the first bad row", "use skip or dead_letter");
      job_.errors.at_most = s->integer("at_most");
    }
    return arrow::Status::OK();
  }

  arrow::Status read_endless() {
    for (const char* key : {"checkpoint", "watermark", "health"}) {
      if (!job_.endless && root_.has(key))
        return root_.error_at(key, "\"" + std::string(key) + "\" is for sources that may not end (kafka); this job ends by itself");
    }
    if (const auto s = root_.section("checkpoint")) {
      const double seconds = std::chrono::duration<double>(s->duration("interval", std::chrono::seconds(10))).count();
      if (!(seconds > 0)) return s->error_at("interval", "the time between checkpoints must be more than nothing");
      job_.checkpoint = CheckpointRules{s->text("path"), seconds};
    }
    if (const auto s = root_.section("watermark"))
      job_.watermark = WatermarkRules{s->text("column"), s->text("delay"), s->text("idle_after")};
    if (const auto s = root_.section("health"))
      job_.stalled_after_seconds = std::chrono::duration<double>(s->duration("stalled_after", std::chrono::seconds(60))).count();
    return arrow::Status::OK();
  }

  arrow::Status read_parallel() {
    const auto s = root_.section("parallel");
    if (!s) return arrow::Status::OK();
    ParallelRules& p = job_.parallel;
    p.workers = s->integer("workers");
    p.groups = s->integer("groups");
    const std::string batch = s->text("batch_rows", "auto");
    if (batch != "auto") {
      p.batch_rows = std::atoll(batch.c_str());
      if (p.batch_rows < 1 || p.batch_rows > column::kMaxBatchRows || batch.find_first_not_of("0123456789") != std::string::npos)
        return s->error_at("batch_rows", "\"batch_rows\" is auto or a number from 1 to " + std::to_string(column::kMaxBatchRows));
    }
    p.queue_batches = s->integer("queue_batches");
    p.affinity = s->boolean("affinity");
    p.ordered = s->boolean("ordered", true);
    p.memory = s->bytes("memory");
    return arrow::Status::OK();
  }

  const Settings root_;
  Job& job_;
  const Functions& functions_;
};

}  // namespace

const Key& job_key() {
  static const Key kJob = make_job_key();
  return kJob;
}

arrow::Result<Job> job_of(Tree tree, const std::string& file, const Functions& functions) {
  Job job;
  job.file = file;
  job.tree = std::move(tree);
  ARROW_ASSIGN_OR_RAISE(const Settings root, Settings::read(*job.tree, job_key()));
  job.name = root.text("name", std::filesystem::path(file).stem().string());
  ARROW_RETURN_NOT_OK(Reader(root, job, functions).read());
  return job;
}

arrow::Result<Job> parse_job(const std::string& yaml, const std::string& file, const Functions& functions,
                             const Config::Variables& variables) {
  ARROW_ASSIGN_OR_RAISE(const Config config, Config::parse(yaml, file, variables));
  return job_of(std::make_shared<const Config::Node>(config.root()), file, functions);
}

arrow::Result<Tree> load_tree(const std::string& file, const Config::Variables& variables) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return base::io_error("cannot read the job file " + file, file, "gristmill init writes one to start from");
  ARROW_ASSIGN_OR_RAISE(const Config config, Config::parse(text.str(), file, variables));
  return std::make_shared<const Config::Node>(config.root());
}

arrow::Result<Job> load_job(const std::string& file, const Config::Variables& variables) {
  ARROW_ASSIGN_OR_RAISE(Tree tree, load_tree(file, variables));
  return job_of(std::move(tree), file);
}

}  // namespace gristmill::job
