// Rows wait until the watermark is behind them, then rows and timers go in one order: by time, timers before rows, rows by their place in
// the stream, timers by key. The user's code runs in the ordered half only.
//
// Where memory is short states go to disk (cold_states.h) until their key has a row or a timer. Rows that wait and timers must fit the
// limit.

#include "stream/keyed_operator.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "exec/group_codec.h"
#include "plan/expressions.h"
#include "stream/cold_states.h"
#include "stream/kept_batch.h"
#include "stream/kept_state.h"
#include "stream/snapshot.h"
#include "stream/spill_gate.h"
#include "stream/watermark.h"
#include "stream/window_state.h"

namespace gristmill::stream {
namespace {

constexpr const char* kRows = "rows";
constexpr const char* kStates = "states";
constexpr const char* kTimers = "timers";
constexpr int64_t kRowBytes = 160;
constexpr size_t kMostColdStates = size_t{8} << 20;  // bytes of a snapshot before they are handed on

class KeyedPiece final : public Piece {
 public:
  int64_t bytes() const override { return static_cast<int64_t>(places.size()) * kRowBytes; }
  KeptBatchPtr batch;
  std::vector<uint64_t> places;
  std::vector<int64_t> times;
  KeyRows keys;
  int64_t greatest = kNoTime;
};

class KeyedLocal final : public exec::LocalState {
 public:
  explicit KeyedLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

struct BoundKeyed {
  KeyedSpec spec;
  BoundWatermark time;
  int64_t ttl = 0;
  std::vector<expr::BoundPtr> keys;
  std::vector<column::TypePtr> types;
  std::shared_ptr<arrow::Schema> input;
  std::shared_ptr<arrow::Schema> key_schema;
  std::shared_ptr<arrow::Schema> output;
  std::string name;
};

struct KeyedState {
  std::string bytes;
  int64_t touched = kNoTime;
};

class KeyedRunner final : public StatefulOperator {
 public:
  KeyedRunner(BoundKeyed keyed, std::shared_ptr<KeyedOperator> op) : keyed_(std::move(keyed)), op_(std::move(op)) {}

  std::string name() const override { return keyed_.name; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return keyed_.output; }
  std::vector<std::string> partition_keys() const override { return keyed_.spec.keys; }
  arrow::Status open(const OperatorContext& context) override;
  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override {
    return std::make_unique<KeyedLocal>(context.pool());
  }
  arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const override;
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) override;
  arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) override;
  arrow::Status on_tick(const Tick& tick, Emitter& out) override;
  int64_t tick_every() const override { return idle_.every(); }
  arrow::Status on_end(Emitter& out) override;
  arrow::Status snapshot(SnapshotWriter& writer) override;
  arrow::Status restore(SnapshotReader& reader) override;
  std::string fingerprint() const override;
  int64_t bytes() const override { return gate_ ? gate_->unseen() : 0; }
  std::map<std::string, int64_t> stats() const override;

 private:
  struct Waiting {
    KeptRow row;
    std::string key;
  };
  class Context;

  arrow::Status read(const column::Batch& batch, const std::vector<uint16_t>& rows, expr::Evaluator& evaluator, KeyedPiece* out) const;
  arrow::Status move_on(Emitter& out);
  arrow::Status call_rows(int64_t t);
  arrow::Status call_timer();
  arrow::Status call_timer(const std::pair<int64_t, std::string>& timer);
  arrow::Status keep_result(arrow::Result<RecordBatchPtr> made);
  arrow::Status flush(Emitter& out);
  arrow::Status apply_inside(KeyedPiece& piece, const MorselPart& part, Emitter& out);
  arrow::Status snapshot_inside(SnapshotWriter& writer);
  arrow::Status restore_inside(SnapshotReader& reader);
  int64_t unseen() const { return state_bytes_ + static_cast<int64_t>(waiting_.size() + timers_.size()) * kRowBytes + cold_->bytes(); }
  arrow::Status forget();
  // A key's state as it lies on disk: when it was touched, how long the key is, the key, the state.
  void take_back(std::string_view stored);
  arrow::Status put_away();
  arrow::Status wake_keys(std::vector<uint64_t> hashes);
  KeyedState& state_of(const std::string& key, int64_t t);

