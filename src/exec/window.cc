// The way of a window's rows in memory.
//
//   consume       input and computed columns, dense, by all workers            (on disk: window_spill.cc)
//   join columns  one column each, of those that functions take rows of in another order (window_columns.h)
//   per ordering  packed, sorted, marked (window_order.cc), then computed: units of whole partitions, any worker, results by row;
//                 or, where no function asks for an order, totals of numbered partitions (window_totals.cc)
//   source        slices of the input's columns and of the results; nothing is copied where pieces are not short
//
// Invariant: a row's values depend on its partition alone, never on units, so any cut gives the same bits.

#include "exec/window.h"

#include <algorithm>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/sort_phases.h"
#include "exec/window_spill.h"
#include "exec/window_state.h"
#include "exec/window_stretch.h"
#include "exec/window_totals.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kOutputMorsel = 65536;

// Rows joined.
class Prepare final : public Phase {
 public:
  explicit Prepare(std::shared_ptr<WindowState> s) : s_(std::move(s)) {}
  std::string name() const override { return "prepare rows"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    if (s_->spilled()) return 0;
    SortState& input = *s_->input;
    std::vector<column::Batch> pieces;
    for (SortChunk& c : input.chunks) pieces.push_back(std::move(c.rows));
    input.chunks.clear();
    s_->columns.settle(std::move(input.joined), std::move(pieces), input.apart);
    s_->results.resize(s_->layout.tasks.size());
    return 0;
  }
  arrow::Status run(int64_t) override { return arrow::Status::OK(); }

 private:
  std::shared_ptr<WindowState> s_;
};

class Compute final : public Phase {
 public:
  explicit Compute(std::shared_ptr<OrderingState> o) : o_(std::move(o)) {}
  std::string name() const override { return "compute windows"; }

  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (o_->window->spilled() || o_->numbered) return 0;
    std::vector<size_t> local, stretched, other;
    WindowState& w = *o_->window;
    for (size_t t = 0; t < w.layout.tasks.size(); ++t) {
      const WindowTask& task = w.layout.tasks[t];
      if (task.ordering != o_->number) continue;
      (is_local(task) ? local : takes_stretches(task) ? stretched : other).push_back(t);
      ARROW_ASSIGN_OR_RAISE(w.results[t], WindowResult::make(task, w.rows().rows, WindowResult::picks(task), context.pool()));
    }
    // Those that take whole partitions first: they are the longest.
    add(o_->whole, other);
    add(o_->unstretched, stretched);
    for (WindowStretch& s : o_->stretches) {
      s.unit.carry = &s.carry;
      pieces_.push_back({s.unit, stretched});
    }
    add(o_->split, local);
    return static_cast<int64_t>(pieces_.size());
  }

  arrow::Status run(int64_t piece) override {
    WindowState& w = *o_->window;
    Piece& p = pieces_[static_cast<size_t>(piece)];
    for (const size_t t : p.tasks) {
      p.unit.task = t;
      arrow::Status s = compute_window(w.layout.tasks[t], p.unit, w.context.pool(), w.results[t]);
      if (!s.ok()) ARROW_RETURN_NOT_OK(w.note(t, std::move(s)));
    }
    return arrow::Status::OK();
  }

  arrow::Status finish() override {
    o_->rows.reset();
    o_->marks.reset();
    o_->stretches.clear();
    return o_->window->spilled() ? arrow::Status::OK() : o_->window->first_failure(o_->number);
  }

 private:
  struct Piece {
    WindowUnit unit;
    std::vector<size_t> tasks;
  };
  void add(const std::vector<WindowUnit>& units, const std::vector<size_t>& tasks) {
    for (size_t i = 0; i < units.size() && !tasks.empty(); ++i) pieces_.push_back({units[i], tasks});
  }

  std::shared_ptr<OrderingState> o_;
  std::vector<Piece> pieces_;
};

class WindowSource final : public Source {
 public:
  explicit WindowSource(std::shared_ptr<WindowState> s) : s_(std::move(s)) {}
  std::string name() const override { return "rows with windows"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    morsel_ = context.morsel_rows > 0 ? context.morsel_rows : kOutputMorsel;
    return (s_->rows().rows + morsel_ - 1) / morsel_;
  }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }

  arrow::Status read(uint64_t seq, LocalState&, const Emit& emit, RowCounts& counts) override {
    const column::Batch& rows = s_->rows();
    const int64_t end = std::min((static_cast<int64_t>(seq) + 1) * morsel_, rows.rows);
    for (int64_t at = static_cast<int64_t>(seq) * morsel_; at < end;) {
      column::Batch out;
      out.rows = std::min(s_->context.batch_rows, end - at);
      // Pieces as they are, unless that would make batches short.
      const int64_t piece = s_->columns.piece_end(at) - at;
      if (piece < out.rows && piece * 2 >= out.rows) out.rows = piece;
      for (size_t c = 0; c < s_->layout.inputs; ++c) {
        ARROW_ASSIGN_OR_RAISE(auto column, s_->columns.range(c, at, out.rows, s_->context.pool()));
        out.columns.push_back(std::move(column));
      }
      for (const WindowResult& r : s_->results) {
        ARROW_ASSIGN_OR_RAISE(auto column, r.slice(rows, at, out.rows, s_->context.pool()));
        out.columns.push_back(std::move(column));
      }
      at += out.rows;
      counts.in += out.rows;
      ARROW_RETURN_NOT_OK(emit(std::move(out)));
    }
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<WindowState> s_;
  int64_t morsel_ = kOutputMorsel;
};

