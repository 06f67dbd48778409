// Rows on disk come back sorted by one ordering, one pass for each; the last sort puts them back into their places.
//
//   pass k    sorted rows in order -> partition by partition, computed like in memory -> sorted by ordering k + 1, or by place
//
// Rows travel as input and computed columns, their place, and the results so far. A pass holds the rows of the partitions at hand. One
// that does not fit the limit passes by in stretches if its functions look at a bounded number of rows, or are running sums; else
// it is an error that says so.

#include "exec/window_spill.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/collect.h"
#include "exec/sort_phases.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kPassRows = 65536;   // computed together at least
constexpr int64_t kScratchBytes = 40;  // a row, of gathered values and the like

// Its own rows': slices of shared buffers count their part.
int64_t bytes_of(const column::Batch& b) {
  int64_t n = 0;
  for (const auto& c : b.columns) n += column::compact_bytes(c, b.rows);
  return n;
}

class Pass final : public OrderedSink {
 public:
  Pass(std::shared_ptr<WindowState> s, size_t number, std::vector<size_t> tasks, std::shared_ptr<Sink> next)
      : s_(std::move(s)), number_(number), tasks_(std::move(tasks)), next_(std::move(next)) {}
  std::string name() const override { return "compute windows"; }

  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    for (auto& b : batches) ARROW_RETURN_NOT_OK(take(std::move(b)));
    return Answer{};
  }

  arrow::Status finalize() override {
    ARROW_RETURN_NOT_OK(compute(held_rows_));
    ARROW_RETURN_NOT_OK(s_->first_failure(number_));
    ARROW_RETURN_NOT_OK(open());
    ARROW_RETURN_NOT_OK(next_->combine(*local_));
    local_.reset();
    return next_->finalize();
  }

  void abandon() override {
    held_.clear();
    local_.reset();
  }

 private:
  const WindowOrdering& ordering() const { return s_->layout.orderings[number_]; }

  arrow::Status open() {
    if (local_) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(local_, next_->make_local(s_->context));
    return arrow::Status::OK();
  }

  bool same(const std::vector<int>& columns, const column::Batch& a, int64_t i, const column::Batch& b, int64_t j) const {
    return std::all_of(columns.begin(), columns.end(), [&](int c) {
      return column::equal_rows(a.columns[static_cast<size_t>(c)], i, b.columns[static_cast<size_t>(c)], j);
    });
  }

  // Adds rows and their marks; computes what is complete once there is enough of it.
  arrow::Status take(column::Batch batch) {
    ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), s_->context.pool()));
    if (batch.rows == 0) return arrow::Status::OK();
    for (int64_t i = 0; i < batch.rows; ++i) {
      const column::Batch* before = i > 0 ? &batch : held_.empty() ? nullptr : &held_.back();
      uint8_t mark = kPartitionStart | kPeerStart;
      if (before) {
        const int64_t at = i > 0 ? i - 1 : before->rows - 1;
        mark = !same(ordering().partition, *before, at, batch, i) ? mark : same(ordering().order, *before, at, batch, i) ? 0 : kPeerStart;
      }
      if (mark & kPartitionStart) complete_ = held_rows_ + i;
      marks_.push_back(mark);
    }
    held_rows_ += batch.rows;
    held_bytes_ += bytes_of(batch);
    held_.push_back(std::move(batch));
    if (complete_ > 0 && (complete_ >= kPassRows || s_->context.spill_eagerly || crowded())) return compute(complete_);
    return crowded() ? compute_stretch() : arrow::Status::OK();
  }

  bool crowded() const {
    const auto& memory = *s_->context.memory;
    if (!memory.limited()) return false;
    int64_t a_row = kScratchBytes;
    for (const size_t t : tasks_) a_row += WindowResult::bytes_a_row(s_->layout.tasks[t]);
    return held_bytes_ * 2 + held_rows_ * a_row > memory.cap() / 3;  // held, joined, results
  }

  arrow::Status too_large() const {
    return base::memory_error("a partition of a window function has more than " + std::to_string(carry_.rows + held_rows_) +
                                  " rows and does not fit the memory limit",
                              "raise memory_limit, or partition by more keys");
  }

  // Part of a partition that is too large to hold, if its functions need no more than what is around a row.
  arrow::Status compute_stretch() {
    Reach all{true, false, 1, 0};  // the last row stays, to compare the next one with
    for (const size_t t : tasks_) {
      const Reach r = reach_of(s_->layout.tasks[t]);
      all = {all.streams && r.streams, all.whole_peers || r.whole_peers, std::max(all.back, r.back), std::max(all.ahead, r.ahead)};
    }
    int64_t end = held_rows_ - all.ahead;
    if (all.whole_peers && end == held_rows_) --end;  // a group may go on
    while (all.whole_peers && end > margin_ && !(marks_[static_cast<size_t>(end)] & kPeerStart)) --end;
    if (!all.streams || end <= margin_ || all.back + all.ahead > held_rows_ / 2) return too_large();
    streaming_ = true;
    ARROW_ASSIGN_OR_RAISE(column::Batch rows, join_held());
    ARROW_RETURN_NOT_OK(emit_rows(rows, held_rows_, {stretch(end, held_rows_)}, margin_, end));
    const int64_t from = std::max<int64_t>(end - all.back, 0);
    carry_.rows += from;
    for (int64_t i = 0; i < from; ++i) carry_.groups += (marks_[static_cast<size_t>(i)] & kPeerStart) != 0;
    keep_rest(rows, from);
    margin_ = end - from;
    carry_.added = margin_;
    return arrow::Status::OK();
  }

  WindowUnit stretch(int64_t end, int64_t last) {
    carry_.sums.resize(s_->layout.tasks.size());
    return {nullptr, margin_, end, 0, last, &carry_};
  }

  // The first `rows` rows that are held, which end with a partition.
  arrow::Status compute(int64_t rows) {
    if (rows == 0) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(column::Batch all, join_held());
    std::vector<WindowUnit> units, split;
    OrderedRows o{&all, rows, nullptr, marks_.data()};
    int64_t from = 0;
    if (streaming_) {  // what is left of the partition that passed by
      for (from = 1; from < rows && !(marks_[static_cast<size_t>(from)] & kPartitionStart);) ++from;
      units.push_back(stretch(from, from));
    }
    cut_units(o, from, units, split);
    ARROW_RETURN_NOT_OK(emit_rows(all, rows, std::move(units), margin_, rows));
    keep_rest(all, rows);
    streaming_ = false;
    margin_ = 0;
    carry_ = {};
    return arrow::Status::OK();
  }

  arrow::Result<column::Batch> join_held() {
    ARROW_ASSIGN_OR_RAISE(column::Batch all, join_batches(std::move(held_), s_->context.pool()));
    held_.clear();
    return all;
  }

  // Computes the units of the first `rows` rows and hands on those from `begin` to `end`.
  arrow::Status emit_rows(const column::Batch& all, int64_t rows, std::vector<WindowUnit> units, int64_t begin, int64_t end) {
    ARROW_RETURN_NOT_OK(open());
    const OrderedRows o{&all, rows, nullptr, marks_.data()};
    std::vector<WindowResult> results;
    for (const size_t t : tasks_) {
      const WindowTask& task = s_->layout.tasks[t];
      ARROW_ASSIGN_OR_RAISE(WindowResult r, WindowResult::make(task, rows, WindowResult::picks(task), s_->context.pool()));
      for (WindowUnit& unit : units) {
        unit.ordered = &o;
        unit.task = t;
        arrow::Status status = compute_window(task, unit, s_->context.pool(), r);
        if (!status.ok()) ARROW_RETURN_NOT_OK(s_->note(t, std::move(status)));
      }
      results.push_back(std::move(r));
    }
    for (int64_t at = begin; at < end; at += s_->context.batch_rows) {
      column::Batch out;
      out.rows = std::min(s_->context.batch_rows, end - at);
      for (const auto& c : all.columns) out.columns.push_back(column::slice(c, at, out.rows));
      for (const WindowResult& r : results) {
        ARROW_ASSIGN_OR_RAISE(auto c, r.slice(all, at, out.rows, s_->context.pool()));
        out.columns.push_back(std::move(c));
      }
      const int64_t given = out.rows;
      ARROW_RETURN_NOT_OK(next_->consume(std::move(out), Position{0, given_}, *local_));
      given_ += static_cast<uint64_t>(given);
    }
    return arrow::Status::OK();
  }

  void keep_rest(const column::Batch& all, int64_t from) {
    marks_.erase(marks_.begin(), marks_.begin() + from);
    held_rows_ = all.rows - from;
    complete_ = 0;
    held_bytes_ = 0;
    if (held_rows_ == 0) return;
    held_.push_back(column::slice(all, from, held_rows_));
    held_bytes_ = bytes_of(held_.back());
  }

  std::shared_ptr<WindowState> s_;
  const size_t number_;
  const std::vector<size_t> tasks_;
  const std::shared_ptr<Sink> next_;
  std::unique_ptr<LocalState> local_;
  std::vector<column::Batch> held_;
  std::vector<uint8_t> marks_;  // of the rows that are held
  int64_t held_rows_ = 0, held_bytes_ = 0;
  int64_t complete_ = 0;  // of them, those before the last partition
  uint64_t given_ = 0;
  // A partition that is too large to hold passes by in stretches: the first margin_ rows are held for those after them only.
  bool streaming_ = false;
  int64_t margin_ = 0;
  WindowCarry carry_;
};