  const BoundKeyed keyed_;
  const std::shared_ptr<KeyedOperator> op_;
  const exec::QueryContext* context_ = nullptr;
  Watermark mark_{0, 0, false};
  IdleClock idle_{0};
  std::map<std::pair<int64_t, uint64_t>, Waiting> waiting_;
  std::unordered_map<std::string, KeyedState, KeyHash, std::equal_to<>> states_;
  std::set<std::pair<int64_t, std::string>> timers_;
  std::vector<RecordBatchPtr> made_;
  int64_t state_bytes_ = 0;
  int64_t late_rows_ = 0;
  int64_t fired_ = 0;
  int64_t swept_ = kNoTime;
  int64_t told_ = kNoTime;
  uint64_t base_seq_ = 0;
  uint64_t next_seq_ = 0;
  std::unique_ptr<ColdStates> cold_;
  std::unique_ptr<SpillGate> gate_;
};

class KeyedRunner::Context final : public KeyContext {
 public:
  Context(KeyedRunner& runner, const std::string& key, int64_t time, KeyedState& state)
      : runner_(runner), key_(key), time_(time), state_(state) {}

  RecordBatchPtr key() const override {
    const auto* at = reinterpret_cast<const uint8_t*>(key_.data());
    column::Batch one;
    one.rows = 1;
    for (const auto& bound : runner_.keyed_.keys) {
      auto values = exec::decode_values(bound->type, {&at, 1}, runner_.context_->pool());
      if (!values.ok()) return nullptr;
      one.columns.push_back(column::Column::flat(*values));
    }
    return column::export_batch(one, runner_.keyed_.key_schema, runner_.context_->pool()).ValueOr(nullptr);
  }
  int64_t time() const override { return time_; }
  const std::string& state() const override { return state_.bytes; }
  void set_state(std::string state) override {
    runner_.state_bytes_ += static_cast<int64_t>(state.size()) - static_cast<int64_t>(state_.bytes.size());
    state_.bytes = std::move(state);
  }
  void set_timer(int64_t time) override { runner_.timers_.emplace(time, key_); }
  void delete_timer(int64_t time) override { runner_.timers_.erase({time, key_}); }

