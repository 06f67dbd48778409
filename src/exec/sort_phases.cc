// From chunks to sorted (prefix, row) pairs, each step on all workers.
//
//   shared    per chunk: with how many bytes all texts of the first key that differs start
//   prefixes  per chunk: anew, of what is behind the keys and bytes in which no two rows differ
//   join      per column: chunks in input order become one column          (zero copy when they are slices of one)
//   count     per slice of chunks: rows per bucket
//   scatter   per slice: (prefix, row) pairs to their bucket, in input order
//   sort      per group of buckets: stable radix sort, then ties of long keys
//
// Invariant: slices and buckets are cut by rows and prefixes alone, and every pair has one place to go before any is written:
// the outcome is the one stable order whichever worker takes which piece.

#include "exec/sort_phases.h"

#include <algorithm>
#include <atomic>
#include <string>

#include <arrow/buffer.h>

#include "column/kernels.h"
#include "exec/collect.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kMaxSlices = 64;
constexpr int64_t kSortPieceRows = 131072, kLeastSortPieceRows = 8192;

// Names that start alike would have one prefix, and so be one bucket, which is one worker's.
class SharedBytes final : public Phase {
 public:
  explicit SharedBytes(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "shared bytes"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    s_->shared_bytes = 0;
    key_ = s_->shared_keys;
    if (s_->rows == 0 || s_->exact || s_->encode_late || key_ >= s_->layout.keys.size()) return 0;
    const SortChunk& first = *std::find_if(s_->chunks.begin(), s_->chunks.end(), [](const SortChunk& c) { return c.rows.rows > 0; });
    const column::Column& key = first.keys[key_];
    if (column::physical_unchecked(*key.type()) != column::Physical::kView || column::has_nulls(key)) return 0;
    const int64_t entry = key.is_dictionary() ? column::values_of<int32_t>(*key.values)[0] : 0;
    text_ = std::string(column::view_at(key.is_dictionary() ? *key.dictionary : *key.values, entry).substr(0, kMostShared));
    shared_ = text_.size();
    return static_cast<int64_t>(s_->chunks.size());
  }
  arrow::Status run(int64_t piece) override {
    const SortChunk& chunk = s_->chunks[static_cast<size_t>(piece)];
    if (chunk.rows.rows == 0) return arrow::Status::OK();
    const size_t here = shared_bytes(chunk.keys[key_], chunk.rows.rows, text_, shared_.load());
    size_t least = shared_.load();
    while (here < least && !shared_.compare_exchange_weak(least, here)) {
    }
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    s_->shared_bytes = shared_.load();
    return arrow::Status::OK();
  }

 private:
  static constexpr size_t kMostShared = 64;

  std::shared_ptr<SortState> s_;
  size_t key_ = 0;
  std::string text_;  // of the first row
  std::atomic<size_t> shared_{0};
};

// Where the first keys are the same in all rows, as in files of one day, their bytes would be all that a prefix holds.
class BetterPrefixes final : public Phase {
 public:
  explicit BetterPrefixes(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "prefixes"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    const bool better = s_->shared_keys > 0 || s_->shared_bytes >= kWorthwhile;
    return s_->rows == 0 || !better || s_->exact ? 0 : static_cast<int64_t>(s_->chunks.size());
  }
  arrow::Status run(int64_t chunk) override {
    return encode_chunk(s_->chunks[static_cast<size_t>(chunk)], s_->layout.order, s_->context.pool(), s_->shared_keys, s_->shared_bytes);
  }
  arrow::Status finish() override {
    s_->exact = true;
    s_->min = ~uint64_t{0};
    s_->max = 0;
    for (const SortChunk& c : s_->chunks) {
      s_->exact &= c.exact;
      s_->min = std::min(s_->min, c.least);
      s_->max = std::max(s_->max, c.greatest);
    }
    return arrow::Status::OK();
  }

