// 64-bit hashes of rows over several columns.
//
// Every column is hashed as a whole by a kernel and combined with what came before. A dictionary's entries
// are hashed once per call when there are fewer of them than rows. Nulls hash to a constant of their own.

#include <arrow/memory_pool.h>
#include <arrow/type.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <vector>

#include "base/settings.h"
#include "column/array_kernels.h"
#include "column/bits.h"
#include "column/kernels.h"
#include "column/row_order.h"
#include "column/simd/dispatch.h"
#include "column/simd/hash_mix.h"

namespace gristmill::column {
namespace {

std::atomic<uint64_t>& constant_hash() {
  static std::atomic<uint64_t> value{[] {
    const auto forced = base::setting_int("GRISTMILL_CONSTANT_HASH");
    return forced.ok() ? static_cast<uint64_t>(*forced) : uint64_t{0};
  }()};
  return value;
}

// One nested value. Maps: the entries' hashes added up, so their order does not matter.
uint64_t hash_nested(const arrow::ArrayData& d, int64_t i);

uint64_t hash_value(const arrow::ArrayData& d, int64_t i) {
  const Physical p = physical_unchecked(*d.type);
  if (p == Physical::kNull || !validity_of(d).valid(i)) return kNullHash;
  switch (p) {
    case Physical::kNested: return hash_nested(d, i);
    case Physical::kBool: return hash_word(bit_at(d.buffers[1]->data(), d.offset + i));
    default: {
      uint64_t h;
      const auto& k = simd::kernels();
      const int width = byte_width(p);
      const uint8_t* at = d.buffers[1]->data() + (d.offset + i) * width;
      if (p != Physical::kView) {
        k.hash[simd::lane_of(p)](at, 1, &h);
        return h;
      }
      const std::string_view v = view_at(d, i);
      if (v.size() > 12) return hash_long_text(reinterpret_cast<const uint8_t*>(v.data()), v.size());
      k.hash_views(at, nullptr, 1, &h);
      return h;
    }
  }
}

uint64_t hash_nested(const arrow::ArrayData& d, int64_t i) {
  if (d.type->id() == arrow::Type::STRUCT) {
    uint64_t h = kHashSeed;
    for (const auto& child : d.child_data) h = combine_hash(h, hash_value(*child, d.offset + i));
    return mix64(h);
  }
  const ListRange r = list_range(d, i);
  uint64_t h = hash_word(static_cast<uint64_t>(r.end - r.begin));
  const bool map = d.type->id() == arrow::Type::MAP;
  for (int64_t k = r.begin; k < r.end; ++k) {
    const uint64_t entry = hash_value(*d.child_data[0], k);
    h = map ? h + mix64(entry) : combine_hash(h, entry);
  }
  return mix64(h);
}

void hash_array(const arrow::ArrayData& d, uint64_t* out) {
  const Physical p = physical_unchecked(*d.type);
  const int64_t n = d.length;
  const auto& k = simd::kernels();
  switch (p) {
    case Physical::kNull: std::fill_n(out, n, kNullHash); return;
    case Physical::kNested:
      for (int64_t i = 0; i < n; ++i) out[i] = hash_value(d, i);
      return;
    case Physical::kBool: {
      const uint64_t hashes[2] = {hash_word(0), hash_word(1)};
      for (int64_t i = 0; i < n; ++i) out[i] = hashes[bit_at(d.buffers[1]->data(), d.offset + i)];
      break;
    }
    case Physical::kView: {
      std::vector<const uint8_t*> buffers;
      for (size_t b = 2; b < d.buffers.size(); ++b) buffers.push_back(d.buffers[b]->data());
      k.hash_views(values_of<View16>(d), buffers.data(), n, out);
      break;
    }
    default: k.hash[simd::lane_of(p)](d.buffers[1]->data() + d.offset * byte_width(p), n, out);
  }
  if (const ValidityBits v = validity_of(d); v.bits) {
    for (int64_t at = 0; at < n; at += 64) {
      const int64_t here = std::min<int64_t>(64, n - at);
      for (uint64_t m = ~read_bits(v.bits, v.offset + at, here) & low_bits(here); m; m &= m - 1) out[at + std::countr_zero(m)] = kNullHash;
    }
  }
}

// Dense rows of a column in any encoding.
void hash_column(const Column& c, int64_t rows, uint64_t* out) {
  if (c.is_flat()) return hash_array(*c.values, out);
  if (c.is_constant()) {
    std::fill_n(out, rows, hash_value(*c.values, 0));
    return;
  }
  const int32_t* entry = values_of<int32_t>(*c.values);
  const ValidityBits valid = validity_of(*c.values);
  if (c.dictionary->length <= rows) {
    std::vector<uint64_t> hashes(static_cast<size_t>(c.dictionary->length) + 1, kNullHash);
    hash_array(*c.dictionary, hashes.data());
    for (int64_t i = 0; i < rows; ++i) out[i] = hashes[entry[i]];
  } else {
    for (int64_t i = 0; i < rows; ++i) out[i] = valid.valid(i) ? hash_value(*c.dictionary, entry[i]) : kNullHash;
  }
  if (valid.bits) {
    for (int64_t i = 0; i < rows; ++i) {
      if (!valid.valid(i)) out[i] = kNullHash;
    }
  }
}

void hash_dense(std::span<const Column> keys, int64_t rows, uint64_t* out) {
  if (keys.empty()) {
    std::fill_n(out, rows, kHashSeed);
    return;
  }
  hash_column(keys[0], rows, out);
  std::vector<uint64_t> more(keys.size() > 1 ? static_cast<size_t>(rows) : 0);
  for (size_t c = 1; c < keys.size(); ++c) {
    hash_column(keys[c], rows, more.data());
    simd::kernels().combine_hashes(out, more.data(), rows);
  }
}

}  // namespace

void force_constant_hash(uint64_t value) { constant_hash().store(value); }

void hash_rows(std::span<const Column> keys, int64_t rows, const Selection& selection, uint64_t* out) {
  const uint64_t forced = constant_hash().load(std::memory_order_relaxed);
  if (selection.all()) {
    if (forced) {
      std::fill_n(out, rows, forced);
    } else {
      hash_dense(keys, rows, out);
    }
    return;
  }
  const auto live = selection.indices(rows);
  if (forced) {
    for (uint16_t i : live) out[i] = forced;
    return;
  }
  std::vector<uint64_t> dense;
  if (static_cast<int64_t>(live.size()) * 4 > rows) {
    dense.resize(static_cast<size_t>(rows));
    hash_dense(keys, rows, dense.data());
    for (uint16_t i : live) out[i] = dense[i];
    return;
  }
  // Few rows of many: gather the keys first. Without memory for that the whole columns are hashed.
  std::vector<Column> taken;
  for (const Column& c : keys) {
    auto t = take(c, live, arrow::default_memory_pool());
    if (!t.ok()) break;
    taken.push_back(std::move(*t));
  }
  const bool gathered = taken.size() == keys.size();
  dense.resize(gathered ? live.size() : static_cast<size_t>(rows));
  hash_dense(gathered ? std::span<const Column>(taken) : keys, static_cast<int64_t>(dense.size()), dense.data());
  for (size_t j = 0; j < live.size(); ++j) out[live[j]] = dense[gathered ? j : live[j]];
}

}  // namespace gristmill::column
