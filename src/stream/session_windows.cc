// Session windows by key: a session is the rows of a key that lie less than the gap apart, [first time, last time + gap).
//
// The parallel half makes sessions of the rows of a batch that do not lie behind the watermark, as far as the batch alone tells: no session
// such a row could belong to has closed before it, so these sessions join those kept in any order. Rows behind the watermark are taken one
// by one in the ordered half: they may find their session open, closed but still taking rows, or gone.
//
// Where memory is short all sessions go to disk, each key's together (cold_states.h), and come back when a row of the key or the watermark
// wants them: a key's sessions are all in memory or all on disk. So what must fit is what a batch touches or a moment closes.

#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>
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

constexpr const char* kSessionPart = "sessions";
constexpr int64_t kSessionBytes = 256;  // of indexes, about, beside its key
constexpr size_t kMostStored = size_t{8} << 20;  // bytes of a snapshot before they are handed on

struct LocalSession {
  int64_t start;
  int64_t end;
  uint8_t* row;
};

class SessionPiece final : public Piece {
 public:
  explicit SessionPiece(const exec::AggregatePlan& plan) : tables(one_table(plan)) {}
  int64_t bytes() const override { return bytes_; }

  TimedRows rows;
  std::vector<uint16_t> slow;       // of rows.rows: go one by one
  std::vector<uint16_t> fast;       // the others
  std::vector<int32_t> session_of;  // of each of `fast`
  exec::TableSet tables;
  std::vector<LocalSession> sessions;
  int64_t bytes_ = 0;
};

struct Session {
  int64_t start;
  int64_t end;
  uint8_t* row;
  bool shown;  // it closed and has left once
  const std::string* key;
};

class SessionOperator final : public WindowOperator {
 public:
  using WindowOperator::WindowOperator;