SortSpec sort_spec(const WindowLayout& layout, const WindowOrdering& o) {
  SortSpec spec;
  spec.types = layout.types;
  for (const int c : o.partition) {
    spec.keys.push_back(input_column(layout, c));
    spec.order.push_back({});
  }
  for (size_t i = 0; i < o.order.size(); ++i) {
    spec.keys.push_back(input_column(layout, o.order[i]));
    spec.order.push_back(o.directions[i]);
  }
  return spec;
}

class Windows final : public WindowOperator {
 public:
  explicit Windows(std::shared_ptr<WindowState> s) : s_(std::move(s)) {}

  arrow::Status prepare(const std::string& label) {
    WindowState& s = *s_;
    ARROW_ASSIGN_OR_RAISE(s.input, make_sort_state(sort_spec(s.layout, s.layout.orderings[0]), s.context));
    s.input->spec.label = label;
    s.input->computed = s.layout.computed;  // the keys are among these or the input's columns
    s.input->encode_late = true;
    s.input->layout.emit_orders = true;
    s.input->apart = columns_in_pieces(s.layout);
    for (const WindowTask& t : s.layout.tasks) s.input->more_bytes_a_row += WindowResult::bytes_a_row(t);
    s.input->more_bytes_a_row += 16;  // positions, marks, gathered values
    s.failures.resize(s.layout.tasks.size());
    ARROW_ASSIGN_OR_RAISE(disk_, make_window_disk(s_));
    return arrow::Status::OK();
  }

  Breaker memory() override {
    Breaker b;
    b.sink = make_sort_sink(s_->input);
    b.phases = {make_write_runs(s_->input), make_merge_runs(s_->input), make_join_phase(s_->input), std::make_shared<Prepare>(s_)};
    for (size_t i = 0; i < s_->layout.orderings.size(); ++i) {
      auto o = std::make_shared<OrderingState>();
      o->window = s_;
      o->number = i;
      o->sort = std::make_shared<SortState>();
      o->sort->context = s_->context;
      const WindowOrdering& keys = s_->layout.orderings[i];
      o->sort->layout.keys = keys.partition;
      o->sort->layout.keys.insert(o->sort->layout.keys.end(), keys.order.begin(), keys.order.end());
      o->sort->layout.order.resize(keys.partition.size());
      o->sort->layout.order.insert(o->sort->layout.order.end(), keys.directions.begin(), keys.directions.end());
      for (auto& p : make_window_order_phases(o)) b.phases.push_back(std::move(p));
      b.phases.push_back(make_stretch_phase(o));
      b.phases.push_back(std::make_shared<Compute>(o));
      for (auto& p : make_total_phases(o)) b.phases.push_back(std::move(p));
    }
    b.source = std::make_shared<WindowSource>(s_);
    return b;
  }

  bool spilled() const override { return s_->spilled(); }

  const std::vector<WindowPass>& passes() override { return disk_->passes; }
  std::shared_ptr<Source> source_from_disk() override { return disk_->source; }

 private:
  std::shared_ptr<WindowState> s_;
  std::shared_ptr<WindowDisk> disk_;
};

}  // namespace

expr::BoundPtr input_column(const WindowLayout& layout, int column) {
  auto b = std::make_shared<expr::Bound>();
  b->kind = expr::BoundKind::kInput;
  b->input = column;
  b->type = layout.types[static_cast<size_t>(column)];
  return b;
}

OrderingState::OrderingState() = default;
OrderingState::~OrderingState() = default;

arrow::Status WindowState::note(size_t task, arrow::Status status) {
  if (base::error_kind(status) != base::ErrorKind::kData) return status;
  std::lock_guard lock(mutex);
  if (failures[task].ok()) failures[task] = std::move(status);
  return arrow::Status::OK();
}

arrow::Status WindowState::first_failure(size_t ordering) {
  for (size_t t = 0; t < failures.size(); ++t) {
    if (layout.tasks[t].ordering == ordering) ARROW_RETURN_NOT_OK(failures[t]);
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<WindowOperator>> make_window(WindowSpec spec, const QueryContext& context) {
  auto s = std::make_shared<WindowState>();
  s->context = context;
  s->layout = window_layout(std::move(spec.types), std::move(spec.functions));
  auto out = std::make_shared<Windows>(s);
  ARROW_RETURN_NOT_OK(out->prepare(spec.label));
  return out;
}

}  // namespace gristmill::exec