 private:
  KeyedRunner& runner_;
  const std::string& key_;
  const int64_t time_;
  KeyedState& state_;
};

arrow::Status KeyedRunner::open(const OperatorContext& context) {
  context_ = context.query;
  mark_ = Watermark(context.partitions.empty() ? 1 : context.partitions[0], keyed_.time.delay, keyed_.time.inherited);
  idle_ = IdleClock(context.replay ? 0 : keyed_.time.idle_micros);
  cold_ = std::make_unique<ColdStates>(context_->memory);
  gate_ = std::make_unique<SpillGate>("keyed state", *context_, [this] { return SpillGate::Size{unseen(), state_bytes_}; },
                                      [this] { return put_away(); });
  return gate_->open();
}

struct StoredKey {
  int64_t touched = kNoTime;
  int64_t key = 0;  // bytes
};

void KeyedRunner::take_back(std::string_view stored) {
  StoredKey head;
  std::memcpy(&head, stored.data(), sizeof head);
  stored.remove_prefix(sizeof head);
  const auto key = static_cast<size_t>(head.key);
  states_[std::string(stored.substr(0, key))] = {std::string(stored.substr(key)), head.touched};
  state_bytes_ += static_cast<int64_t>(stored.size()) + kRowBytes;
}

arrow::Status KeyedRunner::put_away() {
  std::string stored;
  for (const auto& [key, state] : states_) {
    const StoredKey head{state.touched, std::ssize(key)};
    stored.assign(reinterpret_cast<const char*>(&head), sizeof head);
    stored += key;
    stored += state.bytes;
    ARROW_RETURN_NOT_OK(cold_->put(hash_key(key), keyed_.ttl > 0 ? time_add(state.touched, keyed_.ttl) : kAllTime, stored));
  }
  states_ = decltype(states_)();
  state_bytes_ = 0;
  return cold_->flush();
}

arrow::Status KeyedRunner::wake_keys(std::vector<uint64_t> hashes) {
  return cold_->take(std::move(hashes), [this](uint64_t, std::string_view stored) {
    take_back(stored);
    return arrow::Status::OK();
  });
}

arrow::Status KeyedRunner::read(const column::Batch& batch, const std::vector<uint16_t>& rows, expr::Evaluator& evaluator,
                                KeyedPiece* out) const {
  ARROW_RETURN_NOT_OK(times_of(*keyed_.time.time, batch, rows, evaluator, &out->times));
  for (const int64_t t : out->times) out->greatest = std::max(out->greatest, t);
  ARROW_RETURN_NOT_OK(encode_keys(keyed_.keys, batch, rows, evaluator, &out->keys));
  ARROW_ASSIGN_OR_RAISE(out->batch, keep(batch, evaluator.pool()));
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<Piece>> KeyedRunner::prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const {
  auto piece = std::make_unique<KeyedPiece>();
  std::vector<uint16_t> rows;
  selected_rows(batch, &rows);
  const uint64_t base = ((base_seq_ + part.seq) << 32) + static_cast<uint64_t>(part.first_row);
  for (const uint16_t r : rows) piece->places.push_back(base + r);
  ARROW_RETURN_NOT_OK(read(batch, rows, local.as<KeyedLocal>().evaluator, piece.get()));
  return piece;
}

arrow::Status KeyedRunner::apply(std::unique_ptr<Piece> base, const MorselPart& part, Emitter& out) {
  auto& piece = static_cast<KeyedPiece&>(*base);
  return gate_->inside(piece.bytes(), [&] { return apply_inside(piece, part, out); });
}

arrow::Status KeyedRunner::apply_inside(KeyedPiece& piece, const MorselPart& part, Emitter& out) {
  next_seq_ = std::max(next_seq_, base_seq_ + part.seq + 1);
  idle_.seen(part.partition);
  const Watermark::Start start = mark_.enter(part.partition);
  int64_t run = kNoTime;
  for (size_t j = 0; j < piece.places.size(); ++j) {
    const bool late = piece.times[j] < start.before(run);
    run = std::max(run, piece.times[j]);
    if (late) {
      ++late_rows_;
      continue;
    }
    waiting_.emplace(std::make_pair(piece.times[j], piece.places[j]),
                     Waiting{{piece.batch, static_cast<int32_t>(j)}, std::string(piece.keys.key(static_cast<int64_t>(j)))});
  }
  mark_.leave(part.partition, piece.greatest);
  return move_on(out);
}

// The state of the key at time t; what has expired by then is gone.
KeyedState& KeyedRunner::state_of(const std::string& key, int64_t t) {
  const auto [at, fresh] = states_.try_emplace(key);
  if (fresh) state_bytes_ += static_cast<int64_t>(key.size()) + kRowBytes;
  KeyedState& state = at->second;
  if (keyed_.ttl > 0 && state.touched != kNoTime && time_add(state.touched, keyed_.ttl) <= t) {
    state_bytes_ -= static_cast<int64_t>(state.bytes.size());
    state = {};
  }
  return state;
}

arrow::Status KeyedRunner::keep_result(arrow::Result<RecordBatchPtr> made) {
  ARROW_ASSIGN_OR_RAISE(RecordBatchPtr rows, std::move(made));
  if (!rows || rows->num_rows() == 0) return arrow::Status::OK();
  if (!rows->schema()->Equals(*keyed_.output, false)) {
    return base::data_error("\"" + keyed_.name + "\" gave columns " + rows->schema()->ToString() + ", it said " +
                            keyed_.output->ToString());
  }
  made_.push_back(std::move(rows));
  return arrow::Status::OK();
}

// All waiting rows of time t, those of each key together, keys by their first row.
arrow::Status KeyedRunner::call_rows(int64_t t) {
  std::vector<std::pair<std::string, std::vector<KeptRow>>> keys;
  while (!waiting_.empty() && waiting_.begin()->first.first == t) {
    Waiting next = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    const auto at = std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return k.first == next.key; });
    if (at == keys.end()) {
      keys.emplace_back(std::move(next.key), std::vector<KeptRow>{std::move(next.row)});
    } else {
      at->second.push_back(std::move(next.row));
    }
  }
  std::vector<int> all(keyed_.types.size());
  for (size_t c = 0; c < all.size(); ++c) all[c] = static_cast<int>(c);
  if (!cold_->empty()) {
    std::vector<uint64_t> hashes;
    for (const auto& [key, rows] : keys) hashes.push_back(hash_key(key));
    ARROW_RETURN_NOT_OK(wake_keys(std::move(hashes)));
  }
  for (const auto& [key, rows] : keys) {
    column::Batch batch;
    batch.rows = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(batch.columns, gather(rows, keyed_.types, all, context_->pool()));
    ARROW_ASSIGN_OR_RAISE(auto border, column::export_batch(batch, keyed_.input, context_->pool()));
    KeyedState& state = state_of(key, t);
    state.touched = t;
    Context context(*this, key, t, state);
    ARROW_RETURN_NOT_OK(keep_result(op_->process(std::move(border), context)));
  }
  return arrow::Status::OK();
}

