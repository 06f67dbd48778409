// From a logical plan to tasks: pipelines cut at breakers, in an order that depends on the plan alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exec/operator.h"
#include "exec/pipeline.h"
#include "plan/logical.h"
#include "sched/task.h"

namespace gristmill::exec {

struct PhysicalQuery {
  plan::PlanPtr plan;  // node numbers of the report are preorder positions in it
  sched::Query query;
  std::shared_ptr<const QueryContext> context;
  std::shared_ptr<RunReport> report;
};

// `sink` receives the plan's rows in order.
arrow::Result<PhysicalQuery> lower(const plan::PlanPtr& plan, std::shared_ptr<OrderedSink> sink,
                                   std::shared_ptr<const QueryContext> context);

// Plans that read `rows`, each once and through filters and projections up to a grouping (plan::optimize_together): the rows are those of
// `common`, and are read once for all of them. A sink for each plan.
struct CommonRows {
  plan::PlanPtr common;
  const plan::TableSource* rows = nullptr;
};
arrow::Result<PhysicalQuery> lower_together(const CommonRows& shared, const std::vector<plan::PlanPtr>& plans,
                                            std::vector<std::shared_ptr<OrderedSink>> sinks, std::shared_ptr<const QueryContext> context);

// A plan whose rows go somewhere that its caller decides: what must have run, and then the pipeline without its sink.
struct OpenQuery {
  plan::PlanPtr plan;
  sched::Query first;   // whole; may be empty
  ResolveSegment rows;  // once `first` has run
};
arrow::Result<OpenQuery> lower_open(const plan::PlanPtr& plan, std::shared_ptr<const QueryContext> context,
                                    std::shared_ptr<RunReport> report);

struct RunSettings {
  sched::RunOptions options;
  std::function<arrow::Status()> interrupt;
};
// Runs on the process's scheduler (or a simulated one) and fills the report.
arrow::Status run(PhysicalQuery& query, const RunSettings& settings, sched::Scheduler& scheduler);

// The plan tree with rows, time and detail beside each node, then totals.
std::string analyze_text(const PhysicalQuery& query);
// The report as JSON, names of get_stats().
std::string report_json(const RunReport& report);

}  // namespace gristmill::exec
