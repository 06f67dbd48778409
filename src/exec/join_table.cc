// Builders: pieces of rows are sorted by partition, then every partition is filled on its own, last row first.

#include "exec/join_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/join_buckets.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kPieceRows = int64_t{1} << 17;
constexpr int64_t kPartitionRows = int64_t{1} << 15;
constexpr int kMostPartitionBits = 8;
constexpr int64_t kDensePerRow = 4;  // array entries per row for a dense range
constexpr int64_t kDenseLeast = 1024;
constexpr int64_t kBlock = 512;

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
    for (; i + kLookupsAhead < keys.n; ++i) {
      const uint64_t ahead = keys.low[i + kLookupsAhead] - min;
      __builtin_prefetch(rows + (ahead < size ? ahead : 0));
      look(i);
    }
    for (; i < keys.n; ++i) look(i);
  }

  uint64_t min = 0, size = 0;
  std::shared_ptr<arrow::Buffer> buffer;
};

// A table read at random costs a page walk per lookup otherwise. Only a hint; before the pages are touched.
void want_huge_pages(arrow::Buffer& buffer) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kHuge = uintptr_t{2} << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(buffer.mutable_data()) + kHuge - 1) & ~(kHuge - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(buffer.mutable_data()) + static_cast<uintptr_t>(buffer.size())) & ~(kHuge - 1);
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// Sorts one piece's entries by partition, in their order, to entries[begin..end), those of `live` only.
template <typename Entry, typename PartitionOf>
std::vector<uint32_t> scatter(int64_t begin, int64_t end, int64_t partitions, const uint64_t* low, const uint64_t* high,
                              const std::optional<column::Mask>& live, Entry* entries, PartitionOf&& of) {
  const int64_t n = end - begin;
  std::vector<uint32_t> offsets(static_cast<size_t>(partitions) + 1, 0);
  for (int64_t i = 0; i < n; ++i) {
    if (!live || live->get(i)) offsets[of(i) + 1]++;
  }
  for (int64_t p = 0; p < partitions; ++p) offsets[p + 1] += offsets[p];
  std::vector<uint32_t> to(offsets.begin(), offsets.end() - 1);
  for (int64_t i = 0; i < n; ++i) {
    if (!live || live->get(i)) entries[begin + to[of(i)]++] = Entry::make(low[i], high ? high[i] : 0, static_cast<int32_t>(begin + i));
  }
  return offsets;
}

std::vector<column::Column> sliced(const std::vector<column::Column>& columns, int64_t begin, int64_t n) {
  std::vector<column::Column> out;
  for (const auto& c : columns) out.push_back(column::slice(c, begin, n));
  return out;
}

template <typename Bucket>
class HashBuilder final : public JoinTableBuilder {
 public:
  using Entry = typename Bucket::Entry;

  HashBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, arrow::MemoryPool* pool)
      : JoinTableBuilder(layout, std::move(keys), rows, pool) {
    while (partition_bits_ < kMostPartitionBits && (kPartitionRows << partition_bits_) < rows) ++partition_bits_;
  }

  arrow::Status open() {
    offsets_.resize(static_cast<size_t>(pieces()));
    ARROW_ASSIGN_OR_RAISE(entries_, column::allocate_buffer(rows_ * static_cast<int64_t>(sizeof(Entry)), pool_));
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
    offsets_[piece] = scatter(begin, end, partitions(), words.low, words.high, live_rows(keys, end - begin), entries(),
                              [&, bits = partition_bits_](int64_t i) { return bits == 0 ? 0 : hashes[i] >> shift; });
    return arrow::Status::OK();
  }

  arrow::Status start_partitions() override {
    table_ = std::make_unique<HashTable<Bucket>>();
    if constexpr (std::is_same_v<Bucket, WordBucket>) {
      if (by_columns()) table_ = std::make_unique<ColumnTable>();
    }
    table_->directory.bits = partition_bits_;
    std::vector<int64_t> sizes;
    int64_t total = 0;
    for (int64_t p = 0; p < partitions(); ++p) {
      int64_t rows = 0;
      for (const auto& o : offsets_) rows += o[p + 1] - o[p];
      sizes.push_back(buckets_for<Bucket>(rows));
      total += sizes.back();
    }
    ARROW_ASSIGN_OR_RAISE(table_->buffer, column::allocate_buffer(total * static_cast<int64_t>(sizeof(Bucket)), pool_));
    want_huge_pages(*table_->buffer);
    auto* buckets = reinterpret_cast<Bucket*>(table_->buffer->mutable_data());
    for (int64_t size : sizes) {
      table_->directory.partitions.push_back({buckets, static_cast<uint64_t>(size)});
      buckets += size;
    }
    return arrow::Status::OK();
  }

  arrow::Status build(int64_t partition) override {
    const auto& mine = table_->directory.partitions[partition];
    Bucket empty{};
    std::fill_n(empty.row, Bucket::kSize, kNoRow);
    std::fill_n(mine.buckets, mine.size, empty);
    std::vector<uint64_t> low(kBlock), high(kBlock), hashes(kBlock);
    for (int64_t piece = pieces() - 1; piece >= 0; --piece) {
      const Entry* run = entries() + piece_begin(piece) + offsets_[piece][partition];
      for (int64_t left = offsets_[piece][partition + 1] - offsets_[piece][partition]; left > 0;) {
        const int64_t n = std::min<int64_t>(left, kBlock);
        const Entry* block = run + left - n;
        for (int64_t i = 0; i < n; ++i) {
          low[i] = block[i].low;
          high[i] = block[i].high();
        }
        if (!by_columns()) hash_key_words(low.data(), layout_.form() == JoinKeyForm::kPair ? high.data() : nullptr, n, hashes.data());
        ARROW_RETURN_NOT_OK(insert(block, by_columns() ? low.data() : hashes.data(), n));
        left -= n;
      }
    }
    return arrow::Status::OK();
  }

  std::unique_ptr<JoinTable> finish() override {
    give_chains(*table_);
    if constexpr (std::is_same_v<Bucket, WordBucket>) {
      if (by_columns()) static_cast<ColumnTable&>(*table_).set_columns(std::move(keys_));
    }
    return std::move(table_);
  }

 private:
  bool by_columns() const { return layout_.form() == JoinKeyForm::kColumns; }
  Entry* entries() { return reinterpret_cast<Entry*>(entries_->mutable_data()); }

  arrow::Status insert(const Entry* block, const uint64_t* hashes, int64_t n) {
    for (int64_t i = n - 1; i >= 0; --i) {
      const Entry& e = block[i];
      Bucket* b = table_->directory.home(hashes[i]);
      int s = 0;
      while (b->row[s] >= 0 && !(b->holds(s, e.low, e.high()) && (!equal_ || (*equal_)(b->row[s], e.row)))) {
        if (++s < Bucket::kSize) continue;
        b = table_->directory.after(b, hashes[i]);
        s = 0;
      }
      if (b->row[s] >= 0) ARROW_RETURN_NOT_OK(chain(e.row, b->row[s]));
      b->put(s, e);
    }
    return arrow::Status::OK();
  }

  std::shared_ptr<arrow::Buffer> entries_;
  std::optional<KeyEquality> equal_;
  std::unique_ptr<HashTable<Bucket>> table_;
};

