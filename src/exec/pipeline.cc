// The loop of a worker inside one pipeline; see pipeline.h for the order of errors.
//
// A slot is touched by one worker at a time. What slots share: the claims, the ring, the first error of a breaker's
// pipeline (guarded by mutex_), and the counters added up in finish().

#include "exec/pipeline.h"

#include <time.h>

#include <atomic>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>

#include "base/status.h"
#include "exec/branch_gates.h"
#include "exec/breaker.h"
#include "expr/user_function.h"
#include "sched/claim.h"
#include "sched/ordered_ring.h"

namespace gristmill::exec {
namespace {

constexpr uint64_t kNoError = std::numeric_limits<uint64_t>::max();
constexpr int64_t kRingByteShare = 4;  // waiting slots may hold a quarter of the query's cap

struct StopMorselDetail final : public arrow::StatusDetail {
  static constexpr const char* kId = "gristmill::StopMorsel";
  const char* type_id() const override { return kId; }
  std::string ToString() const override { return "no more rows of this morsel are wanted"; }
};

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Errors that no row order decides: they end the task at once.
bool immediate(const arrow::Status& s) {
  switch (base::error_kind(s)) {
    case base::ErrorKind::kMemory:
    case base::ErrorKind::kCancelled:
    case base::ErrorKind::kTimeout:
    case base::ErrorKind::kInternal: return true;
    default: return false;
  }
}

// The batches of one morsel on their way to an ordered sink, and the error that ended it.
struct MorselSlot final : sched::RingSlot {
  std::vector<column::Batch> batches;
  arrow::Status error;
  int64_t held = 0;
  int64_t bytes() const override { return held; }
};

struct Morsel {
  uint64_t seq = 0;  // in the pipeline
  int branch = 0;
  uint64_t local = 0;  // in the branch's source
};

class PipelineTask;

// One worker's way through one branch: locals and the ready-made emit closures (made once, not per batch).
class BranchRunner {
 public:
  BranchRunner(PipelineTask& task, int branch) : task_(task), branch_(branch) {}
  arrow::Status open();
  arrow::Status run(const Morsel& morsel);
  void collect(RunReport& report) const;
  LocalState* sink_local() { return sink_local_; }
  void set_sink_local(LocalState* l) { sink_local_ = l; }
  std::vector<column::Batch> take_output() { return std::move(output_); }

 private:
  friend class PipelineTask;
  arrow::Status push(size_t i, column::Batch batch);
  arrow::Status call(size_t i, column::Batch batch);
  arrow::Status end(size_t i);
  void reset();
  arrow::Status to_sink(column::Batch batch);
  arrow::Status place(const arrow::Status& s, const column::Batch& batch) const;
  void switch_clock(size_t to);

  PipelineTask& task_;
  int branch_;
  std::unique_ptr<LocalState> source_local_;
  std::vector<std::unique_ptr<LocalState>> locals_;
  std::vector<Emit> emits_;        // emits_[i] feeds operator i; the last feeds the sink
  std::vector<RowCounts> counts_;  // source, operators..., sink
  LocalState* sink_local_ = nullptr;
  std::vector<column::Batch> output_;  // ordered sinks
  Position position_;
  uint64_t rows_of_morsel_ = 0;
  int64_t bytes_ = 0;
  size_t clock_of_ = 0;
  int64_t clock_since_ = 0;
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

