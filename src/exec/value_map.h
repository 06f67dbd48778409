// Distinct values of one group, each with the order of its first row and its number of rows where asked for: a hash table in the
// arena of the group's table, or, where it only is carried (on disk, read back), a list of the same entries.
//
// The value whose key is all zero bytes has no entry: it lives in the header, so that an entry of zero bytes is a free one. Keys:
// a word (numbers of up to 8 bytes, canonical: -0.0 is 0.0, one NaN), 16 bytes (decimals), or a Blob (text; nested values encoded).
//
//   header: used 8 | log2 of the slots 4 (0: a list) | zero, NULL are there 4 | zero's order 8, count 8 | NULL's order 8
//   entries: key [order 8] [count 8]
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/result.h>

#include "exec/group_arena.h"
#include "exec/group_codec.h"
#include "exec/group_row.h"

namespace gristmill::exec {

struct MapEntry {
  const uint8_t* key = nullptr;
  uint64_t order = 0;
  uint64_t count = 1;
  bool null = false;  // NULL as a value: only for who asks for it
};

class ValueMap {
 public:
  static constexpr int kHeader = 40;
  static constexpr uint32_t kZero = 1, kNull = 2;
  static constexpr int kFirstLog = 2;

  static uint64_t used(const uint8_t* map) { return load<uint64_t>(map); }
  static int log2_slots(const uint8_t* map) { return static_cast<int>(load<uint32_t>(map + 8)); }
  static uint32_t flags(const uint8_t* map) { return load<uint32_t>(map + 12); }
  static uint64_t slots(const uint8_t* map) { return log2_slots(map) == 0 ? used(map) : uint64_t{1} << log2_slots(map); }
  static uint64_t size(const uint8_t* map) { return map == nullptr ? 0 : used(map) + static_cast<uint64_t>(std::popcount(flags(map))); }
  // Bytes of its entries and, about, of the texts they point at.
  static int64_t bytes(const MapShape& shape, const uint8_t* map);

  // f(entry) for all of them, in no order that means anything. Stops at an error.
  template <typename F>
  static arrow::Status each(const MapShape& shape, const uint8_t* map, F&& f) {
    static constexpr uint8_t kNothing[16] = {};
    if (map == nullptr) return arrow::Status::OK();
    if (flags(map) & kZero) ARROW_RETURN_NOT_OK(f(MapEntry{kNothing, load<uint64_t>(map + 16), load<uint64_t>(map + 24)}));
    if (flags(map) & kNull) ARROW_RETURN_NOT_OK(f(MapEntry{kNothing, load<uint64_t>(map + 32), 1, true}));
    const uint8_t* at = map + kHeader;
    for (uint64_t i = slots(map); i > 0; --i, at += shape.stride()) {
      if (!is_free(shape, at)) ARROW_RETURN_NOT_OK(f(entry_at(shape, at)));
    }
    return arrow::Status::OK();
  }

  // `map` is the address in the row; 0: none yet. Keys that are long Blobs are copied into the arena unless `adopt`. On an error
  // nothing changed.
  static arrow::Status add(const MapShape& shape, uint64_t* map, const MapEntry& e, bool adopt, Arena& arena, arrow::MemoryPool* pool);

  static bool is_free(const MapShape& shape, const uint8_t* entry) {
    return load<uint64_t>(entry) == 0 && (shape.key_bytes == 8 || load<uint64_t>(entry + 8) == 0);
  }
  static MapEntry entry_at(const MapShape& shape, const uint8_t* entry) {
    const uint8_t* const order = entry + shape.key_bytes;
    return {entry, shape.order ? load<uint64_t>(order) : 0, shape.count ? load<uint64_t>(order + (shape.order ? 8 : 0)) : 1};
  }

 private:
  static uint64_t hash(const MapShape& shape, const uint8_t* key);
  static bool equal(const MapShape& shape, const uint8_t* a, const uint8_t* b);
  static arrow::Result<uint8_t*> grown(const MapShape& shape, const uint8_t* old, Arena& arena, arrow::MemoryPool* pool);
  static uint8_t* find(const MapShape& shape, uint8_t* map, const uint8_t* key);
};

// The keys of a column's rows, and back.
class MapKeys {
 public:
  static MapShape shape_of(const arrow::DataType& type, bool order, bool count);

  // Of rows begin .. begin + n of `values`; `out` is what key() points into until the next call.
  void prepare(const arrow::ArrayData& values, int64_t begin, int64_t n);
  const uint8_t* key(int64_t k) const { return reinterpret_cast<const uint8_t*>(words_.data()) + k * key_bytes_; }

  // Keys as values of their type, one after the other.
  static arrow::Result<std::shared_ptr<arrow::ArrayData>> values(const column::TypePtr& type, std::span<const uint8_t* const> keys,
                                                                 arrow::MemoryPool* pool);

 private:
  int key_bytes_ = 8;
  std::vector<uint64_t> words_;
  EncodedRows encoded_;
};

}  // namespace gristmill::exec
