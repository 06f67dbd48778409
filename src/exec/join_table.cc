// A slot and an entry waiting to be built are the same few words, so partitioning and building share their types.
//
// Lookups run in rounds: every key looks at its home slot (prefetched), those that met another key go to the next
// round. Without branches on data a round costs little more than its cache misses.

#include "exec/join_table.h"

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>

#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kPieceRows = int64_t{1} << 17;
constexpr int64_t kPartitionRows = int64_t{1} << 15;
constexpr int kMostPartitionBits = 8;
constexpr int64_t kDensePerRow = 4;      // array entries per row for a dense range
constexpr int64_t kDenseLeast = 1024;
constexpr int64_t kAhead = 24;           // lookups in flight
constexpr int64_t kBlock = 512;

struct WordSlot {
  uint64_t low;
  int32_t row;
  int32_t unused;
  bool holds(uint64_t l, uint64_t) const { return low == l; }
};

struct PairSlot {
  uint64_t low, high;
  int32_t row;
  int32_t unused;
  bool holds(uint64_t l, uint64_t h) const { return (low == l) & (high == h); }
};

WordSlot make_slot(const WordSlot*, uint64_t low, uint64_t, int32_t row) { return {low, row, 0}; }
PairSlot make_slot(const PairSlot*, uint64_t low, uint64_t high, int32_t row) { return {low, high, row, 0}; }
uint64_t high_of(const WordSlot&) { return 0; }
uint64_t high_of(const PairSlot& s) { return s.high; }

// Where partitions begin and how long they are.
template <typename Slot>
struct Directory {
  struct Partition {
    Slot* slots;
    uint64_t size;
  };
  std::vector<Partition> partitions;
  int bits = 0;

  const Partition& of(uint64_t hash) const { return partitions[bits == 0 ? 0 : hash >> (64 - bits)]; }
  Slot* home(uint64_t hash) const {
    const Partition& p = of(hash);
    return p.slots + static_cast<uint64_t>((static_cast<unsigned __int128>(hash << bits) * p.size) >> 64);
  }
  // Only at a partition's end does the walk go back.
  Slot* after(Slot* slot, uint64_t hash) const {
    const Partition& p = of(hash);
    return ++slot == p.slots + p.size ? p.slots : slot;
  }
};

template <typename Slot>
class SlotTable : public JoinTable {
 public:
  bool hashed() const override { return true; }

  void find(const LookupKeys& keys, LookupScratch& scratch, int32_t* first) const override {
    const int64_t n = keys.n;
    scratch.pending.resize(static_cast<size_t>(n));
    scratch.slots.resize(static_cast<size_t>(n));
    uint32_t* const pending = scratch.pending.data();
    auto** const at = reinterpret_cast<Slot**>(scratch.slots.data());
    const int64_t lead = std::min<int64_t>(kAhead, n);
    for (int64_t i = 0; i < lead; ++i) {
      at[i] = directory.home(keys.hash[i]);
      __builtin_prefetch(at[i]);
    }
    int64_t waiting = 0;
    const auto look = [&](int64_t i) {
      const Slot& s = *at[i];
      const bool hit = s.holds(keys.low[i], sizeof(Slot) > sizeof(WordSlot) ? keys.high[i] : 0);
      first[i] = hit ? s.row : kNoRow;
      pending[waiting] = static_cast<uint32_t>(i);
      waiting += !hit & (s.row >= 0);
    };
    for (int64_t i = 0; i + lead < n; ++i) {
      at[i + lead] = directory.home(keys.hash[i + lead]);
      __builtin_prefetch(at[i + lead]);
      look(i);
    }
    for (int64_t i = n - lead; i < n; ++i) look(i);
    while (waiting > 0) {
      const int64_t round = waiting;
      waiting = 0;
      for (int64_t j = 0; j < round; ++j) {
        const uint32_t i = pending[j];
        at[i] = directory.after(at[i], keys.hash[i]);
        look(i);
      }
    }
  }

  Directory<Slot> directory;
  std::shared_ptr<arrow::Buffer> buffer;
};

