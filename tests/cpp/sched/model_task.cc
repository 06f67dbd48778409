// Builds the query of a spec, runs it and compares.

#include "sched/model_task.h"

#include <algorithm>
#include <sstream>

#include "sched/pipeline_task.h"

namespace gristmill::sched::model {
namespace {

std::string show(const Rows& rows) {
  std::ostringstream out;
  out << rows.size() << " rows:";
  for (size_t i = 0; i < std::min<size_t>(rows.size(), 40); ++i) out << " " << rows[i];
  return out.str();
}

std::string compare(const Expected& expected, const Shared& shared, const arrow::Status& status) {
  if (!shared.broken.empty()) return shared.broken;
  const bool may_be_cancelled = shared.spec->cancel_at_step.has_value();
  const bool cancelled = may_be_cancelled && status.message() == "enough";
  if (!cancelled && status.message() != expected.message)
    return "error \"" + status.ToString() + "\", expected \"" + expected.message + "\"";
  const size_t complete = cancelled ? 0 : expected.outputs.size();
  for (size_t k = 0; k < shared.tasks.size(); ++k) {
    const PipelineTask& task = *shared.tasks[k];
    const Pipeline& p = shared.spec->pipelines[k];
    if (task.endings() != 1) return task.name() + " ended " + std::to_string(task.endings()) + " times";
    if (k < complete && task.output() != expected.outputs[k]) {
      // What is offered to a window that its consumer discarded may be dropped, but that is not seen here.
      return task.name() + " gave " + show(task.output()) + "\nexpected " + show(expected.outputs[k]);
    }
    const bool error_in_order = static_cast<int>(k) == expected.failed && p.sink == SinkKind::kOrdered && !p.step_error_at;
    if (!cancelled && error_in_order && task.output() != expected.failed_prefix) {
      return task.name() + " gave before its error " + show(task.output()) + "\nexpected " + show(expected.failed_prefix);
    }
    if (k < expected.outputs.size() && p.sink == SinkKind::kOrdered) {
      const Rows& whole = expected.outputs[k];
      if (task.output().size() > whole.size() || !std::equal(task.output().begin(), task.output().end(), whole.begin())) {
        return task.name() + " gave no prefix: " + show(task.output()) + "\nexpected " + show(whole);
      }
    }
  }
  return {};
}

}  // namespace

Coverage& coverage() {
  static Coverage counts;
  return counts;
}

std::string run_and_compare(const Spec& spec, Scheduler& scheduler, int workers) {
  Shared shared{&spec, &scheduler};
  Query query;
  query.cancel = shared.cancel;
  for (size_t k = 0; k < spec.pipelines.size(); ++k) {
    const Pipeline& p = spec.pipelines[k];
    shared.tasks.push_back(std::make_shared<PipelineTask>(shared, static_cast<int>(k)));
    std::vector<int> after = p.also_after;
    if (p.source == SourceKind::kBreakers) after.insert(after.end(), p.inputs.begin(), p.inputs.end());
    query.nodes.push_back({shared.tasks.back(), after});
  }
  RunOptions options;
  options.workers = workers;
  const arrow::Status status = scheduler.run(query, options);
  return compare(run_sequentially(spec), shared, status);
}

}  // namespace gristmill::sched::model
