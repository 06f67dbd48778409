// From joined rows to positions: keys packed into prefixes, sorted by the phases every sort has, then marked and cut.
//
//   measure   per slice of rows: least and greatest key of each column; where these say that partitions can be numbered and have
//             totals, everything below is left out (window_totals.h)
//   pack      per slice: (prefix of partition and order keys)
//   ...       count, scatter, sort (sort_phases.cc)
//   mark      per slice of positions: where partitions and groups of peers begin
//
// An ordering without keys is the rows as they are: one partition, nothing to do.

#include <algorithm>

#include <arrow/buffer.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/sort_phases.h"
#include "exec/window_codes.h"
#include "exec/window_state.h"
#include "exec/window_totals.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kSliceRows = 65536;
constexpr int64_t kUnitRows = 65536;

int64_t slices_of(int64_t rows) { return (rows + kSliceRows - 1) / kSliceRows; }

struct Packed {
  std::shared_ptr<OrderingState> s;
  std::unique_ptr<KeyPacking> keys;
  std::vector<std::vector<KeyPacking::Extent>> extents;
};

class Measure final : public Phase {
 public:
  explicit Measure(std::shared_ptr<Packed> p) : p_(std::move(p)) {}
  std::string name() const override { return "measure keys"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    OrderingState& s = *p_->s;
    if (s.window->spilled() || s.window->rows().rows == 0) return 0;
    s.ordered.batch = &s.window->rows();
    s.ordered.columns = &s.window->columns;
    s.ordered.count = s.window->rows().rows;
    if (s.ordering().trivial()) return 0;
    std::vector<column::Column> columns;
    for (int k : s.sort->layout.keys) columns.push_back(s.window->rows().columns[static_cast<size_t>(k)]);
    p_->keys = std::make_unique<KeyPacking>(std::move(columns), s.sort->layout.order);
    ARROW_RETURN_NOT_OK(p_->keys->prepare(context.pool()));
    p_->extents.resize(static_cast<size_t>(slices_of(s.ordered.count)));
    return slices_of(s.ordered.count);
  }
  arrow::Status run(int64_t piece) override {
    const int64_t begin = piece * kSliceRows;
    p_->extents[static_cast<size_t>(piece)] = p_->keys->measure(begin, std::min(begin + kSliceRows, p_->s->ordered.count));
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    OrderingState& s = *p_->s;
    if (p_->keys) settle();
    if (s.ordered.count > 0) s.numbered = number_partitions(s, p_->keys);
    return arrow::Status::OK();
  }

 private:
  void settle() {
    std::vector<KeyPacking::Extent> all = p_->extents[0];
    for (const auto& e : p_->extents) {
      for (size_t c = 0; c < all.size(); ++c) all[c].add(e[c]);
    }
    p_->keys->settle(all);
  }

  std::shared_ptr<Packed> p_;
};

