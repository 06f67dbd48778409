// Rows enter in the order of their streams and leave the waiting rooms in the order of their times.

#include "stream/two_streams.h"

#include <algorithm>
#include <cstring>

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
constexpr size_t kMostStoredRows = size_t{8} << 20;  // bytes of rows on disk that are in memory at once for a snapshot
constexpr uint64_t kSpread = 0x9E3779B97F4A7C15ull;  // an odd factor: places become hashes
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
                                                const std::shared_ptr<arrow::Schema>& right, bool right_alone) {
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
  for (auto& field : fields) field = right_alone ? field->WithNullable(true) : field;
  for (int i = 0; i < left->num_fields(); ++i) a.output.push_back(i);
  for (int i = 0; i < right->num_fields(); ++i) {
    const auto& field = right->field(i);
    const bool is_key = std::any_of(spec.right_keys.begin(), spec.right_keys.end(), [&](const expr::NodePtr& k) {
      return plan::is_column(*plan::strip_aliases(k)) && plan::strip_aliases(k)->name == field->name();
    });
    if (spec.coalesce_keys && is_key) {
      out.shared_keys.emplace_back(left->GetFieldIndex(field->name()), i);
      continue;
    }
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
  cold_waiting_ = std::make_unique<ColdStates>(context_->memory);
  for (auto& cold : cold_held_) cold = std::make_unique<ColdStates>(context_->memory);
  const auto size = [this] {
    const int64_t index = index_bytes();
    return SpillGate::Size{index + cold_waiting_->bytes() + cold_held_[0]->bytes() + cold_held_[1]->bytes(), 2 * index};
  };
  gate_ = std::make_unique<SpillGate>("join of streams", *context_, size, [this] { return put_away(); });
  return gate_->open();
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
  return gate_->inside(base->bytes(), [&] { return apply_inside(*base, part, out); });
}

arrow::Status TwoStreams::apply_inside(Piece& base, const MorselPart& part, Emitter& out) {
  auto& piece = static_cast<SidePiece&>(base);
  next_seq_ = std::max(next_seq_, base_seq_ + part.seq + 1);
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

// All rows before both watermarks, in order. Those on disk come back some at a time, the earliest first.
arrow::Status TwoStreams::move_on(Emitter& out) {
  const int64_t to = std::min(marks_[0].value(), marks_[1].value());
  while (!cold_waiting_->empty() && (cold_waiting_->next_due() < to || to == kAllTime)) {
    std::vector<std::string> stored;
    ARROW_RETURN_NOT_OK(cold_waiting_->take_due(to == kAllTime ? to : to - 1, [&](uint64_t, std::string_view row) {
      stored.emplace_back(row);
      return arrow::Status::OK();
    }));
    ARROW_RETURN_NOT_OK(each_stored_row(stored, [&](int side, Row row) {
      const auto at = std::make_pair(row.t, row.place);
      waiting_[side].emplace(at, std::move(row));
    }));
    if (cold_waiting_->empty()) break;
    const int64_t here = std::min(to, cold_waiting_->next_due());
    ARROW_RETURN_NOT_OK(take_ready(here, out));
    ARROW_RETURN_NOT_OK(forget(here, out));
    ARROW_RETURN_NOT_OK(flush(out));
    ARROW_RETURN_NOT_OK(gate_->make_room());
  }
  ARROW_RETURN_NOT_OK(take_ready(to, out));
  if (to != kNoTime) ARROW_RETURN_NOT_OK(forget(to, out));
  ARROW_RETURN_NOT_OK(flush(out));
  const int64_t tell = time_less(to, behind());
  if (tell == kNoTime || tell <= told_) return arrow::Status::OK();
  told_ = tell;
  return out.watermark(tell);
}

// The waiting rows of times before `before`, or all of them.
arrow::Status TwoStreams::take_ready(int64_t before, Emitter& out) {
  const auto ready_at = [&](size_t side, Waiting::const_iterator at) {
    return at != waiting_[side].end() && (at->first.first < before || before == kAllTime);
  };
  const auto ready = [&](size_t side) { return ready_at(side, waiting_[side].begin()); };
  if (!cold_held_[0]->empty() || !cold_held_[1]->empty()) {
    std::vector<uint64_t> partners[2];
    for (size_t side = 0; side < 2; ++side) {
      for (auto at = waiting_[side].cbegin(); ready_at(side, at); ++at) partners[1 - side].push_back(hash_key(at->second.key));
    }
    ARROW_RETURN_NOT_OK(wake_keys(partners));
  }
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
  return arrow::Status::OK();
}

int64_t TwoStreams::index_bytes() const { return (held_rows_ + static_cast<int64_t>(waiting_[0].size() + waiting_[1].size())) * kRowBytes; }

// A row as it lies on disk: this, its key, its columns.
struct TwoStreams::Stored {
  int64_t t = 0;
  uint64_t place = 0;
  uint32_t key = 0;    // bytes
  uint32_t bytes = 0;  // of the columns
  uint8_t side = 0, null_key = 0, met = 0;
};

void TwoStreams::store(int side, const Row& row, std::vector<uint8_t>* out) {
  Stored head;
  std::memset(static_cast<void*>(&head), 0, sizeof head);
  head.t = row.t;
  head.place = row.place;
  head.key = static_cast<uint32_t>(row.key.size());
  head.side = static_cast<uint8_t>(side);
  head.null_key = row.null_key;
  head.met = row.met;
  const size_t begin = out->size();
  out->resize(begin + sizeof head);
  out->insert(out->end(), row.key.begin(), row.key.end());
  const size_t columns = out->size();
  store_row(row.row, out);
  head.bytes = static_cast<uint32_t>(out->size() - columns);
  std::memcpy(out->data() + begin, &head, sizeof head);
}

// The rows of each side come back in batches of their own.
arrow::Status TwoStreams::each_stored_row(const std::vector<std::string>& stored, const VisitStored& visit) const {
  std::vector<Row> rows[2];
  std::vector<const uint8_t*> columns[2];
  for (const std::string& all : stored) {
    const auto* at = reinterpret_cast<const uint8_t*>(all.data());
    const uint8_t* const end = at + all.size();
    while (at < end) {
      Stored head;
      if (end - at < static_cast<int64_t>(sizeof head)) return base::internal_error("a row of a join on disk is cut off");
      std::memcpy(&head, at, sizeof head);
      at += sizeof head;
      if (end - at < static_cast<int64_t>(head.key) + head.bytes || head.side > 1) {
        return base::internal_error("a row of a join on disk is cut off");
      }
      std::string key(reinterpret_cast<const char*>(at), head.key);
      rows[head.side].push_back({head.t, head.place, {}, std::move(key), head.null_key != 0, head.met != 0});
      columns[head.side].push_back(at + head.key);
      at += head.key + head.bytes;
    }
  }
  for (int side = 0; side < 2; ++side) {
    if (rows[side].empty()) continue;
    ARROW_ASSIGN_OR_RAISE(const KeptBatchPtr batch, stored_rows(std::move(columns[side]), join_.sides[side].types, context_->pool()));
    for (size_t i = 0; i < rows[side].size(); ++i) {
      rows[side][i].row = {batch, static_cast<int32_t>(i)};
      visit(side, std::move(rows[side][i]));
    }
  }
  return arrow::Status::OK();
}

arrow::Status TwoStreams::put_away() {
  std::vector<uint8_t> bytes;
  const auto text = [&] { return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()); };
  for (int side = 0; side < 2; ++side) {
    for (const auto& [at, row] : waiting_[side]) {
      bytes.clear();
      store(side, row, &bytes);
      // A row of the last time there is has its turn too, at the end.
      const int64_t due = std::min(row.t, kAllTime - 1);
      ARROW_RETURN_NOT_OK(cold_waiting_->put((row.place * 2 + static_cast<uint64_t>(side)) * kSpread, due, text()));
    }
    waiting_[side].clear();
  }
  ARROW_RETURN_NOT_OK(each_held_key([&](int side, std::string_view key, const std::vector<const Row*>& rows) {
    bytes.clear();
    for (const Row* const row : rows) store(side, *row, &bytes);
    return cold_held_[side]->put(hash_key(key), due(side, rows), text());
  }));
  let_go();
  held_rows_ = 0;
  ARROW_RETURN_NOT_OK(cold_waiting_->flush());
  for (auto& cold : cold_held_) ARROW_RETURN_NOT_OK(cold->flush());
  return arrow::Status::OK();
}

arrow::Status TwoStreams::wake_keys(const std::vector<uint64_t> (&hashes)[2]) {
  std::vector<std::string> stored;
  for (int side = 0; side < 2; ++side) {
    ARROW_RETURN_NOT_OK(cold_held_[side]->take(hashes[side], [&](uint64_t, std::string_view rows) {
      stored.emplace_back(rows);
      return arrow::Status::OK();
    }));
  }
  return each_stored_row(stored, [&](int side, Row row) { wake(side, std::move(row)); });
}

arrow::Result<int64_t> TwoStreams::wake_due(int side, int64_t to) {
  ColdStates& cold = *cold_held_[side];
  while (!cold.empty() && cold.next_due() < to) {
    std::vector<std::string> stored;
    ARROW_RETURN_NOT_OK(cold.take_due(to - 1, [&](uint64_t, std::string_view rows) {
      if (comes_back(side)) stored.emplace_back(rows);
      return arrow::Status::OK();
    }));
    ARROW_RETURN_NOT_OK(each_stored_row(stored, [&](int of, Row row) { wake(of, std::move(row)); }));
    if (!stored.empty()) break;
  }
  return cold.empty() ? to : std::min(to, cold.next_due());
}

// Right rows that leave alone have columns on their left: nulls, but for keys that both sides have in common.
arrow::Result<KeptRow> TwoStreams::left_of(const KeptRow& right) {
  KeptBatchPtr& beside = beside_[right.batch.get()];
  if (!beside) {
    auto made = std::make_shared<KeptBatch>();
    made->rows = right.batch->rows;
    for (const column::TypePtr& type : join_.sides[0].types) {
      ARROW_ASSIGN_OR_RAISE(const column::Column none, column::null_column(type, context_->pool()));
      ARROW_ASSIGN_OR_RAISE(column::Column flat, column::flatten(none, made->rows, context_->pool()));
      made->columns.push_back(std::move(flat));
    }
    for (const auto& [l, r] : join_.shared_keys) made->columns[static_cast<size_t>(l)] = right.batch->columns[static_cast<size_t>(r)];
    beside = std::move(made);
  }
  return KeptRow{beside, right.row};
}

arrow::Status TwoStreams::alone(int side, const KeptRow& row, Emitter& out) {
  if (side == 0) return pair(row, {}, out);
  ARROW_ASSIGN_OR_RAISE(const KeptRow left, left_of(row));
  return pair(left, row, out);
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
  beside_.clear();
  return out.rows(std::move(batch));
}

arrow::Status TwoStreams::on_watermark(int input, int64_t ticks, Emitter& out) {
  if (!marks_[input].inherited()) return arrow::Status::OK();
  marks_[input].raise(ticks);
  return gate_->inside(0, [&] { return move_on(out); });
}

int64_t TwoStreams::tick_every() const {
  const int64_t a = idle_[0].every(), b = idle_[1].every();
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

arrow::Status TwoStreams::on_tick(const Tick& tick, Emitter& out) {
  const auto side = static_cast<size_t>(tick.input);
  if (!idle_[side].on()) return arrow::Status::OK();
  for (const int32_t p : idle_[side].tick(tick.now_micros, tick.at_end)) marks_[side].set_idle(p);
  return gate_->inside(0, [&] { return move_on(out); });
}

arrow::Status TwoStreams::on_input_end(int input, Emitter& out) {
  marks_[input].raise(kAllTime);
  return gate_->inside(0, [&] { return move_on(out); });
}

arrow::Status TwoStreams::on_end(Emitter& out) {
  for (Watermark& mark : marks_) mark.raise(kAllTime);
  return gate_->inside(0, [&] { return move_on(out); });
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
                                        {"late_rows_right", late_rows_[1]}};
  if (gate_) {
    out["spills"] = gate_->spills();
    gate_->look([&] {
      out["waiting_rows"] = static_cast<int64_t>(waiting_[0].size() + waiting_[1].size());
      out["held_rows"] = held_rows_;
      out["on_disk"] = cold_waiting_->keys() + cold_held_[0]->keys() + cold_held_[1]->keys();  // rows that wait, and keys
    });
  }
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

// Those on disk, some at a time.
arrow::Status TwoStreams::put_cold_rows(SnapshotWriter& writer) const {
  std::vector<std::string> stored;
  size_t bytes = 0;
  for (const bool taken : {false, true}) {
    const auto hand_on = [&]() -> arrow::Status {
      KeptRecords records[2] = {KeptRecords(kKeyGroups), KeptRecords(kKeyGroups)};
      KeptRecords met[2] = {KeptRecords(kKeyGroups), KeptRecords(kKeyGroups)};
      ARROW_RETURN_NOT_OK(each_stored_row(stored, [&](int side, const Row& row) {
        (row.met ? met : records)[side][static_cast<size_t>(key_group(hash_key(row.key)))].push_back({row.row, row.place, taken});
      }));
      for (int side = 0; side < 2; ++side) {
        const BoundSide& s = join_.sides[side];
        ARROW_RETURN_NOT_OK(put_kept(writer, kMetParts[side], met[side], s.schema, s.types, context_->pool()));
        ARROW_RETURN_NOT_OK(put_kept(writer, kParts[side], records[side], s.schema, s.types, context_->pool()));
      }
      stored.clear();
      bytes = 0;
      return arrow::Status::OK();
    };
    const auto add = [&](uint64_t, std::string_view rows) -> arrow::Status {
      stored.emplace_back(rows);
      bytes += rows.size();
      return bytes > kMostStoredRows ? hand_on() : arrow::Status::OK();
    };
    if (taken) {
      for (const auto& cold : cold_held_) ARROW_RETURN_NOT_OK(cold->each(add));
    } else {
      ARROW_RETURN_NOT_OK(cold_waiting_->each(add));
    }
    ARROW_RETURN_NOT_OK(hand_on());
  }
  return arrow::Status::OK();
}

arrow::Status TwoStreams::snapshot(SnapshotWriter& writer) {
  return gate_->inside(0, [&] { return snapshot_inside(writer); });
}

arrow::Status TwoStreams::snapshot_inside(SnapshotWriter& writer) {
  writer.describe(kind_, kStateVersion, fingerprint());
  writer.number("next_seq", static_cast<int64_t>(next_seq_));
  for (int side = 0; side < 2; ++side) {
    marks_[side].save(std::string("watermark ") + kParts[side], writer);
    writer.number(std::string("late_rows ") + kParts[side], late_rows_[side]);
    ARROW_RETURN_NOT_OK(put_rows(writer, side));
  }
  return put_cold_rows(writer);
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
    return gate_->make_room();
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
    for (const bool met : {true, false}) {
      ARROW_RETURN_NOT_OK(gate_->inside(0, [&] { return take_back(reader, side, met); }));
    }
  }
  restored();
  return arrow::Status::OK();
}

}  // namespace gristmill::stream
