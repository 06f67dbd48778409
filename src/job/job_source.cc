#include "job/job_source.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "exec/morsel_status.h"
#include "exec/steady_clock.h"
#include "io/bad_records.h"
#include "job/waiting_morsels.h"

namespace gristmill::job {

base::WaitHandlePtr Flow::room(uint64_t seq) {
  if (most_ > 0 && static_cast<int64_t>(seq) - done_.load() >= most_) {
    std::lock_guard lock(mutex_);
    if (static_cast<int64_t>(seq) - done_.load() >= most_) {
      waiting_.push_back(std::make_shared<base::WaitHandle>());
      return waiting_.back();
    }
  }
  return nullptr;
}

void Flow::begin(uint64_t seq) { begun_.store(static_cast<int64_t>(seq) + 1, std::memory_order_relaxed); }

void Flow::delivered(uint64_t through) {
  std::vector<base::WaitHandlePtr> waiting;
  {
    std::lock_guard lock(mutex_);
    done_.store(static_cast<int64_t>(through));
    waiting.swap(waiting_);
  }
  for (const auto& w : waiting) w->fire();
}

namespace {

class JobLocal final : public plan::ScanLocal {
 public:
  std::unique_ptr<plan::ScanLocal> source;
  std::unique_ptr<ChainLocal> chain;
  size_t worker = 0;
  int64_t batches = 0;
};

constexpr int64_t kWeighEvery = 16;  // batches; the first of each worker among them

class JobScan final : public plan::Scan {
 public:
  // `nulls`: for each column of the source, what stands there when it is not read.
  JobScan(std::shared_ptr<plan::Scan> source, std::vector<std::optional<column::Column>> nulls, std::vector<int> columns, bool picks,
          std::shared_ptr<RunState> run, base::CancelToken cancel)
      : source_(std::move(source)),
        nulls_(std::move(nulls)),
        columns_(std::move(columns)),
        picks_(picks),
        run_(std::move(run)),
        cancel_(std::move(cancel)),
        morsels_(source_->num_morsels()),
        phases_(run_->chain.asking_steps() + 1),
        waiting_(phases_, std::max(1, run_->context.workers), [run = run_] { return takes_more(*run); }) {
    if (run_->status != nullptr && morsels_ >= 0) run_->status->set_total_parts(morsels_);
  }

  int64_t num_morsels() const override { return -1; }
  std::string file_of(int32_t input) const override { return source_->file_of(input); }
  std::string detail() const override { return source_->detail(); }

  arrow::Result<Next> next(uint64_t seq) override {
    if (run_->flow && !(phases_ == 1 && is_end(seq))) {
      if (auto wait = run_->flow->room(seq)) return Next{false, std::move(wait)};
    }
    auto found = phases_ == 1 ? next_of_source(seq) : waiting_.next(seq, [this](uint64_t number) { return next_of_source(number); });
    if (run_->flow && found.ok() && !found->end && found->wait == nullptr) run_->flow->begin(seq);
    return found;
  }

  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    auto local = std::make_unique<JobLocal>();
    ARROW_ASSIGN_OR_RAISE(local->source, source_->make_local());
    ARROW_ASSIGN_OR_RAISE(local->chain, run_->chain.make_local(run_->context));
    local->worker = static_cast<size_t>(run_->workers_seen++) % static_cast<size_t>(std::max(1, run_->context.workers));
    return local;
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    if (phases_ > 1) return read_phase(seq, scan_local, emit, counts);
    auto& local = static_cast<JobLocal&>(scan_local);
    const int64_t began = exec::now_ns();
    Morsel morsel{emit, local, nullptr, {}};
    plan::ScanCounts read;
    const arrow::Status status = read_source(seq, morsel, read);
    counts.rows += morsel.emitted;
    const int64_t bad = book(morsel, read, local, began);
    ARROW_RETURN_NOT_OK(status);
    if (bad > 0) ARROW_RETURN_NOT_OK(check_limit(bad));
    return run_->dead_letters == nullptr ? arrow::Status::OK() : run_->dead_letters->deliver(seq, lines_of(local.chain->rejected));
  }

 private:
  struct Morsel {
    const plan::BatchConsumer& emit;
    JobLocal& local;
    std::shared_ptr<WaitingMorsel> waiting;  // when it goes on in phases
    StepCounts source;
    int64_t emitted = 0;
    int64_t downstream_ns = 0;
    int64_t chain_ns = 0;
  };

