// Tumbling and hopping windows by key.
//
// The parallel half aggregates a batch pane by pane. That is exact for every row none of whose windows can have closed before it: those
// whose first window ends behind the watermark that the batch's own rows before it allow. The others (`slow`) wait for the ordered half,
// where they are taken one by one, at their place among the closings. What the watermark stood at before the batch is known there too: a
// pane with a window that was closed by then goes row by row as a whole.
//
// Invariant: a pane merged in one go holds only rows that came before any of its windows closed, so what a window shows when it closes, and
// the order of all that leaves, are those of going row by row.

#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "exec/group_hash.h"
#include "stream/pane_cut.h"
#include "stream/pane_store.h"
#include "stream/snapshot.h"
#include "stream/window_operators.h"
#include "stream/window_state.h"

namespace gristmill::stream {
namespace {

constexpr const char* kPanePart = "panes";
constexpr size_t kMostPaneBytes = size_t{8} << 20;  // bytes of a snapshot before they are handed on

struct PanePiece {
  int64_t start;
  exec::TableSet tables;
};

class TimePiece final : public Piece {
 public:
  int64_t bytes() const override { return bytes_; }

  TimedRows rows;
  std::vector<PanePiece> panes;  // ascending
  std::vector<uint16_t> slow;    // of rows.rows: which go one by one, ascending
  int64_t outside = 0;           // rows that lie between windows
  int64_t bytes_ = 0;
};

class TimeLocal final : public WindowLocal {
 public:
  using WindowLocal::WindowLocal;
  PaneCut cut;
};

class TimeWindowOperator final : public WindowOperator {
 public:
  using WindowOperator::WindowOperator;

  arrow::Status open(const OperatorContext& context) override {
    ARROW_RETURN_NOT_OK(WindowOperator::open(context));
    store_ = std::make_unique<PaneStore>(*plan_);
    return store_->open();
  }

  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext&) const override {
    return std::make_unique<TimeLocal>(*plan_);
  }
  arrow::Result<std::unique_ptr<Piece>> prepare(column::Batch batch, const MorselPart& part, exec::LocalState& local) const override;
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) override;
  arrow::Status snapshot(SnapshotWriter& writer) override;
  arrow::Status restore(SnapshotReader& reader) override;
  int64_t bytes() const override { return store_ ? store_->bytes() : 0; }
  std::map<std::string, int64_t> stats() const override {
    auto out = WindowOperator::stats();
    out["rows_outside_windows"] = outside_rows_;
    out["panes"] = store_ ? static_cast<int64_t>(store_->panes().size()) : 0;
    out["spilled_panes"] = store_ ? store_->spills() : 0;
    return out;
  }

 protected:
  arrow::Status advance(int64_t to, Emitter& out) override;
  arrow::Status on_watermark(int input, int64_t ticks, Emitter& out) override {
    return locked([&] { return WindowOperator::on_watermark(input, ticks, out); });
  }
  arrow::Status on_tick(const Tick& tick, Emitter& out) override {
    if (!idle_.on()) return arrow::Status::OK();
    return locked([&] { return WindowOperator::on_tick(tick, out); });
  }
  arrow::Status on_end(Emitter& out) override {
    return locked([&] { return WindowOperator::on_end(out); });
  }

 private:
  template <typename F>
  arrow::Status locked(F&& f, int64_t more = 0) {
    ARROW_RETURN_NOT_OK(store_->lock(more));
    const arrow::Status status = f();
    store_->unlock();
    return status;
  }
  arrow::Status apply_locked(TimePiece& piece, const MorselPart& part, Emitter& out);
  arrow::Status go_slowly(TimePiece& piece, const Watermark::Start& start, const std::set<int64_t>& apart, Emitter& out);
  arrow::Status take_row(int64_t k, int64_t pane, int64_t mark, Emitter& out);
  arrow::Status show_again(int64_t k, int64_t start, Emitter& out);
  arrow::Status close_window(int64_t start, Emitter& out);
  arrow::Status encode_pane(int64_t start, std::vector<std::vector<StateRecord>>* records, size_t* bytes);
  bool gone(int64_t end, int64_t mark) const { return time_add(end, windows_.lateness) <= mark; }

