// Keys are found one row after the other: the states are small and the work is the user's series, not its keys.

#include "stream/series.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/types.h"
#include "exec/group_values.h"
#include "plan/expressions.h"
#include "stream/kept_state.h"
#include "stream/series_columns.h"
#include "stream/series_state.h"
#include "stream/snapshot.h"
#include "stream/watermark.h"
#include "stream/window_state.h"

namespace gristmill::stream {
namespace {

constexpr int kStateVersion = 1;
constexpr const char* kSeriesKind = "series";
constexpr const char* kRows = "rows";
constexpr const char* kStates = "states";
constexpr size_t kBatchRows = 16384;
constexpr int64_t kRowBytes = 160;
constexpr int64_t kKeyBytes = 128;

class SeriesPiece final : public Piece {
 public:
  int64_t bytes() const override { return static_cast<int64_t>(places.size()) * kRowBytes; }
  KeptBatchPtr batch;
  std::vector<uint64_t> places;
  std::vector<int64_t> times;
  KeyRows keys;
  std::vector<bool> valid;
  std::vector<double> values;
  int64_t greatest = kNoTime;
};

class SeriesLocal final : public exec::LocalState {
 public:
  explicit SeriesLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

class SeriesOperator final : public StatefulOperator {
 public:
  explicit SeriesOperator(BoundSeries series) : series_(std::move(series)) {}

