// The loop of a worker inside one pipeline; see pipeline.h for the order of errors.
//
// A slot is touched by one worker at a time. What slots share: the claims, the ring, the first error of a breaker's
// pipeline (guarded by mutex_), and the counters added up in finish().

#include "exec/pipeline.h"

#include <atomic>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>

#include "base/status.h"
#include "exec/branch_gates.h"
#include "exec/branch_runner.h"
#include "exec/morsel_status.h"
#include "exec/steady_clock.h"
#include "sched/claim.h"
#include "sched/ordered_ring.h"

namespace gristmill::exec {
namespace {

constexpr uint64_t kNoError = std::numeric_limits<uint64_t>::max();
constexpr int64_t kRingByteShare = 4;  // waiting slots may hold a quarter of the query's cap

// The batches of one morsel on their way to an ordered sink, and the error that ended it.
struct MorselSlot final : sched::RingSlot {
  std::vector<column::Batch> batches;
  arrow::Status error;
  int64_t held = 0;
  int64_t bytes() const override { return held; }
};

struct Slot {
  std::vector<std::unique_ptr<BranchRunner>> runners;
  std::unique_ptr<LocalState> sink_local;
  std::optional<Morsel> claimed;
  bool resume = false;
  int64_t processed = 0;
  int64_t rows = 0;
  int64_t busy_ns = 0;
};

class PipelineTask final : public sched::Task {
 public:
  PipelineTask(PipelineSpec spec, std::shared_ptr<const QueryContext> context, std::shared_ptr<RunReport> report)
      : spec_(std::move(spec)), context_(std::move(context)), report_(std::move(report)) {}

  std::string name() const override { return spec_.name; }
  int max_slots() const override { return max_slots_; }

  void place(const std::vector<int>& node_of_slot) override { nodes_ = node_of_slot; }

