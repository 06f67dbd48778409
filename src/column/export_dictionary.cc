// Encoding by hash, then indices narrowed or widened to the border's type.

#include "column/export_dictionary.h"

#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::column {
namespace {

// Key equality, but floats by their bits: an exported -0.0 stays one.
bool same_value(const Column& flat, int64_t i, int64_t j) {
  if (!column::is_float(*flat.type())) return equal_rows(flat, i, flat, j);
  const arrow::ArrayData& d = *flat.values;
  const int width = byte_width(physical_unchecked(*d.type));
  const uint8_t* values = d.buffers[1]->data() + d.offset * width;
  return std::memcmp(values + i * width, values + j * width, static_cast<size_t>(width)) == 0;
}

arrow::Result<Column> encode(const Column& c, int64_t rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(Column flat, flatten(c, rows, pool));
  std::vector<uint64_t> hashes(static_cast<size_t>(rows));
  hash_rows({&flat, 1}, rows, {}, hashes.data());
  ARROW_ASSIGN_OR_RAISE(auto indices, allocate_zeroed(rows * 4, pool));
  ARROW_ASSIGN_OR_RAISE(auto validity, allocate_bits(rows, pool));
  auto* to = reinterpret_cast<int32_t*>(indices->mutable_data());
  std::unordered_multimap<uint64_t, int32_t> known;  // hash -> entry
  std::vector<int64_t> first_rows;                   // entry -> row
  int64_t nulls = 0;
  for (int64_t i = 0; i < rows; ++i) {
    if (is_null_at(flat, i)) {
      ++nulls;
      continue;
    }
    validity->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
    auto [at, end] = known.equal_range(hashes[i]);
    while (at != end && !same_value(flat, first_rows[at->second], i)) ++at;
    if (at == end) {
      at = known.emplace(hashes[i], static_cast<int32_t>(first_rows.size()));
      first_rows.push_back(i);
    }
    to[i] = at->second;
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr entries, take_array(*flat.values, std::span<const int64_t>(first_rows), pool));
  return Column::dict(make_array(arrow::int32(), rows, std::move(validity), nulls, std::move(indices)), std::move(entries));
}

template <typename I>
arrow::Result<std::shared_ptr<arrow::Buffer>> narrow_indices(const arrow::ArrayData& d, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto out, allocate_buffer(d.length * static_cast<int64_t>(sizeof(I)), pool));
  const int32_t* from = values_of<int32_t>(d);
  auto* to = reinterpret_cast<I*>(out->mutable_data());
  const ValidityBits valid = validity_of(d);
  for (int64_t i = 0; i < d.length; ++i) to[i] = valid.valid(i) ? static_cast<I>(from[i]) : 0;
  return out;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> convert_indices(const arrow::ArrayData& d, const arrow::DataType& index, int64_t entries,
                                                              arrow::MemoryPool* pool) {
  using arrow::Type;
  const int bits = index.bit_width() - (column::is_signed_integer(index) ? 1 : 0);
  if (bits < 32 && entries > (int64_t{1} << bits)) {
    return base::data_error(std::to_string(entries) + " distinct values do not fit a dictionary with indices of type " + index.ToString());
  }
  switch (index.id()) {
    case Type::INT8:
    case Type::UINT8: return narrow_indices<int8_t>(d, pool);
    case Type::INT16:
    case Type::UINT16: return narrow_indices<int16_t>(d, pool);
    case Type::INT32:
    case Type::UINT32: return narrow_indices<int32_t>(d, pool);
    default: return narrow_indices<int64_t>(d, pool);
  }
}

// Only the entries that rows name, in the order of their first appearance, so that the dictionary is a function of the rows
// and not of where they came from.
arrow::Result<Column> used_entries(const Column& c, arrow::MemoryPool* pool) {
  const arrow::ArrayData& d = *c.values;
  const int32_t* from = values_of<int32_t>(d);
  const ValidityBits valid = validity_of(d);
  std::vector<int32_t> places(static_cast<size_t>(c.dictionary->length), -1), kept;
  for (int64_t i = 0; i < d.length; ++i) {
    if (!valid.valid(i) || places[from[i]] >= 0) continue;
    places[from[i]] = static_cast<int32_t>(kept.size());
    kept.push_back(from[i]);
  }
  const bool in_order = std::is_sorted(kept.begin(), kept.end());
  if (in_order && kept.size() == places.size()) return c;
  ARROW_ASSIGN_OR_RAISE(auto indices, allocate_zeroed(d.length * 4, pool));
  auto* to = reinterpret_cast<int32_t*>(indices->mutable_data());
  for (int64_t i = 0; i < d.length; ++i) {
    if (valid.valid(i)) to[i] = places[from[i]];
  }
  const int64_t nulls = null_count_of(d);
  std::shared_ptr<arrow::Buffer> validity;
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, copy_bits(d.buffers[0]->data(), d.offset, d.length, pool));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr entries, take_array(*c.dictionary, std::span<const int32_t>(kept), pool));
  return Column::dict(make_array(arrow::int32(), d.length, std::move(validity), nulls, std::move(indices)), std::move(entries));
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::ArrayData>> export_dictionary(const Column& c, int64_t rows, const TypePtr& type,
                                                                   arrow::MemoryPool* pool) {
  const auto& wanted = static_cast<const arrow::DictionaryType&>(*type);
  ARROW_ASSIGN_OR_RAISE(const Column dictionary, c.is_dictionary() ? used_entries(c, pool) : encode(c, rows, pool));
  const arrow::ArrayData& d = *dictionary.values;
  ARROW_ASSIGN_OR_RAISE(auto indices, convert_indices(d, *wanted.index_type(), dictionary.dictionary->length, pool));
  const int64_t nulls = null_count_of(d);
  std::shared_ptr<arrow::Buffer> validity;
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(validity, copy_bits(d.buffers[0]->data(), d.offset, d.length, pool));
  }
  auto out = make_array(type, d.length, std::move(validity), nulls, std::move(indices));
  ARROW_ASSIGN_OR_RAISE(out->dictionary,
                        export_array(Column::flat(dictionary.dictionary), dictionary.dictionary->length, wanted.value_type(), pool));
  return out;
}

}  // namespace gristmill::column
