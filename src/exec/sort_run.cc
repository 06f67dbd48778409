// Merging compares encoded keys (memcmp), then orders, so the merged sequence is the one and only stable order.
//
// Memory of a merge: one block a run and the batch being built.

#include "exec/sort_run.h"

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kMostBlockRows = 8192;
constexpr int64_t kLeastBlockRows = 512;
constexpr int64_t kBlockShare = 16384;  // a merge holds one block of each run: fewer rows under a small limit

int compare_bytes(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  const size_t n = std::min(a.size(), b.size());
  const int c = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (c != 0) return c;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

bool below(std::span<const uint8_t> key, uint64_t order, const RunCut& cut) {
  const int c = compare_bytes(key, cut.key);
  return c != 0 ? c < 0 : order < cut.order;
}

std::vector<column::Column> key_columns(const column::Batch& b, const RunLayout& layout) {
  std::vector<column::Column> out;
  for (int k : layout.keys) out.push_back(b.columns[static_cast<size_t>(k)]);
  return out;
}

// One run within a merge: the block at hand and the row that is next.
struct Cursor {
  const SortedRun* run = nullptr;
  size_t next_block = 0;
  std::shared_ptr<column::Batch> block;
  column::EncodedKeys keys;
  const uint64_t* orders = nullptr;
  int64_t row = 0;
  std::span<const uint8_t> key;

  void set_row(int64_t r) {
    row = r;
    key = keys.row(r);
  }

  // False at the end of the run.
  arrow::Result<bool> load(const RunLayout& layout, const base::SpillFile& file, arrow::MemoryPool* pool) {
    if (next_block == run->blocks.size()) return false;
    const RunBlock& b = run->blocks[next_block++];
    ARROW_ASSIGN_OR_RAISE(auto bytes, file.read(b.block, pool));
    std::vector<column::TypePtr> types = layout.types;
    types.push_back(arrow::uint64());
    block = std::make_shared<column::Batch>();
    ARROW_ASSIGN_OR_RAISE(*block, column::deserialize_batch(bytes, types, pool));
    orders = column::values_of<uint64_t>(*block->columns.back().values);
    ARROW_ASSIGN_OR_RAISE(keys, column::encode_keys(key_columns(*block, layout), layout.order, block->rows));
    set_row(0);
    return true;
  }
};

bool less(const Cursor& a, const Cursor& b) {
  const int c = compare_bytes(a.key, b.key);
  return c != 0 ? c < 0 : a.orders[a.row] < b.orders[b.row];
}

// Rows picked for the next output batch, by block.
class Output {
 public:
  Output(size_t payload, bool orders, int64_t batch_rows, arrow::MemoryPool* pool, const Emit& emit)
      : payload_(payload), orders_(orders), batch_rows_(batch_rows), pool_(pool), emit_(emit) {}

  arrow::Status add(const std::shared_ptr<column::Batch>& block, int64_t row, size_t cursor) {
    if (part_of_.size() <= cursor) part_of_.resize(cursor + 1, -1);
    int& part = part_of_[cursor];
    if (part < 0 || parts_[static_cast<size_t>(part)] != block) {
      part = static_cast<int>(parts_.size());
      parts_.push_back(block);
    }
    refs_.push_back({static_cast<uint32_t>(part), static_cast<uint32_t>(row)});
    return static_cast<int64_t>(refs_.size()) == batch_rows_ ? flush() : arrow::Status::OK();
  }

  arrow::Status flush() {
    if (refs_.empty()) return arrow::Status::OK();
    std::vector<column::Batch> views;
    for (const auto& p : parts_) {
      column::Batch v;
      v.rows = p->rows;
      v.columns.assign(p->columns.begin(), p->columns.begin() + static_cast<std::ptrdiff_t>(payload_));
      if (orders_) v.columns.push_back(p->columns.back());
      views.push_back(std::move(v));
    }
    std::vector<const column::Batch*> parts;
    for (const auto& v : views) parts.push_back(&v);
    ARROW_ASSIGN_OR_RAISE(column::Batch out, gather_rows(parts, refs_, pool_));
    refs_.clear();
    parts_.clear();
    std::fill(part_of_.begin(), part_of_.end(), -1);
    return emit_(std::move(out));
  }

 private:
  size_t payload_;
  bool orders_;
  int64_t batch_rows_;
  arrow::MemoryPool* pool_;
  const Emit& emit_;
  std::vector<std::shared_ptr<column::Batch>> parts_;
  std::vector<int> part_of_;
  std::vector<RowRef> refs_;
};

// Moves a fresh cursor to the first row at or after `from`; false when there is none.
arrow::Result<bool> seek(Cursor& c, const RunCut* from, const RunLayout& layout, const base::SpillFile& file, arrow::MemoryPool* pool) {
  if (from) {
    // The last block that begins below the cut may hold rows at or after it; those before it cannot.
    const auto& blocks = c.run->blocks;
    size_t b = static_cast<size_t>(
        std::partition_point(blocks.begin(), blocks.end(), [&](const RunBlock& x) { return below(x.first_key, x.first_order, *from); }) -
        blocks.begin());
    c.next_block = b == 0 ? 0 : b - 1;
  }
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(bool more, c.load(layout, file, pool));
    if (!more) return false;
    if (!from) return true;
    int64_t low = 0, high = c.block->rows;
    while (low < high) {
      const int64_t mid = (low + high) / 2;
      if (below(c.keys.row(mid), c.orders[mid], *from))
        low = mid + 1;
      else
        high = mid;
    }
    if (low == c.block->rows) continue;
    c.set_row(low);
    return true;
  }
}

}  // namespace