// Slots hold hashes; a row whose hash is met is compared in full.
class ColumnTable final : public SlotTable<WordSlot> {
 public:
  void find(const LookupKeys& keys, LookupScratch& scratch, int32_t* first) const override {
    LookupKeys by_hash = keys;
    by_hash.low = keys.hash;
    SlotTable<WordSlot>::find(by_hash, scratch, first);
    const KeyEquality equal(keys.columns, columns);
    const auto views = column::is_viewed(*columns[0].values->type) ? column::values_of<column::View16>(*columns[0].values) : nullptr;
    auto** const at = reinterpret_cast<WordSlot**>(scratch.slots.data());
    for (int64_t i = 0; i < keys.n; ++i) {
      if (views && i + kAhead < keys.n) __builtin_prefetch(views + std::max(first[i + kAhead], 0));
      if (first[i] < 0) continue;
      const int64_t row = keys.rows ? keys.rows[i] : i;
      if (equal(row, first[i])) continue;
      first[i] = kNoRow;
      for (WordSlot* s = directory.after(at[i], keys.hash[i]); s->row >= 0; s = directory.after(s, keys.hash[i])) {
        if (s->low == keys.hash[i] && equal(row, s->row)) {
          first[i] = s->row;
          break;
        }
      }
    }
  }

  std::vector<column::Column> columns;
};

class DenseTable final : public JoinTable {
 public:
  bool hashed() const override { return false; }
  void find(const LookupKeys& keys, LookupScratch&, int32_t* first) const override {
    const int32_t* const rows = reinterpret_cast<const int32_t*>(buffer->data());
    const auto look = [&](int64_t i) {
      const uint64_t at = keys.low[i] - min;
      const int32_t row = rows[at < size ? at : 0];
      first[i] = at < size ? row : kNoRow;
    };
    int64_t i = 0;
    for (; i + kAhead < keys.n; ++i) {
      const uint64_t ahead = keys.low[i + kAhead] - min;
      __builtin_prefetch(rows + (ahead < size ? ahead : 0));
      look(i);
    }
    for (; i < keys.n; ++i) look(i);
  }

  uint64_t min = 0, size = 0;
  std::shared_ptr<arrow::Buffer> buffer;
};

// Sorts one piece's entries by partition, in their order, to entries[begin..end).
template <typename Slot, typename PartitionOf>
std::vector<uint32_t> scatter(int64_t begin, int64_t end, int64_t partitions, const uint64_t* low, const uint64_t* high, Slot* entries, PartitionOf&& of) {
  const int64_t n = end - begin;
  std::vector<uint32_t> offsets(static_cast<size_t>(partitions) + 1, 0);
  for (int64_t i = 0; i < n; ++i) offsets[of(i) + 1]++;
  for (int64_t p = 0; p < partitions; ++p) offsets[p + 1] += offsets[p];
  std::vector<uint32_t> to(offsets.begin(), offsets.end() - 1);
  for (int64_t i = 0; i < n; ++i) entries[begin + to[of(i)]++] = make_slot(entries, low[i], high ? high[i] : 0, static_cast<int32_t>(begin + i));
  return offsets;
}

std::vector<column::Column> sliced(const std::vector<column::Column>& columns, int64_t begin, int64_t n) {
  std::vector<column::Column> out;
  for (const auto& c : columns) out.push_back(column::slice(c, begin, n));
  return out;
}

