#include "job/into_sink.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/status.h"
#include "exec/steady_clock.h"
#include "exec/tail_work.h"

namespace gristmill::job {
namespace {

// What goes through the ring for a part: a batch without columns whose row count is that of the part's rows, one whose row count is the
// number of the batches behind it, then these.
void append_part(std::vector<column::Batch>& out, int64_t rows, std::vector<column::Batch> staged) {
  column::Batch counted, followed;
  counted.rows = rows;
  followed.rows = static_cast<int64_t>(staged.size());
  out.push_back(std::move(counted));
  out.push_back(std::move(followed));
  for (auto& b : staged) out.push_back(std::move(b));
}

class Into final : public IntoSink, public exec::TailWork {
 public:
  explicit Into(IntoSinkSpec spec) : spec_(std::move(spec)) {}

  // What the parts leave for the end is shared by the workers. Parts that somebody else finishes leave nothing.
  bool expect_tail() override {
    for (const SinkPart& part : spec_.parts) {
      auto work = spec_.finishes ? std::dynamic_pointer_cast<exec::TailWork>(part.sink) : nullptr;
      tails_.push_back(work != nullptr && work->expect_tail() ? std::move(work) : nullptr);
    }
    return std::any_of(tails_.begin(), tails_.end(), [](const auto& t) { return t != nullptr; });
  }
  int64_t tail_pieces() override {
    int64_t all = 0;
    for (const auto& tail : tails_) {
      pieces_.push_back(tail == nullptr ? 0 : tail->tail_pieces());
      all += pieces_.back();
    }
    return all;
  }
  arrow::Status run_piece() override {
    int64_t piece = next_piece_++;
    size_t i = 0;
    while (piece >= pieces_[i]) piece -= pieces_[i++];
    const int64_t since = exec::now_ns();
    const io::TransferScope counting(spec_.parts[i].written);
    const arrow::Status status = tails_[i]->run_piece();
    StepCounts counts;
    counts.nanoseconds = exec::now_ns() - since;
    add(spec_.parts[i].step, counts);
    return status;
  }
  arrow::Status finish_tail() override {
    for (size_t i = 0; i < tails_.size(); ++i) {
      if (tails_[i] == nullptr) continue;
      const io::TransferScope counting(spec_.parts[i].written);
      ARROW_RETURN_NOT_OK(note_shown(i, tails_[i]->finish_tail()));
    }
    return arrow::Status::OK();
  }

  std::string name() const override { return "job"; }
  int64_t rows_in() const override { return rows_in_; }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    for (const auto& b : batches) rows_in_ += b.selected();
    if (spec_.tail != nullptr) {
      ARROW_ASSIGN_OR_RAISE(batches, through_tail(std::move(batches)));
    }
    std::vector<std::vector<column::Batch>> parts(spec_.parts.size());
    if (parts.size() == 1) {
      parts[0] = std::move(batches);
    } else {
      for (auto& b : batches) ARROW_RETURN_NOT_OK(divide(std::move(b), parts));
    }
    std::vector<column::Batch> out;
    for (size_t i = 0; i < parts.size(); ++i) {
      int64_t rows = 0;
      for (const auto& b : parts[i]) rows += b.selected();
      const int64_t since = exec::now_ns();
      const io::TransferScope counting(spec_.parts[i].written);
      ARROW_ASSIGN_OR_RAISE(auto staged, spec_.parts[i].sink->stage(std::move(parts[i]), context));
      StepCounts counts;
      counts.rows_in = rows;
      counts.nanoseconds = exec::now_ns() - since;
      counts.batches = 1;
      add(spec_.parts[i].step, counts);
      append_part(out, rows, std::move(staged));
    }
    return out;
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    if (!taking_) {
      take_apart(batches);
      taking_ = true;
      next_ = 0;
    }
    for (; next_ < waiting_.size(); ++next_) {
      Part& part = waiting_[next_];
      const int64_t since = exec::now_ns();
      const io::TransferMeterPtr& written = spec_.parts[next_].written;
      const io::TransferScope counting(written);
      ARROW_ASSIGN_OR_RAISE(Answer answer, spec_.parts[next_].sink->deliver(seq, part.batches));
      if (answer.wait) return answer;
      StepCounts counts;
      counts.rows_out = part.rows;
      if (written != nullptr) counts.bytes = written->take();
      counts.nanoseconds = exec::now_ns() - since;
      add(spec_.parts[next_].step, counts);
    }
    waiting_.clear();
    taking_ = false;
    if (spec_.run->flow) spec_.run->flow->delivered(seq + 1);
    return Answer{};
  }