arrow::Result<SortedRun> write_run(std::vector<SortChunk> chunks, const RunLayout& layout, base::SpillFile& file,
                                   base::QueryMemory& memory) {
  ARROW_ASSIGN_OR_RAISE(std::vector<RowRef> refs, sort_chunks(chunks, layout.order, memory.pool()));
  std::vector<const column::Batch*> parts;
  for (const auto& c : chunks) parts.push_back(&c.rows);
  SortedRun run;
  const auto block_rows =
      static_cast<size_t>(memory.limited() ? std::clamp(memory.cap() / kBlockShare, kLeastBlockRows, kMostBlockRows) : kMostBlockRows);
  for (size_t begin = 0; begin < refs.size(); begin += block_rows) {
    const size_t n = std::min(block_rows, refs.size() - begin);
    std::span<const RowRef> some(refs.data() + begin, n);
    ARROW_ASSIGN_OR_RAISE(column::Batch block, gather_rows(parts, some, memory.pool()));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> orders, arrow::AllocateBuffer(static_cast<int64_t>(n) * 8, memory.pool()));
    auto* o = reinterpret_cast<uint64_t*>(orders->mutable_data());
    for (size_t i = 0; i < n; ++i) o[i] = chunks[some[i].chunk].order(some[i].row);
    const uint64_t first_order = o[0];
    block.columns.push_back(
        column::Column::flat(arrow::ArrayData::Make(arrow::uint64(), static_cast<int64_t>(n), {nullptr, std::move(orders)}, 0)));
    RunBlock entry;
    entry.rows = static_cast<int64_t>(n);
    entry.first_order = first_order;
    std::vector<column::Column> first;
    for (const auto& k : key_columns(block, layout)) first.push_back(column::slice(k, 0, 1));
    ARROW_ASSIGN_OR_RAISE(column::EncodedKeys key, column::encode_keys(first, layout.order, 1));
    entry.first_key.assign(key.row(0).begin(), key.row(0).end());
    ARROW_ASSIGN_OR_RAISE(auto bytes, column::serialize_batch(block, memory.pool()));
    ARROW_ASSIGN_OR_RAISE(entry.block, file.write(bytes->data(), bytes->size()));
    memory.count_spilled(bytes->size());
    run.blocks.push_back(std::move(entry));
  }
  return run;
}

std::vector<RunCut> plan_cuts(const std::vector<SortedRun>& runs, int64_t rows) {
  struct Start {
    RunCut cut;
    int64_t rows;
  };
  std::vector<Start> starts;
  for (const auto& r : runs) {
    for (const auto& b : r.blocks) starts.push_back({{b.first_key, b.first_order}, b.rows});
  }
  std::sort(starts.begin(), starts.end(), [](const Start& a, const Start& b) { return below(a.cut.key, a.cut.order, b.cut); });
  std::vector<RunCut> cuts;
  int64_t seen = 0;
  for (auto& s : starts) {
    if (seen >= rows) {
      cuts.push_back(std::move(s.cut));
      seen = 0;
    }
    seen += s.rows;
  }
  return cuts;
}

arrow::Status merge_runs(const std::vector<SortedRun>& runs, const RunLayout& layout, const base::SpillFile& file, const RunCut* from,
                         const RunCut* to, int64_t batch_rows, arrow::MemoryPool* pool, const Emit& emit) {
  std::vector<Cursor> cursors(runs.size());
  std::vector<size_t> heap;  // smallest on top
  auto after = [&](size_t a, size_t b) { return less(cursors[b], cursors[a]); };
  for (size_t i = 0; i < runs.size(); ++i) {
    cursors[i].run = &runs[i];
    ARROW_ASSIGN_OR_RAISE(bool any, seek(cursors[i], from, layout, file, pool));
    if (any) heap.push_back(i);
  }
  std::make_heap(heap.begin(), heap.end(), after);
  Output out(layout.payload, layout.emit_orders, batch_rows, pool, emit);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), after);
    const size_t i = heap.back();
    Cursor& c = cursors[i];
    // Stay with this run as long as it is the smallest: no heap work within stretches.
    bool more = true;
    for (;;) {
      if (to && !below(c.key, c.orders[c.row], *to)) {
        more = false;
        break;
      }
      ARROW_RETURN_NOT_OK(out.add(c.block, c.row, i));
      if (c.row + 1 < c.block->rows) {
        c.set_row(c.row + 1);
      } else {
        ARROW_ASSIGN_OR_RAISE(more, c.load(layout, file, pool));
        if (!more) break;
      }
      if (heap.size() > 1 && less(cursors[heap.front()], c)) break;
    }
    if (more) {
      std::push_heap(heap.begin(), heap.end(), after);
    } else {
      heap.pop_back();
    }
  }
  return out.flush();
}

}  // namespace gristmill::exec