  std::string name() const override { return series_.text; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return series_.schema; }
  std::vector<std::string> partition_keys() const override { return series_.key_names; }
  arrow::Status open(const OperatorContext& context) override;
  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override {
    return std::make_unique<SeriesLocal>(context.pool());
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
  int64_t bytes() const override { return held_.bytes(); }
  std::map<std::string, int64_t> stats() const override;

 private:
  struct Key {
    std::unique_ptr<SeriesState> state;
    int64_t touched = kNoTime;
    int64_t counted = 0;
  };
  struct Waiting {
    SeriesRow row;
    std::string key;
  };
  bool timed() const { return series_.timed; }
  arrow::Status read(const column::Batch& batch, std::span<const uint16_t> rows, expr::Evaluator& evaluator, SeriesPiece* out) const;
  arrow::Status take(SeriesRow row, std::string_view key, Emitter& out);
  arrow::Status move_on(Emitter& out);
  arrow::Status flush(Emitter& out);
  arrow::Status account();
  Key& key_of(std::string_view key);
  void sweep();

  BoundSeries series_;
  const exec::QueryContext* context_ = nullptr;
  Watermark mark_{0, 0, false};
  IdleClock idle_{0};
  std::map<std::pair<int64_t, uint64_t>, Waiting> waiting_;
  std::unordered_map<std::string, Key, KeyHash, std::equal_to<>> keys_;
  std::vector<SeriesResult> results_;
  std::unique_ptr<expr::Evaluator> evaluator_;
  base::Reservation held_;
  int64_t key_bytes_ = 0;
  int64_t late_rows_ = 0;
  int64_t swept_ = kNoTime;
  int64_t told_ = kNoTime;
  uint64_t base_seq_ = 0;
  uint64_t next_seq_ = 0;
};

arrow::Status SeriesOperator::open(const OperatorContext& context) {
  context_ = context.query;
  evaluator_ = std::make_unique<expr::Evaluator>(context_->pool());
  if (timed()) {
    mark_ = Watermark(context.partitions.empty() ? 1 : context.partitions[0], series_.time.delay, series_.time.inherited);
    idle_ = IdleClock(context.replay ? 0 : series_.time.idle_micros);
  }
  ARROW_ASSIGN_OR_RAISE(held_, context_->memory->reserve(0, "time series"));
  return arrow::Status::OK();
}

// Keys, times and values of rows.
arrow::Status SeriesOperator::read(const column::Batch& batch, std::span<const uint16_t> rows, expr::Evaluator& evaluator,
                                   SeriesPiece* out) const {
  if (series_.has_time) {
    ARROW_RETURN_NOT_OK(times_of(*series_.time.time, batch, std::vector<uint16_t>(rows.begin(), rows.end()), evaluator, &out->times));
  }
  for (const int64_t t : out->times) out->greatest = std::max(out->greatest, t);
  ARROW_RETURN_NOT_OK(encode_keys(series_.keys, batch, rows, evaluator, &out->keys));
  out->valid.assign(rows.size(), true);
  out->values.assign(rows.size(), 0);
  if (series_.value) {
    ARROW_ASSIGN_OR_RAISE(column::Column c, evaluator.evaluate(*series_.value, batch));
    ARROW_ASSIGN_OR_RAISE(c, column::take(c, rows, evaluator.pool()));
    ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, static_cast<int64_t>(rows.size()), evaluator.pool()));
    const column::ValidityBits valid = column::validity_of(*c.values);
    const bool number = c.values->type->id() == arrow::Type::DOUBLE;
    const bool none = c.values->type->id() == arrow::Type::NA;
    for (size_t j = 0; j < rows.size(); ++j) {
      out->valid[j] = !none && valid.valid(static_cast<int64_t>(j));
      if (number && out->valid[j]) out->values[j] = column::values_of<double>(*c.values)[j];
    }
  }
  ARROW_ASSIGN_OR_RAISE(out->batch, keep(batch, evaluator.pool()));
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<Piece>> SeriesOperator::prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const {
  auto piece = std::make_unique<SeriesPiece>();
  std::vector<uint16_t> rows;
  selected_rows(batch, &rows);
  const uint64_t base = ((base_seq_ + part.seq) << 32) + static_cast<uint64_t>(part.first_row);
  for (const uint16_t r : rows) piece->places.push_back(base + r);
  ARROW_RETURN_NOT_OK(read(batch, rows, local.as<SeriesLocal>().evaluator, piece.get()));
  return piece;
}

arrow::Status SeriesOperator::apply(std::unique_ptr<Piece> base, const MorselPart& part, Emitter& out) {
  auto& piece = static_cast<SeriesPiece&>(*base);
  next_seq_ = std::max(next_seq_, base_seq_ + part.seq + 1);
  ARROW_RETURN_NOT_OK(context_->memory->ensure_headroom(piece.bytes(), "time series"));
  const auto row_of = [&](size_t j) {
    SeriesRow row;
    row.t = series_.has_time ? piece.times[j] : 0;
    row.place = piece.places[j];
    row.row = {piece.batch, static_cast<int32_t>(j)};
    row.valid = piece.valid[j];
    row.x = piece.values[j];
    return row;
  };
  if (!timed()) {
    for (size_t j = 0; j < piece.places.size(); ++j) ARROW_RETURN_NOT_OK(take(row_of(j), piece.keys.key(static_cast<int64_t>(j)), out));
    ARROW_RETURN_NOT_OK(flush(out));
    return account();
  }
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
                     Waiting{row_of(j), std::string(piece.keys.key(static_cast<int64_t>(j)))});
  }
  mark_.leave(part.partition, piece.greatest);
  return move_on(out);
}

SeriesOperator::Key& SeriesOperator::key_of(std::string_view key) {
  auto at = keys_.find(key);
  if (at == keys_.end()) {
    at = keys_.try_emplace(std::string(key)).first;
    key_bytes_ += static_cast<int64_t>(key.size()) + kKeyBytes;
  }
  if (!at->second.state) at->second.state = make_series_state(series_.spec, series_.lengths);
  return at->second;
}

arrow::Status SeriesOperator::take(SeriesRow row, std::string_view name, Emitter& out) {
  Key& key = key_of(name);
  if (series_.ttl > 0 && key.touched != kNoTime && time_add(key.touched, series_.ttl) <= row.t) {
    key.state = make_series_state(series_.spec, series_.lengths);
  }
  key.touched = row.t;
  ARROW_RETURN_NOT_OK(key.state->take(std::move(row), [&](SeriesResult result) {
    results_.push_back(std::move(result));
    return results_.size() < kBatchRows ? arrow::Status::OK() : flush(out);
  }));
  const int64_t bytes = key.state->bytes();
  key_bytes_ += bytes - key.counted;
  key.counted = bytes;
  return arrow::Status::OK();
}

arrow::Status SeriesOperator::move_on(Emitter& out) {
  const int64_t to = mark_.value();
  while (!waiting_.empty() && (waiting_.begin()->first.first < to || to == kAllTime)) {
    Waiting next = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    ARROW_RETURN_NOT_OK(take(std::move(next.row), next.key, out));
  }
  ARROW_RETURN_NOT_OK(flush(out));
  sweep();
  ARROW_RETURN_NOT_OK(account());
  if (to == kNoTime || to <= told_ || series_.holds_back) return arrow::Status::OK();
  told_ = to;
  return out.watermark(to);
}

// What has expired for every row to come.
void SeriesOperator::sweep() {
  const int64_t to = mark_.value();
  if (series_.ttl == 0 || to == kNoTime || to == kAllTime || (swept_ != kNoTime && to < time_add(swept_, series_.ttl / 4 + 1))) return;
  swept_ = to;
  for (auto at = keys_.begin(); at != keys_.end();) {
    if (time_add(at->second.touched, series_.ttl) > to) {
      ++at;
      continue;
    }
    key_bytes_ -= static_cast<int64_t>(at->first.size()) + kKeyBytes + at->second.counted;
    at = keys_.erase(at);
  }
}

arrow::Status SeriesOperator::account() {
  const int64_t bytes = key_bytes_ + static_cast<int64_t>(waiting_.size()) * kRowBytes;
  ARROW_RETURN_NOT_OK(held_.grow_to(bytes));
  held_.shrink_to(bytes);
  return arrow::Status::OK();
}

arrow::Status SeriesOperator::flush(Emitter& out) {
  if (results_.empty()) return arrow::Status::OK();
  const std::vector<SeriesResult> results = std::move(results_);
  results_.clear();
  ARROW_ASSIGN_OR_RAISE(column::Batch batch, series_batch(series_, results, *evaluator_));
  return out.rows(std::move(batch));
}

arrow::Status SeriesOperator::on_watermark(int, int64_t ticks, Emitter& out) {
  if (!timed() || !mark_.inherited()) return arrow::Status::OK();
  mark_.raise(ticks);
  return move_on(out);
}

arrow::Status SeriesOperator::on_tick(const Tick& tick, Emitter& out) {
  if (!timed() || !idle_.on()) return arrow::Status::OK();
  for (const int32_t p : idle_.tick(tick.now_micros, tick.at_end)) mark_.set_idle(p);
  return move_on(out);
}

// Rows that still wait for a value leave in the order they came.
arrow::Status SeriesOperator::on_end(Emitter& out) {
  if (timed()) {
    mark_.raise(kAllTime);
    ARROW_RETURN_NOT_OK(move_on(out));
  }
  std::vector<std::pair<std::pair<int64_t, uint64_t>, SeriesState*>> rest;
  for (auto& [name, key] : keys_) {
    bool first = true;
    key.state->each_row([&](const SeriesRow& row) {
      if (first) rest.push_back({{row.t, row.place}, key.state.get()});
      first = false;
    });
  }
  std::sort(rest.begin(), rest.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [at, state] : rest) {
    ARROW_RETURN_NOT_OK(state->end([&](SeriesResult result) {
      results_.push_back(std::move(result));
      return results_.size() < kBatchRows ? arrow::Status::OK() : flush(out);
    }));
  }
  return flush(out);
}

std::string SeriesOperator::fingerprint() const {
  std::string out = series_.text + "; of";
  for (const auto& field : series_.input->fields()) out += " " + field->name() + ":" + column::type_text(*field->type());
  out += "; by";
  for (const auto& key : series_.keys) out += " " + key->label;
  return out;
}

std::map<std::string, int64_t> SeriesOperator::stats() const {
  std::map<std::string, int64_t> out = {{"keys", static_cast<int64_t>(keys_.size())}, {"state_bytes", held_.bytes()}};
  if (!timed()) return out;
  out["late_rows"] = late_rows_;
  out["waiting_rows"] = static_cast<int64_t>(waiting_.size());
  if (mark_.value() != kNoTime && mark_.value() != kAllTime) out["watermark"] = mark_.value();
  return out;
}

arrow::Status SeriesOperator::snapshot(SnapshotWriter& writer) {
  writer.describe(kSeriesKind, kStateVersion, fingerprint());
  writer.number("next_seq", static_cast<int64_t>(next_seq_));
  writer.number("late_rows", late_rows_);
  if (timed()) mark_.save("watermark", writer);
  KeptRecords rows(kKeyGroups);
  std::vector<std::vector<StateRecord>> states(kKeyGroups);
  for (const auto& [at, w] : waiting_) rows[static_cast<size_t>(key_group(hash_key(w.key)))].push_back({w.row.row, w.row.place, false});
  std::map<std::string_view, const Key*> ordered;
  for (const auto& [name, key] : keys_) ordered.emplace(name, &key);
  for (const auto& [name, key] : ordered) {
    const auto g = static_cast<size_t>(key_group(hash_key(name)));
    std::vector<uint64_t> words;
    key->state->save(&words);
    StateRecord record{key->touched, 0, static_cast<int64_t>(name.size()), {}};
    record.bytes.assign(name.begin(), name.end());
    const auto* const begin = reinterpret_cast<const uint8_t*>(words.data());
    record.bytes.insert(record.bytes.end(), begin, begin + words.size() * 8);
    states[g].push_back(std::move(record));
    key->state->each_row([&](const SeriesRow& row) { rows[g].push_back({row.row, row.place, true}); });
  }
  for (int g = 0; g < kKeyGroups; ++g) ARROW_RETURN_NOT_OK(put_records(writer, kStates, g, states[static_cast<size_t>(g)]));
  return put_kept(writer, kRows, rows, series_.input, series_.types, context_->pool());
}

arrow::Status SeriesOperator::restore(SnapshotReader& reader) {
  if (reader.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(reader.check(kSeriesKind, kStateVersion, fingerprint()));
  base_seq_ = next_seq_ = static_cast<uint64_t>(reader.number("next_seq"));
  late_rows_ = reader.number("late_rows");
  if (timed()) mark_.load("watermark", reader);
  ARROW_RETURN_NOT_OK(each_bytes(reader, kStates, [&](int, int64_t touched, int64_t, int64_t size, std::span<const uint8_t> bytes) {
    const arrow::Status damaged = base::data_error("the state of \"" + series_.text + "\" in the checkpoint is damaged");
    const auto length = static_cast<size_t>(size);
    if (length > bytes.size() || (bytes.size() - length) % 8 != 0) return damaged;
    Key& key = key_of({reinterpret_cast<const char*>(bytes.data()), length});
    key.touched = touched;
    std::vector<uint64_t> words((bytes.size() - length) / 8);
    if (!words.empty()) std::memcpy(words.data(), bytes.data() + length, words.size() * 8);
    if (!key.state->load(words)) return damaged;
    key.counted = key.state->bytes();
    key_bytes_ += key.counted;
    return arrow::Status::OK();
  }));
  const auto visit = [&](const column::Batch& batch, std::span<const uint64_t> places, const std::vector<bool>& held) -> arrow::Status {
    SeriesPiece piece;
    std::vector<uint16_t> all;
    selected_rows(batch, &all);
    ARROW_RETURN_NOT_OK(read(batch, all, *evaluator_, &piece));
    for (size_t j = 0; j < places.size(); ++j) {
      SeriesRow row{
          series_.has_time ? piece.times[j] : 0, places[j], {piece.batch, static_cast<int32_t>(j)}, piece.valid[j], piece.values[j]};
      const std::string_view name = piece.keys.key(static_cast<int64_t>(j));
      if (held[j]) {
        key_of(name).state->take_back(std::move(row));
      } else {
        waiting_.emplace(std::make_pair(row.t, row.place), Waiting{row, std::string(name)});
      }
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(each_kept(reader, kRows, series_.input, context_->pool(), visit));
  return account();
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_series(const SeriesSpec& spec, const std::shared_ptr<arrow::Schema>& input) {
  ARROW_ASSIGN_OR_RAISE(BoundSeries series, bind_series(spec, input));
  return std::make_shared<SeriesOperator>(std::move(series));
}

}  // namespace gristmill::stream
