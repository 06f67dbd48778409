// Count windows by key: every `rows` rows of a key are a window, in the order of the rows; what is left of a key leaves at the end.
//
// Where a window ends depends on all rows of its key before, so the parallel half evaluates keys and arguments and tells the keys of a
// batch apart; the ordered half counts and aggregates. With a time to live a key that has shown nothing for that long starts a new window:
// its rows so far are dropped and counted. Whether it has is a function of times and watermark before the row, never of when it was looked.
//
// Where memory is short the keys go to disk, all of them (cold_states.h), and come back with their next row: what must fit is what a batch
// touches.

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "stream/cold_states.h"
#include "stream/kept_batch.h"
#include "stream/snapshot.h"
#include "stream/spill_gate.h"
#include "stream/state_slab.h"
#include "stream/window_operators.h"
#include "stream/window_state.h"

namespace gristmill::stream {
namespace {

constexpr const char* kCountPart = "counts";
constexpr int64_t kEntryBytes = 160;
constexpr size_t kMostRecords = size_t{8} << 20;  // bytes of a snapshot before they are handed on
constexpr size_t kShownAtOnce = 4096;             // rest of keys at the end

class CountPiece final : public Piece {
 public:
  explicit CountPiece(const exec::AggregatePlan& plan) : grouper(plan), keys(one_table(plan)) {}
  int64_t bytes() const override { return bytes_; }

  TimedRows rows;
  RowGrouper grouper;           // holds the values of the rows
  exec::TableSet keys;          // the keys of the batch, without states
  std::vector<uint8_t*> first;  // each key's row in `keys`
  std::vector<int32_t> key_of;  // of each row
  int64_t bytes_ = 0;
};

struct Count {
  int64_t rows = 0;  // in the window at hand
  uint8_t* state = nullptr;
  int64_t touched = kNoTime;
};

class CountOperator final : public WindowOperator {
 public:
  using WindowOperator::WindowOperator;

  arrow::Status open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(WindowOperator::open(context));
    slab_ = std::make_unique<StateSlab>(*plan_);
    cold_ = std::make_unique<ColdStates>(plan_->context.memory);
    const auto size = [this] {
      return SpillGate::Size{index_bytes() + cold_->bytes(), counts_.empty() ? 0 : index_bytes() + slab_->bytes()};
    };
    gate_ = std::make_unique<SpillGate>("count windows", plan_->context, size, [this] { return put_away(); });
    return gate_->open();
  }
  arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const override;
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) override;
  arrow::Status on_end(Emitter& out) override;
  arrow::Status snapshot(SnapshotWriter& writer) override;
  arrow::Status restore(SnapshotReader& reader) override;
  int64_t bytes() const override { return gate_ ? gate_->bytes() : 0; }
  std::map<std::string, int64_t> stats() const override {
    auto out = WindowOperator::stats();
    out["expired_rows"] = expired_rows_;
    if (!gate_) return out;
    out["spills"] = gate_->spills();
    gate_->look([&] {
      out["keys"] = static_cast<int64_t>(counts_.size());
      out["keys_on_disk"] = cold_->keys();
    });
    return out;
  }