 private:
  static constexpr size_t kWorthwhile = 4;  // of eight bytes

  std::shared_ptr<SortState> s_;
};

class JoinColumns final : public Phase {
 public:
  explicit JoinColumns(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "join columns"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    if (s_->rows == 0) return 0;
    s_->joined.rows = s_->rows;
    s_->joined.columns.resize(s_->chunks[0].rows.columns.size());
    for (size_t c = 0; c < s_->joined.columns.size(); ++c) {
      if (s_->apart.empty() || !s_->apart[c]) order_.push_back(c);
    }
    // The widest first: the last piece is what one worker waits for.
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return width(a) > width(b); });
    for (auto& chunk : s_->chunks) chunk.keys.clear();
    return static_cast<int64_t>(order_.size());
  }
  arrow::Status run(int64_t piece) override {
    const size_t c = order_[static_cast<size_t>(piece)];
    std::vector<column::Batch> one;
    for (auto& chunk : s_->chunks) {
      column::Batch b;
      b.rows = chunk.rows.rows;
      b.columns.push_back(std::move(chunk.rows.columns[c]));  // what is joined need not be held twice until all columns are
      one.push_back(std::move(b));
    }
    ARROW_ASSIGN_OR_RAISE(column::Batch joined, join_batches(std::move(one), s_->context.pool()));
    s_->joined.columns[c] = std::move(joined.columns[0]);
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    for (auto& c : s_->chunks) {
      if (s_->apart.empty()) c.rows.columns.clear();
    }
    return arrow::Status::OK();
  }

 private:
  int64_t width(size_t c) const {
    const column::Column& first = s_->chunks[0].rows.columns[c];
    return column::compact_bytes(first, s_->chunks[0].rows.rows);
  }

  std::shared_ptr<SortState> s_;
  std::vector<size_t> order_;
};

