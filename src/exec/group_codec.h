// Values of any type as bytes: keys that do not fit fixed words, and kept values (first, last) of nested types.
//
// A value is one byte (0 null, 1 there) and then: its bytes in memory; a length and the bytes (strings); a count and the
// elements (lists, maps); the fields one after the other (structs). Lengths tell where each value ends, so rows of
// several keys are equal exactly when their bytes are. As keys, -0.0 is 0.0, every NaN is the one NaN, and a map's
// entries are sorted; as kept values nothing is changed.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"

namespace gristmill::exec {

// Row i is bytes[offsets[i] .. offsets[i + 1]).
struct EncodedRows {
  std::vector<uint8_t> bytes;
  std::vector<uint64_t> offsets;
  std::string_view row(int64_t i) const {
    return {reinterpret_cast<const char*>(bytes.data()) + offsets[static_cast<size_t>(i)],
            static_cast<size_t>(offsets[static_cast<size_t>(i) + 1] - offsets[static_cast<size_t>(i)])};
  }
};

// A length is a byte, or this one and four more.
inline constexpr uint8_t kLongLength = 255;
// Moves `at` behind it.
inline uint64_t get_length(const uint8_t*& at) {
  const uint64_t n = *at++;
  if (n < kLongLength) return n;
  uint32_t length;
  std::memcpy(&length, at, sizeof(length));
  at += sizeof(length);
  return length;
}

// `columns` flat, of n rows each.
void encode_key_rows(std::span<const std::shared_ptr<arrow::ArrayData>> columns, int64_t n, EncodedRows* out);
// One value, appended to `out`.
void encode_value(const arrow::ArrayData& values, int64_t row, std::vector<uint8_t>* out);

// Reads the next value of each row and moves the cursors behind it.
arrow::Result<std::shared_ptr<arrow::ArrayData>> decode_values(const column::TypePtr& type, std::span<const uint8_t*> cursors,
                                                               arrow::MemoryPool* pool);

}  // namespace gristmill::exec