// The sorted rows with the columns a window node shows: the input's, then the functions'.
class InPlace final : public Source {
 public:
  InPlace(std::shared_ptr<Source> sorted, std::vector<size_t> columns) : sorted_(std::move(sorted)), columns_(std::move(columns)) {}
  std::string name() const override { return "rows with windows, merged from disk"; }
  arrow::Result<int64_t> start(const QueryContext& context) override { return sorted_->start(context); }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override { return sorted_->make_local(context); }
  arrow::Status read(uint64_t seq, LocalState& local, const Emit& emit, RowCounts& counts) override {
    const Emit chosen = [&](column::Batch b) {
      column::Batch out;
      out.rows = b.rows;
      for (const size_t c : columns_) out.columns.push_back(b.columns[c]);
      return emit(std::move(out));
    };
    return sorted_->read(seq, local, chosen, counts);
  }

 private:
  std::shared_ptr<Source> sorted_;
  std::vector<size_t> columns_;
};

// Sorted by `columns` of rows with the columns `types`.
arrow::Result<std::shared_ptr<SortState>> sorted_by(const std::vector<column::TypePtr>& types, const std::vector<int>& columns,
                                                    const std::vector<column::SortKey>& order, const QueryContext& context) {
  WindowLayout all;
  all.types = types;
  SortSpec spec;
  spec.types = types;
  spec.order = order;
  spec.label = "window";
  for (const int c : columns) spec.keys.push_back(input_column(all, c));
  return make_sort_state(std::move(spec), context);
}

}  // namespace