  arrow::Status open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(WindowOperator::open(context));
    slab_ = std::make_unique<StateSlab>(*plan_);
    cold_ = std::make_unique<ColdStates>(plan_->context.memory);
    const auto size = [this] { return SpillGate::Size{index_bytes_ + cold_->bytes(), keys_.empty() ? 0 : index_bytes_ + slab_->bytes()}; };
    gate_ = std::make_unique<SpillGate>("sessions", plan_->context, size, [this] { return put_away(); });
    return gate_->open();
  }
  arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const override;
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) override;
  arrow::Status snapshot(SnapshotWriter& writer) override;
  arrow::Status snapshot_inside(SnapshotWriter& writer);
  arrow::Status restore(SnapshotReader& reader) override;
  int64_t bytes() const override { return gate_ ? gate_->bytes() : 0; }
  std::map<std::string, int64_t> stats() const override {
    auto out = WindowOperator::stats();
    if (!gate_) return out;
    out["spills"] = gate_->spills();
    gate_->look([&] {
      out["sessions"] = slab_->live();
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
  arrow::Status on_end(Emitter& out) override {
    return gate_->inside(0, [&] { return WindowOperator::on_end(out); });
  }

 private:
  using Place = std::tuple<int64_t, int64_t, uint64_t, Session*>;  // end, start, first row
  Place place(Session* s) const { return {s->end, s->start, order_of(plan_->layout, s->row), s}; }

  arrow::Status split(SessionPiece* piece, RowGrouper& grouper) const;
  bool overlaps(const std::string& key, int64_t start, int64_t end) const;
  // The session that [start, end) with this state now belongs to; it is in neither queue.
  arrow::Result<Session*> join(const std::string& key, int64_t start, int64_t end, uint8_t* row, exec::GroupTable& table);
  arrow::Status go_slowly(SessionPiece& piece, const Watermark::Start& start, const std::vector<bool>& apart, Emitter& out);
  arrow::Status take_row(int64_t k, int64_t t, int64_t mark, bool* late, Emitter& out);
  void put_down(Session* s, bool shown);
  void release(Session* s);
  arrow::Status tidy();
  arrow::Status apply_inside(SessionPiece& piece, const MorselPart& part, Emitter& out);
  arrow::Status close(int64_t to, Emitter& out);
  int64_t due_of(const Session& s) const { return s.shown ? time_add(s.end, windows_.lateness) : s.end; }

  // On disk a key has its sessions one behind the other.
  arrow::Status put_away();
  arrow::Status take_back(std::string_view sessions);
  ColdStates::Visit taking_back() {
    return [this](uint64_t, std::string_view sessions) { return take_back(sessions); };
  }
  arrow::Status wake_keys_of(const SessionPiece& piece);

  std::unique_ptr<StateSlab> slab_;
  std::unordered_map<std::string, std::vector<std::unique_ptr<Session>>> keys_;
  std::set<Place> open_;
  std::set<Place> shown_;
  int64_t index_bytes_ = 0;
  int64_t closed_to_ = kNoTime;
  std::unique_ptr<ColdStates> cold_;
  std::unique_ptr<SpillGate> gate_;
};

// A session as it lies on disk and in snapshots.
struct StoredSession {
  int64_t start = 0;
  int64_t end = 0;
  uint32_t shown = 0;
  uint32_t bytes = 0;  // of its group, which follows
};

// f(session, group)
template <typename F>
arrow::Status each_stored(std::string_view sessions, F&& f) {
  while (!sessions.empty()) {
    StoredSession s;
    if (sessions.size() < sizeof s) return base::internal_error("a session on disk is cut off");
    std::memcpy(&s, sessions.data(), sizeof s);
    if (sessions.size() < sizeof s + s.bytes) return base::internal_error("a session on disk is cut off");
    ARROW_RETURN_NOT_OK(f(s, std::span(reinterpret_cast<const uint8_t*>(sessions.data()) + sizeof s, s.bytes)));
    sessions.remove_prefix(sizeof s + s.bytes);
  }
  return arrow::Status::OK();
}

arrow::Result<std::unique_ptr<Piece>> SessionOperator::prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const {
  auto& mine = local.as<WindowLocal>();
  auto piece = std::make_unique<SessionPiece>(*plan_);
  ARROW_RETURN_NOT_OK(read_times(std::move(batch), part, mine, &piece->rows));
  int64_t run = kNoTime;
  for (size_t j = 0; j < piece->rows.times.size(); ++j) {
    const int64_t t = piece->rows.times[j];
    const bool behind = !mark_.inherited() && run != kNoTime && t < time_less(run, mark_.delay());
    (behind ? piece->slow : piece->fast).push_back(static_cast<uint16_t>(j));
    run = std::max(run, t);
  }
  piece->rows.greatest = run;
  ARROW_RETURN_NOT_OK(split(piece.get(), mine.grouper));
  piece->bytes_ = piece->tables.bytes() + column::retained_bytes(piece->rows.batch) + static_cast<int64_t>(piece->rows.times.size()) * 16;
  return piece;
}

// The fast rows as sessions of their own.
arrow::Status SessionOperator::split(SessionPiece* piece, RowGrouper& grouper) const {
  const size_t n = piece->fast.size();
  std::vector<uint16_t> physical(n);
  for (size_t k = 0; k < n; ++k) physical[k] = piece->rows.rows[piece->fast[k]];
  ARROW_RETURN_NOT_OK(grouper.evaluate(piece->rows.batch, physical, piece->rows.order_base));
  if (n == 0) return arrow::Status::OK();
  exec::TableSet keys = one_table(*plan_);
  std::vector<uint8_t*> key_rows(n);
  ARROW_RETURN_NOT_OK(grouper.find(0, static_cast<int64_t>(n), &keys, key_rows.data()));
  struct Entry {
    uint64_t key;  // the order of its first row
    int64_t t;
    int32_t k;
  };
  std::vector<Entry> entries(n);
  for (size_t k = 0; k < n; ++k) {
    entries[k] = {order_of(plan_->layout, key_rows[k]), piece->rows.times[piece->fast[k]], static_cast<int32_t>(k)};
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.key, a.t, a.k) < std::tie(b.key, b.t, b.k); });
  piece->session_of.resize(n);
  std::vector<uint8_t*> rows(n);
  for (size_t i = 0; i < n; ++i) {
    const Entry& e = entries[i];
    const auto k = static_cast<size_t>(e.k);
    const uint64_t order = grouper.order(e.k);
    if (i == 0 || entries[i - 1].key != e.key || e.t >= piece->sessions.back().end) {
      ARROW_ASSIGN_OR_RAISE(uint8_t* const row, append_copy(*plan_, key_rows[k], keys.table(0), &piece->tables.table(0)));
      const uint64_t null = exec::load<uint64_t>(row + plan_->layout.order_offset) & exec::RowLayout::kNullKey;
      exec::store<uint64_t>(row + plan_->layout.order_offset, order | null);
      piece->sessions.push_back({e.t, time_add(e.t, windows_.gap), row});
    }
    LocalSession& session = piece->sessions.back();
    session.end = std::max(session.end, time_add(e.t, windows_.gap));
    uint8_t* const at = session.row + plan_->layout.order_offset;
    const auto held = exec::load<uint64_t>(at);
    const uint64_t null = held & exec::RowLayout::kNullKey;
    exec::store<uint64_t>(at, std::min(held ^ null, order) | null);
    piece->session_of[k] = static_cast<int32_t>(piece->sessions.size()) - 1;
    rows[k] = session.row;
  }
  return grouper.update(rows.data(), 0, static_cast<int64_t>(n), &piece->tables);
}

