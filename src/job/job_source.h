// A job's source with its row-wise steps as one table of the engine: whatever stands behind it (a sink, SQL, a sort) sees rows that have
// been through all of them.
//
// A morsel of this table is a morsel of the source; its rows keep their order. All that is counted and rejected on the way is handed over
// once a morsel: to the accounting, to the live numbers, and, in the order of the morsels, to the dead letters. When the run is asked to
// stop no further morsel begins, and those that have begun are finished.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gristmill/metrics.h"
#include "io/transfer.h"
#include "job/accounting.h"
#include "job/batch_tuner.h"
#include "job/chain.h"
#include "job/dead_letters.h"
#include "job/job_status.h"
#include "plan/table_source.h"

namespace gristmill::job {

// Morsels between the source and the sinks: a source that is too far ahead waits. Thread safe.
class Flow {
 public:
  explicit Flow(int64_t most) : most_(most) {}  // 0: as many as the engine's ring takes
  // Null when another morsel may begin.
  base::WaitHandlePtr room(uint64_t seq);
  void begin(uint64_t seq);
  void delivered(uint64_t through);  // all morsels before it are with the sinks
  int64_t in_flight() const { return begun_.load(std::memory_order_relaxed) - done_.load(std::memory_order_relaxed); }
  int64_t most() const { return most_; }

 private:
  const int64_t most_;
  std::atomic<int64_t> begun_{0}, done_{0};
  std::mutex mutex_;
  std::vector<base::WaitHandlePtr> waiting_;
};

// What the whole run shares; outlives every scan.
struct RunState {
  std::string job;  // as dead letters name it
  std::string source_name;
  Policy policy = Policy::kFail;
  std::optional<int64_t> most_bad;  // more bad rows than these are an error
  Chain chain;
  Accounting accounting;
  JobStatus* status = nullptr;
  DeadLetters* dead_letters = nullptr;
  std::function<void(Rejection&)> retell;  // or none
  base::CancelToken stop;                  // no further morsel
  std::shared_ptr<Flow> flow;
  StepContext context;                // of the steps; set before the scan is opened
  std::unique_ptr<BatchTuner> tuner;  // null: batches stay as the source cuts them
  std::atomic<int64_t> bad_rows{0};
  io::TransferMeterPtr read = std::make_shared<io::TransferMeter>();  // by the source
  std::atomic<int64_t> weighed_rows{0}, weighed_bytes{0};  // of one batch in kWeighEvery, as they stand in memory behind the source
  std::atomic<bool> stopped_early{false};
  std::atomic<int> workers_seen{0};
};

// Of text sources every column is read whatever the steps need: then the same records are bad under every policy.
plan::TableSourcePtr make_job_source(plan::TableSourcePtr source, std::shared_ptr<RunState> run);

}  // namespace gristmill::job
