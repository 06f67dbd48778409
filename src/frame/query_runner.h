// One run of one plan: the settings of the caller turned into the engine's, and what the run reported.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "exec/lower.h"
#include "gristmill/options.h"
#include "plan/shared_subplans.h"

namespace gristmill {

class QueryRunner {
 public:
  static arrow::Result<QueryRunner> make(const std::shared_ptr<const plan::Plan>& plan, const ParallelOptions& options,
                                         const Cancellation& cancel);
  // The rows of the plan go to `sink` in order. Once.
  arrow::Status run(std::shared_ptr<exec::OrderedSink> sink);
  // Plans that group the same rows, as one query: a sink for each.
  static arrow::Result<QueryRunner> make_together(plan::TogetherPlan plans, const ParallelOptions& options, const Cancellation& cancel);
  arrow::Status run_together(std::vector<std::shared_ptr<exec::OrderedSink>> sinks);

  const std::shared_ptr<base::QueryMemory>& memory() const { return context_->memory; }
  const base::CancelToken& cancel() const { return context_->cancel; }
  int workers() const { return context_->workers; }
  const exec::RunReport& report() const { return *query_.report; }  // once it ran
  std::string analyze_text() const;
  std::string report_json() const;

  // Polled while a query runs on behalf of the calling thread (Python: Ctrl-C). One per process.
  static void set_interrupt(std::function<arrow::Status()> check);
  // What a wait outside the run asks: the interrupt, then the query's own cancellation.
  std::function<arrow::Status()> keep_waiting() const;
  static std::function<arrow::Status()> interrupt();
  static base::CancelToken token_of(const Cancellation& cancel) { return *static_cast<base::CancelToken*>(cancel.state_.get()); }

 private:
  // The rows of parts that several branches of the plan read, before the rest of it.
  arrow::Status run_parts();
  arrow::Status run_main(std::shared_ptr<exec::OrderedSink> sink);
  // Once plan_ is there.
  arrow::Status set_up(const ParallelOptions& options, const Cancellation& cancel);

  plan::SharedPlan plan_;
  plan::TogetherPlan together_;
  std::vector<std::shared_ptr<const exec::QueryContext>> part_contexts_;  // differ in the rows of a morsel only
  std::shared_ptr<const exec::QueryContext> context_;
  exec::RunSettings settings_;
  std::vector<exec::PhysicalQuery> parts_;
  exec::PhysicalQuery query_;
};

}  // namespace gristmill