  arrow::Status prepare(int slots) override {
    if (spec_.enabled && !spec_.enabled()) {
      disabled_ = true;
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(segment_, spec_.resolve());
    total_ = 0;
    source_rows_.resize(segment_.branches.size());
    const bool sequential = spec_.sequential || segment_.sequential, from_counter = spec_.ordered || sequential;
    for (auto& b : segment_.branches) {
      if (!from_counter) b.source->expect_ranges();
      ARROW_ASSIGN_OR_RAISE(int64_t n, b.source->start(*context_));
      sizes_.push_back(n);
      if (n < 0) total_ = -1;
      if (total_ >= 0) total_ += n;
    }
    if (spec_.ordered) {
      const int64_t cap =
          std::max<int64_t>(context_->memory->limited() ? context_->memory->cap() / kRingByteShare : int64_t{1} << 30, 1 << 20);
      ring_.emplace(static_cast<uint64_t>(4 * std::max(1, slots)), cap,
                    [this](uint64_t seq, sched::RingSlot& slot) { return flush(seq, slot); });
    }
    if (context_->progress && total_ > 0) context_->progress->morsels += total_;
    gates_.open(segment_, sizes_);
    if (total_ >= 0) claims_ = from_counter ? sched::counter_claims(total_) : sched::range_claims(total_, slots, nodes_);
    slots_.resize(slots);
    max_slots_ = sequential ? 1 : total_ >= 0 ? static_cast<int>(std::min<int64_t>(slots, std::max<int64_t>(total_, 1))) : slots;
    return arrow::Status::OK();
  }

  arrow::Result<sched::Step> step(int index) override {
    if (disabled_) return sched::Step::done();
    if (!slots_[index]) slots_[index] = std::make_unique<Slot>();
    Slot& slot = *slots_[index];
    if (slot.resume) {
      ARROW_ASSIGN_OR_RAISE(auto wait, ring_->resume());
      if (wait) return sched::Step::blocked(std::move(wait));
      slot.resume = false;
      return sched::Step::progress();
    }
    if (ring_ && ring_->stopped()) return sched::Step::done();
    if (!slot.claimed) {
      ARROW_ASSIGN_OR_RAISE(sched::Step claimed, claim(index, slot));
      if (claimed.kind != sched::StepKind::kProgress) return claimed;
    }
    const Morsel morsel = *slot.claimed;
    if (auto wait = gates_.wait_for(morsel.branch, [&] { return dropped(morsel.seq); })) {
      if (!dropped(morsel.seq)) return sched::Step::blocked(std::move(wait));
      slot.claimed.reset();
      return sched::Step::progress();
    }
    if (ring_) {
      if (auto wait = ring_->wait_for_room(morsel.seq)) {
        if (ring_->stopped()) return sched::Step::done();
        return sched::Step::blocked(std::move(wait));
      }
    }
    slot.claimed.reset();
    if (context_->memory->limited()) {
      // Room for a usual morsel. Without it the morsel may fit all the same: its own allocations decide, not what others hold now.
      const arrow::Status room = context_->memory->ensure_headroom(kMorselHeadroom, spec_.name.c_str());
      if (!room.ok() && base::error_kind(room) != base::ErrorKind::kMemory) return room;
    }
    ARROW_ASSIGN_OR_RAISE(BranchRunner * runner, runner_of(slot, morsel.branch));
    const int64_t before = now_ns();
    const arrow::Status status = runner->run(morsel);
    slot.busy_ns += now_ns() - before;
    slot.processed++;
    slot.rows += static_cast<int64_t>(runner->rows_of_morsel());
    if (context_->progress) {
      context_->progress->morsels_done++;
      context_->progress->rows += static_cast<int64_t>(runner->rows_of_morsel());
    }
    gates_.processed(morsel.branch);
    return deliver(morsel, slot, *runner, status);
  }

  arrow::Status finish() override {
    if (context_->progress) context_->progress->tasks_done++;
    if (disabled_) return arrow::Status::OK();
    const arrow::Status accounted = report_rows();
    if (!error_.ok()) {
      abandon();
      return error_;
    }
    if (!accounted.ok()) {
      abandon();
      return accounted;
    }
    if (spec_.ordered) {
      arrow::Status s = spec_.ordered->finalize();
      if (!s.ok()) spec_.ordered->abandon();
      return s;
    }
    if (slots_.empty() || !std::any_of(slots_.begin(), slots_.end(), [](const auto& s) { return s && s->sink_local; })) {
      ARROW_ASSIGN_OR_RAISE(auto local, spec_.sink->make_local(*context_));  // no row came: sinks still see one local
      ARROW_RETURN_NOT_OK(spec_.sink->combine(*local));
    }
    for (auto& slot : slots_) {
      if (!slot || !slot->sink_local) continue;
      ARROW_RETURN_NOT_OK(spec_.sink->combine(*slot->sink_local));
      slot->sink_local.reset();
    }
    slots_.clear();
    return spec_.sink->finalize();
  }

  void abandon() override {
    if (spec_.ordered) spec_.ordered->abandon();
    slots_.clear();
  }

 private:
  static constexpr int64_t kMorselHeadroom = 4 << 20;

  arrow::Result<sched::Step> claim(int index, Slot& slot) {
    if (claims_) {
      std::optional<uint64_t> seq = claims_->next(index);
      if (!seq) return sched::Step::done();
      Morsel m{*seq, 0, *seq};
      while (m.local >= static_cast<uint64_t>(sizes_[m.branch])) m.local -= static_cast<uint64_t>(sizes_[m.branch++]);
      slot.claimed = m;
      return sched::Step::progress();
    }
    // Unknown length: morsels come into being one after the other.
    std::lock_guard lock(claim_mutex_);
    if (next_seq_ >= closed_from_.load()) return sched::Step::done();
    while (next_branch_ < static_cast<int>(segment_.branches.size())) {
      const int64_t known = sizes_[next_branch_];
      bool end = known >= 0 && next_local_ >= static_cast<uint64_t>(known);
      if (known < 0) {
        ARROW_ASSIGN_OR_RAISE(Source::Next n, segment_.branches[next_branch_].source->next(next_local_));
        if (n.wait) return sched::Step::blocked(std::move(n.wait));
        end = n.end;
      }
      if (!end) {
        slot.claimed = Morsel{next_seq_++, next_branch_, next_local_++};
        return sched::Step::progress();
      }
      gates_.ended(next_branch_, static_cast<int64_t>(next_local_));
      next_branch_++;
      next_local_ = 0;
    }
    return sched::Step::done();
  }

  arrow::Result<BranchRunner*> runner_of(Slot& slot, int branch) {
    if (slot.runners.empty()) {
      slot.runners.resize(segment_.branches.size());
      if (spec_.sink) {
        ARROW_ASSIGN_OR_RAISE(slot.sink_local, spec_.sink->make_local(*context_));
      }
    }
    auto& runner = slot.runners[branch];
    if (!runner) {
      runner = std::make_unique<BranchRunner>(segment_.branches[branch], *context_, closed_from_, spec_.sink.get(), slot.sink_local.get());
      ARROW_RETURN_NOT_OK(runner->open());
    }
    return runner.get();
  }

  arrow::Result<sched::Step> deliver(const Morsel& morsel, Slot& slot, BranchRunner& runner, arrow::Status status) {
    if (is_stop_morsel(status)) {
      cut_short_ = true;
      status = arrow::Status::OK();
    }
    if (!status.ok() && ends_at_once(status)) return status;
    if (!status.ok()) close_from(morsel.seq);
    if (!ring_) {
      if (!status.ok()) keep_smallest(morsel.seq, status);
      return sched::Step::progress();
    }
    auto out = std::make_unique<MorselSlot>();
    auto staged = spec_.ordered->stage(runner.take_output(), *context_);
    if (staged.ok()) {
      out->batches = std::move(*staged);
    } else {  // in its turn, like an error of an operator; the rows come before whatever stopped the morsel
      if (ends_at_once(staged.status())) return staged.status();
      close_from(morsel.seq);
      status = staged.status();
    }
    for (const auto& b : out->batches) out->held += column::retained_bytes(b);
    out->error = std::move(status);
    ARROW_ASSIGN_OR_RAISE(auto wait, ring_->deliver(morsel.seq, std::move(out)));
    if (wait) {
      slot.resume = true;
      return sched::Step::blocked(std::move(wait));
    }
    return sched::Step::progress();
  }

  // Called by the ring, in order, one at a time.
  arrow::Result<sched::OrderedRing::Flushed> flush(uint64_t seq, sched::RingSlot& raw) {
    auto& slot = static_cast<MorselSlot&>(raw);
    ARROW_ASSIGN_OR_RAISE(OrderedSink::Answer answer, spec_.ordered->deliver(seq, slot.batches));
    if (answer.wait) return sched::OrderedRing::Flushed{std::move(answer.wait), false};
    if (answer.enough) {
      close_from(seq + 1);
      return sched::OrderedRing::Flushed{nullptr, true};
    }
    if (!slot.error.ok()) {
      keep_smallest(seq, slot.error);
      return sched::OrderedRing::Flushed{nullptr, true};
    }
    return sched::OrderedRing::Flushed{};
  }

  void close_from(uint64_t seq) {
    if (claims_) claims_->close_from(seq);
    uint64_t seen = closed_from_.load();
    while (seq < seen && !closed_from_.compare_exchange_weak(seen, seq)) {
    }
    gates_.wake();
  }

  void keep_smallest(uint64_t seq, const arrow::Status& status) {
    std::lock_guard lock(mutex_);
    if (seq >= error_seq_) return;
    error_seq_ = seq;
    error_ = status;
  }

  bool dropped(uint64_t seq) const { return seq > closed_from_.load(std::memory_order_relaxed); }

  // Adds up what the slots counted. Every row of a source that was read to its end went on, was refused or was skipped.
  arrow::Status report_rows() {
    std::lock_guard lock(report_->mutex);
    sched::Statistics& st = report_->statistics;
    const std::string sink_name = spec_.sink ? spec_.sink->name() : spec_.ordered->name();
    if (st.workers.size() < slots_.size()) st.workers.resize(slots_.size());
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i]) continue;
      for (size_t branch = 0; branch < slots_[i]->runners.size(); ++branch) {
        const auto& r = slots_[i]->runners[branch];
        if (!r) continue;
        r->collect(spec_.sink_node, sink_name, *report_);
        source_rows_[branch].add(r->source_counts());
        bytes_ += r->bytes();
      }
      st.workers[i].processed_count += slots_[i]->processed;
      st.workers[i].rows += slots_[i]->rows;
      st.workers[i].busy_seconds += static_cast<double>(slots_[i]->busy_ns) * 1e-9;
      st.total_morsels_processed += slots_[i]->processed;
    }
    report_->bytes_through += bytes_;
    if (st.total_morsels_processed > 0) {
      st.morsel_size_kb = static_cast<double>(report_->bytes_through) / 1024.0 / static_cast<double>(st.total_morsels_processed);
    }
    st.total_morsels_created += total_ >= 0 ? total_ : static_cast<int64_t>(next_seq_);
    if (claims_) {
      st.steals += claims_->steals();
      if (report_->steals.size() < slots_.size()) report_->steals.resize(slots_.size());
      for (size_t i = 0; i < slots_.size(); ++i) report_->steals[i] += claims_->steals_of(static_cast<int>(i));
    }
    for (auto& b : segment_.branches) {
      std::string d = b.source->detail();
      if (d.empty()) continue;
      for (auto& n : report_->nodes) {
        if (n.plan_node == b.source_node) n.detail = d;
      }
    }
    const bool complete = error_.ok() && closed_from_.load() == kNoError && !cut_short_;
    for (const RowCounts& c : source_rows_) {
      if (!complete || c.in == 0 || c.in == c.out + c.skipped + c.filtered) continue;  // 0: the source of a breaker, which reads nothing
      return base::internal_error("rows of " + spec_.name + " do not add up: " + std::to_string(c.in) + " read, " + std::to_string(c.out) +
                                  " passed on, " + std::to_string(c.filtered) + " filtered, " + std::to_string(c.skipped) + " skipped");
    }
    return arrow::Status::OK();
  }