  arrow::Status prepare(int slots) override {
    if (spec_.enabled && !spec_.enabled()) {
      disabled_ = true;
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(segment_, spec_.resolve());
    total_ = 0;
    source_rows_.resize(segment_.branches.size());
    for (auto& b : segment_.branches) {
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
    const bool sequential = spec_.sequential || segment_.sequential;
    if (total_ >= 0) claims_ = spec_.ordered || sequential ? sched::counter_claims(total_) : sched::range_claims(total_, slots);
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
    slot.rows += static_cast<int64_t>(runner->rows_of_morsel_);
    if (context_->progress) {
      context_->progress->morsels_done++;
      context_->progress->rows += static_cast<int64_t>(runner->rows_of_morsel_);
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
  friend class BranchRunner;
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
      runner = std::make_unique<BranchRunner>(*this, branch);
      runner->set_sink_local(slot.sink_local.get());
      ARROW_RETURN_NOT_OK(runner->open());
    }
    return runner.get();
  }

  arrow::Result<sched::Step> deliver(const Morsel& morsel, Slot& slot, BranchRunner& runner, arrow::Status status) {
    if (is_stop_morsel(status)) {
      cut_short_ = true;
      status = arrow::Status::OK();
    }
    if (!status.ok() && immediate(status)) return status;
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
      if (immediate(staged.status())) return staged.status();
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
    if (st.workers.size() < slots_.size()) st.workers.resize(slots_.size());
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i]) continue;
      for (auto& r : slots_[i]->runners) {
        if (!r) continue;
        r->collect(*report_);
        source_rows_[static_cast<size_t>(r->branch_)].add(r->counts_[0]);
        bytes_ += r->bytes_;
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
    if (claims_) st.steals += claims_->steals();
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

// What a row of the batch takes, strings counted as their views.
int64_t row_bytes(const column::Batch& batch) {
  int64_t bytes = 0;
  for (const auto& c : batch.columns) {
    auto p = column::physical_of(*c.type());
    bytes += c.is_dictionary() ? 4 : p.ok() ? std::max(1, column::byte_width(*p)) : 16;
  }
  return bytes;
}

arrow::Status BranchRunner::open() {
  const Branch& branch = task_.segment_.branches[branch_];
  ARROW_ASSIGN_OR_RAISE(source_local_, branch.source->make_local(*task_.context_));
  for (const auto& placed : branch.operators) {
    ARROW_ASSIGN_OR_RAISE(auto local, placed.op->make_local(*task_.context_));
    locals_.push_back(std::move(local));
  }
  counts_.resize(branch.operators.size() + 2);
  for (size_t i = 0; i <= branch.operators.size(); ++i) {
    emits_.push_back([this, i](column::Batch b) { return push(i, std::move(b)); });
  }
  return arrow::Status::OK();
}

// Time is booked to whoever holds the thread: index 0 is the source, i + 1 operator i, the last the sink.
void BranchRunner::switch_clock(size_t to) {
  const int64_t now = now_ns();
  counts_[clock_of_].nanoseconds += now - clock_since_;
  clock_since_ = now;
  clock_of_ = to;
}

arrow::Status BranchRunner::run(const Morsel& morsel) {
  position_ = Position{morsel.seq, morsel.seq << 32};
  rows_of_morsel_ = 0;
  output_.clear();
  clock_of_ = 0;
  clock_since_ = now_ns();
  const expr::CancelScope cancel(task_.context_->cancel);
  const auto& operators = task_.segment_.branches[branch_].operators;
  for (size_t i = 0; i < operators.size(); ++i) operators[i].op->begin_morsel(morsel.seq, *locals_[i]);
  Source& source = *task_.segment_.branches[branch_].source;
  arrow::Status status = source.read(morsel.local, *source_local_, emits_[0], counts_[0]);
  if (status.ok()) {
    status = end(0);
  } else {
    reset();
  }
  switch_clock(0);
  return status;
}

// A morsel that ended early leaves nothing behind for the next one.
void BranchRunner::reset() {
  const auto& operators = task_.segment_.branches[branch_].operators;
  const Emit nowhere = [](column::Batch) { return arrow::Status::OK(); };
  for (size_t i = 0; i < operators.size(); ++i) (void)operators[i].op->end_morsel(*locals_[i], nowhere);
}

arrow::Status BranchRunner::end(size_t i) {
  const auto& operators = task_.segment_.branches[branch_].operators;
  for (; i < operators.size(); ++i) {
    switch_clock(i + 1);
    ARROW_RETURN_NOT_OK(operators[i].op->end_morsel(*locals_[i], emits_[i + 1]));
  }
  if (!task_.spec_.sink) return arrow::Status::OK();
  switch_clock(operators.size() + 1);
  return task_.spec_.sink->end_morsel(position_, *sink_local_);
}

arrow::Status BranchRunner::push(size_t i, column::Batch batch) {
  const int64_t live = batch.selected();
  if (live == 0) return arrow::Status::OK();
  if (task_.context_->cancel.cancelled()) return task_.context_->cancel.check();
  if (task_.dropped(position_.seq)) return stop_morsel();
  const size_t caller = clock_of_;
  counts_[i].out += live;
  counts_[i + 1].in += live;
  counts_[i + 1].batches++;
  if (i == 0) {
    rows_of_morsel_ += static_cast<uint64_t>(live);
    bytes_ += live * row_bytes(batch);
    ARROW_RETURN_NOT_OK(task_.context_->cancel.check());
  }
  switch_clock(i + 1);
  arrow::Status status = call(i, batch);
  if (!status.ok()) {
    auto detail = base::error_detail(status);
    if (detail && detail->batch_row >= 0) {
      // The rows before the failing one go on first: what they run into comes before this error.
      column::Batch before = batch;
      before.selection = batch.selection.below(detail->batch_row, batch.rows);
      if (before.selected() > 0) ARROW_RETURN_NOT_OK(push(i, std::move(before)));
      status = place(status, batch);
    }
  }
  switch_clock(caller);
  return status;
}

arrow::Status BranchRunner::call(size_t i, column::Batch batch) {
  const auto& operators = task_.segment_.branches[branch_].operators;
  if (i < operators.size()) return operators[i].op->process(std::move(batch), *locals_[i], emits_[i + 1]);
  return to_sink(std::move(batch));
}

arrow::Status BranchRunner::to_sink(column::Batch batch) {
  if (task_.spec_.ordered) {
    output_.push_back(std::move(batch));
    return arrow::Status::OK();
  }
  const int64_t rows = batch.rows;
  const Position at = position_;
  position_.order += static_cast<uint64_t>(rows);
  return task_.spec_.sink->consume(std::move(batch), at, *sink_local_);
}

// From a row of this batch to a row of the source.
arrow::Status BranchRunner::place(const arrow::Status& s, const column::Batch& batch) const {
  base::ErrorDetail detail = *base::error_detail(s);
  const int64_t row = batch.origin.row_of(detail.batch_row);
  detail.batch_row = -1;
  if (detail.row == kNoSourceRow) {
    detail.row = -1;
    return base::with_detail(s, std::move(detail));
  }
  if (row >= 0 && detail.row < 0) detail.row = row;
  if (batch.origin.input >= 0 && detail.file.empty()) detail.file = task_.segment_.branches[branch_].source->file_of(batch.origin.input);
  return base::with_detail(s, std::move(detail));
}

void BranchRunner::collect(RunReport& report) const {
  const Branch& branch = task_.segment_.branches[branch_];
  auto add = [&](int node, const std::string& name, const RowCounts& c) {
    for (auto& n : report.nodes) {
      if (n.plan_node == node && n.name == name) return n.counts.add(c);
    }
    report.nodes.push_back({node, name, c, {}});
  };
  add(branch.source_node, branch.source->name(), counts_[0]);
  for (size_t i = 0; i < branch.operators.size(); ++i) {
    RowCounts c = counts_[i + 1];
    if (branch.operators[i].op->generates_rows()) {
      c.generated = c.out;
      c.merged = c.in;
    } else {
      c.filtered = c.in - c.out;
    }
    add(branch.operators[i].plan_node, branch.operators[i].op->name(), c);
  }
  RowCounts c = counts_.back();
  add(task_.spec_.sink_node, task_.spec_.sink ? task_.spec_.sink->name() : task_.spec_.ordered->name(), c);
}

// The pieces of a phase, handed out by a counter.
class PhaseTask final : public sched::Task {
 public:
  PhaseTask(std::shared_ptr<Phase> phase, std::function<bool()> enabled, std::shared_ptr<const QueryContext> context,
            std::shared_ptr<RunReport> report, int plan_node)
      : phase_(std::move(phase)),
        enabled_(std::move(enabled)),
        context_(std::move(context)),
        report_(std::move(report)),
        plan_node_(plan_node) {}

  std::string name() const override { return phase_->name(); }
  int max_slots() const override { return static_cast<int>(std::clamp<int64_t>(pieces_, 1, 1 << 16)); }

  arrow::Status prepare(int) override {
    if (enabled_ && !enabled_()) return arrow::Status::OK();
    active_ = true;
    ARROW_ASSIGN_OR_RAISE(pieces_, phase_->start(*context_));
    claims_ = sched::counter_claims(static_cast<uint64_t>(pieces_));
    return arrow::Status::OK();
  }

  arrow::Result<sched::Step> step(int slot) override {
    if (!active_) return sched::Step::done();
    std::optional<uint64_t> piece = claims_->next(slot);
    if (!piece) return sched::Step::done();
    const int64_t before = now_ns();
    arrow::Status status = phase_->run(static_cast<int64_t>(*piece));
    nanoseconds_.fetch_add(now_ns() - before);
    if (status.ok()) return sched::Step::progress();
    if (immediate(status)) return status;
    claims_->close_from(*piece);
    std::lock_guard lock(mutex_);
    if (*piece < error_piece_) {
      error_piece_ = *piece;
      error_ = std::move(status);
    }
    return sched::Step::progress();
  }

  arrow::Status finish() override {
    if (context_->progress) context_->progress->tasks_done++;
    if (!active_) return arrow::Status::OK();
    RowCounts c;
    c.nanoseconds = nanoseconds_.load();
    {
      std::lock_guard lock(report_->mutex);
      report_->nodes.push_back({plan_node_, phase_->name(), c, {}});
    }
    ARROW_RETURN_NOT_OK(error_);
    return phase_->finish();
  }

 private:
  std::shared_ptr<Phase> phase_;
  std::function<bool()> enabled_;
  std::shared_ptr<const QueryContext> context_;
  std::shared_ptr<RunReport> report_;
  int plan_node_;
  bool active_ = false;
  int64_t pieces_ = 0;
  std::unique_ptr<sched::Claims> claims_;
  std::atomic<int64_t> nanoseconds_{0};
  std::mutex mutex_;
  uint64_t error_piece_ = kNoError;
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

std::shared_ptr<sched::Task> make_phase_task(std::shared_ptr<Phase> phase, std::function<bool()> enabled,
                                             std::shared_ptr<const QueryContext> context, std::shared_ptr<RunReport> report,
                                             int plan_node) {
  return std::make_shared<PhaseTask>(std::move(phase), std::move(enabled), std::move(context), std::move(report), plan_node);
}

arrow::Status stop_morsel() { return arrow::Status::Cancelled("stop").WithDetail(std::make_shared<StopMorselDetail>()); }

bool is_stop_morsel(const arrow::Status& s) {
  return !s.ok() && s.detail() && std::string_view(s.detail()->type_id()) == StopMorselDetail::kId;
}

}  // namespace gristmill::exec