  // Whether the source has no morsel `number`, or none shall begin any more.
  bool is_end(uint64_t number) const { return run_->stop.cancelled() || (morsels_ >= 0 && static_cast<int64_t>(number) >= morsels_); }

  arrow::Result<Next> next_of_source(uint64_t number) {
    if (is_end(number)) {
      if (morsels_ < 0 || static_cast<int64_t>(number) < morsels_) run_->stopped_early = true;
      return Next{true, nullptr};
    }
    if (morsels_ >= 0) return Next{};
    const io::TransferScope counting(run_->read);
    return source_->next(number);
  }

  // New morsels while their rows would be asked for soon, and there is room for what waits.
  static bool takes_more(const RunState& run) {
    const base::QueryMemory& memory = *run.context.memory;
    return run.chain.takes_more() && !(memory.limited() && memory.used() > memory.cap() / 2);
  }

  arrow::Status read_source(uint64_t number, Morsel& morsel, plan::ScanCounts& read) {
    std::optional<io::BadRecordScope> listening;
    if (run_->policy == Policy::kDeadLetter)
      listening.emplace([&](io::BadRecord r) { note_bad_record(std::move(r), *morsel.local.chain); });
    const io::TransferScope counting(run_->read);
    return source_->read(number, *morsel.local.source, [&](column::Batch b) { return take(std::move(b), morsel); }, read);
  }

  // One phase of a morsel whose rows ask somebody else.
  arrow::Status read_phase(uint64_t seq, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    auto& local = static_cast<JobLocal&>(scan_local);
    const int64_t began = exec::now_ns();
    Morsel morsel{emit, local, waiting_.take(seq), {}};
    if (morsel.waiting == nullptr) return base::internal_error("phase " + std::to_string(seq) + " of a job was not made");
    WaitingMorsel& m = *morsel.waiting;
    plan::ScanCounts read;
    const arrow::Status status = m.phase == 0 ? read_source(m.number, morsel, read) : go_on(morsel);
    counts.rows += morsel.emitted;
    const int64_t bad = book(morsel, read, local, began);
    for (Rejected& r : local.chain->rejected) m.rejected.push_back(std::move(r));
    local.chain->rejected.clear();
    if (!status.ok()) {
      if (exec::ends_at_once(status)) return status;
      m.error = status;  // its row stands before those of an error that was found earlier
    }
    if (bad > 0) ARROW_RETURN_NOT_OK(check_limit(bad));
    if (m.last) {
      ARROW_RETURN_NOT_OK(m.error);
      if (run_->dead_letters != nullptr) ARROW_RETURN_NOT_OK(run_->dead_letters->deliver(m.number, lines_of(m.rejected)));
    }
    waiting_.over(m);
    return arrow::Status::OK();
  }

  // What was answered, batch by batch.
  arrow::Status go_on(Morsel& m) {
    for (SuspendedBatch& waited : m.waiting->take_batches()) {
      const column::Origin origin = waited.source.origin;
      ARROW_RETURN_NOT_OK(through_chain(
          origin, m, [&](const EmitBatch& emit) { return run_->chain.resume(std::move(waited), *m.local.chain, emit, m.waiting); }));
    }
    return arrow::Status::OK();
  }

  arrow::Status take(column::Batch batch, Morsel& m) {
    m.source.rows_out += batch.selected();
    m.source.batches++;
    if (m.local.batches++ % kWeighEvery == 0) weigh(batch);
    if (!nulls_.empty()) complete(batch);
    if (run_->tuner == nullptr) return push(std::move(batch), m);
    const int64_t rows = batch.rows, before = m.chain_ns;
    const BatchTuner::Trial trial = run_->tuner->next(rows);
    if (trial.rows >= rows) {
      ARROW_RETURN_NOT_OK(push(std::move(batch), m));
    } else {
      for (int64_t at = 0; at < rows; at += trial.rows)
        ARROW_RETURN_NOT_OK(push(column::slice(batch, at, std::min(trial.rows, rows - at)), m));
    }
    run_->tuner->took(trial, rows, m.chain_ns - before);
    return arrow::Status::OK();
  }

  arrow::Status push(column::Batch batch, Morsel& m) {
    const column::Origin origin = batch.origin;
    return through_chain(origin, m,
                         [&](const EmitBatch& emit) { return run_->chain.push(std::move(batch), *m.local.chain, emit, m.waiting); });
  }

