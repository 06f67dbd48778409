// Rows enter in the order of their streams and leave the waiting rooms in the order of their times.

#include "stream/two_streams.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "plan/expressions.h"
#include "stream/kept_state.h"
#include "stream/snapshot.h"

namespace gristmill::stream {
namespace {

constexpr int kStateVersion = 1;
constexpr size_t kPairsOut = 16384;
constexpr int64_t kRowBytes = 160;  // of a held row's index, about
constexpr const char* kParts[2] = {"left", "right"};
constexpr const char* kMetParts[2] = {"left met", "right met"};

class SidePiece final : public Piece {
 public:
  int64_t bytes() const override { return bytes_; }
  KeptBatchPtr batch;
  std::vector<int64_t> times;
  KeyRows keys;
  uint64_t order_base = 0;
  std::vector<uint16_t> rows;
  int64_t greatest = kNoTime;
  int64_t bytes_ = 0;
};

class SideLocal final : public exec::LocalState {
 public:
  explicit SideLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

arrow::Status bind_side(const EventTime& time, const std::vector<expr::NodePtr>& keys, const std::shared_ptr<arrow::Schema>& schema,
                        BoundSide* out) {
  out->schema = schema;
  for (const auto& field : schema->fields()) out->types.push_back(column::canonical_type(field->type()));
  ARROW_ASSIGN_OR_RAISE(out->watermark, bind_watermark(time, *schema));
  for (const auto& key : keys) {
    ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(plan::strip_aliases(key), *schema));
    out->keys.push_back(std::move(bound));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<BoundStreamJoin> bind_stream_join(const StreamJoinSpec& spec, const std::shared_ptr<arrow::Schema>& left,
                                                const std::shared_ptr<arrow::Schema>& right) {
  BoundStreamJoin out;
  ARROW_RETURN_NOT_OK(bind_side(spec.left_time, spec.left_keys, left, &out.sides[0]));
  ARROW_RETURN_NOT_OK(bind_side(spec.right_time, spec.right_keys, right, &out.sides[1]));
  BoundSide &a = out.sides[0], &b = out.sides[1];
  if (!a.watermark.time->type->Equals(*b.watermark.time->type)) {
    return base::plan_error("the time columns of the two streams differ: " + column::type_text(*a.watermark.time->type) + " and " +
                                column::type_text(*b.watermark.time->type),
                            "cast one of them");
  }
  if (a.keys.size() != b.keys.size()) return base::plan_error("both streams need the same number of keys");
  for (size_t k = 0; k < a.keys.size(); ++k) {
    if (!a.keys[k]->type->Equals(*b.keys[k]->type)) {
      return base::plan_error("keys " + a.keys[k]->label + " and " + b.keys[k]->label + " are of different types: " +
                                  column::type_text(*a.keys[k]->type) + " and " + column::type_text(*b.keys[k]->type),
                              "cast one of them");
    }
    out.key_names.push_back(expr::output_name(*spec.left_keys[k]));
  }
  arrow::FieldVector fields = left->fields();
  for (int i = 0; i < left->num_fields(); ++i) a.output.push_back(i);
  for (int i = 0; i < right->num_fields(); ++i) {
    const auto& field = right->field(i);
    const bool is_key = std::any_of(spec.right_keys.begin(), spec.right_keys.end(), [&](const expr::NodePtr& k) {
      return plan::is_column(*plan::strip_aliases(k)) && plan::strip_aliases(k)->name == field->name();
    });
    if (spec.coalesce_keys && is_key) continue;
    b.output.push_back(i);
    const bool clash = left->GetFieldIndex(field->name()) >= 0;
    fields.push_back(field->WithName(clash ? field->name() + spec.suffix : field->name())->WithNullable(true));
  }
  out.schema = arrow::schema(std::move(fields));
  ARROW_RETURN_NOT_OK(plan::check_unique(*out.schema));
  return out;
}

arrow::Status TwoStreams::open(const OperatorContext& context) {
  context_ = context.query;
  for (size_t side = 0; side < 2; ++side) {
    const BoundWatermark& w = join_.sides[side].watermark;
    const int32_t partitions = side < context.partitions.size() ? context.partitions[side] : 1;
    marks_[side] = Watermark(partitions, w.delay, w.inherited);
    idle_[side] = IdleClock(context.replay ? 0 : w.idle_micros);
  }
  ARROW_ASSIGN_OR_RAISE(held_, context_->memory->reserve(0, "join of streams"));
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<exec::LocalState>> TwoStreams::make_local(const exec::QueryContext& context) const {
  return std::make_unique<SideLocal>(context.pool());
}

arrow::Result<std::unique_ptr<Piece>> TwoStreams::prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const {
  expr::Evaluator& evaluator = local.as<SideLocal>().evaluator;
  const BoundSide& side = join_.sides[part.input];
  auto piece = std::make_unique<SidePiece>();
  selected_rows(batch, &piece->rows);
  piece->order_base = ((base_seq_ + part.seq) << 32) + static_cast<uint64_t>(part.first_row);
  ARROW_RETURN_NOT_OK(times_of(*side.watermark.time, batch, piece->rows, evaluator, &piece->times));
  for (const int64_t t : piece->times) piece->greatest = std::max(piece->greatest, t);
  ARROW_RETURN_NOT_OK(encode_keys(side.keys, batch, piece->rows, evaluator, &piece->keys));
  ARROW_ASSIGN_OR_RAISE(piece->batch, keep(batch, evaluator.pool()));
  piece->bytes_ = static_cast<int64_t>(piece->times.size()) * (kRowBytes + 24);
  return piece;
}

arrow::Status TwoStreams::apply(std::unique_ptr<Piece> base, const MorselPart& part, Emitter& out) {
  auto& piece = static_cast<SidePiece&>(*base);
  next_seq_ = std::max(next_seq_, base_seq_ + part.seq + 1);
  ARROW_RETURN_NOT_OK(context_->memory->ensure_headroom(piece.bytes(), "join of streams"));
  const auto side = static_cast<size_t>(part.input);
  idle_[side].seen(part.partition);
  const Watermark::Start start = marks_[side].enter(part.partition);
  int64_t run = kNoTime;
  for (size_t j = 0; j < piece.times.size(); ++j) {
    const int64_t t = piece.times[j];
    const bool late = t < start.before(run);
    run = std::max(run, t);
    if (late) {
      ++late_rows_[side];
      continue;
    }
    const uint64_t place = piece.order_base + piece.rows[j];
    Row row{t, place, {piece.batch, static_cast<int32_t>(j)}, std::string(piece.keys.key(static_cast<int64_t>(j))), piece.keys.null[j]};
    waiting_[side].emplace(std::make_pair(t, place), std::move(row));
  }
  marks_[side].leave(part.partition, piece.greatest);
  return move_on(out);
}

// All rows before both watermarks, in order.
arrow::Status TwoStreams::move_on(Emitter& out) {
  const int64_t to = std::min(marks_[0].value(), marks_[1].value());
  const auto ready = [&](size_t side) { return !waiting_[side].empty() && (waiting_[side].begin()->first.first < to || to == kAllTime); };
  while (ready(0) || ready(1)) {
    size_t side = ready(0) ? 0 : 1;
    if (ready(0) && ready(1)) {
      const int64_t a = waiting_[0].begin()->first.first, b = waiting_[1].begin()->first.first;
      side = a != b ? (a < b ? 0 : 1) : (rank(0) < rank(1) ? 0 : 1);
    }
    Row row = std::move(waiting_[side].begin()->second);
    waiting_[side].erase(waiting_[side].begin());
    ARROW_RETURN_NOT_OK(take(static_cast<int>(side), std::move(row), out));
  }
  if (to != kNoTime) ARROW_RETURN_NOT_OK(forget(to, out));
  ARROW_RETURN_NOT_OK(flush(out));
  ARROW_RETURN_NOT_OK(account());
  const int64_t tell = time_less(to, behind());
  if (tell == kNoTime || tell <= told_) return arrow::Status::OK();
  told_ = tell;
  return out.watermark(tell);
}

arrow::Status TwoStreams::account() {
  const int64_t index = (held_rows_ + static_cast<int64_t>(waiting_[0].size() + waiting_[1].size())) * kRowBytes;
  ARROW_RETURN_NOT_OK(held_.grow_to(index));
  held_.shrink_to(index);
  return arrow::Status::OK();
}

arrow::Status TwoStreams::pair(const KeptRow& left, const KeptRow& right, Emitter& out) {
  pairs_[0].push_back(left);
  pairs_[1].push_back(right);
  return pairs_[0].size() < kPairsOut ? arrow::Status::OK() : flush(out);
}

arrow::Status TwoStreams::flush(Emitter& out) {
  if (pairs_[0].empty()) return arrow::Status::OK();
  column::Batch batch;
  batch.rows = static_cast<int64_t>(pairs_[0].size());
  for (size_t side = 0; side < 2; ++side) {
    const BoundSide& s = join_.sides[side];
    ARROW_ASSIGN_OR_RAISE(auto columns, gather(pairs_[side], s.types, s.output, context_->pool()));
    for (auto& c : columns) batch.columns.push_back(std::move(c));
    pairs_[side].clear();
  }
  return out.rows(std::move(batch));
}

arrow::Status TwoStreams::on_watermark(int input, int64_t ticks, Emitter& out) {
  if (!marks_[input].inherited()) return arrow::Status::OK();
  marks_[input].raise(ticks);
  return move_on(out);
}

int64_t TwoStreams::tick_every() const {
  const int64_t a = idle_[0].every(), b = idle_[1].every();
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

arrow::Status TwoStreams::on_tick(const Tick& tick, Emitter& out) {
  const auto side = static_cast<size_t>(tick.input);
  if (!idle_[side].on()) return arrow::Status::OK();
  for (const int32_t p : idle_[side].tick(tick.now_micros, tick.at_end)) marks_[side].set_idle(p);
  return move_on(out);
}

arrow::Status TwoStreams::on_input_end(int input, Emitter& out) {
  marks_[input].raise(kAllTime);
  return move_on(out);
}

arrow::Status TwoStreams::on_end(Emitter& out) {
  for (Watermark& mark : marks_) mark.raise(kAllTime);
  return move_on(out);
}

std::string TwoStreams::fingerprint() const {
  std::string out = join_.text;
  for (const BoundSide& side : join_.sides) {
    out += "; " + side.watermark.time->label + " of";
    for (const auto& field : side.schema->fields()) out += " " + field->name() + ":" + column::type_text(*field->type());
    out += " by";
    for (const auto& key : side.keys) out += " " + key->label;
  }
  return out;
}

std::map<std::string, int64_t> TwoStreams::stats() const {
  std::map<std::string, int64_t> out = {{"late_rows", late_rows_[0] + late_rows_[1]},
                                        {"late_rows_left", late_rows_[0]},
                                        {"late_rows_right", late_rows_[1]},
                                        {"waiting_rows", static_cast<int64_t>(waiting_[0].size() + waiting_[1].size())},
                                        {"held_rows", held_rows_}};
  const int64_t mark = std::min(marks_[0].value(), marks_[1].value());
  if (mark != kNoTime && mark != kAllTime) out["watermark"] = mark;
  return out;
}

arrow::Status TwoStreams::put_rows(SnapshotWriter& writer, int side) const {
  const BoundSide& s = join_.sides[side];
  KeptRecords records(kKeyGroups), met(kKeyGroups);
  const auto add = [&](const Row& row, bool taken) {
    (row.met ? met : records)[static_cast<size_t>(key_group(hash_key(row.key)))].push_back({row.row, row.place, taken});
  };
  for (const auto& [at, row] : waiting_[side]) add(row, false);
  each_held([&](int of, const Row& row) {
    if (of == side) add(row, true);
  });
  ARROW_RETURN_NOT_OK(put_kept(writer, kMetParts[side], met, s.schema, s.types, context_->pool()));
  return put_kept(writer, kParts[side], records, s.schema, s.types, context_->pool());
}

arrow::Status TwoStreams::snapshot(SnapshotWriter& writer) {
  writer.describe(kind_, kStateVersion, fingerprint());
  writer.number("next_seq", static_cast<int64_t>(next_seq_));
  for (int side = 0; side < 2; ++side) {
    marks_[side].save(std::string("watermark ") + kParts[side], writer);
    writer.number(std::string("late_rows ") + kParts[side], late_rows_[side]);
    ARROW_RETURN_NOT_OK(put_rows(writer, side));
  }
  return arrow::Status::OK();
}

arrow::Status TwoStreams::take_back(const SnapshotReader& reader, int side, bool met) {
  const BoundSide& s = join_.sides[side];
  expr::Evaluator evaluator(context_->pool());
  const auto visit = [&](const column::Batch& batch, std::span<const uint64_t> places, const std::vector<bool>& taken) -> arrow::Status {
    std::vector<uint16_t> all;
    selected_rows(batch, &all);
    std::vector<int64_t> times;
    KeyRows keys;
    ARROW_RETURN_NOT_OK(times_of(*s.watermark.time, batch, all, evaluator, &times));
    ARROW_RETURN_NOT_OK(encode_keys(s.keys, batch, all, evaluator, &keys));
    ARROW_ASSIGN_OR_RAISE(const KeptBatchPtr kept, keep(batch, context_->pool()));
    for (size_t k = 0; k < places.size(); ++k) {
      const auto j = static_cast<int64_t>(k);
      Row row{times[k], places[k], {kept, static_cast<int32_t>(j)}, std::string(keys.key(j)), keys.null[k], met};
      if (taken[k]) {
        hold_again(side, std::move(row));
      } else {
        waiting_[side].emplace(std::make_pair(row.t, row.place), std::move(row));
      }
    }
    return arrow::Status::OK();
  };
  return each_kept(reader, (met ? kMetParts : kParts)[side], s.schema, context_->pool(), visit);
}

arrow::Status TwoStreams::restore(SnapshotReader& reader) {
  if (reader.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(reader.check(kind_, kStateVersion, fingerprint()));
  base_seq_ = next_seq_ = static_cast<uint64_t>(reader.number("next_seq"));
  for (int side = 0; side < 2; ++side) {
    marks_[side].load(std::string("watermark ") + kParts[side], reader);
    late_rows_[side] = reader.number(std::string("late_rows ") + kParts[side]);
    for (const bool met : {true, false}) ARROW_RETURN_NOT_OK(take_back(reader, side, met));
  }
  restored();
  return account();
}

}  // namespace gristmill::stream
