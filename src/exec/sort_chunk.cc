// What the small sorts share (a worker's run before it is spilled, top-n candidates); the large in-memory
// sort has its own parallel way in sort_phases.cc.

#include "exec/sort_chunk.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <arrow/buffer.h>

#include "column/kernels.h"
#include "column/simd/dispatch.h"

namespace gristmill::exec {

namespace {

constexpr int64_t kPrefixBytes = 8;

// How far the keys of entries[0, n) are the same from `depth` on.
size_t shared_until(const column::EncodedKeys& encoded, const SortEntry* entries, int64_t n, size_t depth) {
  const auto first = encoded.row(static_cast<int64_t>(entries[0].row));
  size_t shared = first.size();
  for (int64_t i = 1; i < n && shared > depth; ++i) {
    const auto key = encoded.row(static_cast<int64_t>(entries[i].row));
    size_t same = depth;
    while (same < std::min(shared, key.size()) && key[same] == first[same]) ++same;
    shared = same;
  }
  return shared;
}

// Sorts entries[0, n) by the bytes of their encoded keys from `depth` on; SortEntry::row is the index in `encoded`.
void sort_by_bytes(const column::EncodedKeys& encoded, SortEntry* entries, SortEntry* scratch, int64_t n, size_t depth) {
  bool more = false;
  depth = shared_until(encoded, entries, n, depth);
  for (int64_t i = 0; i < n; ++i) {
    const auto key = encoded.row(static_cast<int64_t>(entries[i].row));
    uint8_t bytes[kPrefixBytes] = {};
    if (key.size() > depth) std::memcpy(bytes, key.data() + depth, std::min<size_t>(kPrefixBytes, key.size() - depth));
    more |= key.size() > depth + kPrefixBytes;
    uint64_t v;
    std::memcpy(&v, bytes, sizeof v);
    entries[i].prefix = __builtin_bswap64(v);
  }
  sort_entries(entries, scratch, n);
  if (!more) return;
  for (int64_t begin = 0; begin < n;) {
    int64_t end = begin + 1;
    while (end < n && entries[end].prefix == entries[begin].prefix) ++end;
    if (end - begin > 1) sort_by_bytes(encoded, entries + begin, scratch, end - begin, depth + kPrefixBytes);
    begin = end;
  }
}

// Rows that the key does not tell apart.
bool same_value(const column::Column& key, const SortEntry* entries, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    if (!column::equal_rows(key, static_cast<int64_t>(entries[0].row), key, static_cast<int64_t>(entries[i].row))) return false;
  }
  return true;
}

bool all_equal(const SortEntry* entries, int64_t n, std::span<const column::Column> keys) {
  for (int64_t i = 1; i < n; ++i) {
    for (const auto& k : keys) {
      if (!column::equal_rows(k, static_cast<int64_t>(entries[i - 1].row), k, static_cast<int64_t>(entries[i].row))) return false;
    }
  }
  return true;
}

// Entries next to each other that are to be put in order by further keys.
struct Tie {
  int64_t begin, end;
  uint64_t prefix;
};

bool one_value(const column::Column& key, int64_t rows) {
  if (key.is_constant() || rows <= 1) return true;
  return !column::has_nulls(key) && column::same_bytes(*key.values, rows);
}

}  // namespace

int64_t SortChunk::bytes() const {
  return column::retained_bytes(rows) + (prefixes ? prefixes->size() : 0) + (orders ? orders->size() : 0);
}

size_t shared_keys(const SortChunk& chunk) {
  size_t k = 0;
  while (k < chunk.keys.size() && one_value(chunk.keys[k], chunk.rows.rows)) ++k;
  return k;
}

size_t shared_keys(const std::vector<SortChunk>& chunks) {
  const SortChunk* first = nullptr;
  size_t shared = 0;
  for (const SortChunk& c : chunks) {
    if (c.rows.rows == 0) continue;
    if (first == nullptr) {
      first = &c;
      shared = c.shared_keys;
    }
    size_t same = 0;
    while (same < std::min(shared, c.shared_keys) && column::equal_rows(first->keys[same], 0, c.keys[same], 0)) ++same;
    shared = same;
  }
  return shared;
}

size_t shared_bytes(const column::Column& key, int64_t rows, std::string_view text, size_t most) {
  if (column::physical_unchecked(*key.type()) != column::Physical::kView || column::has_nulls(key)) return 0;
  const arrow::ArrayData& texts = key.is_dictionary() ? *key.dictionary : *key.values;
  const int32_t* const entries = key.is_dictionary() ? column::values_of<int32_t>(*key.values) : nullptr;
  size_t shared = std::min(most, text.size());
  for (int64_t i = 0; i < (key.is_constant() ? std::min<int64_t>(rows, 1) : rows) && shared > 0; ++i) {
    const std::string_view other = column::view_at(texts, entries ? entries[i] : i);
    shared = std::min(shared, other.size());
    size_t same = 0;
    while (same < shared && other[same] == text[same]) ++same;
    shared = same;
  }
  return shared;
}

