// Merging compares encoded keys (memcmp), then orders, so the merged sequence is the one and only stable order.
//
// Memory of a merge: of each run a block at hand, its keys and a block whose last rows wait in the batch being built; and that batch,
// which is let go by bytes as well as by rows.

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
constexpr int64_t kMostBlockBytes = int64_t{256} << 10, kLeastBlockBytes = int64_t{16} << 10;
constexpr int64_t kBlockShare = 128;                      // blocks of a worker's share
constexpr int64_t kBlocksARun = 4;                        // that a merge holds, keys and waiting rows in
constexpr int64_t kFreeMerge = int64_t{128} << 20;        // where there is no limit
constexpr int64_t kWorkerShare = 4;                       // of what is a worker's part of the limit
constexpr size_t kLeastFanIn = 4;
constexpr int64_t kMostPieceRows = 262144, kLeastPieceRows = 256;
constexpr int64_t kMostPieceBytes = int64_t{32} << 20;

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
  int64_t row_bytes = 0;  // of the block's, about
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
    row_bytes = static_cast<int64_t>(b.block.raw_bytes) / std::max<int64_t>(b.rows, 1);
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
  Output(const RunLayout& layout, int64_t batch_rows, arrow::MemoryPool* pool, const Emit& emit)
      : layout_(layout), batch_rows_(batch_rows), pool_(pool), emit_(emit) {}

  arrow::Status add(const Cursor& from, size_t cursor) {
    if (part_of_.size() <= cursor) part_of_.resize(cursor + 1, -1);
    int& part = part_of_[cursor];
    if (part < 0 || parts_[static_cast<size_t>(part)] != from.block) {
      part = static_cast<int>(parts_.size());
      parts_.push_back(from.block);
    }
    refs_.push_back({static_cast<uint32_t>(part), static_cast<uint32_t>(from.row)});
    bytes_ += from.row_bytes;
    return static_cast<int64_t>(refs_.size()) == batch_rows_ || bytes_ >= layout_.batch_bytes ? flush() : arrow::Status::OK();
  }

  arrow::Status flush() {
    if (refs_.empty()) return arrow::Status::OK();
    std::vector<column::Batch> views;
    for (const auto& p : parts_) {
      column::Batch v;
      v.rows = p->rows;
      v.columns.assign(p->columns.begin(), p->columns.begin() + static_cast<std::ptrdiff_t>(layout_.payload));
      if (layout_.emit_orders) v.columns.push_back(p->columns.back());
      views.push_back(std::move(v));
    }
    std::vector<const column::Batch*> parts;
    for (const auto& v : views) parts.push_back(&v);
    ARROW_ASSIGN_OR_RAISE(column::Batch out, gather_rows(parts, refs_, pool_));
    for (column::Column& c : out.columns) {
      if (!layout_.own_text) break;
      ARROW_ASSIGN_OR_RAISE(c, column::compact_views(c, out.rows, pool_));
    }
    refs_.clear();
    parts_.clear();
    bytes_ = 0;
    std::fill(part_of_.begin(), part_of_.end(), -1);
    return emit_(std::move(out));
  }

 private:
  const RunLayout& layout_;
  int64_t batch_rows_;
  int64_t bytes_ = 0;
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

// Blocks of rows that come in order, with all columns of the layout and their orders as the last.
class RunWriter {
 public:
  RunWriter(const RunLayout& layout, base::SpillFile& file, base::QueryMemory& memory) : layout_(layout), file_(file), memory_(memory) {}

  // A block, or several where the rows are larger than was thought.
  arrow::Status add(const column::Batch& rows) {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, column::serialize_batch(rows, memory_.pool()));
    if (rows.rows > 1 && bytes->size() > 2 * layout_.block_bytes) {
      const int64_t half = rows.rows / 2;
      ARROW_RETURN_NOT_OK(add(column::slice(rows, 0, half)));
      return add(column::slice(rows, half, rows.rows - half));
    }
    RunBlock entry;
    entry.rows = rows.rows;
    entry.first_order = column::values_of<uint64_t>(*rows.columns.back().values)[0];
    std::vector<column::Column> first;
    for (const auto& k : key_columns(rows, layout_)) first.push_back(column::slice(k, 0, 1));
    ARROW_ASSIGN_OR_RAISE(column::EncodedKeys key, column::encode_keys(first, layout_.order, 1));
    entry.first_key.assign(key.row(0).begin(), key.row(0).end());
    ARROW_ASSIGN_OR_RAISE(entry.block, file_.write(bytes->data(), bytes->size()));
    memory_.count_spilled(bytes->size());
    run_.blocks.push_back(std::move(entry));
    return arrow::Status::OK();
  }

  SortedRun take() { return std::move(run_); }

 private:
  const RunLayout& layout_;
  base::SpillFile& file_;
  base::QueryMemory& memory_;
  SortedRun run_;
};

int64_t most_block_bytes(const std::vector<SortedRun>& runs) {
  uint64_t most = 1;
  for (const SortedRun& r : runs) {
    for (const RunBlock& b : r.blocks) most = std::max(most, b.block.raw_bytes);
  }
  return static_cast<int64_t>(most);
}

}  // namespace

