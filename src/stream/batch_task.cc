#include "stream/batch_task.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "exec/morsel_status.h"
#include "exec/steady_clock.h"

namespace gristmill::stream {
namespace {

constexpr uint64_t kNoError = ~uint64_t{0};
constexpr int64_t kMorselHeadroom = 4 << 20;

}  // namespace

arrow::Status BatchTask::prepare(int slots) {
  ARROW_ASSIGN_OR_RAISE(const int64_t morsels, branch_.source->start(*context_));
  if (morsels < 0) return base::internal_error("a batch at hand does not know its morsels");
  places_.clear();
  places_.resize(static_cast<size_t>(morsels));
  created_ += morsels;
  claimed_ = 0;
  closed_from_ = kNoError;
  if (slots_.size() < static_cast<size_t>(slots)) slots_.resize(static_cast<size_t>(slots));
  max_slots_ = static_cast<int>(std::clamp<int64_t>(morsels, 1, slots));
  return arrow::Status::OK();
}

arrow::Result<exec::BranchRunner*> BatchTask::runner_of(Slot& slot) {
  if (!slot.runner) {
    slot.runner = std::make_unique<exec::BranchRunner>(branch_, *context_, closed_from_, nullptr, nullptr);
    ARROW_RETURN_NOT_OK(slot.runner->open());
  }
  return slot.runner.get();
}

arrow::Result<sched::Step> BatchTask::step(int index) {
  const uint64_t local = claimed_.fetch_add(1, std::memory_order_relaxed);
  const uint64_t seq = first_ + local;
  if (local >= places_.size() || seq > closed_from_.load(std::memory_order_relaxed)) return sched::Step::done();
  if (context_->memory->limited()) {
    // Room for a usual morsel. Without it the morsel may fit all the same: its own allocations decide, not what others hold now.
    const arrow::Status room = context_->memory->ensure_headroom(kMorselHeadroom, "batch");
    if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
  }
  Slot& slot = slots_[static_cast<size_t>(index)];
  ARROW_ASSIGN_OR_RAISE(exec::BranchRunner * runner, runner_of(slot));
  const int64_t before = exec::now_ns();
  arrow::Status status = runner->run(exec::Morsel{seq, 0, local});
  slot.busy_ns += exec::now_ns() - before;
  slot.processed++;
  slot.rows += static_cast<int64_t>(runner->rows_of_morsel());
  ARROW_RETURN_NOT_OK(fill(places_[local], *runner, std::move(status)));
  if (!places_[local].error.ok()) close_from(seq);
  return sched::Step::progress();
}

arrow::Status BatchTask::fill(Place& place, exec::BranchRunner& runner, arrow::Status status) {
  if (exec::is_stop_morsel(status)) status = arrow::Status::OK();  // an earlier one has failed
  if (!status.ok() && exec::ends_at_once(status)) return status;
  auto staged = sink_->stage(runner.take_output(), *context_);
  if (staged.ok()) {
    place.batches = std::move(*staged);
  } else {  // of rows before whatever stopped the morsel
    if (exec::ends_at_once(staged.status())) return staged.status();
    status = staged.status();
  }
  place.error = std::move(status);
  return arrow::Status::OK();
}

void BatchTask::close_from(uint64_t seq) {
  uint64_t seen = closed_from_.load();
  while (seq < seen && !closed_from_.compare_exchange_weak(seen, seq)) {
  }
}

arrow::Status BatchTask::finish() {
  for (Place& p : places_) {
    if (p.error.ok()) continue;
    const arrow::Status error = p.error;
    abandon();
    return error;
  }
  exec::RowCounts all;
  for (const Slot& s : slots_) {
    if (s.runner) all.add(s.runner->source_counts());
  }
  if (all.in == all.out + all.skipped + all.filtered) return arrow::Status::OK();
  return base::internal_error("rows do not add up: " + std::to_string(all.in) + " read, " + std::to_string(all.out) + " passed on");
}

std::vector<std::vector<column::Batch>> BatchTask::take() {
  std::vector<std::vector<column::Batch>> out;
  out.reserve(places_.size());
  for (Place& p : places_) out.push_back(std::move(p.batches));
  places_.clear();
  return out;
}

void BatchTask::report(exec::RunReport& report) const {
  sched::Statistics& s = report.statistics;
  if (s.workers.size() < slots_.size()) s.workers.resize(slots_.size());
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.runner) continue;
    slot.runner->collect(-1, sink_->name(), report);
    report.bytes_through += slot.runner->bytes();
    s.workers[i].processed_count += slot.processed;
    s.workers[i].rows += slot.rows;
    s.workers[i].busy_seconds += static_cast<double>(slot.busy_ns) * 1e-9;
    s.total_morsels_processed += slot.processed;
  }
  s.total_morsels_created += created_;
}

}  // namespace gristmill::stream