arrow::Status encode_chunk(SortChunk& chunk, const std::vector<column::SortKey>& order, arrow::MemoryPool* pool, size_t skip,
                           size_t shared_bytes) {
  const int64_t n = chunk.rows.rows;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> prefixes, arrow::AllocateBuffer(n * 8, pool));
  ARROW_ASSIGN_OR_RAISE(chunk.exact, column::key_prefixes(std::span(chunk.keys).subspan(skip), std::span(order).subspan(skip), n,
                                                          reinterpret_cast<uint64_t*>(prefixes->mutable_data()), shared_bytes));
  chunk.prefixes = std::move(prefixes);
  namespace simd = column::simd;
  simd::kernels().min_max[simd::kU64](chunk.prefix(), nullptr, n, &chunk.least, &chunk.greatest);
  return arrow::Status::OK();
}

// Key by key: what the first keys settle needs nothing of the others, which may be long.
arrow::Status resolve_ties(SortEntry* entries, SortEntry* scratch, int64_t n, std::span<const column::Column> keys,
                           const std::vector<column::SortKey>& order, arrow::MemoryPool* pool) {
  std::vector<Tie> ties, left;
  for (int64_t begin = 0; begin < n;) {
    int64_t end = begin + 1;
    while (end < n && entries[end].prefix == entries[begin].prefix) ++end;
    if (end - begin > 1 && !all_equal(entries + begin, end - begin, keys)) ties.push_back({begin, end, entries[begin].prefix});
    begin = end;
  }
  std::vector<int64_t> rows;
  for (size_t k = 0; k < keys.size() && !ties.empty(); ++k) {
    if (keys[k].is_constant()) continue;
    // Most names were told apart by their prefix.
    left.clear();
    std::erase_if(ties, [&](const Tie& t) {
      const bool same = same_value(keys[k], entries + t.begin, t.end - t.begin);
      if (same) left.push_back(t);
      return same;
    });
    rows.clear();
    for (const Tie& t : ties) {
      for (int64_t i = t.begin; i < t.end; ++i) rows.push_back(static_cast<int64_t>(entries[i].row));
    }
    ARROW_ASSIGN_OR_RAISE(const column::Column taken, column::take(keys[k], std::span<const int64_t>(rows), pool));
    ARROW_ASSIGN_OR_RAISE(const column::EncodedKeys encoded,
                          column::encode_keys({&taken, 1}, {&order[k], 1}, static_cast<int64_t>(rows.size())));
    const auto same = [&](int64_t i, int64_t j) {
      const auto a = encoded.row(static_cast<int64_t>(entries[i].row)), b = encoded.row(static_cast<int64_t>(entries[j].row));
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
    };
    uint64_t at = 0;
    for (const Tie& t : ties) {
      for (int64_t i = t.begin; i < t.end; ++i) entries[i].row = at++;
      sort_by_bytes(encoded, entries + t.begin, scratch, t.end - t.begin, 0);
      for (int64_t begin = t.begin; begin < t.end;) {
        int64_t end = begin + 1;
        while (end < t.end && same(begin, end)) ++end;
        if (end - begin > 1) left.push_back({begin, end, t.prefix});
        begin = end;
      }
      for (int64_t i = t.begin; i < t.end; ++i) entries[i] = {t.prefix, static_cast<uint64_t>(rows[entries[i].row])};
    }
    ties.swap(left);
  }
  return arrow::Status::OK();
}