  std::unique_ptr<PaneStore> store_;
  int64_t closed_to_ = kNoTime;
  int64_t outside_rows_ = 0;
};

arrow::Result<std::unique_ptr<Piece>> TimeWindowOperator::prepare(column::Batch batch, const MorselPart& part,
                                                                  exec::LocalState& local) const {
  auto& mine = local.as<TimeLocal>();
  auto piece = std::make_unique<TimePiece>();
  ARROW_RETURN_NOT_OK(read_times(std::move(batch), part, mine, &piece->rows));
  PaneCut& cut = mine.cut;
  cut.cut(windows_.time, mark_.delay(), mark_.inherited(), piece->rows.times, piece->rows.rows);
  piece->rows.greatest = cut.greatest();
  piece->slow = cut.take_slow();
  piece->outside = cut.outside();
  ARROW_RETURN_NOT_OK(mine.grouper.evaluate(piece->rows.batch, cut.rows(), piece->rows.order_base, RowGrouper::Use::kAddAscending));
  for (size_t p = 0; p < cut.panes(); ++p) {
    if (cut.count(p) == 0) continue;
    piece->panes.push_back({cut.start(p), one_table(*plan_)});
    exec::TableSet& tables = piece->panes.back().tables;
    ARROW_RETURN_NOT_OK(mine.grouper.add(cut.begin(p), cut.count(p), &tables));
    piece->bytes_ += tables.bytes();
  }
  std::sort(piece->panes.begin(), piece->panes.end(), [](const PanePiece& a, const PanePiece& b) { return a.start < b.start; });
  piece->bytes_ += column::retained_bytes(piece->rows.batch) + static_cast<int64_t>(piece->rows.times.size()) * 10;
  return piece;
}

arrow::Status TimeWindowOperator::apply(std::unique_ptr<Piece> piece, const MorselPart& part, Emitter& out) {
  auto& mine = static_cast<TimePiece&>(*piece);
  return locked([&] { return apply_locked(mine, part, out); }, mine.bytes());
}

arrow::Status TimeWindowOperator::apply_locked(TimePiece& piece, const MorselPart& part, Emitter& out) {
  note_order(part);
  idle_.seen(part.partition);
  outside_rows_ += piece.outside;
  const Watermark::Start start = mark_.enter(part.partition);
  const int64_t mark = start.before(kNoTime);
  std::set<int64_t> apart;
  for (PanePiece& pane : piece.panes) {
    if (windows_.time.first_end(pane.start) <= mark) {
      apart.insert(pane.start);
    } else {
      ARROW_RETURN_NOT_OK(store_->merge(pane.start, std::move(pane.tables)));
    }
  }
  if (!piece.slow.empty() || !apart.empty()) ARROW_RETURN_NOT_OK(go_slowly(piece, start, apart, out));
  mark_.leave(part.partition, piece.rows.greatest);
  return move_on(out);
}

