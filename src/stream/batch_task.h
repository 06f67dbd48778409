// A batch as morsels for all workers, one batch after the other by the same task.
//
// What a worker needs for its way through the operators is made once, not for every batch as by a pipeline's task. The batch is there
// and its rows leave all together, so nothing waits in a ring: each morsel has a place of its own, gone through in order at the end.
// A pipeline made anew cost 15 us for each batch of 100,000 rows.
//
// Errors come in the order of a pipeline's (pipeline.h): the smallest morsel's wins, and all before it finish.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "exec/branch_runner.h"
#include "exec/collect.h"
#include "sched/task.h"

namespace gristmill::stream {

class BatchTask final : public sched::Task {
 public:
  // `branch` reads what is at hand when the task is prepared, and knows its morsels; it outlives the task.
  BatchTask(const exec::Branch& branch, std::shared_ptr<exec::CollectSink> sink, std::shared_ptr<const exec::QueryContext> context)
      : branch_(branch), sink_(std::move(sink)), context_(std::move(context)) {}

  // Before each run: morsels are numbered from here.
  void begin(uint64_t first) { first_ = first; }
  // After it: the rows that are to go out, by morsel.
  std::vector<std::vector<column::Batch>> take();
  // Of all runs so far.
  void report(exec::RunReport& report) const;

  std::string name() const override { return "batch"; }
  int max_slots() const override { return max_slots_; }
  arrow::Status prepare(int slots) override;
  arrow::Result<sched::Step> step(int slot) override;
  arrow::Status finish() override;
  void abandon() override { places_.clear(); }

 private:
  struct Slot {
    std::unique_ptr<exec::BranchRunner> runner;
    int64_t processed = 0, rows = 0, busy_ns = 0;
  };
  // Written by the worker that has claimed it.
  struct Place {
    std::vector<column::Batch> batches;
    arrow::Status error;
  };
  arrow::Result<exec::BranchRunner*> runner_of(Slot& slot);
  arrow::Status fill(Place& place, exec::BranchRunner& runner, arrow::Status status);
  void close_from(uint64_t seq);

  const exec::Branch& branch_;
  const std::shared_ptr<exec::CollectSink> sink_;
  const std::shared_ptr<const exec::QueryContext> context_;
  uint64_t first_ = 0;
  int64_t created_ = 0;
  int max_slots_ = 1;
  std::vector<Slot> slots_;  // each worker's own
  std::vector<Place> places_;
  std::atomic<uint64_t> claimed_{0}, closed_from_{0};
};

}  // namespace gristmill::stream
