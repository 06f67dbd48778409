// The rows of one pipeline into several sinks, each behind operators of its own: plans that group the same rows read them once.
//
// Every consumer sees every batch, in the pipeline's order. A consumer's operators are row-wise (filters, projections).
//
// Errors: a row that fails in a consumer fails in the pipeline's batch; the rows before it then go to all consumers again, so the smallest
// failing row of all of them wins. Rows that came twice do no harm: the run has failed.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "exec/pipeline.h"

namespace gristmill::exec {

class FanOut final : public Sink {
 public:
  explicit FanOut(std::shared_ptr<RunReport> report) : report_(std::move(report)) {}

  // Before the run. `operators` gives a segment of one branch, the source of which is nothing().
  void add(ResolveSegment operators, std::shared_ptr<Sink> sink, int sink_node);
  // What stands in a consumer's segment for the rows that are handed on.
  static std::shared_ptr<Source> nothing();

  std::string name() const override { return "hand on"; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override;
  arrow::Status consume(column::Batch batch, Position position, LocalState& local) override;
  arrow::Status end_morsel(Position position, LocalState& local) override;
  arrow::Status combine(LocalState& local) override;
  arrow::Status finalize() override;

 private:
  struct Consumer {
    ResolveSegment operators;
    std::shared_ptr<Sink> sink;
    int sink_node = -1;
    Segment segment;  // once the first local was made
  };
  arrow::Status resolve();

  const std::shared_ptr<RunReport> report_;
  std::deque<Consumer> consumers_;  // locals point into it
  std::mutex mutex_;                // resolving
  bool resolved_ = false;
};

}  // namespace gristmill::exec