arrow::Status KeyedRunner::call_timer() { return call_timer(std::move(timers_.extract(timers_.begin()).value())); }

arrow::Status KeyedRunner::call_timer(const std::pair<int64_t, std::string>& timer) {
  ARROW_RETURN_NOT_OK(wake_keys({hash_key(timer.second)}));
  const auto at = states_.find(timer.second);
  if (at == states_.end()) return arrow::Status::OK();
  // A key that has expired takes its timers along.
  if (keyed_.ttl > 0 && time_add(at->second.touched, keyed_.ttl) <= timer.first) return arrow::Status::OK();
  ++fired_;
  Context context(*this, timer.second, timer.first, at->second);
  return keep_result(op_->on_timer(context));
}

arrow::Status KeyedRunner::move_on(Emitter& out) {
  const int64_t to = mark_.value();
  while (to != kNoTime) {
    const bool row = !waiting_.empty() && (waiting_.begin()->first.first < to || to == kAllTime);
    const bool timer = !timers_.empty() && timers_.begin()->first <= to;
    if (!row && !timer) break;
    if (!row && to == kAllTime) {
      // The end comes once: what these timers set would never end.
      const auto last = std::move(timers_);
      for (const auto& t : last) ARROW_RETURN_NOT_OK(call_timer(t));
      timers_.clear();
      break;
    }
    if (timer && (!row || timers_.begin()->first <= waiting_.begin()->first.first)) {
      ARROW_RETURN_NOT_OK(call_timer());
    } else {
      ARROW_RETURN_NOT_OK(call_rows(waiting_.begin()->first.first));
    }
  }
  ARROW_RETURN_NOT_OK(flush(out));
  ARROW_RETURN_NOT_OK(forget());
  if (to == kNoTime || to <= told_) return arrow::Status::OK();
  told_ = to;
  return out.watermark(to);
}

arrow::Status KeyedRunner::flush(Emitter& out) {
  if (made_.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(keyed_.output, made_));
  made_.clear();
  ARROW_ASSIGN_OR_RAISE(const auto whole, table->CombineChunksToBatch(context_->pool()));
  for (int64_t at = 0; at < whole->num_rows(); at += column::kMaxBatchRows) {
    ARROW_ASSIGN_OR_RAISE(column::Batch batch, column::import_batch(*whole->Slice(at, column::kMaxBatchRows), context_->pool()));
    ARROW_RETURN_NOT_OK(out.rows(std::move(batch)));
  }
  return arrow::Status::OK();
}

arrow::Status KeyedRunner::forget() {
  const int64_t to = mark_.value();
  const bool early = swept_ != kNoTime && to < time_add(swept_, keyed_.ttl / 4 + 1);
  if (keyed_.ttl == 0 || to == kNoTime || to == kAllTime || early) return arrow::Status::OK();
  swept_ = to;
  for (auto at = states_.begin(); at != states_.end();) {
    if (time_add(at->second.touched, keyed_.ttl) > to) {
      ++at;
      continue;
    }
    state_bytes_ -= static_cast<int64_t>(at->first.size() + at->second.bytes.size()) + kRowBytes;
    at = states_.erase(at);
  }
  while (!cold_->empty() && cold_->next_due() <= to) {
    ARROW_RETURN_NOT_OK(cold_->take_due(to, [](uint64_t, std::string_view) { return arrow::Status::OK(); }));
  }
  std::erase_if(timers_, [&](const auto& timer) { return !states_.contains(timer.second) && !cold_->may_have(hash_key(timer.second)); });
  return arrow::Status::OK();
}