template <typename Slot>
class SlotBuilder final : public JoinTableBuilder {
 public:
  SlotBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, arrow::MemoryPool* pool)
      : JoinTableBuilder(layout, std::move(keys), rows, pool) {
    while (partition_bits_ < kMostPartitionBits && (kPartitionRows << partition_bits_) < rows) ++partition_bits_;
  }

  arrow::Status open() {
    offsets_.resize(static_cast<size_t>(pieces()));
    ARROW_ASSIGN_OR_RAISE(entries_, column::allocate_buffer(rows_ * static_cast<int64_t>(sizeof(Slot)), pool_));
    if (by_columns()) {
      for (auto& k : keys_) {
        ARROW_ASSIGN_OR_RAISE(k, column::flatten(k, rows_, pool_));
      }
      equal_.emplace(keys_, keys_);
    }
    return arrow::Status::OK();
  }

  arrow::Status add(int64_t piece) override {
    const int64_t begin = piece_begin(piece), end = piece_end(piece);
    const std::vector<column::Column> keys = sliced(keys_, begin, end - begin);
    std::vector<uint64_t> hashes(static_cast<size_t>(end - begin));
    KeyWords words;
    if (by_columns()) {
      column::hash_rows(keys, end - begin, {}, hashes.data());
      words.low = hashes.data();
    } else {
      ARROW_RETURN_NOT_OK(layout_.words(keys, end - begin, pool_, words));
      hash_key_words(words.low, words.high, end - begin, hashes.data());
    }
    const int shift = 64 - partition_bits_;
    offsets_[piece] = scatter(begin, end, partitions(), words.low, words.high, entries(),
                              [&, bits = partition_bits_](int64_t i) { return bits == 0 ? 0 : hashes[i] >> shift; });
    return arrow::Status::OK();
  }

  arrow::Status start_partitions() override {
    table_ = std::make_unique<SlotTable<Slot>>();
    if constexpr (std::is_same_v<Slot, WordSlot>) {
      if (by_columns()) table_ = std::make_unique<ColumnTable>();
    }
    table_->directory.bits = partition_bits_;
    std::vector<uint64_t> sizes;
    uint64_t total = 0;
    for (int64_t p = 0; p < partitions(); ++p) {
      uint64_t rows = 0;
      for (const auto& o : offsets_) rows += o[p + 1] - o[p];
      sizes.push_back(2 * rows + 1);
      total += sizes.back();
    }
    ARROW_ASSIGN_OR_RAISE(table_->buffer, column::allocate_buffer(static_cast<int64_t>(total * sizeof(Slot)), pool_));
    auto* slots = reinterpret_cast<Slot*>(table_->buffer->mutable_data());
    for (uint64_t size : sizes) {
      table_->directory.partitions.push_back({slots, size});
      slots += size;
    }
    return arrow::Status::OK();
  }

  arrow::Status build(int64_t partition) override {
    const auto& mine = table_->directory.partitions[partition];
    std::fill_n(mine.slots, mine.size, make_slot(mine.slots, 0, 0, kNoRow));
    std::vector<uint64_t> low(kBlock), high(kBlock), hashes(kBlock);
    for (int64_t piece = pieces() - 1; piece >= 0; --piece) {
      const Slot* run = entries() + piece_begin(piece) + offsets_[piece][partition];
      for (int64_t left = offsets_[piece][partition + 1] - offsets_[piece][partition]; left > 0;) {
        const int64_t n = std::min<int64_t>(left, kBlock);
        const Slot* block = run + left - n;
        for (int64_t i = 0; i < n; ++i) {
          low[i] = block[i].low;
          high[i] = high_of(block[i]);
        }
        if (!by_columns()) hash_key_words(low.data(), sizeof(Slot) > sizeof(WordSlot) ? high.data() : nullptr, n, hashes.data());
        ARROW_RETURN_NOT_OK(insert(block, by_columns() ? low.data() : hashes.data(), n));
        left -= n;
      }
    }
    return arrow::Status::OK();
  }

  std::unique_ptr<JoinTable> finish() override {
    give_chains(*table_);
    if constexpr (std::is_same_v<Slot, WordSlot>) {
      if (by_columns()) static_cast<ColumnTable&>(*table_).columns = std::move(keys_);
    }
    return std::move(table_);
  }

 private:
  bool by_columns() const { return layout_.form() == KeyForm::kColumns; }
  Slot* entries() { return reinterpret_cast<Slot*>(entries_->mutable_data()); }

  arrow::Status insert(const Slot* block, const uint64_t* hashes, int64_t n) {
    const Directory<Slot>& directory = table_->directory;
    for (int64_t i = n - 1; i >= 0; --i) {
      const Slot& e = block[i];
      Slot* s = directory.home(hashes[i]);
      while (s->row >= 0 && !(s->holds(e.low, high_of(e)) && (!equal_ || (*equal_)(s->row, e.row)))) s = directory.after(s, hashes[i]);
      if (s->row >= 0) ARROW_RETURN_NOT_OK(chain(e.row, s->row));
      *s = e;
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Buffer> entries_;
  std::optional<KeyEquality> equal_;
  std::unique_ptr<SlotTable<Slot>> table_;
};

class DenseBuilder final : public JoinTableBuilder {
 public:
  DenseBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, uint64_t min, uint64_t size, arrow::MemoryPool* pool)
      : JoinTableBuilder(layout, std::move(keys), rows, pool), table_(std::make_unique<DenseTable>()) {
    table_->min = min;
    table_->size = size;
    while (shift_ < 40 && (size >> shift_) >= (uint64_t{1} << kMostPartitionBits)) ++shift_;
    while (shift_ < 40 && (uint64_t{1} << shift_) < static_cast<uint64_t>(kPartitionRows)) ++shift_;
    while ((size - 1) >> shift_ >> partition_bits_) ++partition_bits_;
  }

  arrow::Status open() {
    offsets_.resize(static_cast<size_t>(pieces()));
    ARROW_ASSIGN_OR_RAISE(entries_, column::allocate_buffer(rows_ * static_cast<int64_t>(sizeof(WordSlot)), pool_));
    ARROW_ASSIGN_OR_RAISE(table_->buffer, column::allocate_buffer(static_cast<int64_t>(table_->size) * 4, pool_));
    return arrow::Status::OK();
  }

  arrow::Status add(int64_t piece) override {
    const int64_t begin = piece_begin(piece), end = piece_end(piece);
    KeyWords words;
    ARROW_RETURN_NOT_OK(layout_.words(sliced(keys_, begin, end - begin), end - begin, pool_, words));
    offsets_[piece] = scatter(begin, end, partitions(), words.low, nullptr, entries(), [&](int64_t i) { return (words.low[i] - table_->min) >> shift_; });
    return arrow::Status::OK();
  }

  arrow::Status start_partitions() override { return arrow::Status::OK(); }

  arrow::Status build(int64_t partition) override {
    auto* const first = reinterpret_cast<int32_t*>(table_->buffer->mutable_data());
    const uint64_t begin = static_cast<uint64_t>(partition) << shift_;
    const uint64_t end = std::min(table_->size, begin + (uint64_t{1} << shift_));
    for (uint64_t i = begin; i < end; ++i) first[i] = kNoRow;
    for (int64_t piece = pieces() - 1; piece >= 0; --piece) {
      const WordSlot* run = entries() + piece_begin(piece);
      for (int64_t i = offsets_[piece][partition + 1]; i-- > offsets_[piece][partition];) {
        int32_t& slot = first[run[i].low - table_->min];
        if (slot >= 0) ARROW_RETURN_NOT_OK(chain(run[i].row, slot));
        slot = run[i].row;
      }
    }
    return arrow::Status::OK();
  }

  std::unique_ptr<JoinTable> finish() override {
    give_chains(*table_);
    return std::move(table_);
  }

 private:
  WordSlot* entries() { return reinterpret_cast<WordSlot*>(entries_->mutable_data()); }

  std::unique_ptr<DenseTable> table_;
  std::shared_ptr<arrow::Buffer> entries_;
  int shift_ = 0;
};

}  // namespace

