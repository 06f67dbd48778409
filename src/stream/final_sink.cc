#include "stream/final_sink.h"

#include <atomic>
#include <iterator>
#include <mutex>
#include <shared_mutex>
#include <utility>

namespace gristmill::stream {
namespace {

class Final final : public FinalSink {
 public:
  Final(std::shared_ptr<exec::OrderedSink> rows, EpochSinkPtr epochs, RowsTaken taken, std::shared_ptr<Checkpointing> checkpointing,
        NotesOf notes)
      : rows_sink_(std::move(rows)),
        epochs_(std::move(epochs)),
        taken_(std::move(taken)),
        checkpointing_(std::move(checkpointing)),
        notes_(std::move(notes)) {}
  std::string name() const override { return epochs_ ? epochs_->name() : rows_sink_->name(); }
  int64_t rows() const override { return rows_.load(); }

  // A worker may have rows of the next epoch ready while the one before is being committed, when no sink can take them: these are staged at
  // their turn. The first batch, without columns, says which it is.
  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    if (!epochs_) return rows_sink_->stage(std::move(batches), context);
    if (batches.empty()) return batches;
    std::vector<column::Batch> out(1);
    std::shared_lock lock(changing_);
    context_ = &context;
    out[0].rows = between_ ? kRaw : kStaged;
    if (!between_) {
      ARROW_ASSIGN_OR_RAISE(batches, epochs_->stage(std::move(batches), context));
    }
    out.insert(out.end(), std::make_move_iterator(batches.begin()), std::make_move_iterator(batches.end()));
    return out;
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    const Note note = notes_.notes ? notes_.notes->peek(seq) : Note{};
    if (note.kind == Note::Kind::kBarrier) {
      if (auto wait = taken_ ? taken_() : nullptr) return Answer{std::move(wait), false};
      set_between(true);
      ARROW_ASSIGN_OR_RAISE(auto wait, checkpointing_->reach(note.epoch));
      if (wait) return Answer{std::move(wait), false};
      set_between(false);
    }
    Answer answer;
    if (epochs_ && !batches.empty() && opened_ != seq + 1) ARROW_RETURN_NOT_OK(open_slot(seq, batches));
    if (!batches.empty()) {
      int64_t rows = 0;
      for (const auto& b : batches) rows += b.selected();
      if (epochs_) {
        ARROW_ASSIGN_OR_RAISE(answer, epochs_->deliver(batches));
      } else {
        ARROW_ASSIGN_OR_RAISE(answer, rows_sink_->deliver(next_, batches));
      }
      if (answer.wait) return answer;
      ++next_;
      rows_ += rows;
      if (rows > 0) checkpointing_->rows_left();
    }
    if (notes_.notes) notes_.notes->drop(seq);
    return answer;
  }

  arrow::Status finalize() override {
    if (!taken_) ARROW_RETURN_NOT_OK(checkpointing_->complete());
    return epochs_ ? arrow::Status::OK() : rows_sink_->finalize();
  }

  void abandon() override {
    checkpointing_->abort();
    if (rows_sink_) rows_sink_->abandon();
  }

 private:
  static constexpr int64_t kRaw = 0, kStaged = 1;

  void set_between(bool between) {
    std::unique_lock lock(changing_);  // who stages just now uses the sink of the epoch before
    between_ = between;
  }

  arrow::Status open_slot(uint64_t seq, std::vector<column::Batch>& batches) {
    opened_ = seq + 1;
    const bool staged = batches.front().rows == kStaged;
    batches.erase(batches.begin());
    if (staged || batches.empty()) return arrow::Status::OK();
    return epochs_->stage(std::move(batches), *context_).Value(&batches);
  }

  const std::shared_ptr<exec::OrderedSink> rows_sink_;
  const EpochSinkPtr epochs_;
  const RowsTaken taken_;
  const std::shared_ptr<Checkpointing> checkpointing_;
  const NotesOf notes_;
  std::shared_mutex changing_;
  bool between_ = false;  // the barrier of an epoch is reached, the next has not begun
  std::atomic<const exec::QueryContext*> context_{nullptr};
  uint64_t opened_ = 0;  // the slot whose first batch was taken off, plus one
  uint64_t next_ = 0;
  std::atomic<int64_t> rows_{0};
};

}  // namespace

std::shared_ptr<FinalSink> make_final_sink(std::shared_ptr<exec::OrderedSink> rows, EpochSinkPtr epochs, RowsTaken taken,
                                           std::shared_ptr<Checkpointing> checkpointing, NotesOf notes) {
  return std::make_shared<Final>(std::move(rows), std::move(epochs), std::move(taken), std::move(checkpointing), std::move(notes));
}

}  // namespace gristmill::stream
