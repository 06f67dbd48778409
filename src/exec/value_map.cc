// Open addressing at a load of at most three quarters; growing doubles, and the old slots go back to the arena.

#include "exec/value_map.h"

#include <cstring>
#include <type_traits>

#include <arrow/type.h>

#include "column/buffers.h"
#include "column/column.h"
#include "column/simd/hash_mix.h"
#include "exec/group_values.h"

namespace gristmill::exec {

using arrow::ArrayData;
using column::Physical;

uint64_t ValueMap::hash(const MapShape& shape, const uint8_t* key) {
  if (shape.key_bytes == 8) return column::hash_word(load<uint64_t>(key));
  if (!shape.blob) return column::hash_words(load<uint64_t>(key), load<uint64_t>(key + 8));
  const Blob b = load<Blob>(key);
  return b.is_long() ? column::hash_long_text(b.data(), b.size) : column::hash_words(b.head(), b.tail);
}

bool ValueMap::equal(const MapShape& shape, const uint8_t* a, const uint8_t* b) {
  if (load<uint64_t>(a) != load<uint64_t>(b)) return false;
  if (shape.key_bytes == 8) return true;
  return shape.blob ? load<Blob>(a) == load<Blob>(b) : load<uint64_t>(a + 8) == load<uint64_t>(b + 8);
}

int64_t ValueMap::bytes(const MapShape& shape, const uint8_t* map) {
  if (map == nullptr) return 0;
  int64_t bytes = kHeader + static_cast<int64_t>(used(map)) * shape.stride();
  if (!shape.blob) return bytes;
  (void)each(shape, map, [&](const MapEntry& e) {
    const Blob b = load<Blob>(e.key);
    if (b.is_long()) bytes += b.size;
    return arrow::Status::OK();
  });
  return bytes;
}

// The slot of the key, or the free one where it belongs.
uint8_t* ValueMap::find(const MapShape& shape, uint8_t* map, const uint8_t* key) {
  const uint64_t mask = (uint64_t{1} << log2_slots(map)) - 1;
  uint8_t* const entries = map + kHeader;
  for (uint64_t at = hash(shape, key) & mask;; at = (at + 1) & mask) {
    uint8_t* const entry = entries + at * static_cast<uint64_t>(shape.stride());
    if (is_free(shape, entry) || equal(shape, entry, key)) return entry;
  }
}

arrow::Result<uint8_t*> ValueMap::grown(const MapShape& shape, const uint8_t* old, Arena& arena, arrow::MemoryPool* pool) {
  int log = kFirstLog;
  while (old != nullptr && (uint64_t{1} << log) * 3 < (used(old) + 1) * 4) ++log;
  const int64_t size = kHeader + (int64_t{1} << log) * shape.stride();
  ARROW_ASSIGN_OR_RAISE(uint8_t* const map, arena.borrow(size, pool));
  std::memset(map, 0, static_cast<size_t>(size));
  if (old != nullptr) std::memcpy(map, old, kHeader);
  store<uint32_t>(map + 8, static_cast<uint32_t>(log));
  if (old == nullptr) return map;
  const auto stride = static_cast<size_t>(shape.stride());
  const uint8_t* at = old + kHeader;
  for (uint64_t i = slots(old); i > 0; --i, at += stride) {
    if (!is_free(shape, at)) std::memcpy(find(shape, map, at), at, stride);
  }
  return map;
}

arrow::Status ValueMap::add(const MapShape& shape, uint64_t* address, const MapEntry& e, bool adopt, Arena& arena,
                            arrow::MemoryPool* pool) {
  auto* map = reinterpret_cast<uint8_t*>(*address);
  // A list read back is not ours to change: it becomes a table of this arena first.
  const bool ours = map != nullptr && log2_slots(map) != 0;
  const auto reserve = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(uint8_t* const larger, grown(shape, map, arena, pool));
    if (ours) arena.give_back(map, kHeader + (int64_t{1} << log2_slots(map)) * shape.stride());
    map = larger;
    *address = reinterpret_cast<uint64_t>(map);
    return arrow::Status::OK();
  };
  if (!ours) ARROW_RETURN_NOT_OK(reserve());
  const auto join = [&](uint8_t* order, uint8_t* count, bool fresh) {
    if (order != nullptr && (fresh || e.order < load<uint64_t>(order))) store(order, e.order);
    if (count != nullptr) store<uint64_t>(count, load<uint64_t>(count) + e.count);
  };
  if (e.null || is_free(shape, e.key)) {
    const uint32_t flag = e.null ? kNull : kZero;
    join(map + (e.null ? 32 : 16), e.null ? nullptr : map + 24, (flags(map) & flag) == 0);
    store<uint32_t>(map + 12, flags(map) | flag);
    return arrow::Status::OK();
  }
  uint8_t* entry = find(shape, map, e.key);
  const bool fresh = is_free(shape, entry);
  if (fresh && (used(map) + 1) * 4 > (uint64_t{1} << log2_slots(map)) * 3) {
    ARROW_RETURN_NOT_OK(reserve());
    entry = find(shape, map, e.key);
  }
  if (fresh) {
    uint8_t key[16];
    std::memcpy(key, e.key, shape.key_bytes);
    if (shape.blob && !adopt) {
      const Blob b = load<Blob>(key);
      if (b.is_long()) {
        ARROW_ASSIGN_OR_RAISE(uint8_t* const data, arena.store(b.bytes(), pool));
        store(key, Blob::of({reinterpret_cast<const char*>(data), b.size}));
      }
    }
    std::memcpy(entry, key, shape.key_bytes);
    store<uint64_t>(map, used(map) + 1);
  }
  uint8_t* const order = shape.order ? entry + shape.key_bytes : nullptr;
  uint8_t* const count = shape.count ? entry + shape.key_bytes + (shape.order ? 8 : 0) : nullptr;
  join(order, count, fresh);
  return arrow::Status::OK();
}

