// The walk from plan to tasks, bottom-up. A "head" is a pipeline still without a sink: how to make its segment, what must have
// finished before, and where each of its columns comes from (so that a join's runtime filter finds its scan).
//
// A runtime filter may only travel to a scan when nothing fallible lies between: rows it drops would otherwise
// hide their errors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exec/breaker.h"
#include "exec/fan_out.h"
#include "exec/lower.h"
#include "expr/window.h"

namespace gristmill::exec {

// What a scan is to drop, set before it starts; `first` is a column of it.
struct ScanFilters {
  std::vector<std::pair<int, std::shared_ptr<plan::RuntimeFilter>>> filters;
};

struct Origin {
  std::shared_ptr<ScanFilters> scan;  // null: computed, or something fallible in between
  int column = -1;
};

struct Head {
  ResolveSegment resolve;
  std::vector<int> after;
  std::vector<Origin> origins;
  bool handed_on = false;  // of the rows that several plans read
};

class Lowering {
 public:
  Lowering(std::shared_ptr<const QueryContext> context, std::shared_ptr<RunReport> report)
      : context_(std::move(context)), report_(std::move(report)) {}

  // Numbers the nodes of a plan for the report; before it is lowered.
  arrow::Status number(const plan::Plan& p);
  // The plan's rows into `sink`.
  arrow::Status finish(const plan::PlanPtr& root, std::shared_ptr<OrderedSink> sink);
  arrow::Result<ResolveSegment> open(const plan::PlanPtr& root);
  // The rows that all plans to come read.
  arrow::Status share(const CommonRows& shared);
  sched::Query take() { return std::move(query_); }

 private:
  arrow::Result<Head> lower(const plan::PlanPtr& p);
  arrow::Result<Head> lower_scan(const plan::PlanPtr& p);
  arrow::Result<Head> lower_shared(const plan::PlanPtr& p);
  arrow::Result<Head> lower_filter(const plan::PlanPtr& p);
  arrow::Result<Head> lower_project(const plan::PlanPtr& p);
  arrow::Result<Head> lower_explode(const plan::PlanPtr& p);
  arrow::Result<Head> lower_row_index(const plan::PlanPtr& p);
  arrow::Result<Head> lower_aggregate(const plan::PlanPtr& p);
  arrow::Result<Head> lower_sort(const plan::PlanPtr& p);
  arrow::Result<Head> lower_window(const plan::PlanPtr& p);
  arrow::Result<Head> lower_limit(const plan::PlanPtr& p);
  arrow::Result<Head> lower_union(const plan::PlanPtr& p);
  arrow::Result<Head> lower_join(const plan::PlanPtr& p);
  Head through_batches(const plan::PlanPtr& p, Head head, std::vector<expr::BoundWindow> functions, std::string label);

  int id(const plan::PlanPtr& p) { return ids_[p.get()]; }
  static ResolveSegment from_source(std::shared_ptr<Source> source, int node);
  // The same head with one more operator.
  static Head then(Head head, std::shared_ptr<const Operator> op, int node);
  arrow::Result<Head> after_breaker(const plan::PlanPtr& p, const Breaker& b, int last);
  int add_task(std::shared_ptr<sched::Task> task, std::vector<int> after);
  int add_pipeline(std::string name, Head head, std::shared_ptr<Sink> sink, std::shared_ptr<OrderedSink> ordered, int node,
                   std::function<bool()> enabled);
  // Pipeline into the breaker's sink, then its phases; the index of the last task.
  int add_breaker(const std::string& name, Head head, const Breaker& b, int node, const std::function<bool()>& enabled = nullptr);

  std::shared_ptr<const QueryContext> context_;
  std::shared_ptr<RunReport> report_;
  sched::Query query_;
  std::unordered_map<const plan::Plan*, int> ids_;
  CommonRows shared_;
  std::shared_ptr<FanOut> fan_out_;
  int shared_task_ = 0;
  std::vector<int> built_before_;  // build sides whose filters aggregations below wait for
};

}  // namespace gristmill::exec