  template <typename Work>
  arrow::Status through_chain(const column::Origin& origin, Morsel& m, const Work& work) {
    const int64_t since = exec::now_ns();
    const int64_t elsewhere = m.downstream_ns;
    const arrow::Status status = work([&](column::Batch b) {
      const int64_t rows = b.selected();
      const int64_t handed = exec::now_ns();
      if (picks_) {
        std::vector<column::Column> picked;
        for (const int c : columns_) picked.push_back(b.columns[static_cast<size_t>(c)]);
        b.columns = std::move(picked);
      }
      m.emitted += rows;
      const arrow::Status s = m.emit(std::move(b));
      m.downstream_ns += exec::now_ns() - handed;
      return s;
    });
    const int64_t took = exec::now_ns() - since;
    m.source.nanoseconds -= took;  // what is left of the morsel's time is the source's
    m.chain_ns += took - (m.downstream_ns - elsewhere);
    if (run_->status != nullptr) run_->status->batch_times().add(std::chrono::nanoseconds(took - (m.downstream_ns - elsewhere)));
    return status.ok() ? status : placed(status, origin);
  }

  void weigh(const column::Batch& batch) const {
    int64_t bytes = 0;
    for (const column::Column& c : batch.columns) bytes += column::compact_bytes(c, batch.rows);
    run_->weighed_rows += batch.rows;
    run_->weighed_bytes += bytes;
  }

  // Columns that nobody needs stand for nulls.
  void complete(column::Batch& batch) const {
    std::vector<column::Column> all;
    auto read = batch.columns.begin();
    for (const auto& null : nulls_) all.push_back(null ? *null : std::move(*read++));
    batch.columns = std::move(all);
  }

  // A row of the source's batch as a row of its file.
  arrow::Status placed(const arrow::Status& status, const column::Origin& origin) const {
    const auto known = base::error_detail(status);
    if (!known || known->batch_row < 0) return status;
    base::ErrorDetail detail = *known;
    const int64_t row = origin.row_of(detail.batch_row);
    detail.batch_row = -1;
    if (row >= 0 && detail.row < 0) detail.row = row;
    if (origin.input >= 0 && detail.file.empty()) detail.file = source_->file_of(origin.input);
    return base::with_detail(status, std::move(detail));
  }

  static void note_bad_record(io::BadRecord r, ChainLocal& local) {
    Rejected out;
    out.input = r.input;
    out.row = r.row;
    out.line = r.line;
    out.text = std::move(r.text);
    out.columns = std::move(r.columns);
    out.step = kAtSource;
    base::ErrorDetail detail;
    detail.kind = base::ErrorKind::kData;
    detail.column = std::move(r.column);
    detail.value = std::move(r.value);
    out.error = base::with_detail(base::data_error(std::move(r.message)), std::move(detail));
    local.rejected.push_back(std::move(out));
  }

  // Adds what the morsel counted to the run's numbers; how many of its rows were bad.
  int64_t book(Morsel& m, const plan::ScanCounts& read, JobLocal& local, int64_t began) {
    ChainLocal& chain = *local.chain;
    const int64_t now = exec::now_ns();
    m.source.nanoseconds += now - began;
    m.source.rows_in = m.source.rows_out + read.skipped;
    m.source.bytes = run_->read->take();
    (run_->policy == Policy::kDeadLetter ? m.source.rejected : m.source.skipped) += read.skipped;
    std::vector<StepCounts> all{m.source};
    all.insert(all.end(), chain.counts.begin(), chain.counts.end());
    run_->accounting.add(all);
    int64_t bad = read.skipped;
    for (const StepCounts& c : chain.counts) bad += c.rejected + c.skipped;
    if (JobStatus* status = run_->status) {
      for (size_t i = 0; i < all.size(); ++i) status->step(i).add(all[i]);
      status->worker(local.worker).add_busy(std::chrono::nanoseconds(now - began));
      const bool whole = m.waiting == nullptr || m.waiting->last;
      status->worker(local.worker).add_morsels(whole ? 1 : 0);
      status->add_parts_done(whole ? 1 : 0);
      status->progressed();
      if (read.skipped > 0) status->add_errors(run_->source_name, read.skipped);
      for (size_t i = 0; i < chain.counts.size(); ++i) {
        const int64_t n = chain.counts[i].rejected + chain.counts[i].skipped;
        if (n > 0) status->add_errors(run_->chain.step_name(i), n);
      }
    }
    std::fill(chain.counts.begin(), chain.counts.end(), StepCounts{});
    return bad;
  }

