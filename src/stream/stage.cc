#include "stream/stage.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>

#include "base/status.h"

namespace gristmill::stream {

// Rows of apply() on their way into the queue, in pieces a pipeline likes.
class StageEmitter final : public Emitter {
 public:
  explicit StageEmitter(Stage& stage) : stage_(stage) {}

  arrow::Status rows(column::Batch batch, int output) override {
    const int64_t n = batch.selected();
    if (n == 0) return arrow::Status::OK();
    if (output != 0) return to_side(std::move(batch), n);
    stage_.rows_out_ += n;
    waiting_ += n;
    item_.rows.push_back(std::move(batch));
    if (waiting_ >= column::kMaxBatchRows) flush();
    return arrow::Status::OK();
  }

  arrow::Status watermark(int64_t ticks) override {
    flush();
    item_.note.kind = Note::Kind::kWatermark;
    item_.note.ticks = ticks;
    push();
    return arrow::Status::OK();
  }

  void flush() {
    if (!item_.rows.empty()) push();
  }
  void sign(Note note) {
    flush();
    item_.note = std::move(note);
    push();
  }

 private:
  void push() {
    stage_.out_->push(std::exchange(item_, {}));
    waiting_ = 0;
  }

  arrow::Status to_side(column::Batch batch, int64_t n) {
    stage_.side_rows_ += n;
    if (!stage_.side_) return arrow::Status::OK();
    arrow::MemoryPool* pool = stage_.query_->pool();
    ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), pool));
    ARROW_ASSIGN_OR_RAISE(auto rows, column::export_batch(batch, stage_.op_->side_schema(), pool));
    return stage_.side_(std::move(rows));
  }

  Stage& stage_;
  StageQueue::Item item_;
  int64_t waiting_ = 0;
};

// The end of an input's pipeline: nothing goes on from here but pieces, which wait for their turn.
class Preparing final : public exec::Operator {
 public:
  Preparing(std::shared_ptr<Stage> stage, int input, NotesOf notes) : stage_(std::move(stage)), input_(input), notes_(std::move(notes)) {}
  std::string name() const override { return "prepare " + stage_->op_->name(); }

  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override {
    auto local = std::make_unique<Local>();
    ARROW_ASSIGN_OR_RAISE(local->of_operator, stage_->op_->make_local(context));
    return local;
  }

  void begin_morsel(uint64_t seq, exec::LocalState& raw) const override {
    Local& local = raw.as<Local>();
    local.part = MorselPart{input_, notes_.notes ? notes_.notes->partition_of(seq) : 0, seq, 0};
    local.pieces.clear();
  }

  arrow::Status process(column::Batch batch, exec::LocalState& raw, const exec::Emit&) const override {
    Local& local = raw.as<Local>();
    const int64_t rows = batch.selected();
    ARROW_ASSIGN_OR_RAISE(auto piece, stage_->op_->prepare(std::move(batch), local.part, *local.of_operator));
    if (piece) local.pieces.push_back({std::move(piece), local.part});
    local.part.first_row += rows;
    return arrow::Status::OK();
  }

  arrow::Status end_morsel(exec::LocalState& raw, const exec::Emit&) const override {
    Local& local = raw.as<Local>();
    if (!local.pieces.empty()) stage_->keep(input_, local.part.seq, std::exchange(local.pieces, {}));
    return arrow::Status::OK();
  }

 private:
  struct Local final : exec::LocalState {
    std::unique_ptr<exec::LocalState> of_operator;
    MorselPart part;
    std::vector<Stage::Prepared> pieces;
  };
  const std::shared_ptr<Stage> stage_;
  const int input_;
  const NotesOf notes_;
};

class StageSink final : public exec::OrderedSink {
 public:
  StageSink(std::shared_ptr<Stage> stage, int input, NotesOf notes) : stage_(std::move(stage)), input_(input), notes_(std::move(notes)) {}
  std::string name() const override { return stage_->op_->name(); }
  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>&) override { return stage_->deliver(input_, seq, notes_); }
  arrow::Status finalize() override { return stage_->input_ended(input_); }

 private:
  const std::shared_ptr<Stage> stage_;
  const int input_;
  const NotesOf notes_;
};

Stage::Stage(std::string id, StatefulOperatorPtr op, std::function<arrow::Status(RecordBatchPtr)> side, TakeSnapshot snapshot)
    : id_(std::move(id)),
      op_(std::move(op)),
      side_(std::move(side)),
      snapshot_(std::move(snapshot)),
      out_(std::make_shared<StageQueue>(op_->name())),
      prepared_(static_cast<size_t>(op_->inputs())),
      ended_(static_cast<size_t>(op_->inputs())),
      arrived_(static_cast<size_t>(op_->inputs())) {}

arrow::Status Stage::open(const OperatorContext& context) {
  query_ = context.query;
  return op_->open(context);
}

