// One class for all pipelines: a small state machine per slot, as the engine's pipelines are.
//
// Errors: a sink in order decides at the flush (a limit met before the row wins), the others keep the smallest
// (morsel, row) and close the claims from there. Each task also checks how the scheduler treats it.

#include "sched/model_task.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "base/status.h"
#include "sched/async_window.h"
#include "sched/claim.h"
#include "sched/ordered_ring.h"

namespace gristmill::sched::model {
namespace {

using Rows = std::vector<int64_t>;
constexpr int64_t kNoError = -2;

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

arrow::Status PipelineTask::prepare(int slots) {
  if (++prepared_ != 1) shared_.breach(name() + ": prepared twice");
  for (const auto& others : {p_.also_after, p_.source == SourceKind::kWindow ? std::vector<int>{} : p_.inputs}) {
    for (int i : others) {
      if (!shared_.tasks[static_cast<size_t>(i)]->finished()) shared_.breach(name() + " started before " + std::to_string(i) + " finished");
    }
  }
  morsels_ = p_.morsels;
  if (p_.source == SourceKind::kBreakers) {
    for (int i : p_.inputs) {
      const Rows& rows = shared_.tasks[static_cast<size_t>(i)]->output();
      gathered_.insert(gathered_.end(), rows.begin(), rows.end());
    }
    morsels_ = (gathered_.size() + p_.rows - 1) / p_.rows;
  }
  const int used = std::min(slots, p_.max_slots);
  lanes_ = std::vector<Lane>(static_cast<size_t>(used));
  if (p_.source != SourceKind::kWindow) {
    const uint64_t count = p_.known_count ? morsels_ : std::numeric_limits<uint64_t>::max();
    claims_ = p_.range_claims ? range_claims(count, used) : counter_claims(count);
  }
  if (p_.sink == SinkKind::kOrdered) {
    ring_ = std::make_unique<OrderedRing>(p_.ring_window, p_.byte_cap,
                                          [this](uint64_t seq, RingSlot& slot) { return flush(seq, static_cast<MorselSlot&>(slot)); });
  }
  return arrow::Status::OK();
}

void PipelineTask::enter(int slot) {
  if (prepared_ != 1) shared_.breach(name() + ": stepped before prepare");
  if (endings_ != 0) shared_.breach(name() + ": stepped after its end");
  if (slot < 0 || slot >= static_cast<int>(lanes_.size())) shared_.breach(name() + ": slot out of range");
  if (shared_.spec->cancel_at_step && shared_.steps.fetch_add(1) == *shared_.spec->cancel_at_step) {
    shared_.cancel.cancel(base::cancelled_error("enough"));
  }
}

arrow::Result<Step> PipelineTask::step(int slot) {
  ++coverage().steps;
  enter(slot);
  Lane& lane = lanes_[static_cast<size_t>(slot)];
  if (lane.inside.exchange(true)) shared_.breach(name() + ": one slot stepped twice at once");
  arrow::Result<Step> result = move(slot, lane);
  lane.inside = false;
  return result;
}

arrow::Result<Step> PipelineTask::move(int slot, Lane& lane) {
  switch (lane.state) {
    case State::kClaim:
      return claim(slot, lane);
    case State::kArrived:
      return arrive(lane);
    case State::kRoom:
      if (auto wait = ring_->wait_for_room(lane.seq)) {
        ++coverage().no_room;
        return Step::blocked(std::move(wait));
      }
      lane.state = State::kWork;
      return Step::progress();
    case State::kWork:
      return work(lane);
    case State::kDeliver:
      return deliver(lane);
    case State::kResume: {
      ARROW_ASSIGN_OR_RAISE(base::WaitHandlePtr wait, ring_->resume());
      return delivered(lane, std::move(wait));
    }
  }
  return base::internal_error("no such state");
}

arrow::Result<Step> PipelineTask::claim(int slot, Lane& lane) {
  lane.at = 0;
  lane.output.clear();
  lane.input.clear();
  lane.failed_row = kNoError;
  if (AsyncWindow* source = source_window()) {
    AsyncWindow::Taken taken = source->take();
    if (taken.end) return Step::done();
    if (taken.wait) {
      ++coverage().nothing_to_take;
      return Step::blocked(std::move(taken.wait));
    }
    lane.seq = taken.number;
    if (!taken.result.ok()) {
      ARROW_RETURN_NOT_OK(shared_.cancel.check());
      lane.failed_row = -1;
    } else {
      lane.input = *std::static_pointer_cast<Rows>(*taken.result);
    }
    return arrive(lane);
  }
  const std::optional<uint64_t> seq = claims_->next(slot);
  if (!seq) return Step::done();
  if (*seq >= morsels_) {  // the source finds its end only now
    claims_->close_from(morsels_);
    return Step::done();
  }
  lane.seq = *seq;
  lane.state = State::kArrived;
  if (chance(mix(p_.seed, *seq + 31), p_.source_waits)) {
    ++coverage().late_sources;
    return Step::blocked(shared_.later(mix(p_.seed, *seq + 37)));
  }
  return Step::progress();
}

Step PipelineTask::arrive(Lane& lane) {
  if (p_.source == SourceKind::kGenerated) {
    for (uint64_t i = 0; i < generated_rows(p_, lane.seq); ++i) lane.input.push_back(generated_row(p_, lane.seq, i));
  } else if (p_.source == SourceKind::kBreakers) {
    const auto begin = gathered_.begin() + static_cast<int64_t>(lane.seq * p_.rows);
    lane.input.assign(begin, begin + static_cast<int64_t>(std::min<uint64_t>(p_.rows, gathered_.size() - lane.seq * p_.rows)));
  }
  lane.state = ring_ ? State::kRoom : State::kWork;
  return Step::progress();
}

void PipelineTask::run_nested(uint64_t seq) {
  Spec inner;
  inner.pipelines.resize(1);
  inner.pipelines[0].seed = mix(p_.seed, seq);
  inner.pipelines[0].morsels = 2;
  inner.pipelines[0].source_waits = 50;
  const std::string wrong = run_and_compare(inner, *shared_.scheduler, 3);
  if (!wrong.empty()) shared_.breach("nested query: " + wrong);
}

arrow::Result<Step> PipelineTask::work(Lane& lane) {
  if (p_.step_error_at == lane.seq) return base::internal_error(step_error(index_));
  if (lane.at == 0 && chance(mix(p_.seed, lane.seq + 41), p_.nested_queries)) run_nested(lane.seq);
  const size_t end = std::min(lane.input.size(), lane.at + p_.batch_rows);
  while (lane.at < end && lane.failed_row == kNoError) {
    if (!apply(p_, lane.input[lane.at], &lane.output)) lane.failed_row = static_cast<int64_t>(lane.at);
    ++lane.at;
  }
  if (lane.failed_row != kNoError || lane.at == lane.input.size()) lane.state = State::kDeliver;
  return Step::progress();
}

arrow::Result<Step> PipelineTask::deliver(Lane& lane) {
  const bool failed = lane.failed_row != kNoError;
  if (failed && claims_) claims_->close_from(lane.seq + 1);
  if (ring_) {
    auto slot = std::make_unique<MorselSlot>();
    slot->rows = std::move(lane.output);
    slot->failed_row = lane.failed_row;
    slot->can_spill = mix(p_.seed, lane.seq + 43) % 4 != 0;
    ARROW_ASSIGN_OR_RAISE(base::WaitHandlePtr wait, ring_->deliver(lane.seq, std::move(slot)));
    return delivered(lane, std::move(wait));
  }
  if (failed) {
    error_.keep(lane.seq, lane.failed_row);
    if (window_) window_->fail_from(lane.seq);
  } else if (p_.sink == SinkKind::kAsync) {
    return offer(lane);
  } else {
    lane.kept.emplace_back(lane.seq, std::move(lane.output));
  }
  lane.state = State::kClaim;
  return Step::progress();
}

Step PipelineTask::delivered(Lane& lane, base::WaitHandlePtr wait) {
  lane.state = wait ? State::kResume : State::kClaim;
  if (wait) return Step::blocked(std::move(wait));
  if (ring_->stopped()) {
    if (claims_) claims_->close_from(0);
    if (AsyncWindow* source = source_window()) source->discard();
  }
  return Step::progress();
}

arrow::Result<OrderedRing::Flushed> PipelineTask::flush(uint64_t seq, MorselSlot& slot) {
  if (seq != next_flush_) shared_.breach(name() + ": flushed out of order");
  if (chance(mix(p_.seed, seq + 47), p_.sink_waits) && refusals_ < static_cast<int>(1 + mix(p_.seed, seq) % 2)) {
    ++refusals_;
    ++coverage().refused;
    return OrderedRing::Flushed{shared_.later(mix(p_.seed, seq + 53 + static_cast<uint64_t>(refusals_))), false};
  }
  refusals_ = 0;
  ++next_flush_;
  Rows rows = slot.on_disk;
  rows.insert(rows.end(), slot.rows.begin(), slot.rows.end());
  for (int64_t v : rows) {
    if (p_.limit && output_.size() == *p_.limit) break;
    output_.push_back(v);
  }
  const bool met = p_.limit && output_.size() == *p_.limit;
  const bool failed = slot.failed_row != kNoError && !met;
  if (failed) error_.keep(seq, slot.failed_row);
  return OrderedRing::Flushed{nullptr, met || failed};
}

Step PipelineTask::offer(Lane& lane) {
  const auto rows = static_cast<int64_t>(std::max<size_t>(lane.output.size(), 1));
  auto start = [this, seq = lane.seq, &lane](AsyncDone done) { start_call(seq, lane.output, std::move(done)); };
  if (auto wait = window_->offer(lane.seq, rows, rows * 8, std::move(start))) {
    ++coverage().window_full;
    return Step::blocked(std::move(wait));
  }
  {
    std::lock_guard lock(offered_mutex_);
    if (!offered_.emplace(lane.seq, std::move(lane.output)).second) shared_.breach(name() + ": offered twice");
  }
  lane.state = State::kClaim;
  return Step::progress();
}

void PipelineTask::start_call(uint64_t seq, Rows rows, AsyncDone done) {
  // Answers may come after the query: nothing of the task is touched.
  auto give = [answered = answer(p_, seq, rows), done = std::move(done)] {
    if (answered) {
      done(AsyncResult(std::make_shared<Rows>(*answered)));
    } else {
      done(base::data_error("the call failed"));
    }
  };
  if (chance(mix(p_.seed, seq + 59), p_.call_sync)) {
    give();
  } else {
    shared_.after(mix(p_.seed, seq + 61), std::move(give));
  }
}

arrow::Status PipelineTask::finish() {
  if (claims_) coverage().steals += claims_->steals();
  for (Lane& lane : lanes_) {
    if (lane.inside) shared_.breach(name() + ": finished during a step");
  }
  if (++endings_ != 1) shared_.breach(name() + ": ended twice");
  if (p_.sink == SinkKind::kBreaker) {
    std::map<uint64_t, Rows> all;
    for (Lane& lane : lanes_) {
      for (auto& [seq, rows] : lane.kept) {
        if (!all.emplace(seq, std::move(rows)).second) shared_.breach(name() + ": morsel twice");
      }
    }
    for (const auto& [seq, rows] : all) output_.insert(output_.end(), rows.begin(), rows.end());
  }
  for (const auto& [seq, rows] : offered_) output_.insert(output_.end(), rows.begin(), rows.end());
  if (AsyncWindow* source = source_window()) source->discard();
  if (error_.row != kNoError) return base::data_error(row_error(index_, error_.seq, error_.row));
  if (window_) window_->close(source_window() != nullptr ? offered_.size() : morsels_);
  finished_ = true;
  return arrow::Status::OK();
}

void PipelineTask::abandon() {
  ++coverage().abandoned;
  for (Lane& lane : lanes_) {
    if (lane.inside) shared_.breach(name() + ": abandoned during a step");
  }
  if (++endings_ != 1) shared_.breach(name() + ": ended twice");
  if (AsyncWindow* source = source_window()) source->discard();
}

std::string show(const Rows& rows) {
  std::ostringstream out;
  out << rows.size() << " rows:";
  for (size_t i = 0; i < std::min<size_t>(rows.size(), 40); ++i) out << " " << rows[i];
  return out.str();
}

std::string compare(const Expected& expected, const Shared& shared, const arrow::Status& status) {
  if (!shared.broken.empty()) return shared.broken;
  const bool may_be_cancelled = shared.spec->cancel_at_step.has_value();
  const bool cancelled = may_be_cancelled && status.message() == "enough";
  if (!cancelled && status.message() != expected.message)
    return "error \"" + status.ToString() + "\", expected \"" + expected.message + "\"";
  const size_t complete = cancelled ? 0 : expected.outputs.size();
  for (size_t k = 0; k < shared.tasks.size(); ++k) {
    const PipelineTask& task = *shared.tasks[k];
    const Pipeline& p = shared.spec->pipelines[k];
    if (task.endings() != 1) return task.name() + " ended " + std::to_string(task.endings()) + " times";
    if (k < complete && task.output() != expected.outputs[k]) {
      // What is offered to a window that its consumer discarded may be dropped, but that is not seen here.
      return task.name() + " gave " + show(task.output()) + "\nexpected " + show(expected.outputs[k]);
    }
    const bool error_in_order = static_cast<int>(k) == expected.failed && p.sink == SinkKind::kOrdered && !p.step_error_at;
    if (!cancelled && error_in_order && task.output() != expected.failed_prefix) {
      return task.name() + " gave before its error " + show(task.output()) + "\nexpected " + show(expected.failed_prefix);
    }
    if (k < expected.outputs.size() && p.sink == SinkKind::kOrdered) {
      const Rows& whole = expected.outputs[k];
      if (task.output().size() > whole.size() || !std::equal(task.output().begin(), task.output().end(), whole.begin())) {
        return task.name() + " gave no prefix: " + show(task.output()) + "\nexpected " + show(whole);
      }
    }
  }
  return {};
}

}  // namespace

Coverage& coverage() {
  static Coverage counts;
  return counts;
}

std::string run_and_compare(const Spec& spec, Scheduler& scheduler, int workers) {
  Shared shared{&spec, &scheduler};
  Query query;
  query.cancel = shared.cancel;
  for (size_t k = 0; k < spec.pipelines.size(); ++k) {
    const Pipeline& p = spec.pipelines[k];
    shared.tasks.push_back(std::make_shared<PipelineTask>(shared, static_cast<int>(k)));
    std::vector<int> after = p.also_after;
    if (p.source == SourceKind::kBreakers) after.insert(after.end(), p.inputs.begin(), p.inputs.end());
    query.nodes.push_back({shared.tasks.back(), after});
  }
  RunOptions options;
  options.workers = workers;
  const arrow::Status status = scheduler.run(query, options);
  return compare(run_sequentially(spec), shared, status);
}

}  // namespace gristmill::sched::model