// Row by row, with what closes before each.
arrow::Status TimeWindowOperator::go_slowly(TimePiece& piece, const Watermark::Start& start, const std::set<int64_t>& apart, Emitter& out) {
  const TimedRows& rows = piece.rows;
  struct Row {
    int64_t pane;
    int64_t mark;
  };
  std::vector<uint16_t> physical;
  std::vector<Row> slow;
  int64_t run = kNoTime;
  size_t next = 0;
  for (size_t j = 0; j < rows.times.size(); ++j) {
    const bool marked = next < piece.slow.size() && piece.slow[next] == j;
    if (marked) ++next;
    const int64_t pane = windows_.time.pane(rows.times[j]);
    if (marked || apart.contains(pane)) {
      physical.push_back(rows.rows[j]);
      slow.push_back({pane, start.before(run)});
    }
    run = std::max(run, rows.times[j]);
  }
  std::vector<uint16_t> late, good;
  std::vector<Row> taken;
  for (size_t i = 0; i < slow.size(); ++i) {
    if (gone(windows_.time.last_end(slow[i].pane), slow[i].mark)) {
      late.push_back(physical[i]);
    } else {
      good.push_back(physical[i]);
      taken.push_back(slow[i]);
    }
  }
  if (!good.empty()) {
    ARROW_RETURN_NOT_OK(slow_->evaluate(rows.batch, good, rows.order_base));
    for (size_t k = 0; k < taken.size(); ++k) {
      ARROW_RETURN_NOT_OK(advance(taken[k].mark, out));
      ARROW_RETURN_NOT_OK(take_row(static_cast<int64_t>(k), taken[k].pane, taken[k].mark, out));
    }
  }
  return send_late(rows.batch, std::move(late), out);
}

// Row k of those evaluated. Windows that have closed, but still take rows, show it at once.
arrow::Status TimeWindowOperator::take_row(int64_t k, int64_t pane, int64_t mark, Emitter& out) {
  ARROW_ASSIGN_OR_RAISE(exec::TableSet* const tables, store_->open_pane(pane));
  ARROW_RETURN_NOT_OK(slow_->add(k, 1, tables));
  store_->count(pane);
  if (windows_.lateness == 0) return arrow::Status::OK();
  for (int64_t s = windows_.time.first_start(pane); s <= windows_.time.last_start(pane); s += windows_.time.slide) {
    const int64_t end = time_add(s, windows_.time.size);
    if (end <= mark && !gone(end, mark)) ARROW_RETURN_NOT_OK(show_again(k, s, out));
  }
  return arrow::Status::OK();
}

arrow::Status TimeWindowOperator::show_again(int64_t k, int64_t start, Emitter& out) {
  const int64_t end = time_add(start, windows_.time.size);
  exec::GroupTable whole(&plan_->layout, plan_->pool());
  uint8_t* group = nullptr;
  for (int64_t pane = start; pane < end; pane += windows_.time.width) {
    ARROW_ASSIGN_OR_RAISE(exec::TableSet* const tables, store_->find_pane(pane));
    uint8_t* const row = tables ? slow_->look_up(k, tables) : nullptr;
    if (row == nullptr) continue;
    if (group == nullptr) {
      ARROW_ASSIGN_OR_RAISE(group, append_copy(*plan_, row, tables->table(0), &whole));
    } else {
      ARROW_RETURN_NOT_OK(fold_row(*plan_, group, whole, row, tables->table(0)));
    }
  }
  if (group == nullptr) return base::internal_error("a row's group is not in its pane");
  return results_->add_copy(group, whole, start, end, out);
}

arrow::Status TimeWindowOperator::close_window(int64_t start, Emitter& out) {
  const int64_t end = time_add(start, windows_.time.size);
  if (windows_.time.width == windows_.time.size && windows_.lateness == 0) {
    ARROW_ASSIGN_OR_RAISE(exec::TableSet tables, store_->take(start));
    return results_->add_window(std::move(tables), start, end, out);
  }
  exec::TableSet whole = one_table(*plan_);
  for (auto at = store_->panes().lower_bound(start); at != store_->panes().end() && at->first < end; ++at) {
    ARROW_ASSIGN_OR_RAISE(exec::TableSet* const tables, store_->open_pane(at->first));
    ARROW_RETURN_NOT_OK(fold_table(*plan_, &whole, tables->table(0)));
  }
  return results_->add_window(std::move(whole), start, end, out);
}