namespace {

RowRef unpacked(uint64_t row) { return {static_cast<uint32_t>(row >> 32), static_cast<uint32_t>(row)}; }

// Chunks in the order of their rows, when that is the order of their first ones.
std::vector<uint32_t> in_order(const std::vector<SortChunk>& chunks) {
  std::vector<uint32_t> out(chunks.size());
  std::iota(out.begin(), out.end(), 0);
  std::sort(out.begin(), out.end(), [&](uint32_t a, uint32_t b) { return chunks[a].first_order < chunks[b].first_order; });
  return out;
}

// Keys in the order of the entries, whose rows then number them.
arrow::Result<std::vector<column::Column>> gather_keys(const std::vector<SortChunk>& chunks, std::span<const RowRef> refs,
                                                       arrow::MemoryPool* pool) {
  std::vector<column::Batch> keys(chunks.size());
  std::vector<const column::Batch*> parts;
  for (size_t c = 0; c < chunks.size(); ++c) {
    keys[c].columns = chunks[c].keys;
    keys[c].rows = chunks[c].rows.rows;
    parts.push_back(&keys[c]);
  }
  ARROW_ASSIGN_OR_RAISE(column::Batch gathered, gather_rows(parts, refs, pool));
  return std::move(gathered.columns);
}

// (prefix, chunk and row) of all rows, in input order.
void enter_rows(const std::vector<SortChunk>& chunks, SortEntry* entries, SortEntry* scratch, int64_t n) {
  const bool one_by_one = std::any_of(chunks.begin(), chunks.end(), [](const SortChunk& c) { return c.orders != nullptr; });
  SortEntry* e = entries;
  for (const uint32_t c : in_order(chunks)) {
    const SortChunk& chunk = chunks[c];
    for (int64_t i = 0; i < chunk.rows.rows; ++i) {
      *e++ = {one_by_one ? chunk.order(i) : chunk.prefix()[i], uint64_t{c} << 32 | static_cast<uint64_t>(i)};
    }
  }
  if (!one_by_one) return;
  sort_entries(entries, scratch, n);
  for (int64_t i = 0; i < n; ++i) {
    const RowRef r = unpacked(entries[i].row);
    entries[i].prefix = chunks[r.chunk].prefix()[r.row];
  }
}

}  // namespace

arrow::Result<std::vector<RowRef>> sort_chunks(const std::vector<SortChunk>& chunks, const std::vector<column::SortKey>& order,
                                               arrow::MemoryPool* pool) {
  int64_t n = 0;
  bool exact = true;
  for (const SortChunk& c : chunks) {
    exact &= c.exact;
    n += c.rows.rows;
  }
  std::vector<RowRef> out(static_cast<size_t>(n));
  const int64_t bytes = n * static_cast<int64_t>(sizeof(SortEntry));
  ARROW_ASSIGN_OR_RAISE(auto entry_bytes, arrow::AllocateBuffer(bytes, pool));
  ARROW_ASSIGN_OR_RAISE(auto scratch_bytes, arrow::AllocateBuffer(bytes, pool));
  auto* entries = reinterpret_cast<SortEntry*>(entry_bytes->mutable_data());
  auto* scratch = reinterpret_cast<SortEntry*>(scratch_bytes->mutable_data());
  enter_rows(chunks, entries, scratch, n);
  if (exact || n == 0) {
    sort_entries(entries, scratch, n);
    for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] = unpacked(entries[i].row);
    return out;
  }
  std::vector<RowRef> refs(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    refs[static_cast<size_t>(i)] = unpacked(entries[i].row);
    entries[i].row = static_cast<uint64_t>(i);
  }
  ARROW_ASSIGN_OR_RAISE(std::vector<column::Column> keys, gather_keys(chunks, refs, pool));
  sort_entries(entries, scratch, n);
  ARROW_RETURN_NOT_OK(resolve_ties(entries, scratch, n, keys, order, pool));
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] = refs[entries[i].row];
  return out;
}

arrow::Result<column::Batch> gather_rows(const std::vector<const column::Batch*>& parts, std::span<const RowRef> refs,
                                         arrow::MemoryPool* pool) {
  // Rows of each part first (in order of need), then one permutation over what they make together.
  std::vector<std::vector<int32_t>> wanted(parts.size());
  for (const RowRef& r : refs) wanted[r.chunk].push_back(static_cast<int32_t>(r.row));
  std::vector<int32_t> start(parts.size(), 0);
  std::vector<size_t> used;
  std::vector<int64_t> rows;
  int32_t at = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    if (wanted[p].empty()) continue;
    start[p] = at;
    at += static_cast<int32_t>(wanted[p].size());
    used.push_back(p);
    rows.push_back(static_cast<int64_t>(wanted[p].size()));
  }
  std::vector<int32_t> permutation;
  permutation.reserve(refs.size());
  for (const RowRef& r : refs) permutation.push_back(start[r.chunk]++);
  column::Batch out;
  out.rows = static_cast<int64_t>(refs.size());
  if (used.empty()) return out;
  for (size_t c = 0; c < parts[used[0]]->columns.size(); ++c) {
    std::vector<column::Column> pieces;
    for (size_t p : used) {
      ARROW_ASSIGN_OR_RAISE(auto piece, column::take(parts[p]->columns[c], std::span<const int32_t>(wanted[p]), pool));
      pieces.push_back(std::move(piece));
    }
    if (used.size() == 1) {
      out.columns.push_back(std::move(pieces[0]));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto together, column::concat(pieces, rows, pool));
    ARROW_ASSIGN_OR_RAISE(auto permuted, column::take(together, std::span<const int32_t>(permutation), pool));
    out.columns.push_back(std::move(permuted));
  }
  return out;
}

}  // namespace gristmill::exec