 protected:
  arrow::Status advance(int64_t to, Emitter& out) override;
  arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) override {
    return gate_->inside(0, [&] { return WindowOperator::on_watermark(input, ticks, out); });
  }
  arrow::Status on_tick(const Tick& tick, Emitter& out) override {
    if (!idle_.on()) return arrow::Status::OK();
    return gate_->inside(0, [&] { return WindowOperator::on_tick(tick, out); });
  }

 private:
  // A key as it lies on disk; its group follows.
  struct StoredCount {
    int64_t rows = 0;
    int64_t touched = kNoTime;
  };
  using VisitStored = std::function<arrow::Status(const StoredCount&, const exec::LoadedGroups&, std::span<const uint8_t> group)>;
  arrow::Status read_stored(std::string_view stored, const VisitStored& visit) const;
  arrow::Status put_away();
  arrow::Status wake_keys_of(const CountPiece& piece);
  int64_t index_bytes() const { return key_bytes_ + static_cast<int64_t>(counts_.size()) * kEntryBytes; }
  arrow::Status apply_inside(CountPiece& piece, const MorselPart& part, Emitter& out);
  arrow::Status show_rest(Emitter& out);
  arrow::Status snapshot_inside(SnapshotWriter& writer);
  arrow::Status remember(const Count& known, uint8_t* row, exec::GroupTable& table);
  bool timed() const { return windows_.watermark.time != nullptr; }
  bool expired(const Count& c, int64_t mark) const {
    return timed() && mark != kNoTime && c.touched != kNoTime && time_add(c.touched, windows_.ttl) <= mark;
  }
  void forget(Count* c);
  arrow::Status count_rows(CountPiece& piece, const Watermark::Start& start, Emitter& out);
  arrow::Status show(std::vector<uint8_t*>* done, Emitter& out);
  arrow::Status tidy();

  std::unique_ptr<StateSlab> slab_;
  std::unordered_map<std::string, Count> counts_;
  int64_t key_bytes_ = 0;
  int64_t expired_rows_ = 0;
  int64_t swept_to_ = kNoTime;
  std::unique_ptr<ColdStates> cold_;
  std::unique_ptr<SpillGate> gate_;
};

arrow::Result<std::unique_ptr<Piece>> CountOperator::prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const {
  auto piece = std::make_unique<CountPiece>(*plan_);
  ARROW_RETURN_NOT_OK(read_times(std::move(batch), part, local.as<WindowLocal>(), &piece->rows));
  for (const int64_t t : piece->rows.times) piece->rows.greatest = std::max(piece->rows.greatest, t);
  ARROW_RETURN_NOT_OK(piece->grouper.evaluate(piece->rows.batch, piece->rows.rows, piece->rows.order_base));
  const auto n = static_cast<int64_t>(piece->rows.rows.size());
  std::vector<uint8_t*> rows(static_cast<size_t>(n));
  if (n > 0) ARROW_RETURN_NOT_OK(piece->grouper.find(0, n, &piece->keys, rows.data()));
  piece->key_of.resize(rows.size());
  std::unordered_map<const uint8_t*, int32_t> numbers;
  const uint8_t* last = nullptr;
  int32_t number = -1;
  for (size_t j = 0; j < rows.size(); ++j) {
    if (rows[j] != last) {
      const auto [at, fresh] = numbers.emplace(rows[j], static_cast<int32_t>(piece->first.size()));
      if (fresh) piece->first.push_back(rows[j]);
      number = at->second;
      last = rows[j];
    }
    piece->key_of[j] = number;
  }
  piece->bytes_ = column::retained_bytes(piece->rows.batch) * 2 + piece->keys.bytes() + n * 16;
  return piece;
}

void CountOperator::forget(Count* c) {
  if (c->state != nullptr) slab_->release(c->state);
  expired_rows_ += c->rows;
  *c = {};
}

arrow::Status CountOperator::read_stored(std::string_view stored, const VisitStored& visit) const {
  StoredCount known;
  if (stored.size() < sizeof known) return base::internal_error("a count window on disk is cut off");
  std::memcpy(&known, stored.data(), sizeof known);
  const std::span bytes(reinterpret_cast<const uint8_t*>(stored.data()) + sizeof known, stored.size() - sizeof known);
  ARROW_ASSIGN_OR_RAISE(const exec::LoadedGroups groups, exec::decode_rows(plan_->layout, bytes, plan_->pool()));
  if (groups.rows.size() != 1) return base::internal_error("a count window on disk has not one group");
  return visit(known, groups, bytes);
}