  arrow::Status check_limit(int64_t bad) {
    const int64_t all = run_->bad_rows.fetch_add(bad) + bad;
    if (!run_->most_bad || all <= *run_->most_bad) return arrow::Status::OK();
    return base::data_error("more rows are bad than on_error allows: at_most is " + std::to_string(*run_->most_bad));
  }

  std::string lines_of(std::vector<Rejected>& rejected) {
    const bool places = std::all_of(rejected.begin(), rejected.end(), [](const Rejected& r) { return r.row >= 0; });
    if (places) {
      std::stable_sort(rejected.begin(), rejected.end(),
                       [](const Rejected& a, const Rejected& b) { return a.input != b.input ? a.input < b.input : a.row < b.row; });
    }
    std::string out;
    for (Rejected& r : rejected) {
      Rejection told;
      told.record = std::move(r.record);
      told.text = std::move(r.text);
      told.columns = std::move(r.columns);
      told.step = r.step == kAtSource ? run_->source_name : run_->chain.step_name(r.step);
      told.error = std::move(r.error);
      if (r.input >= 0) told.file = source_->file_of(r.input);
      told.row = r.row;
      told.line = r.line;
      if (run_->retell) run_->retell(told);
      append_rejection(told, run_->job, out);
    }
    rejected.clear();
    return out;
  }

  const std::shared_ptr<plan::Scan> source_;
  const std::vector<std::optional<column::Column>> nulls_;  // empty: every column is read
  const std::vector<int> columns_;
  const bool picks_;
  const std::shared_ptr<RunState> run_;
  const base::CancelToken cancel_;
  const int64_t morsels_;
  const size_t phases_;
  WaitingMorsels waiting_;  // when there is more than one
};

class JobSource final : public plan::TableSource {
 public:
  JobSource(plan::TableSourcePtr source, std::shared_ptr<RunState> run) : source_(std::move(source)), run_(std::move(run)) {}
  std::string kind() const override { return "job"; }
  std::string name() const override { return source_->name(); }
  std::shared_ptr<arrow::Schema> schema() const override { return run_->chain.output(); }
  plan::TableEstimate estimate() const override {
    plan::TableEstimate e = source_->estimate();
    e.exact_rows = false;
    return e;
  }
  std::string to_json() const override { return "{}"; }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    plan::ScanRequest inner;
    const std::vector<bool> needed = needed_columns(request.columns);
    std::vector<std::optional<column::Column>> nulls(needed.size());
    for (size_t i = 0; i < needed.size(); ++i) {
      if (needed[i]) {
        inner.columns.push_back(static_cast<int>(i));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(nulls[i], column::null_column(column::canonical_type(source_->schema()->field(static_cast<int>(i))->type()),
                                                          request.memory->pool()));
    }
    if (inner.columns.size() == needed.size()) nulls.clear();
    inner.morsel_rows = request.morsel_rows;
    inner.batch_rows = request.batch_rows;
    inner.workers = request.workers;
    inner.memory = request.memory;
    inner.cancel = request.cancel;
    const io::TransferScope counting(run_->read);
    ARROW_ASSIGN_OR_RAISE(auto scan, source_->open(inner));
    std::vector<int> all(static_cast<size_t>(schema()->num_fields()));
    std::iota(all.begin(), all.end(), 0);
    const bool picks = request.columns != all;
    return std::make_shared<JobScan>(std::move(scan), std::move(nulls), request.columns, picks, run_, request.cancel);
  }

 private:
  // All of text, and of what may be told as a record; else those that the steps and the result need.
  std::vector<bool> needed_columns(const std::vector<int>& wanted) const {
    const std::vector<bool> all(static_cast<size_t>(source_->schema()->num_fields()), true);
    const std::string kind = source_->kind();
    if (run_->policy == Policy::kDeadLetter || (kind != "parquet" && kind != "ipc" && kind != "postgres")) return all;
    std::vector<bool> leaving(static_cast<size_t>(schema()->num_fields()), false);
    for (const int c : wanted) leaving[static_cast<size_t>(c)] = true;
    std::vector<bool> needed = run_->chain.needs(std::move(leaving));
    if (std::find(needed.begin(), needed.end(), true) == needed.end()) needed[0] = true;  // the rows are to be seen
    return needed;
  }

  const plan::TableSourcePtr source_;
  const std::shared_ptr<RunState> run_;
};

}  // namespace

plan::TableSourcePtr make_job_source(plan::TableSourcePtr source, std::shared_ptr<RunState> run) {
  return std::make_shared<JobSource>(std::move(source), std::move(run));
}

}  // namespace gristmill::job