arrow::Status SessionOperator::put_away() {
  for (const auto& [key, sessions] : keys_) {
    std::string all;
    int64_t due = kAllTime;
    for (const auto& s : sessions) {
      ARROW_ASSIGN_OR_RAISE(const auto group, portable_rows(*plan_, {&s->row, 1}, slab_->table()));
      const StoredSession stored{s->start, s->end, s->shown, static_cast<uint32_t>(group.size())};
      all.append(reinterpret_cast<const char*>(&stored), sizeof stored);
      all.append(reinterpret_cast<const char*>(group.data()), group.size());
      due = std::min(due, due_of(*s));
    }
    ARROW_RETURN_NOT_OK(cold_->put(hash_key(key), due, all));
  }
  open_.clear();
  shown_.clear();
  keys_ = decltype(keys_)();
  slab_ = std::make_unique<StateSlab>(*plan_);
  index_bytes_ = 0;
  return cold_->flush();
}

arrow::Status SessionOperator::take_back(std::string_view sessions) {
  return each_stored(sessions, [&](const StoredSession& stored, std::span<const uint8_t> bytes) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const exec::LoadedGroups groups, exec::decode_rows(plan_->layout, bytes, plan_->pool()));
    for (uint8_t* const row : groups.rows) {
      ARROW_ASSIGN_OR_RAISE(Session* const s, join(key_bytes(plan_->layout, row), stored.start, stored.end, row, *groups.side));
      put_down(s, stored.shown != 0);
    }
    return arrow::Status::OK();
  });
}

// Of rows that go one by one the keys come back at their turn.
arrow::Status SessionOperator::wake_keys_of(const SessionPiece& piece) {
  if (cold_->empty()) return arrow::Status::OK();
  std::vector<uint64_t> hashes;
  for (const LocalSession& s : piece.sessions) hashes.push_back(hash_key(key_bytes(plan_->layout, s.row)));
  return cold_->take(std::move(hashes), taking_back());
}

arrow::Status SessionOperator::apply(std::unique_ptr<Piece> base, const MorselPart& part, Emitter& out) {
  auto& piece = static_cast<SessionPiece&>(*base);
  return gate_->inside(piece.bytes() * 2, [&] { return apply_inside(piece, part, out); });
}

arrow::Status SessionOperator::apply_inside(SessionPiece& piece, const MorselPart& part, Emitter& out) {
  note_order(part);
  idle_.seen(part.partition);
  ARROW_RETURN_NOT_OK(wake_keys_of(piece));
  const Watermark::Start start = mark_.enter(part.partition);
  const int64_t mark = start.before(kNoTime);
  std::vector<bool> apart(piece.sessions.size(), false);
  bool slowly = !piece.slow.empty();
  for (size_t i = 0; i < piece.sessions.size(); ++i) {
    const LocalSession& s = piece.sessions[i];
    apart[i] = s.start < mark;
    slowly = slowly || apart[i];
    if (apart[i]) continue;
    ARROW_ASSIGN_OR_RAISE(Session* const joined, join(key_bytes(plan_->layout, s.row), s.start, s.end, s.row, piece.tables.table(0)));
    put_down(joined, false);
  }
  if (slowly) ARROW_RETURN_NOT_OK(go_slowly(piece, start, apart, out));
  mark_.leave(part.partition, piece.rows.greatest);
  ARROW_RETURN_NOT_OK(move_on(out));
  return tidy();
}

bool SessionOperator::overlaps(const std::string& key, int64_t start, int64_t end) const {
  const auto at = keys_.find(key);
  if (at == keys_.end()) return false;
  return std::any_of(at->second.begin(), at->second.end(), [&](const auto& s) { return s->start < end && start < s->end; });
}