arrow::Status CountOperator::put_away() {
  for (const auto& [key, c] : counts_) {
    if (c.state == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(const auto group, portable_rows(*plan_, {&c.state, 1}, slab_->table()));
    const StoredCount stored{c.rows, c.touched};
    std::string all(reinterpret_cast<const char*>(&stored), sizeof stored);
    all.append(reinterpret_cast<const char*>(group.data()), group.size());
    const bool ages = timed() && windows_.ttl > 0 && c.touched != kNoTime;
    ARROW_RETURN_NOT_OK(cold_->put(hash_key(key), ages ? time_add(c.touched, windows_.ttl) : kAllTime, all));
  }
  counts_ = decltype(counts_)();
  key_bytes_ = 0;
  slab_ = std::make_unique<StateSlab>(*plan_);
  return cold_->flush();
}

arrow::Status CountOperator::remember(const Count& known, uint8_t* row, exec::GroupTable& table) {
  Count c = known;
  ARROW_ASSIGN_OR_RAISE(c.state, slab_->add(row, table));
  std::string key = key_bytes(plan_->layout, row);
  key_bytes_ += static_cast<int64_t>(key.size());
  counts_[std::move(key)] = c;
  return arrow::Status::OK();
}

arrow::Status CountOperator::wake_keys_of(const CountPiece& piece) {
  if (cold_->empty()) return arrow::Status::OK();
  std::vector<uint64_t> hashes;
  for (const uint8_t* const row : piece.first) hashes.push_back(hash_key(key_bytes(plan_->layout, row)));
  return cold_->take(std::move(hashes), [&](uint64_t, std::string_view stored) {
    return read_stored(stored, [&](const StoredCount& known, const exec::LoadedGroups& groups, std::span<const uint8_t>) {
      return remember({known.rows, nullptr, known.touched}, groups.rows[0], *groups.side);
    });
  });
}

arrow::Status CountOperator::apply(std::unique_ptr<Piece> base, const MorselPart& part, Emitter& out) {
  auto& piece = static_cast<CountPiece&>(*base);
  return gate_->inside(piece.bytes() * 2, [&] { return apply_inside(piece, part, out); });
}

arrow::Status CountOperator::apply_inside(CountPiece& piece, const MorselPart& part, Emitter& out) {
  note_order(part);
  ARROW_RETURN_NOT_OK(wake_keys_of(piece));
  Watermark::Start start;
  if (timed()) {
    idle_.seen(part.partition);
    start = mark_.enter(part.partition);
  }
  ARROW_RETURN_NOT_OK(count_rows(piece, start, out));
  if (timed()) {
    mark_.leave(part.partition, piece.rows.greatest);
    ARROW_RETURN_NOT_OK(move_on(out));
  }
  ARROW_RETURN_NOT_OK(results_->flush(out));
  return tidy();
}

arrow::Status CountOperator::count_rows(CountPiece& piece, const Watermark::Start& start, Emitter& out) {
  std::vector<Count*> counts(piece.first.size());
  for (size_t k = 0; k < counts.size(); ++k) {
    std::string key = key_bytes(plan_->layout, piece.first[k]);
    const auto bytes = static_cast<int64_t>(key.size());
    const auto [at, fresh] = counts_.try_emplace(std::move(key));
    if (fresh) key_bytes_ += bytes;
    counts[k] = &at->second;
  }
  // Windows that are full wait until their rows have been taken up.
  constexpr size_t kSpan = 4096;
  const size_t n = piece.key_of.size();
  std::vector<uint8_t*> rows(std::min(n, kSpan));
  std::vector<uint8_t*> done, dropped;
  int64_t run = kNoTime;
  for (size_t at = 0; at < n; at += kSpan) {
    const size_t here = std::min(kSpan, n - at);
    for (size_t k = 0; k < here; ++k) {
      const size_t j = at + k;
      const auto key = static_cast<size_t>(piece.key_of[j]);
      Count& c = *counts[key];
      if (timed()) {
        if (expired(c, start.before(run))) {
          // Rows before this one still point at its state.
          if (c.state != nullptr) dropped.push_back(c.state);
          expired_rows_ += c.rows;
          c = {};
        }
        c.touched = std::max(c.touched, piece.rows.times[j]);
        run = std::max(run, piece.rows.times[j]);
      }
      if (c.state == nullptr) {
        ARROW_ASSIGN_OR_RAISE(c.state, slab_->add(piece.first[key], piece.keys.table(0)));
        uint8_t* const order = c.state + plan_->layout.order_offset;
        const uint64_t null = exec::load<uint64_t>(order) & exec::RowLayout::kNullKey;
        exec::store<uint64_t>(order, piece.grouper.order(static_cast<int64_t>(j)) | null);
      }
      rows[k] = c.state;
      if (++c.rows < windows_.rows) continue;
      done.push_back(c.state);
      c = {};
    }
    ARROW_RETURN_NOT_OK(piece.grouper.update(rows.data(), static_cast<int64_t>(at), static_cast<int64_t>(here), &slab_->tables()));
    ARROW_RETURN_NOT_OK(show(&done, out));
    for (uint8_t* const row : dropped) slab_->release(row);
    dropped.clear();
  }
  // A key between two windows is as one that was never seen.
  for (size_t k = 0; k < counts.size(); ++k) {
    if (counts[k]->state != nullptr) continue;
    const std::string key = key_bytes(plan_->layout, piece.first[k]);
    key_bytes_ -= static_cast<int64_t>(key.size());
    counts_.erase(key);
  }
  return arrow::Status::OK();
}

arrow::Status CountOperator::show(std::vector<uint8_t*>* done, Emitter& out) {
  for (uint8_t* const row : *done) {
    ARROW_RETURN_NOT_OK(results_->add_copy(row, slab_->table(), 0, 0, out));
    slab_->release(row);
  }
  done->clear();
  return arrow::Status::OK();
}

// Keys that have expired are swept out now and then; whether a row finds them expired does not depend on it.
arrow::Status CountOperator::advance(int64_t to, Emitter&) {
  if (!timed() || to == kNoTime || to == kAllTime) return arrow::Status::OK();
  if (swept_to_ != kNoTime && to < time_add(swept_to_, std::max<int64_t>(windows_.ttl / 4, 1))) return arrow::Status::OK();
  swept_to_ = to;
  for (auto at = counts_.begin(); at != counts_.end();) {
    if (!expired(at->second, to)) {
      ++at;
      continue;
    }
    forget(&at->second);
    key_bytes_ -= static_cast<int64_t>(at->first.size());
    at = counts_.erase(at);
  }
  while (!cold_->empty() && cold_->next_due() <= to) {
    ARROW_RETURN_NOT_OK(cold_->take_due(to, [&](uint64_t, std::string_view stored) {
      return read_stored(stored, [&](const StoredCount& known, const exec::LoadedGroups&, std::span<const uint8_t>) {
        expired_rows_ += known.rows;
        return arrow::Status::OK();
      });
    }));
  }
  return arrow::Status::OK();
}

arrow::Status CountOperator::on_end(Emitter& out) {
  return gate_->inside(0, [&] { return show_rest(out); });
}

// In the order of their first rows, those on disk too, some at a time.
arrow::Status CountOperator::show_rest(Emitter& out) {
  struct Rest {
    uint64_t order;
    uint8_t* row;   // null: on disk
    uint64_t hash;  // then
    bool operator<(const Rest& other) const { return order < other.order; }
  };
  std::vector<Rest> rest;
  for (auto& [key, c] : counts_) {
    if (c.state == nullptr || expired(c, mark_.value())) continue;
    rest.push_back({order_of(plan_->layout, c.state), c.state, 0});
  }
  ARROW_RETURN_NOT_OK(cold_->each([&](uint64_t hash, std::string_view stored) {
    return read_stored(stored, [&](const StoredCount& known, const exec::LoadedGroups& groups, std::span<const uint8_t>) -> arrow::Status {
      const bool here = !expired({known.rows, nullptr, known.touched}, mark_.value());
      if (here) rest.push_back({order_of(plan_->layout, groups.rows[0]), nullptr, hash});
      return arrow::Status::OK();
    });
  }));
  std::sort(rest.begin(), rest.end());
  for (size_t at = 0; at < rest.size(); at += kShownAtOnce) {
    const std::span some(rest.data() + at, std::min(kShownAtOnce, rest.size() - at));
    StateSlab loaded(*plan_);
    std::unordered_map<uint64_t, uint8_t*> by_order;
    std::vector<uint64_t> hashes;
    for (const Rest& r : some) {
      if (r.row == nullptr) hashes.push_back(r.hash);
    }
    ARROW_RETURN_NOT_OK(cold_->look(std::move(hashes), [&](uint64_t, std::string_view stored) {
      return read_stored(stored, [&](const StoredCount&, const exec::LoadedGroups& groups, std::span<const uint8_t>) -> arrow::Status {
        ARROW_ASSIGN_OR_RAISE(by_order[order_of(plan_->layout, groups.rows[0])], loaded.add(groups.rows[0], *groups.side));
        return arrow::Status::OK();
      });
    }));
    for (const Rest& r : some) {
      exec::GroupTable& table = r.row != nullptr ? slab_->table() : loaded.table();
      ARROW_RETURN_NOT_OK(results_->add_copy(r.row != nullptr ? r.row : by_order.at(r.order), table, 0, 0, out));
    }
    ARROW_RETURN_NOT_OK(results_->flush(out));
  }
  counts_.clear();
  key_bytes_ = 0;
  slab_ = std::make_unique<StateSlab>(*plan_);
  cold_ = std::make_unique<ColdStates>(plan_->context.memory);
  return arrow::Status::OK();
}

arrow::Status CountOperator::tidy() {
  if (!slab_->wants_to_move()) return arrow::Status::OK();
  return slab_->move([&](const StateSlab::Move& move) -> arrow::Status {
    for (auto& [key, c] : counts_) {
      if (c.state == nullptr) continue;
      ARROW_ASSIGN_OR_RAISE(c.state, move(c.state));
    }
    return arrow::Status::OK();
  });
}

arrow::Status CountOperator::snapshot(SnapshotWriter& writer) {
  return gate_->inside(0, [&] { return snapshot_inside(writer); });
}

arrow::Status CountOperator::snapshot_inside(SnapshotWriter& writer) {
  save(writer);
  writer.number("expired_rows", expired_rows_);
  std::vector<std::pair<uint64_t, const Count*>> ordered;
  for (const auto& [key, c] : counts_) {
    // A key between two windows has nothing to keep but when it was last seen, and that only matters within one.
    if (c.state != nullptr) ordered.emplace_back(order_of(plan_->layout, c.state), &c);
  }
  std::sort(ordered.begin(), ordered.end());
  std::vector<std::vector<StateRecord>> records(kKeyGroups);
  for (const auto& [order, c] : ordered) {
    StateRecord record{c->touched, 0, c->rows, {}};
    ARROW_ASSIGN_OR_RAISE(record.bytes, portable_rows(*plan_, {&c->state, 1}, slab_->table()));
    records[static_cast<size_t>(row_key_group(plan_->layout, c->state))].push_back(std::move(record));
  }
  const auto hand_on = [&]() -> arrow::Status {
    for (int g = 0; g < kKeyGroups; ++g) {
      ARROW_RETURN_NOT_OK(put_records(writer, kCountPart, g, records[static_cast<size_t>(g)]));
      records[static_cast<size_t>(g)].clear();
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(hand_on());
  size_t waiting = 0;
  ARROW_RETURN_NOT_OK(cold_->each([&](uint64_t, std::string_view stored) -> arrow::Status {
    waiting += stored.size();
    const auto add = [&](const StoredCount& known, const exec::LoadedGroups& groups, std::span<const uint8_t> group) {
      const int g = row_key_group(plan_->layout, groups.rows[0]);
      records[static_cast<size_t>(g)].push_back({known.touched, 0, known.rows, {group.begin(), group.end()}});
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(read_stored(stored, add));
    return waiting > kMostRecords ? (waiting = 0, hand_on()) : arrow::Status::OK();
  }));
  return hand_on();
}

arrow::Status CountOperator::restore(SnapshotReader& reader) {
  if (reader.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(load(reader));
  expired_rows_ = reader.number("expired_rows");
  return gate_->inside(0, [&] {
    return each_record(reader, kCountPart, *plan_, [&](int64_t touched, int64_t, int64_t rows, exec::LoadedGroups groups) -> arrow::Status {
      for (uint8_t* const row : groups.rows) ARROW_RETURN_NOT_OK(remember({rows, nullptr, touched}, row, *groups.side));
      return gate_->make_room();
    });
  });
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_count_windows(BoundWindows windows) { return std::make_shared<CountOperator>(std::move(windows)); }

}  // namespace gristmill::stream