arrow::Status KeyedRunner::on_watermark(int, int64_t ticks, Emitter& out) {
  if (!mark_.inherited()) return arrow::Status::OK();
  mark_.raise(ticks);
  return gate_->inside(0, [&] { return move_on(out); });
}

arrow::Status KeyedRunner::on_tick(const Tick& tick, Emitter& out) {
  if (!idle_.on()) return arrow::Status::OK();
  for (const int32_t p : idle_.tick(tick.now_micros, tick.at_end)) mark_.set_idle(p);
  return gate_->inside(0, [&] { return move_on(out); });
}

arrow::Status KeyedRunner::on_end(Emitter& out) {
  mark_.raise(kAllTime);
  return gate_->inside(0, [&] { return move_on(out); });
}

std::string KeyedRunner::fingerprint() const {
  std::string out = keyed_.name + "; of";
  for (const auto& field : keyed_.input->fields()) out += " " + field->name() + ":" + column::type_text(*field->type());
  out += "; by";
  for (const auto& key : keyed_.spec.keys) out += " " + key;
  return out;
}

std::map<std::string, int64_t> KeyedRunner::stats() const {
  std::map<std::string, int64_t> out = {{"late_rows", late_rows_},
                                        {"timers", static_cast<int64_t>(timers_.size())},
                                        {"timers_fired", fired_},
                                        {"state_bytes", bytes()}};
  if (gate_) {
    gate_->look([&] {
      out["keys"] = static_cast<int64_t>(states_.size()) + cold_->keys();
      out["keys_on_disk"] = cold_->keys();
    });
  }
  if (mark_.value() != kNoTime && mark_.value() != kAllTime) out["watermark"] = mark_.value();
  return out;
}

arrow::Status KeyedRunner::snapshot(SnapshotWriter& writer) {
  return gate_->inside(0, [&] { return snapshot_inside(writer); });
}

arrow::Status KeyedRunner::snapshot_inside(SnapshotWriter& writer) {
  writer.describe("keyed operator", 1, fingerprint());
  writer.number("next_seq", static_cast<int64_t>(next_seq_));
  writer.number("late_rows", late_rows_);
  writer.number("timers_fired", fired_);
  mark_.save("watermark", writer);
  KeptRecords rows(kKeyGroups);
  std::vector<std::vector<StateRecord>> states(kKeyGroups), timers(kKeyGroups);
  for (const auto& [at, w] : waiting_) rows[static_cast<size_t>(key_group(hash_key(w.key)))].push_back({w.row, at.second, false});
  std::map<std::string_view, const KeyedState*> ordered;
  for (const auto& [key, state] : states_) ordered.emplace(key, &state);
  for (const auto& [key, state] : ordered) {
    StateRecord record{state->touched, 0, static_cast<int64_t>(key.size()), {}};
    record.bytes.assign(key.begin(), key.end());
    record.bytes.insert(record.bytes.end(), state->bytes.begin(), state->bytes.end());
    states[static_cast<size_t>(key_group(hash_key(key)))].push_back(std::move(record));
  }
  for (const auto& [time, key] : timers_) {
    timers[static_cast<size_t>(key_group(hash_key(key)))].push_back({time, 0, 0, std::vector<uint8_t>(key.begin(), key.end())});
  }
  for (int g = 0; g < kKeyGroups; ++g) {
    ARROW_RETURN_NOT_OK(put_records(writer, kStates, g, states[static_cast<size_t>(g)]));
    ARROW_RETURN_NOT_OK(put_records(writer, kTimers, g, timers[static_cast<size_t>(g)]));
    states[static_cast<size_t>(g)].clear();
  }
  const auto hand_on = [&]() -> arrow::Status {
    for (int g = 0; g < kKeyGroups; ++g) {
      ARROW_RETURN_NOT_OK(put_records(writer, kStates, g, states[static_cast<size_t>(g)]));
      states[static_cast<size_t>(g)].clear();
    }
    return arrow::Status::OK();
  };
  size_t handed = 0;
  ARROW_RETURN_NOT_OK(cold_->each([&](uint64_t hash, std::string_view stored) {
    StoredKey head;
    std::memcpy(&head, stored.data(), sizeof head);
    stored.remove_prefix(sizeof head);
    states[static_cast<size_t>(key_group(hash))].push_back({head.touched, 0, head.key, {stored.begin(), stored.end()}});
    handed += stored.size();
    return handed > kMostColdStates ? (handed = 0, hand_on()) : arrow::Status::OK();
  }));
  ARROW_RETURN_NOT_OK(hand_on());
  return put_kept(writer, kRows, rows, keyed_.input, keyed_.types, context_->pool());
}