arrow::Result<Session*> SessionOperator::join(const std::string& key, int64_t start, int64_t end, uint8_t* row, exec::GroupTable& table) {
  const auto [at, fresh] = keys_.try_emplace(key);
  if (fresh) index_bytes_ += static_cast<int64_t>(key.size()) + kSessionBytes;
  std::vector<Session*> met;
  for (const auto& s : at->second) {
    if (s->start < end && start < s->end) met.push_back(s.get());
  }
  if (met.empty()) {
    ARROW_ASSIGN_OR_RAISE(uint8_t* const kept, slab_->add(row, table));
    index_bytes_ += kSessionBytes;
    at->second.push_back(std::make_unique<Session>(Session{start, end, kept, false, &at->first}));
    return at->second.back().get();
  }
  Session* const into = met[0];
  for (Session* const s : met) (s->shown ? shown_ : open_).erase(place(s));
  ARROW_RETURN_NOT_OK(fold_row(*plan_, into->row, slab_->table(), row, table));
  into->start = std::min(into->start, start);
  into->end = std::max(into->end, end);
  for (size_t i = 1; i < met.size(); ++i) {
    Session* const other = met[i];
    ARROW_RETURN_NOT_OK(fold_row(*plan_, into->row, slab_->table(), other->row, slab_->table()));
    into->start = std::min(into->start, other->start);
    into->end = std::max(into->end, other->end);
    release(other);
  }
  return into;
}

void SessionOperator::put_down(Session* s, bool shown) {
  s->shown = shown;
  (shown ? shown_ : open_).insert(place(s));
}

// It is in neither queue any more.
void SessionOperator::release(Session* s) {
  slab_->release(s->row);
  const auto at = keys_.find(*s->key);
  std::erase_if(at->second, [&](const auto& held) { return held.get() == s; });
  index_bytes_ -= kSessionBytes;
  if (!at->second.empty()) return;
  index_bytes_ -= static_cast<int64_t>(at->first.size()) + kSessionBytes;
  keys_.erase(at);
}

arrow::Status SessionOperator::go_slowly(SessionPiece& piece, const Watermark::Start& start, const std::vector<bool>& apart, Emitter& out) {
  const TimedRows& rows = piece.rows;
  std::vector<bool> slow(rows.times.size(), false);
  for (const uint16_t j : piece.slow) slow[j] = true;
  for (size_t k = 0; k < piece.fast.size(); ++k) {
    if (apart[static_cast<size_t>(piece.session_of[k])]) slow[piece.fast[k]] = true;
  }
  struct Row {
    int64_t t;
    int64_t mark;
  };
  std::vector<uint16_t> physical, late;
  std::vector<Row> taken;
  int64_t run = kNoTime;
  for (size_t j = 0; j < rows.times.size(); ++j) {
    if (slow[j]) {
      physical.push_back(rows.rows[j]);
      taken.push_back({rows.times[j], start.before(run)});
    }
    run = std::max(run, rows.times[j]);
  }
  ARROW_RETURN_NOT_OK(slow_->evaluate(rows.batch, physical, rows.order_base));
  for (size_t k = 0; k < taken.size(); ++k) {
    ARROW_RETURN_NOT_OK(advance(taken[k].mark, out));
    bool is_late = false;
    ARROW_RETURN_NOT_OK(take_row(static_cast<int64_t>(k), taken[k].t, taken[k].mark, &is_late, out));
    if (is_late) late.push_back(physical[k]);
  }
  return send_late(rows.batch, std::move(late), out);
}

arrow::Status SessionOperator::take_row(int64_t k, int64_t t, int64_t mark, bool* late, Emitter& out) {
  exec::TableSet one = one_table(*plan_);
  uint8_t* row = nullptr;
  ARROW_RETURN_NOT_OK(slow_->find(k, 1, &one, &row));
  const std::string key = key_bytes(plan_->layout, row);
  ARROW_RETURN_NOT_OK(cold_->take({hash_key(key)}, taking_back()));
  const int64_t end = time_add(t, windows_.gap);
  *late = time_add(end, windows_.lateness) <= mark && !overlaps(key, t, end);
  if (*late) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(slow_->update(&row, k, 1, &one));
  ARROW_ASSIGN_OR_RAISE(Session* const joined, join(key, t, end, row, one.table(0)));
  const bool closed = joined->end <= mark;
  put_down(joined, closed);
  if (!closed) return arrow::Status::OK();
  return results_->add_copy(joined->row, slab_->table(), joined->start, joined->end, out);
}

// What lies on disk comes back piece by piece, the earliest first, and closes before the next piece comes.
arrow::Status SessionOperator::advance(int64_t to, Emitter& out) {
  if (to == kNoTime || to <= closed_to_) return arrow::Status::OK();
  closed_to_ = to;
  while (cold_->next_due() <= to && !cold_->empty()) {
    ARROW_RETURN_NOT_OK(cold_->take_due(to, taking_back()));
    if (cold_->empty() || cold_->next_due() > to) break;
    ARROW_RETURN_NOT_OK(close(cold_->next_due() - 1, out));
    ARROW_RETURN_NOT_OK(results_->flush(out));
  }
  return close(to, out);
}

