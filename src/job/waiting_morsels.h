// Morsels of a source on their way through steps that ask: what a worker does next, so that none holds still for an answer.
//
// A chain with n such steps is cut into n + 1 phases. The first reads a morsel of the source and asks for its rows, the others go on with
// what was answered; rows leave in the last. Each phase of each morsel is a morsel of the scan, numbered as they are handed out: the phase
// nearest the end whose oldest morsel is answered, else a new morsel of the source while the steps take more, else nothing until something
// changes. A morsel never overtakes another, so rows leave in the source's order; which phase came when shows nowhere else.
//
// An error waits for its morsel's last phase, as rows before it may still run into one of their own. Batches behind one that has failed are
// given up, and no new morsel begins.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "job/chain.h"
#include "plan/table_source.h"

namespace gristmill::job {

class WaitingMorsel;

class WaitingMorsels {
 public:
  // `takes_more`: of the chain; `most_fresh`: morsels of the source that are read at the same time.
  WaitingMorsels(size_t phases, int most_fresh, std::function<bool()> takes_more);
  ~WaitingMorsels();

  using NextOfSource = std::function<arrow::Result<plan::Scan::Next>(uint64_t number)>;
  // As Scan::next(). `next_of_source` is asked for its morsels in order; its end is the end of new ones.
  arrow::Result<plan::Scan::Next> next(uint64_t seq, const NextOfSource& next_of_source);
  // What morsel `seq` of the scan is. Once.
  std::shared_ptr<WaitingMorsel> take(uint64_t seq);
  // Its phase is over.
  void over(WaitingMorsel& morsel);

 private:
  friend class WaitingMorsel;
  struct Shared;
  const std::shared_ptr<Shared> shared_;
};

// One morsel of the source. Its members belong to the worker that has it.
class WaitingMorsel final : public Suspension {
 public:
  WaitingMorsel(std::shared_ptr<WaitingMorsels::Shared> shared, uint64_t number) : number(number), shared_(std::move(shared)) {}
  size_t expect() override;
  void answered(size_t number, bool failed) override;
  void takes_more() override;
  void add(SuspendedBatch batch) override;
  // Those that waited in the phase before, in order.
  std::vector<SuspendedBatch> take_batches();

  const uint64_t number;
  size_t phase = 0;
  bool last = false;  // phase
  std::vector<Rejected> rejected;
  arrow::Status error;  // behind all its rows

 private:
  friend class WaitingMorsels;
  const std::shared_ptr<WaitingMorsels::Shared> shared_;
  void done_waiting();
  std::atomic<int64_t> waits_for_{1};  // answers to suspended batches, and the phase that runs

  std::mutex mutex_;                     // of what follows, all of one phase
  std::vector<SuspendedBatch> batches_;  // by number
  size_t expected_ = 0;
  size_t first_failed_ = SIZE_MAX;
};

}  // namespace gristmill::job