class DenseBuilder final : public JoinTableBuilder {
 public:
  DenseBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, uint64_t min, uint64_t size,
               arrow::MemoryPool* pool)
      : JoinTableBuilder(layout, std::move(keys), rows, pool), table_(std::make_unique<DenseTable>()) {
    table_->min = min;
    table_->size = size;
    while (shift_ < 40 && (size >> shift_) >= (uint64_t{1} << kMostPartitionBits)) ++shift_;
    while (shift_ < 40 && (uint64_t{1} << shift_) < static_cast<uint64_t>(kPartitionRows)) ++shift_;
    while ((size - 1) >> shift_ >> partition_bits_) ++partition_bits_;
  }

  arrow::Status open() {
    offsets_.resize(static_cast<size_t>(pieces()));
    ARROW_ASSIGN_OR_RAISE(entries_, column::allocate_buffer(rows_ * static_cast<int64_t>(sizeof(WordEntry)), pool_));
    ARROW_ASSIGN_OR_RAISE(table_->buffer, column::allocate_buffer(static_cast<int64_t>(table_->size) * 4, pool_));
    return arrow::Status::OK();
  }

  arrow::Status add(int64_t piece) override {
    const int64_t begin = piece_begin(piece), end = piece_end(piece);
    KeyWords words;
    const std::vector<column::Column> keys = sliced(keys_, begin, end - begin);
    ARROW_RETURN_NOT_OK(layout_.words(keys, end - begin, pool_, words));
    offsets_[piece] = scatter(begin, end, partitions(), words.low, nullptr, live_rows(keys, end - begin), entries(),
                              [&](int64_t i) { return (words.low[i] - table_->min) >> shift_; });
    return arrow::Status::OK();
  }

  arrow::Status start_partitions() override { return arrow::Status::OK(); }

  arrow::Status build(int64_t partition) override {
    auto* const first = reinterpret_cast<int32_t*>(table_->buffer->mutable_data());
    const uint64_t begin = static_cast<uint64_t>(partition) << shift_;
    const uint64_t end = std::min(table_->size, begin + (uint64_t{1} << shift_));
    for (uint64_t i = begin; i < end; ++i) first[i] = kNoRow;
    for (int64_t piece = pieces() - 1; piece >= 0; --piece) {
      const WordEntry* run = entries() + piece_begin(piece);
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
  WordEntry* entries() { return reinterpret_cast<WordEntry*>(entries_->mutable_data()); }

  std::unique_ptr<DenseTable> table_;
  std::shared_ptr<arrow::Buffer> entries_;
  int shift_ = 0;
};

}  // namespace

JoinTable::JoinTable()
    : serial_([] {
        static std::atomic<uint64_t> last{0};
        return last.fetch_add(1, std::memory_order_relaxed) + 1;
      }()) {}

JoinTableBuilder::JoinTableBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, arrow::MemoryPool* pool)
    : layout_(layout), keys_(std::move(keys)), rows_(rows), pool_(pool) {}

arrow::Result<std::unique_ptr<JoinTableBuilder>> JoinTableBuilder::make(const KeyLayout& layout, std::vector<column::Column> keys,
                                                                        int64_t rows, KeyRange range, arrow::MemoryPool* pool) {
  if (layout.integer() && range.min <= range.max && range.max - range.min < static_cast<uint64_t>(kDensePerRow * rows + kDenseLeast)) {
    auto b = std::make_unique<DenseBuilder>(layout, std::move(keys), rows, range.min ^ layout.sign_flip(), range.max - range.min + 1, pool);
    ARROW_RETURN_NOT_OK(b->open());
    return b;
  }
  if (layout.form() == JoinKeyForm::kPair) {
    auto b = std::make_unique<HashBuilder<PairBucket>>(layout, std::move(keys), rows, pool);
    ARROW_RETURN_NOT_OK(b->open());
    return b;
  }
  auto b = std::make_unique<HashBuilder<WordBucket>>(layout, std::move(keys), rows, pool);
  ARROW_RETURN_NOT_OK(b->open());
  return b;
}

int64_t JoinTableBuilder::bytes_per_row(const KeyLayout& layout) {
  // An entry, its share of a half-full bucket, a link; views of flattened texts.
  if (layout.form() == JoinKeyForm::kPair) return static_cast<int64_t>(sizeof(PairEntry)) + 2 * 64 / PairBucket::kSize + 1 + 4;
  return static_cast<int64_t>(sizeof(WordEntry)) + 2 * 64 / WordBucket::kSize + 1 + 4 + (layout.form() == JoinKeyForm::kColumns ? 16 : 0);
}

int64_t JoinTableBuilder::pieces() const { return (rows_ + kPieceRows - 1) / kPieceRows; }
int64_t JoinTableBuilder::piece_begin(int64_t piece) const { return piece * kPieceRows; }
int64_t JoinTableBuilder::piece_end(int64_t piece) const { return std::min(rows_, (piece + 1) * kPieceRows); }

std::optional<column::Mask> JoinTableBuilder::live_rows(std::span<const column::Column> keys, int64_t rows) const {
  std::optional<column::Mask> live;
  if (layout_.nulls_equal()) return live;
  for (const auto& k : keys) {
    if (!column::has_nulls(k)) continue;
    const column::Mask there = column::validity_mask(k, rows);
    if (!live) live = column::Mask(rows, true);
    for (size_t w = 0; w < there.words.size(); ++w) live->words[w] &= there.words[w];
  }
  return live;
}

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
