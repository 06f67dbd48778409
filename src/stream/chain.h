// Row-wise steps over the batches of a function, one batch at a time: nothing is read ahead, and a small batch costs little more than its
// kernels.
//
// The plan is bound and lowered once. A batch under the threshold goes through the operators on the caller's thread, without scheduler and
// threads; a larger one is cut into morsels for all workers and its pieces come back in order.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "exec/branch_runner.h"
#include "exec/collect.h"
#include "stream/batch_task.h"
#include "stream/bind.h"

namespace gristmill::stream {

class ChainLeaf;

class Chain {
 public:
  Chain() = default;  // of make()
  // Null when the stream is more than row-wise steps over one function's batches.
  static arrow::Result<std::unique_ptr<Chain>> make(const StreamState& state, const Cancellation& cancel, sched::Scheduler& scheduler);
  ~Chain();

  const PullTable& source() const { return *source_; }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  // What becomes of the batch, at the end of `out`; never empty batches.
  arrow::Status process(RecordBatchPtr batch, std::deque<RecordBatchPtr>& out);
  StreamStats stats() const;

 private:
  arrow::Status open();
  arrow::Status process_here(RecordBatchPtr batch, std::deque<RecordBatchPtr>& out);
  arrow::Status hand_out(std::deque<RecordBatchPtr>& out);
  void append(std::vector<column::Batch> staged, std::deque<RecordBatchPtr>& out) const;
  int64_t rows_of_each(const arrow::RecordBatch& batch) const;
  arrow::Status process_with_all(RecordBatchPtr batch, std::deque<RecordBatchPtr>& out);

  std::shared_ptr<const PullTable> source_;
  std::shared_ptr<ChainLeaf> leaf_;
  std::shared_ptr<arrow::Schema> schema_;
  sched::Scheduler* scheduler_ = nullptr;
  RunContext run_;
  BoundPlan bound_;
  exec::ResolveSegment rows_;
  std::shared_ptr<exec::RunReport> report_ = std::make_shared<exec::RunReport>();  // of the batches for all workers without task_
  std::shared_ptr<exec::CollectSink> sink_;

  exec::Segment segment_;
  std::atomic<uint64_t> open_end_{~uint64_t{0}};
  std::unique_ptr<exec::BranchRunner> runner_;  // of the caller's thread
  std::shared_ptr<BatchTask> task_;             // of all workers; null with users' operators
  uint64_t next_ = 0, next_with_all_ = 0;
  int64_t rows_here_ = 0;
  int64_t nanoseconds_here_ = 0;
  int64_t nanoseconds_with_all_ = 0;
};

}  // namespace gristmill::stream