arrow::Status TimeWindowOperator::advance(int64_t to, Emitter& out) {
  if (to == kNoTime || to <= closed_to_) return arrow::Status::OK();
  std::set<int64_t> starts;
  for (const auto& [pane, held] : store_->panes()) {
    if (pane >= to) break;
    for (int64_t s = windows_.time.first_start(pane); s <= windows_.time.last_start(pane); s += windows_.time.slide) {
      const int64_t end = time_add(s, windows_.time.size);
      if (end > closed_to_ && end <= to) starts.insert(s);
    }
  }
  closed_to_ = to;
  for (const int64_t s : starts) ARROW_RETURN_NOT_OK(close_window(s, out));
  std::vector<int64_t> done;
  for (const auto& [pane, held] : store_->panes()) {
    if (pane >= to) break;
    if (gone(windows_.time.last_end(pane), to)) done.push_back(pane);
  }
  for (const int64_t pane : done) store_->drop(pane);
  return arrow::Status::OK();
}

arrow::Status TimeWindowOperator::snapshot(SnapshotWriter& writer) {
  return locked([&]() -> arrow::Status {
    save(writer);
    writer.number("closed_to", closed_to_);
    writer.number("outside_rows", outside_rows_);
    std::vector<std::vector<StateRecord>> records(kKeyGroups);
    size_t waiting = 0;
    const auto flush = [&]() -> arrow::Status {
      for (size_t g = 0; g < records.size(); ++g) {
        ARROW_RETURN_NOT_OK(put_records(writer, kPanePart, static_cast<int>(g), records[g]));
        records[g].clear();
      }
      waiting = 0;
      return arrow::Status::OK();
    };
    std::vector<int64_t> starts;
    for (const auto& [start, pane] : store_->panes()) starts.push_back(start);
    for (const int64_t start : starts) {
      const bool was_on_disk = store_->on_disk(start);
      ARROW_RETURN_NOT_OK(encode_pane(start, &records, &waiting));
      if (was_on_disk) ARROW_RETURN_NOT_OK(store_->put_away(start));
      if (waiting > kMostPaneBytes) ARROW_RETURN_NOT_OK(flush());
    }
    return flush();
  });
}

// The groups of a pane, by key group.
arrow::Status TimeWindowOperator::encode_pane(int64_t start, std::vector<std::vector<StateRecord>>* records, size_t* bytes) {
  ARROW_ASSIGN_OR_RAISE(exec::TableSet* const tables, store_->open_pane(start));
  store_->count(start);
  exec::GroupTable& table = tables->table(0);
  std::vector<std::vector<uint8_t*>> groups(kKeyGroups);
  ARROW_RETURN_NOT_OK(table.for_each([&](uint8_t* const* rows, int64_t n) {
    int numbers[1024];
    row_key_groups(plan_->layout, rows, n, numbers);
    for (int64_t j = 0; j < n; ++j) groups[static_cast<size_t>(numbers[j])].push_back(rows[j]);
    return arrow::Status::OK();
  }));
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].empty()) continue;
    StateRecord record{start, time_add(start, windows_.time.width), 0, {}};
    ARROW_ASSIGN_OR_RAISE(record.bytes, portable_rows(*plan_, groups[g], table));
    *bytes += record.bytes.size();
    (*records)[g].push_back(std::move(record));
  }
  return arrow::Status::OK();
}

arrow::Status TimeWindowOperator::restore(SnapshotReader& reader) {
  if (reader.empty()) return arrow::Status::OK();
  return locked([&]() -> arrow::Status {
    ARROW_RETURN_NOT_OK(load(reader));
    closed_to_ = reader.number("closed_to", kNoTime);
    outside_rows_ = reader.number("outside_rows");
    return each_record(reader, kPanePart, *plan_, [&](int64_t start, int64_t, int64_t, exec::LoadedGroups groups) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(exec::TableSet* const tables, store_->open_pane(start));
      ARROW_RETURN_NOT_OK(fold_rows(*plan_, tables, groups.rows.data(), static_cast<int64_t>(groups.rows.size()), *groups.side));
      store_->count(start);
      return store_->make_room();
    });
  });
}

}  // namespace

arrow::Result<StatefulOperatorPtr> make_time_windows(BoundWindows windows) {
  return std::make_shared<TimeWindowOperator>(std::move(windows));
}

}  // namespace gristmill::stream