std::shared_ptr<const exec::Operator> Stage::preparing(int input, NotesOf notes) {
  return std::make_shared<Preparing>(shared_from_this(), input, std::move(notes));
}

std::shared_ptr<exec::OrderedSink> Stage::sink(int input, NotesOf notes) {
  return std::make_shared<StageSink>(shared_from_this(), input, std::move(notes));
}

void Stage::keep(int input, uint64_t seq, std::vector<Prepared> pieces) {
  std::lock_guard lock(prepared_mutex_);
  prepared_[static_cast<size_t>(input)].insert_or_assign(seq, std::move(pieces));
}

std::vector<Stage::Prepared> Stage::take(int input, uint64_t seq) {
  std::lock_guard lock(prepared_mutex_);
  auto found = prepared_[static_cast<size_t>(input)].extract(seq);
  return found ? std::move(found.mapped()) : std::vector<Prepared>{};
}

arrow::Result<exec::OrderedSink::Answer> Stage::deliver(int input, uint64_t seq, const NotesOf& notes) {
  using Answer = exec::OrderedSink::Answer;
  std::lock_guard lock(mutex_);
  if (out_->discarded() || op_->enough()) return Answer{nullptr, true};
  if (auto wait = out_->wait_for_room()) return Answer{std::move(wait), false};
  const Note note = notes.notes ? notes.notes->peek(seq) : Note{};
  if (note.kind == Note::Kind::kBarrier) {
    ARROW_ASSIGN_OR_RAISE(auto wait, barrier(input, note));
    if (wait) return Answer{std::move(wait), false};
  }
  StageEmitter emitter(*this);
  for (Prepared& p : take(input, seq)) {
    ++pieces_;
    ARROW_RETURN_NOT_OK(op_->apply(std::move(p.piece), p.part, emitter));
    if (op_->enough()) break;
  }
  if (note.kind == Note::Kind::kWatermark) ARROW_RETURN_NOT_OK(op_->on_watermark(input, note.ticks, emitter));
  if (note.kind == Note::Kind::kTick) {
    Tick tick = note.tick;
    tick.input = input;
    ARROW_RETURN_NOT_OK(op_->on_tick(tick, emitter));
    Note behind = note;
    behind.tick.at_end.clear();
    emitter.sign(std::move(behind));
  }
  emitter.flush();
  if (notes.notes) notes.notes->drop(seq);
  return Answer{nullptr, op_->enough()};
}

bool Stage::aligned() const {
  for (size_t i = 0; i < arrived_.size(); ++i) {
    if (!arrived_[i] && !ended_[i]) return false;
  }
  return true;
}

// Under the lock: all inputs are at the barrier.
arrow::Status Stage::barrier_reached() {
  ARROW_RETURN_NOT_OK(snapshot_(*this, epoch_));
  Note note;
  note.kind = Note::Kind::kBarrier;
  note.epoch = epoch_;
  note.last = held_;
  out_->push({{}, std::move(note)});
  done_epoch_ = epoch_;
  arrived_.assign(arrived_.size(), false);
  if (auto waiting = std::exchange(at_barrier_, nullptr)) waiting->fire();
  return arrow::Status::OK();
}

// Null: the barrier is behind us; else the input waits for the others.
arrow::Result<base::WaitHandlePtr> Stage::barrier(int input, const Note& note) {
  if (note.epoch <= done_epoch_) return nullptr;
  epoch_ = note.epoch;
  held_ = note.last;
  arrived_[static_cast<size_t>(input)] = true;
  if (aligned()) {
    ARROW_RETURN_NOT_OK(barrier_reached());
    return nullptr;
  }
  if (!at_barrier_) at_barrier_ = std::make_shared<base::WaitHandle>();
  return at_barrier_;
}

arrow::Status Stage::input_ended(int input) {
  std::lock_guard lock(mutex_);
  ended_[static_cast<size_t>(input)] = true;
  const bool all = std::all_of(ended_.begin(), ended_.end(), [](bool e) { return e; });
  if (at_barrier_ && aligned()) ARROW_RETURN_NOT_OK(barrier_reached());
  if (!held_ && !out_->discarded()) {
    StageEmitter emitter(*this);
    ARROW_RETURN_NOT_OK(op_->on_input_end(input, emitter));
    if (all) ARROW_RETURN_NOT_OK(op_->on_end(emitter));
    emitter.flush();
  }
  if (all) out_->close();
  return arrow::Status::OK();
}

std::map<std::string, int64_t> Stage::stats() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, int64_t> out = op_->stats();
  out["rows_out"] = rows_out_;
  out["side_rows"] = side_rows_;
  out["pieces"] = pieces_;
  out["state_bytes"] = op_->bytes();
  out["queue"] = out_->items();
  return out;
}

}  // namespace gristmill::stream