class Pack final : public Phase {
 public:
  explicit Pack(std::shared_ptr<Packed> p) : p_(std::move(p)) {}
  std::string name() const override { return "pack keys"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (!p_->keys) return 0;
    pool_ = context.pool();
    SortState& sort = *p_->s->sort;
    sort.rows = p_->s->ordered.count;
    sort.joined = p_->s->window->rows();
    sort.exact = p_->keys->exact();
    sort.chunks.resize(static_cast<size_t>(slices_of(sort.rows)));
    return slices_of(sort.rows);
  }
  arrow::Status run(int64_t piece) override {
    const int64_t begin = piece * kSliceRows, end = std::min(begin + kSliceRows, p_->s->ordered.count);
    SortChunk& chunk = p_->s->sort->chunks[static_cast<size_t>(piece)];
    chunk.rows.rows = end - begin;
    ARROW_ASSIGN_OR_RAISE(chunk.prefixes, column::allocate_buffer((end - begin) * 8, pool_));
    auto* const out = reinterpret_cast<uint64_t*>(chunk.prefixes->mutable_data());
    ARROW_RETURN_NOT_OK(p_->keys->pack(begin, end, out));
    const auto [least, greatest] = std::minmax_element(out, out + (end - begin));
    chunk.least = *least;
    chunk.greatest = *greatest;
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    if (!p_->keys) return arrow::Status::OK();
    OrderingState& s = *p_->s;
    int64_t at = 0;
    for (const SortChunk& c : s.sort->chunks) {
      s.sort->chunk_start.push_back(at);
      at += c.rows.rows;
      s.sort->min = std::min(s.sort->min, c.least);
      s.sort->max = std::max(s.sort->max, c.greatest);
    }
    s.partition_shift = p_->keys->bits_below(s.ordering().partition.size());
    p_->keys.reset();
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<Packed> p_;
  arrow::MemoryPool* pool_ = nullptr;
};

class Mark final : public Phase {
 public:
  explicit Mark(std::shared_ptr<OrderingState> s) : s_(std::move(s)) {}
  std::string name() const override { return "mark partitions"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    const int64_t n = s_->ordered.count;
    if (s_->window->spilled() || n == 0 || s_->numbered) return 0;
    if (s_->ordering().trivial()) return 0;
    ARROW_ASSIGN_OR_RAISE(s_->marks, column::allocate_buffer(n, context.pool()));
    s_->ordered.marks = s_->marks->data();
    ARROW_ASSIGN_OR_RAISE(s_->rows, column::allocate_buffer(n * 8, context.pool()));
    s_->ordered.rows = reinterpret_cast<const int64_t*>(s_->rows->data());
    return slices_of(n);
  }
  arrow::Status run(int64_t piece) override {
    const SortEntry* const e = s_->sort->entry();
    auto* const rows = reinterpret_cast<int64_t*>(s_->rows->mutable_data());
    uint8_t* const marks = s_->marks->mutable_data();
    const int64_t begin = piece * kSliceRows, end = std::min(begin + kSliceRows, s_->ordered.count);
    for (int64_t i = begin; i < end; ++i) {
      rows[i] = static_cast<int64_t>(e[i].row);
      marks[i] = i == 0 ? kPartitionStart | kPeerStart : mark(e[i - 1], e[i]);
    }
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    if (s_->window->spilled() || s_->ordered.count == 0 || s_->numbered) return arrow::Status::OK();
    s_->sort.reset();
    cut_units(s_->ordered, 0, s_->whole, s_->split);
    return arrow::Status::OK();
  }

 private:
  uint8_t mark(const SortEntry& a, const SortEntry& b) const {
    const int shift = s_->partition_shift;
    const bool exact = s_->sort->exact;
    if (a.prefix == b.prefix && exact) return 0;
    if (shift >= 0) {
      if (shift < 64 && (a.prefix ^ b.prefix) >> shift != 0) return kPartitionStart | kPeerStart;
      if (a.prefix != b.prefix) return kPeerStart;
    }
    return mark_of(s_->ordering(), s_->window->rows(), static_cast<int64_t>(a.row), static_cast<int64_t>(b.row));
  }

  std::shared_ptr<OrderingState> s_;
};

}  // namespace

uint8_t mark_of(const WindowOrdering& ordering, const column::Batch& rows, int64_t before, int64_t row) {
  const auto same = [&](const std::vector<int>& columns) {
    return std::all_of(columns.begin(), columns.end(), [&](int c) {
      const column::Column& x = rows.columns[static_cast<size_t>(c)];
      return column::equal_rows(x, before, x, row);
    });
  };
  if (!same(ordering.partition)) return kPartitionStart | kPeerStart;
  return same(ordering.order) ? 0 : kPeerStart;
}

void cut_units(const OrderedRows& o, int64_t from, std::vector<WindowUnit>& whole, std::vector<WindowUnit>& split) {
  for (int64_t at = from; at < o.count;) {
    int64_t stop = std::min(at + kUnitRows, o.count), last_start = at;
    // Up to the last partition that begins within the unit; a partition that fills it alone goes on to its end.
    for (int64_t i = stop; i > at && o.marks; --i) {
      if (i == o.count || o.starts(i, kPartitionStart)) {
        last_start = i;
        break;
      }
    }
    if (last_start == at) {
      if (!o.marks) stop = o.count;
      while (stop < o.count && !o.starts(stop, kPartitionStart)) ++stop;
      whole.push_back({&o, at, stop, at, stop});
      for (int64_t i = at; i < stop; i += kUnitRows) split.push_back({&o, i, std::min(i + kUnitRows, stop), at, stop});
    } else {
      stop = last_start;
      whole.push_back({&o, at, stop, at, stop});
      split.push_back(whole.back());
    }
    at = stop;
  }
}

std::vector<std::shared_ptr<Phase>> make_window_order_phases(const std::shared_ptr<OrderingState>& state) {
  auto packed = std::make_shared<Packed>();
  packed->s = state;
  std::vector<std::shared_ptr<Phase>> out = {std::make_shared<Measure>(packed), std::make_shared<Pack>(packed)};
  for (auto& p : make_order_phases(state->sort)) out.push_back(std::move(p));
  out.push_back(std::make_shared<Mark>(state));
  return out;
}

}  // namespace gristmill::exec
