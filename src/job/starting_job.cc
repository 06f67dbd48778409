// What `gristmill init` writes: a job that runs once its paths are right, with what else could stand there as comments.

#include "job/job_file.h"

namespace gristmill::job {
namespace {

template <typename Kinds>
void list_examples(const Kinds& kinds, const std::string& before, const std::string& taken, std::string& out) {
  for (const auto& k : kinds) {
    if (k.key.name == taken) continue;
    out += "  # " + before + k.example + "\n  #     " + k.key.help + "\n";
  }
}

}  // namespace

std::string starting_job() {
  std::string out =
      "# yaml-language-server: $schema=job.schema.json\n"
      "# (gristmill init --schema > job.schema.json lets editors complete and check this file)\n"
      "name: orders\n"
      "\n"
      "# Where the rows come from. With a schema nothing is guessed; ${NAME} and ${NAME:-default} are variables of the environment.\n"
      "source:\n"
      "  csv:\n"
      "    path: \"in/*.csv\"\n"
      "    # schema: {id: int64, name: string, value: float64, timestamp: string}\n";
  list_examples(source_kinds(), "", "csv", out);
  out +=
      "\n"
      "# What happens to them, in this order. Expressions are SQL's.\n"
      "transforms:\n"
      "  - filter: \"value > 0\"\n"
      "  - compute: {squared: \"value * value\"}\n";
  for (const auto& k : transform_kinds()) {
    if (k.key.name != "filter" && k.key.name != "compute") out += "  # - " + k.example + "\n  #     " + k.key.help + "\n";
  }
  for (const auto& k : frame_step_kinds()) out += "  # - " + k.example + "\n  #     " + k.key.help + "\n";
  out +=
      "\n"
      "# Where they go; complete or not there.\n"
      "sink:\n"
      "  parquet:\n"
      "    path: out.parquet\n";
  list_examples(sink_kinds(), "", "parquet", out);
  out +=
      "# Or several: each row goes to the first whose `when` is true.\n"
      "# sinks:\n"
      "#   - {when: \"value > 100\", csv: {path: large.csv}}\n"
      "#   - {parquet: {path: others.parquet}}\n"
      "\n"
      "# What becomes of rows that cannot be read or fail in a step: fail, skip, or dead_letter.\n"
      "on_error: {policy: dead_letter, path: rejected.ndjson}\n"
      "\n"
      "# With a topic as the source the job runs until it is stopped, and goes on at its checkpoint.\n"
      "# checkpoint: {path: state/orders, interval: 10s}\n"
      "# watermark: {column: timestamp, delay: 5s}\n"
      "# health: {stalled_after: 60s}\n"
      "\n"
      "# How the run uses the machine; it never changes what comes out.\n"
      "# parallel: {workers: 0, batch_rows: auto, memory: 1GB}\n";
  return out;
}

}  // namespace gristmill::job
