// One worker's way through one branch of a pipeline: it reads a morsel of the source, pushes its batches through the operators
// and hands them to the sink, counting rows and time as it goes.
//
// Invariants: one worker at a time; a morsel that ended early leaves nothing behind for the next one; an error of a row cuts its
// batch and the rows before it travel on first, so the smallest row's error comes whatever the batch size.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exec/pipeline.h"

namespace gristmill::exec {

struct Morsel {
  uint64_t seq = 0;  // in the pipeline
  int branch = 0;
  uint64_t local = 0;  // in the branch's source
};

class BranchRunner {
 public:
  // `sink` null: an ordered sink's, which takes the output of a morsel afterwards. Morsels after `closed_from` are dropped.
  BranchRunner(const Branch& branch, const QueryContext& context, const std::atomic<uint64_t>& closed_from, Sink* sink,
               LocalState* sink_local)
      : branch_(branch), context_(context), closed_from_(closed_from), sink_(sink), sink_local_(sink_local) {}

  arrow::Status open();
  arrow::Status run(const Morsel& morsel);
  // The same by hand, where somebody else has the rows (FanOut): a morsel's batches are fed between begin() and finish().
  void begin(uint64_t seq);
  arrow::Status feed(column::Batch batch) { return push(0, std::move(batch)); }
  arrow::Status finish() { return end(0); }
  std::vector<column::Batch> take_output() { return std::move(output_); }

  // Adds what was counted to the nodes of the report.
  void collect(int sink_node, const std::string& sink_name, RunReport& report) const;
  const RowCounts& source_counts() const { return counts_[0]; }
  uint64_t rows_of_morsel() const { return rows_of_morsel_; }
  int64_t bytes() const { return bytes_; }

 private:
  arrow::Status push(size_t i, column::Batch batch);
  arrow::Status call(size_t i, column::Batch batch);
  arrow::Status end(size_t i);
  void reset();
  arrow::Status to_sink(column::Batch batch);
  arrow::Status place(const arrow::Status& s, const column::Batch& batch) const;
  void switch_clock(size_t to);

  const Branch& branch_;
  const QueryContext& context_;
  const std::atomic<uint64_t>& closed_from_;
  Sink* sink_;
  LocalState* sink_local_;
  std::unique_ptr<LocalState> source_local_;
  std::vector<std::unique_ptr<LocalState>> locals_;
  std::vector<Emit> emits_;            // emits_[i] feeds operator i; the last feeds the sink; made once, not per batch
  std::vector<RowCounts> counts_;      // source, operators..., sink
  std::vector<column::Batch> output_;  // ordered sinks
  Position position_;
  uint64_t rows_of_morsel_ = 0;
  int64_t bytes_ = 0;
  size_t clock_of_ = 0;
  int64_t clock_since_ = 0;
};

}  // namespace gristmill::exec