MapShape MapKeys::shape_of(const arrow::DataType& type, bool order, bool count) {
  const Physical p = column::physical_unchecked(type);
  const bool blob = p == Physical::kView || p == Physical::kNested;
  return {static_cast<uint8_t>(blob || p == Physical::kInt128 ? 16 : 8), blob, order, count};
}

void MapKeys::prepare(const ArrayData& values, int64_t begin, int64_t n) {
  const Physical p = column::physical_unchecked(*values.type);
  key_bytes_ = shape_of(*values.type, false, false).key_bytes;
  words_.assign(static_cast<size_t>(n * key_bytes_ / 8), 0);
  auto* const out = reinterpret_cast<uint8_t*>(words_.data());
  if (p == Physical::kNull) return;
  if (p == Physical::kBool) {
    for (int64_t k = 0; k < n; ++k) words_[static_cast<size_t>(k)] = column::bit_at(values.buffers[1]->data(), values.offset + begin + k);
  } else if (p == Physical::kView) {
    const column::ValidityBits valid = column::validity_of(values);
    for (int64_t k = 0; k < n; ++k) {
      if (valid.valid(begin + k)) store(out + k * 16, Blob::of(column::view_at(values, begin + k)));
    }
  } else if (p == Physical::kNested) {
    const auto all = std::make_shared<ArrayData>(values);
    const std::shared_ptr<ArrayData> here = all->Slice(begin, n);
    encode_key_rows({&here, 1}, n, &encoded_);
    for (int64_t k = 0; k < n; ++k) store(out + k * 16, Blob::of(encoded_.row(k)));
  } else {
    column::visit_number(p, [&]<typename T>() {
      const T* const v = column::values_of<T>(values) + begin;
      for (int64_t k = 0; k < n; ++k) {
        if constexpr (std::is_floating_point_v<T>) {
          const auto bits = column::canonical_bits(v[k]);
          std::memcpy(out + k * key_bytes_, &bits, sizeof(bits));
        } else {
          std::memcpy(out + k * key_bytes_, &v[k], sizeof(T));
        }
      }
    });
  }
}

arrow::Result<std::shared_ptr<ArrayData>> MapKeys::values(const column::TypePtr& type, std::span<const uint8_t* const> keys,
                                                          arrow::MemoryPool* pool) {
  const auto n = static_cast<int64_t>(keys.size());
  const Physical p = column::physical_unchecked(*type);
  const auto blob = [&](int64_t i) { return reinterpret_cast<const Blob*>(keys[static_cast<size_t>(i)]); };
  if (p == Physical::kNull) return column::make_null_array(type, n, pool);
  if (p == Physical::kView) {
    ARROW_ASSIGN_OR_RAISE(Validity all, Validity::make(n, pool));
    return make_views(type, n, [&](int64_t i) { return blob(i)->bytes(); }, std::move(all), pool);
  }
  if (p == Physical::kNested) {
    std::vector<const uint8_t*> cursors(keys.size());
    for (int64_t i = 0; i < n; ++i) cursors[static_cast<size_t>(i)] = blob(i)->data();
    return decode_values(type, cursors, pool);
  }
  if (p == Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (*keys[static_cast<size_t>(i)]) bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    }
    return column::make_array(type, n, nullptr, 0, std::move(bits));
  }
  const int width = column::byte_width(p);
  ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * width, pool));
  for (int64_t i = 0; i < n; ++i) std::memcpy(data->mutable_data() + i * width, keys[static_cast<size_t>(i)], static_cast<size_t>(width));
  return column::make_array(type, n, nullptr, 0, std::move(data));
}

}  // namespace gristmill::exec
