// What a slot does in each of its states.

#include "sched/pipeline_task.h"

#include <algorithm>

namespace gristmill::sched::model {

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
    case State::kClaim: return claim(slot, lane);
    case State::kArrived: return arrive(lane);
    case State::kRoom:
      if (auto wait = ring_->wait_for_room(lane.seq)) {
        ++coverage().no_room;
        return Step::blocked(std::move(wait));
      }
      lane.state = State::kWork;
      return Step::progress();
    case State::kWork: return work(lane);
    case State::kDeliver: return deliver(lane);
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

}  // namespace gristmill::sched::model