  arrow::Status finalize() override {
    if (!spec_.finishes) return arrow::Status::OK();
    if (spec_.before_visible) ARROW_RETURN_NOT_OK(spec_.before_visible());
    for (size_t i = 0; i < spec_.parts.size(); ++i) {
      const SinkPart& part = spec_.parts[i];
      const io::TransferScope counting(part.written);
      const bool later = i < tails_.size() && tails_[i] != nullptr;
      ARROW_RETURN_NOT_OK(later ? part.sink->finalize() : note_shown(i, part.sink->finalize()));
    }
    return arrow::Status::OK();
  }

  void abandon() override {
    for (const SinkPart& part : spec_.parts) part.sink->abandon();
  }

 private:
  struct Part {
    int64_t rows = 0;
    std::vector<column::Batch> batches;
  };

  // A part is complete, or it is not and those before it are.
  arrow::Status note_shown(size_t part, const arrow::Status& status) {
    if (!status.ok()) return shown_.empty() ? status : status.WithMessage(status.message(), "; complete already:", shown_);
    shown_ += " " + spec_.run->accounting.steps()[spec_.parts[part].step].name;
    return status;
  }

  void add(size_t step, const StepCounts& counts) {
    if (step == kNotCounted) return;
    spec_.run->accounting.add(step, counts);
    if (JobStatus* status = spec_.run->status) {
      status->step(step).add(counts);
      status->progressed();
    }
  }

  void take_apart(std::vector<column::Batch>& batches) {
    waiting_.clear();
    for (size_t at = 0; at + 1 < batches.size();) {
      Part part;
      part.rows = batches[at].rows;
      const auto n = static_cast<size_t>(batches[at + 1].rows);
      at += 2;
      for (size_t i = 0; i < n; ++i) part.batches.push_back(std::move(batches[at++]));
      waiting_.push_back(std::move(part));
    }
  }

  arrow::Result<std::vector<column::Batch>> through_tail(std::vector<column::Batch> batches) {
    std::unique_ptr<ChainLocal> local;
    {
      const std::lock_guard lock(mutex_);
      if (!locals_.empty()) {
        local = std::move(locals_.back());
        locals_.pop_back();
      }
    }
    if (local == nullptr) {
      ARROW_ASSIGN_OR_RAISE(local, spec_.tail->make_local(spec_.run->context));
    }
    std::vector<column::Batch> out;
    for (auto& b : batches) {
      const arrow::Status status = spec_.tail->push(std::move(b), *local, [&](column::Batch made) {
        out.push_back(std::move(made));
        return arrow::Status::OK();
      });
      if (!status.ok()) return without_place(status);
    }
    for (size_t i = 0; i < local->counts.size(); ++i) {
      add(spec_.first_tail_step + i, local->counts[i]);
      local->counts[i] = {};
    }
    const std::lock_guard lock(mutex_);
    locals_.push_back(std::move(local));
    return out;
  }

  // Rows here are no rows of a file any more.
  static arrow::Status without_place(const arrow::Status& status) {
    const auto known = base::error_detail(status);
    if (!known) return status;
    base::ErrorDetail detail = *known;
    detail.batch_row = -1;
    return base::with_detail(status, std::move(detail));
  }

  // By the last column, which no sink sees.
  static arrow::Status divide(column::Batch batch, std::vector<std::vector<column::Batch>>& parts) {
    const column::Column route = std::move(batch.columns.back());
    batch.columns.pop_back();
    std::vector<std::vector<uint16_t>> rows(parts.size());
    const auto* numbers = column::values_of<int32_t>(*route.values);
    const bool constant = route.is_constant();
    for (const uint16_t i : batch.selection.indices(batch.rows)) rows[static_cast<size_t>(numbers[constant ? 0 : i])].push_back(i);
    for (size_t p = 0; p < parts.size(); ++p) {
      if (rows[p].empty()) continue;
      column::Batch part = batch;
      part.selection = column::Selection::from_indices(std::move(rows[p]), batch.rows);
      parts[p].push_back(std::move(part));
    }
    return arrow::Status::OK();
  }

  IntoSinkSpec spec_;
  std::atomic<int64_t> rows_in_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<ChainLocal>> locals_;     // of workers that are elsewhere
  std::vector<std::shared_ptr<exec::TailWork>> tails_;  // of each part, or null
  std::vector<int64_t> pieces_;
  std::atomic<int64_t> next_piece_{0};
  std::string shown_;  // the parts that are complete
  // Touched by deliver() alone, one call at a time.
  bool taking_ = false;
  std::vector<Part> waiting_;
  size_t next_ = 0;
};

}  // namespace

std::shared_ptr<IntoSink> make_into_sink(IntoSinkSpec spec) { return std::make_shared<Into>(std::move(spec)); }

}  // namespace gristmill::job