arrow::Status KeyedRunner::restore(SnapshotReader& reader) {
  if (reader.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(reader.check("keyed operator", 1, fingerprint()));
  base_seq_ = next_seq_ = static_cast<uint64_t>(reader.number("next_seq"));
  late_rows_ = reader.number("late_rows");
  fired_ = reader.number("timers_fired");
  mark_.load("watermark", reader);
  return gate_->inside(0, [&] { return restore_inside(reader); });
}

arrow::Status KeyedRunner::restore_inside(SnapshotReader& reader) {
  const auto text = [](std::span<const uint8_t> bytes) { return std::string(bytes.begin(), bytes.end()); };
  ARROW_RETURN_NOT_OK(each_bytes(reader, kStates, [&](int, int64_t touched, int64_t, int64_t size, std::span<const uint8_t> bytes) {
    const auto length = static_cast<size_t>(size);
    if (length > bytes.size()) return base::data_error("the state of \"" + keyed_.name + "\" in the checkpoint is damaged");
    states_[text(bytes.first(length))] = {text(bytes.subspan(length)), touched};
    state_bytes_ += static_cast<int64_t>(bytes.size()) + kRowBytes;
    return gate_->make_room();
  }));
  ARROW_RETURN_NOT_OK(each_bytes(reader, kTimers, [&](int, int64_t time, int64_t, int64_t, std::span<const uint8_t> bytes) {
    timers_.emplace(time, text(bytes));
    return arrow::Status::OK();
  }));
  expr::Evaluator evaluator(context_->pool());
  const auto visit = [&](const column::Batch& batch, std::span<const uint64_t> places, const std::vector<bool>&) -> arrow::Status {
    KeyedPiece piece;
    std::vector<uint16_t> all;
    selected_rows(batch, &all);
    ARROW_RETURN_NOT_OK(read(batch, all, evaluator, &piece));
    for (size_t j = 0; j < places.size(); ++j) {
      waiting_.emplace(std::make_pair(piece.times[j], places[j]),
                       Waiting{{piece.batch, static_cast<int32_t>(j)}, std::string(piece.keys.key(static_cast<int64_t>(j)))});
    }
    return arrow::Status::OK();
  };
  return each_kept(reader, kRows, keyed_.input, context_->pool(), visit);
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_keyed(const KeyedSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  BoundKeyed out;
  out.spec = spec;
  out.input = input;
  ARROW_ASSIGN_OR_RAISE(auto op, spec.make());
  out.name = op->name();
  ARROW_ASSIGN_OR_RAISE(out.output, op->output_schema(input));
  ARROW_RETURN_NOT_OK(plan::check_unique(*out.output));
  ARROW_ASSIGN_OR_RAISE(out.time, bind_watermark(spec.time, *input));
  if (!spec.ttl.empty()) {
    ARROW_ASSIGN_OR_RAISE(out.ttl, ticks_of(spec.ttl, *out.time.time->type, "the time to live"));
    if (out.ttl <= 0) return base::plan_error("a time to live must be longer than nothing");
  }
  for (const auto& field : input->fields()) out.types.push_back(column::canonical_type(field->type()));
  arrow::FieldVector fields;
  for (const std::string& key : spec.keys) {
    ARROW_ASSIGN_OR_RAISE(auto bound, expr::bind(expr::column(key), *input));
    ARROW_RETURN_NOT_OK(plan::check_key_type(*expr::column(key), bound->type, "a keyed operator"));
    out.keys.push_back(std::move(bound));
    fields.push_back(input->GetFieldByName(key));
  }
  out.key_schema = arrow::schema(std::move(fields));
  return std::make_shared<KeyedRunner>(std::move(out), std::move(op));
}

}  // namespace gristmill::stream
