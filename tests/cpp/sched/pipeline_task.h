// One class for all pipelines of the model: a small state machine per slot, as the engine's pipelines are.
//
// Errors: a sink in order decides at the flush (a limit met before the row wins), the others keep the smallest
// (morsel, row) and close the claims from there. Each task also checks how the scheduler treats it.
#pragma once

#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "sched/async_window.h"
#include "sched/claim.h"
#include "sched/model_spec.h"
#include "sched/model_task.h"
#include "sched/ordered_ring.h"
#include "sched/task.h"

namespace gristmill::sched::model {

using Rows = std::vector<int64_t>;
inline constexpr int64_t kNoError = -2;

class PipelineTask;

// What the tasks of one query share.
struct Shared {
  const Spec* spec;
  Scheduler* scheduler;
  base::CancelToken cancel;
  std::atomic<uint64_t> steps{0};
  std::mutex mutex;
  std::string broken;  // the first breach of the contract
  std::vector<std::shared_ptr<PipelineTask>> tasks;

  void breach(const std::string& what) {
    std::lock_guard lock(mutex);
    if (broken.empty()) broken = what;
  }
  // Fires soon: by an I/O request or a timer.
  base::WaitHandlePtr later(uint64_t key) {
    auto handle = std::make_shared<base::WaitHandle>();
    after(key, [handle] { handle->fire(); });
    return handle;
  }
  void after(uint64_t key, std::function<void()> work) {
    if (mix(key, 5) % 2 == 0) {
      scheduler->background().submit_io(static_cast<int64_t>(mix(key, 6) % 1000), std::move(work));
    } else {
      scheduler->background().after(static_cast<int64_t>(mix(key, 7) % 40), std::move(work));
    }
  }
};

struct MorselSlot final : RingSlot {
  Rows rows;
  Rows on_disk;
  int64_t failed_row = kNoError;
  bool can_spill = true;
  int64_t bytes() const override { return static_cast<int64_t>(rows.size() * sizeof(int64_t)); }
  arrow::Status spill() override {
    if (!can_spill) return arrow::Status::OK();
    ++coverage().spilled;
    on_disk.insert(on_disk.begin(), rows.begin(), rows.end());
    rows.clear();
    return arrow::Status::OK();
  }
};

// The smallest (morsel, row) of a task.
struct FirstError {
  std::mutex mutex;
  uint64_t seq = std::numeric_limits<uint64_t>::max();
  int64_t row = kNoError;
  void keep(uint64_t s, int64_t r) {
    std::lock_guard lock(mutex);
    if (s >= seq) return;
    seq = s;
    row = r;
  }
};

enum class State : uint8_t { kClaim, kArrived, kRoom, kWork, kDeliver, kResume };

struct Lane {
  State state = State::kClaim;
  uint64_t seq = 0;
  Rows input;
  size_t at = 0;
  Rows output;
  int64_t failed_row = kNoError;
  std::vector<std::pair<uint64_t, Rows>> kept;  // breaker: local state
  std::atomic<bool> inside{false};
};

class PipelineTask final : public Task {
 public:
  PipelineTask(Shared& shared, int index) : shared_(shared), p_(shared.spec->pipelines[static_cast<size_t>(index)]), index_(index) {
    if (p_.sink == SinkKind::kAsync) {
      window_ = std::make_unique<AsyncWindow>(AsyncLimits{p_.window_rows, p_.window_bytes, p_.rows_per_second, p_.window_ordered},
                                              shared.scheduler->background(), shared.cancel);
    }
  }

  std::string name() const override { return "pipeline " + std::to_string(index_); }
  arrow::Status prepare(int slots) override;
  int max_slots() const override { return p_.max_slots; }
  arrow::Result<Step> step(int slot) override;
  arrow::Status finish() override;
  void abandon() override;

  AsyncWindow* window() { return window_.get(); }
  const Rows& output() const { return output_; }
  bool finished() const { return finished_; }
  int endings() const { return endings_; }

 private:
  AsyncWindow* source_window() const {
    return p_.source == SourceKind::kWindow ? shared_.tasks[static_cast<size_t>(p_.inputs[0])]->window() : nullptr;
  }
  void enter(int slot);
  arrow::Result<Step> move(int slot, Lane& lane);
  arrow::Result<Step> claim(int slot, Lane& lane);
  arrow::Result<Step> work(Lane& lane);
  arrow::Result<Step> deliver(Lane& lane);
  Step delivered(Lane& lane, base::WaitHandlePtr wait);
  arrow::Result<OrderedRing::Flushed> flush(uint64_t seq, MorselSlot& slot);
  Step offer(Lane& lane);
  void start_call(uint64_t seq, Rows rows, AsyncDone done);
  void run_nested(uint64_t seq);
  Step arrive(Lane& lane);

  Shared& shared_;
  const Pipeline& p_;
  const int index_;
  std::unique_ptr<AsyncWindow> window_;
  std::unique_ptr<Claims> claims_;
  std::unique_ptr<OrderedRing> ring_;
  std::vector<Lane> lanes_;
  Rows gathered_;  // of the breakers read
  uint64_t morsels_ = 0;
  FirstError error_;
  // Written by the flusher alone.
  uint64_t next_flush_ = 0;
  int refusals_ = 0;
  Rows output_;
  std::mutex offered_mutex_;
  std::map<uint64_t, Rows> offered_;
  int prepared_ = 0;
  bool finished_ = false;
  std::atomic<int> endings_{0};
};

}  // namespace gristmill::sched::model
