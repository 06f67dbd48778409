// One column of a batch: Arrow array data in one of three encodings.
//
//   kFlat        values: n rows
//   kConstant    values: exactly 1 row (possibly null), standing for n
//   kDictionary  values: n rows of int32 indices, nulls live here (indices of null rows are 0);
//                dictionary: the entries, flat, canonical, without nulls, shared between batches
//
// Immutable once built and safe to share between threads. Arrow offsets (slices) are
// allowed everywhere; kernels go through the accessors below, which apply them.
//
// Always true inside: a values buffer is there even for zero rows, aligned to the width of its values; what lies under a
// null may be any value, but a view there can be read and a dictionary index is 0; a view's unused bytes are zero (so two
// views of up to 12 bytes are equal when their 16 bytes are); a null-typed column has no buffers and only nulls.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "column/types.h"

namespace gristmill::column {

enum class Encoding : uint8_t { kFlat, kConstant, kDictionary };

struct Column {
  Encoding encoding = Encoding::kFlat;
  std::shared_ptr<arrow::ArrayData> values;
  std::shared_ptr<arrow::ArrayData> dictionary;

  static Column flat(std::shared_ptr<arrow::ArrayData> data) { return {Encoding::kFlat, std::move(data), nullptr}; }
  static Column constant(std::shared_ptr<arrow::ArrayData> one) { return {Encoding::kConstant, std::move(one), nullptr}; }
  static Column dict(std::shared_ptr<arrow::ArrayData> indices, std::shared_ptr<arrow::ArrayData> entries) {
    return {Encoding::kDictionary, std::move(indices), std::move(entries)};
  }
  // The type of a row's value (the entries' type for a dictionary).
  const TypePtr& type() const { return encoding == Encoding::kDictionary ? dictionary->type : values->type; }
  bool is_flat() const { return encoding == Encoding::kFlat; }
  bool is_constant() const { return encoding == Encoding::kConstant; }
  bool is_dictionary() const { return encoding == Encoding::kDictionary; }
};

// A string or binary value as it lies in the values buffer.
// Bytes 0-3 length; up to 12 bytes inline, else 4 bytes prefix, buffer index, offset. Identical to Arrow's view.
struct View16 {
  uint32_t size;
  union {
    char inlined[12];
    struct {
      char prefix[4];
      int32_t buffer;
      int32_t offset;
    } ref;
  };
  bool is_inline() const { return size <= 12; }
};
static_assert(sizeof(View16) == 16);

// Validity of a flat column (or of dictionary indices): bits from `offset`; null pointer = all valid (not for the null type).
struct ValidityBits {
  const uint8_t* bits = nullptr;
  int64_t offset = 0;
  bool valid(int64_t i) const { return !bits || ((bits[(offset + i) >> 3] >> ((offset + i) & 7)) & 1); }
};

inline ValidityBits validity_of(const arrow::ArrayData& d) {
  if (d.null_count.load() == 0 || d.buffers.empty() || !d.buffers[0]) return {};
  return {d.buffers[0]->data(), d.offset};
}

template <typename T>
const T* values_of(const arrow::ArrayData& d) {  // offset applied; not for bool
  return reinterpret_cast<const T*>(d.buffers[1]->data()) + d.offset;
}

// Bytes of row i of a kView array.
inline std::string_view view_at(const arrow::ArrayData& d, int64_t i) {
  const View16& v = values_of<View16>(d)[i];
  if (v.is_inline()) return {v.inlined, v.size};
  return {reinterpret_cast<const char*>(d.buffers[2 + v.ref.buffer]->data()) + v.ref.offset, v.size};
}

inline bool bit_at(const uint8_t* bits, int64_t i) { return (bits[i >> 3] >> (i & 7)) & 1; }

// Border -> inside: strings become views, Arrow dictionaries become kDictionary (null entries move to the
// indices, int32 indices, entries deduplicated), nested types are canonicalised; zero-copy where the form allows it.
// utf8 -> view keeps the original data buffer (offsets beyond 2 GiB split into several views' buffers).
arrow::Result<Column> import_array(const std::shared_ptr<arrow::ArrayData>& border, arrow::MemoryPool* pool);

// Inside -> border: flat Arrow array of `type` (the user's), null slots zeroed, no validity buffer without nulls, NaN
// payloads and -0.0 left as computed. `rows` is needed for constants.
arrow::Result<std::shared_ptr<arrow::ArrayData>> export_array(const Column& c, int64_t rows, const TypePtr& type, arrow::MemoryPool* pool);

// Any encoding -> kFlat of `rows` rows.
arrow::Result<Column> flatten(const Column& c, int64_t rows, arrow::MemoryPool* pool);
Column slice(const Column& c, int64_t offset, int64_t length);
arrow::Result<Column> constant_of(const arrow::Scalar& value, arrow::MemoryPool* pool);  // canonical type
arrow::Result<Column> null_column(const TypePtr& type, arrow::MemoryPool* pool);         // a constant null
bool has_nulls(const Column& c);
bool is_null_at(const Column& c, int64_t row);
// A value as text, for error messages and tests ("null", 12, "x").
std::string value_text(const Column& c, int64_t row);
// Heap bytes this column keeps alive (shared buffers counted whole).
int64_t retained_bytes(const Column& c);
// Bytes of the referenced rows only (what a compact copy would take).
int64_t compact_bytes(const Column& c, int64_t rows);

}  // namespace gristmill::column