arrow::Status SessionOperator::close(int64_t to, Emitter& out) {
  while (!open_.empty() && std::get<0>(*open_.begin()) <= to) {
    Session* const s = std::get<3>(*open_.begin());
    open_.erase(open_.begin());
    ARROW_RETURN_NOT_OK(results_->add_copy(s->row, slab_->table(), s->start, s->end, out));
    if (time_add(s->end, windows_.lateness) <= to) {
      release(s);
    } else {
      put_down(s, true);
    }
  }
  while (!shown_.empty() && time_add(std::get<0>(*shown_.begin()), windows_.lateness) <= to) {
    Session* const s = std::get<3>(*shown_.begin());
    shown_.erase(shown_.begin());
    release(s);
  }
  return arrow::Status::OK();
}

arrow::Status SessionOperator::tidy() {
  if (!slab_->wants_to_move()) return arrow::Status::OK();
  return slab_->move([&](const StateSlab::Move& move) -> arrow::Status {
    for (auto& [key, sessions] : keys_) {
      for (auto& s : sessions) {
        ARROW_ASSIGN_OR_RAISE(s->row, move(s->row));
      }
    }
    return arrow::Status::OK();
  });
}

arrow::Status SessionOperator::snapshot(SnapshotWriter& writer) {
  return gate_->inside(0, [&] { return snapshot_inside(writer); });
}

arrow::Status SessionOperator::snapshot_inside(SnapshotWriter& writer) {
  save(writer);
  writer.number("closed_to", closed_to_);
  std::vector<std::vector<StateRecord>> records(kKeyGroups);
  // In the order they would close: equal states give equal bytes.
  for (const auto* queue : {&open_, &shown_}) {
    for (const Place& p : *queue) {
      const Session& s = *std::get<3>(p);
      uint8_t* const row = s.row;
      StateRecord record{s.start, s.end, s.shown ? 1 : 0, {}};
      ARROW_ASSIGN_OR_RAISE(record.bytes, portable_rows(*plan_, {&row, 1}, slab_->table()));
      records[static_cast<size_t>(row_key_group(plan_->layout, row))].push_back(std::move(record));
    }
  }
  const auto hand_on = [&]() -> arrow::Status {
    for (int g = 0; g < kKeyGroups; ++g) {
      ARROW_RETURN_NOT_OK(put_records(writer, kSessionPart, g, records[static_cast<size_t>(g)]));
      records[static_cast<size_t>(g)].clear();
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(hand_on());
  size_t waiting = 0;
  ARROW_RETURN_NOT_OK(cold_->each([&](uint64_t, std::string_view sessions) -> arrow::Status {
    ARROW_RETURN_NOT_OK(each_stored(sessions, [&](const StoredSession& s, std::span<const uint8_t> group) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const exec::LoadedGroups groups, exec::decode_rows(plan_->layout, group, plan_->pool()));
      const int g = row_key_group(plan_->layout, groups.rows[0]);
      records[static_cast<size_t>(g)].push_back({s.start, s.end, s.shown, {group.begin(), group.end()}});
      return arrow::Status::OK();
    }));
    waiting += sessions.size();
    return waiting > kMostStored ? (waiting = 0, hand_on()) : arrow::Status::OK();
  }));
  return hand_on();
}

arrow::Status SessionOperator::restore(SnapshotReader& reader) {
  if (reader.empty()) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(load(reader));
  closed_to_ = reader.number("closed_to", kNoTime);
  return gate_->inside(0, [&] {
    const auto add = [&](int64_t start, int64_t end, int64_t shown, exec::LoadedGroups groups) -> arrow::Status {
      for (uint8_t* const row : groups.rows) {
        const std::string key = key_bytes(plan_->layout, row);
        ARROW_RETURN_NOT_OK(cold_->take({hash_key(key)}, taking_back()));  // it went to disk with the sessions before
        ARROW_ASSIGN_OR_RAISE(Session* const s, join(key, start, end, row, *groups.side));
        put_down(s, shown != 0);
      }
      return gate_->make_room();
    };
    return each_record(reader, kSessionPart, *plan_, add);
  });
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_session_windows(BoundWindows windows) {
  return std::make_shared<SessionOperator>(std::move(windows));
}

}  // namespace gristmill::stream
