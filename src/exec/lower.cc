// What is asked of a lowering, whole queries at a time.

#include "exec/lower.h"

#include "exec/lowering.h"

namespace gristmill::exec {

using plan::PlanPtr;

arrow::Result<PhysicalQuery> lower(const PlanPtr& plan, std::shared_ptr<OrderedSink> sink, std::shared_ptr<const QueryContext> context) {
  PhysicalQuery out;
  out.plan = plan;
  out.context = context;
  out.report = std::make_shared<RunReport>();
  Lowering lowering(context, out.report);
  ARROW_RETURN_NOT_OK(lowering.number(*plan));
  ARROW_RETURN_NOT_OK(lowering.finish(plan, std::move(sink)));
  out.query = lowering.take();
  if (context->progress) context->progress->tasks = static_cast<int64_t>(out.query.nodes.size());
  out.query.cancel = context->cancel;
  return out;
}

arrow::Result<PhysicalQuery> lower_together(const CommonRows& shared, const std::vector<PlanPtr>& plans,
                                            std::vector<std::shared_ptr<OrderedSink>> sinks, std::shared_ptr<const QueryContext> context) {
  PhysicalQuery out;
  out.plan = shared.common;
  out.context = context;
  out.report = std::make_shared<RunReport>();
  Lowering lowering(context, out.report);
  ARROW_RETURN_NOT_OK(lowering.number(*shared.common));
  for (const PlanPtr& plan : plans) ARROW_RETURN_NOT_OK(lowering.number(*plan));
  ARROW_RETURN_NOT_OK(lowering.share(shared));
  for (size_t i = 0; i < plans.size(); ++i) ARROW_RETURN_NOT_OK(lowering.finish(plans[i], std::move(sinks[i])));
  out.query = lowering.take();
  if (context->progress) context->progress->tasks = static_cast<int64_t>(out.query.nodes.size());
  out.query.cancel = context->cancel;
  return out;
}

arrow::Result<OpenQuery> lower_open(const PlanPtr& plan, std::shared_ptr<const QueryContext> context, std::shared_ptr<RunReport> report) {
  OpenQuery out;
  out.plan = plan;
  Lowering lowering(context, std::move(report));
  ARROW_RETURN_NOT_OK(lowering.number(*plan));
  ARROW_ASSIGN_OR_RAISE(out.rows, lowering.open(plan));
  out.first = lowering.take();
  out.first.cancel = context->cancel;
  return out;
}

arrow::Status run(PhysicalQuery& query, const RunSettings& settings, sched::Scheduler& scheduler) {
  query.query.interrupt = settings.interrupt;
  sched::Statistics timing;
  arrow::Status status = scheduler.run(query.query, settings.options, &timing);
  sched::Statistics& st = query.report->statistics;
  st.num_workers = timing.num_workers;
  st.processing_time_seconds = timing.processing_time_seconds;
  st.morsels_per_second =
      timing.processing_time_seconds > 0 ? static_cast<double>(st.total_morsels_processed) / timing.processing_time_seconds : 0;
  if (st.workers.size() < timing.workers.size()) st.workers.resize(timing.workers.size());
  for (size_t i = 0; i < timing.workers.size(); ++i) st.workers[i].numa_node = timing.workers[i].numa_node;
  query.report->peak_bytes = query.context->memory->peak();
  query.report->spilled_bytes = query.context->memory->spilled_bytes();
  return status;
}

}  // namespace gristmill::exec
