#include "stream/bind.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include "frame/morsel_size.h"
#include "frame/query_runner.h"

namespace gristmill::stream {
namespace {

constexpr int64_t kWholeRows = 65'536;    // of what comes without batches of its own, for functions that see one at a time
constexpr int64_t kSeveralRows = 16'384;  // for functions that see several: the same at any number of workers

class Binding {
 public:
  Binding(const RunContext& run, const BindLeaf& leaf) : run_(run), leaf_(leaf) {}

  arrow::Result<plan::PlanPtr> of(const plan::PlanPtr& plan, bool whole) {
    return replace_tables(plan, [&, whole](const std::shared_ptr<const StreamTable>& t) -> arrow::Result<plan::TableSourcePtr> {
      const auto* users = dynamic_cast<const UserTable*>(t.get());
      if (users == nullptr) return leaf_(t, whole);
      const bool several = run_.several && may_run_side_by_side(*users);
      ARROW_ASSIGN_OR_RAISE(plan::PlanPtr input, of(users->inputs()[0], !several));
      auto context = std::make_shared<exec::QueryContext>(*run_.query);
      const int64_t chosen = several ? morsel_rows(*input, run_.options) : 0;
      context->morsel_rows = chosen > 0 ? chosen : several ? kSeveralRows : kWholeRows;
      auto bound = bind_user_table(*users, std::move(input), several, std::move(context));
      users_.push_back(bound);
      return bound;
    });
  }

  std::vector<std::shared_ptr<BoundUserTable>> take() { return std::move(users_); }

 private:
  const RunContext& run_;
  const BindLeaf& leaf_;
  std::vector<std::shared_ptr<BoundUserTable>> users_;
};

}  // namespace

arrow::Status check_settings(const StreamState& state) {
  const StreamParallel& p = state.parallel;
  if (p.num_workers < 0) return base::plan_error("num_workers must be 0 (all cores) or more, got " + std::to_string(p.num_workers));
  if (!(p.morsel_size_kb >= 0) || p.morsel_size_kb > 1e9)
    return base::plan_error("morsel_size_kb must be 0 (chosen by the engine) or more");
  if (p.threshold < 0) return base::plan_error("the threshold must be 0 rows or more, got " + std::to_string(p.threshold));
  if (state.memory_limit < 0) return base::plan_error("memory_limit must be 0 (no limit of its own) or more bytes");
  return arrow::Status::OK();
}

ParallelOptions options_of(const StreamState& state) {
  ParallelOptions o;
  const StreamParallel& p = state.parallel;
  o.num_workers = p.enabled ? p.num_workers : 1;
  o.chunk_bytes = static_cast<int64_t>(p.morsel_size_kb * 1024);
  o.min_parallel_rows = p.threshold;
  o.ordered = p.ordered;
  o.memory_limit = state.memory_limit;
  return o;
}

arrow::Result<RunContext> make_run_context(const StreamState& state, const Cancellation& cancel) {
  ARROW_RETURN_NOT_OK(check_settings(state));
  RunContext run;
  run.options = options_of(state);
  run.several = state.users_parallel && state.parallel.enabled;
  auto query = std::make_shared<exec::QueryContext>();
  query->memory = base::QueryMemory::make(state.memory_limit);
  query->cancel = QueryRunner::token_of(cancel);
  run.settings.options.inline_on_caller = run.options.num_workers == 1;
  run.settings.options.workers = run.settings.options.inline_on_caller ? 1 : sched::resolve_workers(run.options.num_workers);
  run.settings.interrupt = QueryRunner::interrupt();
  query->workers = run.settings.options.workers;
  query->morsel_rows = morsel_rows(*state.plan, run.options);
  run.query = std::move(query);
  return run;
}

arrow::Status BoundPlan::prepare(const RunContext& run, sched::Scheduler& scheduler) const {
  for (const auto& u : users) {
    ARROW_ASSIGN_OR_RAISE(sched::Query first, u->lower());
    if (first.nodes.empty()) continue;
    first.interrupt = run.settings.interrupt;
    ARROW_RETURN_NOT_OK(scheduler.run(first, run.settings.options));
  }
  return arrow::Status::OK();
}

arrow::Result<BoundPlan> bind_tables(const plan::PlanPtr& plan, const RunContext& run, const BindLeaf& leaf) {
  Binding binding(run, leaf);
  BoundPlan out;
  ARROW_ASSIGN_OR_RAISE(out.plan, binding.of(plan, false));
  out.users = binding.take();
  return out;
}

int64_t rows_of_morsel(const arrow::RecordBatch& batch, int64_t rows, int64_t bytes) {
  if (rows > 0) return rows;
  if (bytes <= 0 || batch.num_rows() == 0) return kSeveralRows;
  const auto size = arrow::util::ReferencedBufferSize(batch);
  const int64_t row = std::max<int64_t>(1, (size.ok() ? *size : 8 * batch.num_columns() * batch.num_rows()) / batch.num_rows());
  return std::max<int64_t>(1, bytes / row);
}

std::string with_user_reports(std::string report, const std::vector<std::shared_ptr<BoundUserTable>>& users) {
  if (users.empty()) return report;
  report.pop_back();
  report += ",\"user_operators\":[";
  for (size_t i = 0; i < users.size(); ++i) report += (i == 0 ? "" : ",") + users[i]->report();
  return report + "]}";
}

}  // namespace gristmill::stream