arrow::Result<std::shared_ptr<WindowDisk>> make_window_disk(const std::shared_ptr<WindowState>& state) {
  auto disk = std::make_shared<WindowDisk>();
  const WindowLayout& layout = state->layout;
  std::vector<column::TypePtr> types = layout.types;
  const int place = static_cast<int>(types.size());
  types.push_back(arrow::uint64());
  std::vector<size_t> result_column(layout.tasks.size());
  std::shared_ptr<Source> source = make_sort_source(state->input);
  for (size_t k = 0; k < layout.orderings.size(); ++k) {
    std::vector<size_t> tasks;
    for (size_t t = 0; t < layout.tasks.size(); ++t) {
      if (layout.tasks[t].ordering != k) continue;
      tasks.push_back(t);
      result_column[t] = types.size();
      types.push_back(layout.tasks[t].function.type);
    }
    std::vector<int> keys;
    std::vector<column::SortKey> order;
    if (k + 1 < layout.orderings.size()) {
      const WindowOrdering& next = layout.orderings[k + 1];
      keys = next.partition;
      keys.insert(keys.end(), next.order.begin(), next.order.end());
      order.resize(next.partition.size());
      order.insert(order.end(), next.directions.begin(), next.directions.end());
    }
    keys.push_back(place);
    order.push_back({false, false, false});
    ARROW_ASSIGN_OR_RAISE(auto sorted, sorted_by(types, keys, order, state->context));
    WindowPass pass;
    pass.source = source;
    pass.through = std::make_shared<Pass>(state, k, std::move(tasks), make_sort_sink(sorted));
    pass.phases = make_sort_phases(sorted);
    pass.phases.insert(pass.phases.begin(), {make_write_runs(sorted), make_merge_runs(sorted)});
    disk->passes.push_back(std::move(pass));
    source = make_sort_source(sorted);
  }
  std::vector<size_t> shown;
  for (size_t c = 0; c < layout.inputs; ++c) shown.push_back(c);
  shown.insert(shown.end(), result_column.begin(), result_column.end());
  disk->source = std::make_shared<InPlace>(std::move(source), std::move(shown));
  return disk;
}

}  // namespace gristmill::exec