class CountBuckets final : public Phase {
 public:
  explicit CountBuckets(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "count buckets"; }
  arrow::Result<int64_t> start(const QueryContext& context) override {
    if (s_->rows == 0) return 0;
    const int64_t bytes = s_->rows * static_cast<int64_t>(sizeof(SortEntry));
    ARROW_ASSIGN_OR_RAISE(s_->entries, arrow::AllocateBuffer(bytes, context.pool()));
    s_->buckets.emplace(s_->min, s_->max);
    const size_t per = s_->chunks.size() / kMaxSlices + 1;
    for (size_t begin = 0; begin < s_->chunks.size(); begin += per)
      s_->slices.emplace_back(begin, std::min(begin + per, s_->chunks.size()));
    s_->counts.resize(s_->slices.size());
    return static_cast<int64_t>(s_->slices.size());
  }
  arrow::Status run(int64_t slice) override {
    auto& count = s_->counts[static_cast<size_t>(slice)];
    count.assign(PrefixBuckets::kCount, 0);
    for (size_t c = s_->slices[static_cast<size_t>(slice)].first; c < s_->slices[static_cast<size_t>(slice)].second; ++c) {
      const SortChunk& chunk = s_->chunks[c];
      for (int64_t i = 0; i < chunk.rows.rows; ++i) count[static_cast<size_t>(s_->buckets->of(chunk.prefix()[i]))]++;
    }
    return arrow::Status::OK();
  }
  // From counts to write positions, buckets first, slices within.
  arrow::Status finish() override {
    const int64_t most = s_->piece_rows(kLeastSortPieceRows, kSortPieceRows);
    int64_t at = 0, piece = 0;
    for (int b = 0; s_->rows > 0 && b < PrefixBuckets::kCount; ++b) {
      for (auto& count : s_->counts) {
        const int64_t n = count[static_cast<size_t>(b)];
        count[static_cast<size_t>(b)] = at;
        at += n;
      }
      if (at - piece >= most || (b + 1 == PrefixBuckets::kCount && at > piece)) {
        s_->sort_pieces.emplace_back(piece, at);
        piece = at;
      }
    }
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<SortState> s_;
};

class Scatter final : public Phase {
 public:
  explicit Scatter(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "scatter"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return static_cast<int64_t>(s_->slices.size()); }
  arrow::Status run(int64_t slice) override {
    auto& at = s_->counts[static_cast<size_t>(slice)];
    SortEntry* out = s_->entry();
    for (size_t c = s_->slices[static_cast<size_t>(slice)].first; c < s_->slices[static_cast<size_t>(slice)].second; ++c) {
      const SortChunk& chunk = s_->chunks[c];
      const auto start = static_cast<uint64_t>(s_->chunk_start[c]);
      for (int64_t i = 0; i < chunk.rows.rows; ++i) {
        const uint64_t p = chunk.prefix()[i];
        out[at[static_cast<size_t>(s_->buckets->of(p))]++] = {p, start + static_cast<uint64_t>(i)};
      }
    }
    return arrow::Status::OK();
  }
  arrow::Status finish() override {
    s_->chunks.clear();
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<SortState> s_;
};

class SortPieces final : public Phase {
 public:
  explicit SortPieces(std::shared_ptr<SortState> s) : s_(std::move(s)) {}
  std::string name() const override { return "sort pieces"; }
  arrow::Result<int64_t> start(const QueryContext&) override {
    if (s_->rows == 0) return 0;
    for (size_t k = s_->shared_keys; k < s_->layout.keys.size(); ++k) {
      keys_.push_back(s_->joined.columns[static_cast<size_t>(s_->layout.keys[k])]);
      order_.push_back(s_->layout.order[k]);
    }
    return static_cast<int64_t>(s_->sort_pieces.size());
  }
  arrow::Status run(int64_t piece) override {
    const auto [begin, end] = s_->sort_pieces[static_cast<size_t>(piece)];
    if (begin >= s_->wanted()) return arrow::Status::OK();
    SortEntry* e = s_->entry() + begin;
    // Of the piece alone: for all rows at once it was a quarter of the memory, and clearing fresh pages takes longer than sorting.
    ARROW_ASSIGN_OR_RAISE(auto beside, arrow::AllocateBuffer((end - begin) * static_cast<int64_t>(sizeof(SortEntry)), s_->context.pool()));
    auto* scratch = reinterpret_cast<SortEntry*>(beside->mutable_data());
    // Bucket by bucket: each fits the cache.
    for (int64_t from = 0, n = end - begin; from < n;) {
      int64_t to = from + 1;
      const int bucket = s_->buckets->of(e[from].prefix);
      while (to < n && s_->buckets->of(e[to].prefix) == bucket) ++to;
      sort_entries(e + from, scratch + from, to - from);
      from = to;
    }
    if (s_->exact) return arrow::Status::OK();
    return resolve_ties(e, scratch, end - begin, keys_, order_, s_->context.pool());
  }
  arrow::Status finish() override {
    s_->joined.columns.resize(s_->rows > 0 ? s_->layout.payload : 0);
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<SortState> s_;
  std::vector<column::Column> keys_;
  std::vector<column::SortKey> order_;
};

}  // namespace

std::vector<std::shared_ptr<Phase>> make_sort_phases(const std::shared_ptr<SortState>& state) {
  auto phases = make_order_phases(state);
  phases.insert(phases.begin(), {std::make_shared<SharedBytes>(state), std::make_shared<BetterPrefixes>(state), make_join_phase(state)});
  return phases;
}

std::shared_ptr<Phase> make_join_phase(const std::shared_ptr<SortState>& state) { return std::make_shared<JoinColumns>(state); }

std::vector<std::shared_ptr<Phase>> make_order_phases(const std::shared_ptr<SortState>& state) {
  return {std::make_shared<CountBuckets>(state), std::make_shared<Scatter>(state), std::make_shared<SortPieces>(state)};
}

}  // namespace gristmill::exec
