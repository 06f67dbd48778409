// The rows of several streams as they come, in one.
//
// Where all inputs have event time the watermark of the whole is the least of theirs, each over its own partitions: a stream that is ahead
// makes no row of another one late. Which input's rows come first is the sources' business; what a window behind this shows does not
// depend on it, as long as no row is late in its own stream.

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"
#include "stream/marked_rows.h"
#include "stream/simple_operators.h"
#include "stream/snapshot.h"
#include "stream/watermark.h"

namespace gristmill::stream {
namespace {

constexpr const char* kUnionKind = "union";

struct MergePiece final : Piece {
  int64_t bytes() const override { return column::retained_bytes(batch); }
  column::Batch batch;
  std::vector<uint16_t> rows;
  std::vector<int64_t> times;
};

class MergeLocal final : public exec::LocalState {
 public:
  explicit MergeLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

class Merge final : public StatefulOperator {
 public:
  Merge(std::shared_ptr<arrow::Schema> schema, int inputs, std::vector<BoundWatermark> times)
      : schema_(std::move(schema)), inputs_(inputs), times_(std::move(times)) {}
  std::string name() const override { return "union of " + std::to_string(inputs_); }
  std::shared_ptr<arrow::Schema> output_schema() const override { return schema_; }
  int inputs() const override { return inputs_; }
  bool is_stateful() const override { return false; }

  arrow::Status open(const OperatorContext& context) override {
    for (size_t i = 0; i < times_.size(); ++i) {
      const int32_t partitions = i < context.partitions.size() ? context.partitions[i] : 1;
      marks_.emplace_back(partitions, times_[i].delay, times_[i].inherited);
      idle_.emplace_back(context.replay ? 0 : times_[i].idle_micros);
    }
    return arrow::Status::OK();
  }
  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override {
    return std::make_unique<MergeLocal>(context.pool());
  }

  arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const override {
    auto piece = std::make_unique<MergePiece>();
    if (!times_.empty()) {
      selected_rows(batch, &piece->rows);
      const BoundWatermark& time = times_[static_cast<size_t>(part.input)];
      ARROW_RETURN_NOT_OK(times_of(*time.time, batch, piece->rows, local.as<MergeLocal>().evaluator, &piece->times));
    }
    piece->batch = std::move(batch);
    return piece;
  }

  arrow::Status apply(std::unique_ptr<Piece> base, const MorselPart& part, Emitter& out) override {
    auto& piece = static_cast<MergePiece&>(*base);
    const auto i = static_cast<size_t>(part.input);
    if (times_.empty()) return out.rows(std::move(piece.batch));
    idle_[i].seen(part.partition);
    if (piece.rows.empty()) return arrow::Status::OK();
    const Watermark::Start start = marks_[i].enter(part.partition);
    ARROW_RETURN_NOT_OK(
        pass_marked(std::move(piece.batch), piece.rows, piece.times, start, out, [&](int64_t level) { return tell(out, i, level); }));
    marks_[i].leave(part.partition, *std::max_element(piece.times.begin(), piece.times.end()));
    return tell(out);
  }

  arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) override {
    if (times_.empty() || !marks_[static_cast<size_t>(input)].inherited()) return arrow::Status::OK();
    marks_[static_cast<size_t>(input)].raise(ticks);
    return tell(out);
  }
  int64_t tick_every() const override {
    int64_t out = 0;
    for (const IdleClock& clock : idle_) {
      if (clock.every() > 0) out = out == 0 ? clock.every() : std::min(out, clock.every());
    }
    return out;
  }
  arrow::Status on_tick(const Tick& tick, Emitter& out) override {
    const auto i = static_cast<size_t>(tick.input);
    if (times_.empty() || !idle_[i].on()) return arrow::Status::OK();
    for (const int32_t p : idle_[i].tick(tick.now_micros, tick.at_end)) marks_[i].set_idle(p);
    return tell(out);
  }
  arrow::Status on_input_end(int input, Emitter& out) override {
    if (times_.empty()) return arrow::Status::OK();
    marks_[static_cast<size_t>(input)].raise(kAllTime);
    return tell(out);
  }

  std::map<std::string, int64_t> stats() const override {
    std::map<std::string, int64_t> out;
    if (told_ != kNoTime && told_ != kAllTime) out["watermark"] = told_;
    return out;
  }
  arrow::Status snapshot(SnapshotWriter& writer) override {
    writer.describe(kUnionKind, 1, fingerprint());
    for (size_t i = 0; i < marks_.size(); ++i) marks_[i].save(mark_name(i), writer);
    return arrow::Status::OK();
  }
  arrow::Status restore(SnapshotReader& reader) override {
    if (reader.empty() || reader.kind() != kUnionKind) return arrow::Status::OK();  // it had no state yet
    ARROW_RETURN_NOT_OK(reader.check(kUnionKind, 1, fingerprint()));
    for (size_t i = 0; i < marks_.size(); ++i) marks_[i].load(mark_name(i), reader);
    return arrow::Status::OK();
  }

 private:
  static std::string mark_name(size_t input) { return "watermark " + std::to_string(input); }

  // `level`: of `input`, which has not been left yet.
  arrow::Status tell(Emitter& out, size_t input = ~size_t{0}, int64_t level = kNoTime) {
    int64_t least = kAllTime;
    for (size_t i = 0; i < marks_.size(); ++i) least = std::min(least, i == input ? level : marks_[i].value());
    if (least == kNoTime || least <= told_) return arrow::Status::OK();
    told_ = least;
    return out.watermark(least);
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const int inputs_;
  const std::vector<BoundWatermark> times_;
  std::vector<Watermark> marks_;
  std::vector<IdleClock> idle_;
  int64_t told_ = kNoTime;
};

}  // namespace

arrow::Result<StatefulSpec> merge_spec(std::shared_ptr<arrow::Schema> schema, int inputs, const std::vector<EventTime>& times) {
  std::vector<BoundWatermark> bound;
  for (const EventTime& time : times) {
    ARROW_ASSIGN_OR_RAISE(BoundWatermark one, bind_watermark(time, *schema));
    bound.push_back(std::move(one));
  }
  return StatefulSpec{kUnionKind, schema, false, [schema, inputs, bound]() -> arrow::Result<StatefulOperatorPtr> {
                        return std::make_shared<Merge>(schema, inputs, bound);
                      }};
}

}  // namespace gristmill::stream