SpilledLimits::SpilledLimits(const QueryContext& context)
    : limited(context.memory->limited()),
      bytes(limited ? context.memory->cap() / (kWorkerShare * std::max(1, context.workers)) : kFreeMerge) {}

void SpilledLimits::shape(RunLayout* layout) const {
  layout->block_bytes = std::clamp(bytes / kBlockShare, kLeastBlockBytes, kMostBlockBytes);
  if (!limited) return;
  layout->batch_bytes = std::max(bytes / 8, layout->block_bytes);
  layout->own_text = true;
}

size_t SpilledLimits::fan_in(const std::vector<SortedRun>& runs) const {
  return std::max(kLeastFanIn, static_cast<size_t>(bytes / (kBlocksARun * most_block_bytes(runs))));
}

// Every piece of a merge seeks in every run: it must be large beside the blocks that are read in vain.
int64_t SpilledLimits::piece_rows(const std::vector<SortedRun>& runs) const {
  int64_t rows = 0, raw = 0, most = 1;
  for (const SortedRun& r : runs) {
    for (const RunBlock& b : r.blocks) {
      rows += b.rows;
      raw += static_cast<int64_t>(b.block.raw_bytes);
      most = std::max(most, b.rows);
    }
  }
  const int64_t row_bytes = std::max<int64_t>(raw / std::max<int64_t>(rows, 1), 1);
  const int64_t wanted = limited ? std::min(bytes / 4, kMostPieceBytes) / row_bytes : kMostPieceRows;
  return std::max(std::clamp(wanted, kLeastPieceRows, kMostPieceRows), 2 * most * static_cast<int64_t>(runs.size()));
}

arrow::Result<SortedRun> write_run(std::vector<SortChunk> chunks, const RunLayout& layout, base::SpillFile& file,
                                   base::QueryMemory& memory) {
  ARROW_ASSIGN_OR_RAISE(std::vector<RowRef> refs, sort_chunks(chunks, layout.order, memory.pool()));
  std::vector<const column::Batch*> parts;
  int64_t bytes = 0;
  for (const auto& c : chunks) {
    parts.push_back(&c.rows);
    for (const auto& column : c.rows.columns) bytes += column::compact_bytes(column, c.rows.rows);
  }
  RunWriter run(layout, file, memory);
  const int64_t row_bytes = bytes / std::max<int64_t>(static_cast<int64_t>(refs.size()), 1) + static_cast<int64_t>(sizeof(uint64_t));
  const auto block_rows = static_cast<size_t>(std::clamp<int64_t>(layout.block_bytes / row_bytes, 1, kMostBlockRows));
  for (size_t begin = 0; begin < refs.size(); begin += block_rows) {
    const size_t n = std::min(block_rows, refs.size() - begin);
    std::span<const RowRef> some(refs.data() + begin, n);
    ARROW_ASSIGN_OR_RAISE(column::Batch block, gather_rows(parts, some, memory.pool()));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> orders, arrow::AllocateBuffer(static_cast<int64_t>(n) * 8, memory.pool()));
    auto* o = reinterpret_cast<uint64_t*>(orders->mutable_data());
    for (size_t i = 0; i < n; ++i) o[i] = chunks[some[i].chunk].order(some[i].row);
    block.columns.push_back(
        column::Column::flat(arrow::ArrayData::Make(arrow::uint64(), static_cast<int64_t>(n), {nullptr, std::move(orders)}, 0)));
    ARROW_RETURN_NOT_OK(run.add(block));
  }
  return run.take();
}

arrow::Result<SortedRun> merge_into_one(std::vector<SortedRun> runs, size_t fan_in, const RunLayout& layout, base::SpillFile& file,
                                        const QueryContext& context) {
  RunLayout whole = layout;
  whole.payload = layout.types.size();
  whole.emit_orders = true;
  whole.own_text = false;  // blocks are written at once
  whole.batch_bytes = layout.block_bytes;
  while (runs.size() > 1) {
    std::vector<SortedRun> next;
    for (size_t at = 0; at < runs.size(); at += fan_in) {
      std::vector<SortedRun> some;
      for (size_t i = at; i < std::min(runs.size(), at + fan_in); ++i) some.push_back(std::move(runs[i]));
      if (some.size() == 1) {
        next.push_back(std::move(some[0]));
        continue;
      }
      RunWriter run(whole, file, *context.memory);
      ARROW_RETURN_NOT_OK(merge_runs(some, whole, file, nullptr, nullptr, kMostBlockRows, context.pool(), [&](column::Batch b) {
        ARROW_RETURN_NOT_OK(context.cancel.check());
        return run.add(b);
      }));
      next.push_back(run.take());
    }
    runs = std::move(next);
  }
  return runs.empty() ? SortedRun{} : std::move(runs[0]);
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
  Output out(layout, batch_rows, pool, emit);
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
      ARROW_RETURN_NOT_OK(out.add(c, i));
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
