#include "stream/final_sink.h"

#include <atomic>
#include <utility>

namespace gristmill::stream {
namespace {

class Final final : public FinalSink {
 public:
  Final(std::shared_ptr<exec::OrderedSink> rows, EpochSinkPtr epochs, std::shared_ptr<Checkpointing> checkpointing, NotesOf notes)
      : rows_sink_(std::move(rows)), epochs_(std::move(epochs)), checkpointing_(std::move(checkpointing)), notes_(std::move(notes)) {}
  std::string name() const override { return epochs_ ? epochs_->name() : rows_sink_->name(); }
  int64_t rows() const override { return rows_.load(); }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    return epochs_ ? epochs_->stage(std::move(batches), context) : rows_sink_->stage(std::move(batches), context);
  }

  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    const Note note = notes_.notes ? notes_.notes->peek(seq) : Note{};
    if (note.kind == Note::Kind::kBarrier) {
      ARROW_ASSIGN_OR_RAISE(auto wait, checkpointing_->reach(note.epoch));
      if (wait) return Answer{std::move(wait), false};
    }
    Answer answer;
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
    }
    if (notes_.notes) notes_.notes->drop(seq);
    return answer;
  }

  arrow::Status finalize() override {
    ARROW_RETURN_NOT_OK(checkpointing_->complete());
    return epochs_ ? arrow::Status::OK() : rows_sink_->finalize();
  }

  void abandon() override {
    checkpointing_->abort();
    if (rows_sink_) rows_sink_->abandon();
  }

 private:
  const std::shared_ptr<exec::OrderedSink> rows_sink_;
  const EpochSinkPtr epochs_;
  const std::shared_ptr<Checkpointing> checkpointing_;
  const NotesOf notes_;
  uint64_t next_ = 0;
  std::atomic<int64_t> rows_{0};
};

}  // namespace

std::shared_ptr<FinalSink> make_final_sink(std::shared_ptr<exec::OrderedSink> rows, EpochSinkPtr epochs,
                                           std::shared_ptr<Checkpointing> checkpointing, NotesOf notes) {
  return std::make_shared<Final>(std::move(rows), std::move(epochs), std::move(checkpointing), std::move(notes));
}

}  // namespace gristmill::stream
