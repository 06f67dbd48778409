// One run of one plan: the settings of the caller turned into the engine's, and what the run reported.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <arrow/result.h>

#include "exec/lower.h"
#include "gristmill/options.h"

namespace gristmill {

class QueryRunner {
 public:
  static arrow::Result<QueryRunner> make(const std::shared_ptr<const plan::Plan>& plan, const ParallelOptions& options,
                                         const Cancellation& cancel);
  // The rows of the plan go to `sink` in order. Once.
  arrow::Status run(std::shared_ptr<exec::OrderedSink> sink);

  const std::shared_ptr<base::QueryMemory>& memory() const { return context_->memory; }
  const base::CancelToken& cancel() const { return context_->cancel; }
  int workers() const { return context_->workers; }
  const exec::RunReport& report() const { return *query_.report; }  // once it ran
  std::string analyze_text() const { return exec::analyze_text(query_); }
  std::string report_json() const { return exec::report_json(*query_.report); }

  // Polled while a query runs on behalf of the calling thread (Python: Ctrl-C). One per process.
  static void set_interrupt(std::function<arrow::Status()> check);
  // What a wait outside the run asks: the interrupt, then the query's own cancellation.
  std::function<arrow::Status()> keep_waiting() const;
  static std::function<arrow::Status()> interrupt();
  static base::CancelToken token_of(const Cancellation& cancel) { return *static_cast<base::CancelToken*>(cancel.state_.get()); }

 private:
  std::shared_ptr<const plan::Plan> plan_;
  std::shared_ptr<const exec::QueryContext> context_;
  exec::RunSettings settings_;
  exec::PhysicalQuery query_;
};

}  // namespace gristmill