JoinTable::JoinTable() : serial_([] {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}()) {}

JoinTableBuilder::JoinTableBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, arrow::MemoryPool* pool)
    : layout_(layout), keys_(std::move(keys)), rows_(rows), pool_(pool) {}

arrow::Result<std::unique_ptr<JoinTableBuilder>> JoinTableBuilder::make(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows,
                                                                        KeyRange range, arrow::MemoryPool* pool) {
  if (layout.integer() && range.min <= range.max && range.max - range.min < static_cast<uint64_t>(kDensePerRow * rows + kDenseLeast)) {
    auto b = std::make_unique<DenseBuilder>(layout, std::move(keys), rows, range.min ^ layout.sign_flip(), range.max - range.min + 1, pool);
    ARROW_RETURN_NOT_OK(b->open());
    return b;
  }
  if (layout.form() == KeyForm::kPair) {
    auto b = std::make_unique<SlotBuilder<PairSlot>>(layout, std::move(keys), rows, pool);
    ARROW_RETURN_NOT_OK(b->open());
    return b;
  }
  auto b = std::make_unique<SlotBuilder<WordSlot>>(layout, std::move(keys), rows, pool);
  ARROW_RETURN_NOT_OK(b->open());
  return b;
}

int64_t JoinTableBuilder::bytes_per_row(const KeyLayout& layout) {
  // An entry, two slots, a link; views of flattened texts.
  const int64_t slot = layout.form() == KeyForm::kPair ? sizeof(PairSlot) : sizeof(WordSlot);
  return 3 * slot + 4 + (layout.form() == KeyForm::kColumns ? 16 : 0);
}

int64_t JoinTableBuilder::pieces() const { return (rows_ + kPieceRows - 1) / kPieceRows; }
int64_t JoinTableBuilder::piece_begin(int64_t piece) const { return piece * kPieceRows; }
int64_t JoinTableBuilder::piece_end(int64_t piece) const { return std::min(rows_, (piece + 1) * kPieceRows); }

arrow::Status JoinTableBuilder::start_chains() {
  std::lock_guard lock(mutex_);
  if (next_.load(std::memory_order_relaxed)) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(next_buffer_, column::allocate_buffer(rows_ * 4, pool_));
  std::memset(next_buffer_->mutable_data(), 0xff, static_cast<size_t>(rows_) * 4);
  next_.store(reinterpret_cast<int32_t*>(next_buffer_->mutable_data()), std::memory_order_release);
  return arrow::Status::OK();
}

void JoinTableBuilder::give_chains(JoinTable& table) {
  table.next_ = next_.load(std::memory_order_relaxed);
  table.next_buffer_ = next_buffer_;
}

arrow::Result<std::unique_ptr<JoinTable>> JoinTableBuilder::build_all() {
  for (int64_t i = 0; i < pieces(); ++i) ARROW_RETURN_NOT_OK(add(i));
  ARROW_RETURN_NOT_OK(start_partitions());
  for (int64_t p = 0; p < partitions(); ++p) ARROW_RETURN_NOT_OK(build(p));
  return finish();
}

}  // namespace gristmill::exec