  PipelineSpec spec_;
  std::shared_ptr<const QueryContext> context_;
  std::shared_ptr<RunReport> report_;
  Segment segment_;
  std::vector<int64_t> sizes_;  // morsels per branch, -1 unknown
  BranchGates gates_;
  int64_t total_ = 0;
  int max_slots_ = 1;
  bool disabled_ = false;
  std::vector<int> nodes_;  // of the slots; none: memory has one place
  std::unique_ptr<sched::Claims> claims_;
  std::optional<sched::OrderedRing> ring_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<uint64_t> closed_from_{kNoError};

  std::mutex claim_mutex_;  // unknown length
  uint64_t next_seq_ = 0;
  int next_branch_ = 0;
  uint64_t next_local_ = 0;

  std::atomic<bool> cut_short_{false};  // a morsel ended before its last row
  std::vector<RowCounts> source_rows_;  // by branch
  int64_t bytes_ = 0;

  std::mutex mutex_;
  uint64_t error_seq_ = kNoError;
  arrow::Status error_;
};

}  // namespace

void RowCounts::add(const RowCounts& o) {
  in += o.in;
  out += o.out;
  filtered += o.filtered;
  rejected += o.rejected;
  skipped += o.skipped;
  merged += o.merged;
  generated += o.generated;
  batches += o.batches;
  nanoseconds += o.nanoseconds;
}

void Segment::append(std::shared_ptr<const Operator> op, int plan_node) {
  for (auto& b : branches) b.operators.push_back({op, plan_node});
}

std::shared_ptr<sched::Task> make_pipeline_task(PipelineSpec spec, std::shared_ptr<const QueryContext> context,
                                                std::shared_ptr<RunReport> report) {
  return std::make_shared<PipelineTask>(std::move(spec), std::move(context), std::move(report));
}

}  // namespace gristmill::exec
