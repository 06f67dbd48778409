// Two steps: where each entry of the border's dictionary went (or that it is null), then every row's index through that table.

#include "column/import_dictionary.h"

#include <arrow/type.h>

#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::column {
namespace {

struct Entries {
  ArrayPtr values;              // unique, not null
  std::vector<int32_t> places;  // entry of the border -> entry of `values`; -1: null
};

arrow::Result<Entries> unique_entries(const ArrayPtr& all, arrow::MemoryPool* pool) {
  const Column column = Column::flat(all);
  std::vector<uint64_t> hashes(static_cast<size_t>(all->length));
  hash_rows({&column, 1}, all->length, {}, hashes.data());
  std::unordered_multimap<uint64_t, int32_t> known;  // hash -> entry of the border
  known.reserve(hashes.size());
  Entries out;
  out.places.assign(hashes.size(), -1);
  std::vector<int32_t> kept;
  for (int32_t i = 0; i < static_cast<int32_t>(all->length); ++i) {
    if (is_null_at(column, i)) continue;
    auto [at, end] = known.equal_range(hashes[i]);
    while (at != end && !equal_rows(column, at->second, column, i)) ++at;
    if (at != end) {
      out.places[i] = out.places[at->second];
      continue;
    }
    known.emplace(hashes[i], i);
    out.places[i] = static_cast<int32_t>(kept.size());
    kept.push_back(i);
  }
  if (kept.size() == hashes.size()) {
    out.values = all;
  } else {
    ARROW_ASSIGN_OR_RAISE(out.values, take_array(*all, std::span<const int32_t>(kept), pool));
  }
  return out;
}

// Every row's entry through `places`; null rows get index 0.
template <typename I>
arrow::Status map_indices(const arrow::ArrayData& d, const std::vector<int32_t>& places, int32_t* to, uint8_t* valid_bits, int64_t* nulls) {
  const I* from = values_of<I>(d);
  const ValidityBits valid = validity_of(d);
  *nulls = 0;
  for (int64_t i = 0; i < d.length; ++i) {
    int32_t place = -1;
    if (valid.valid(i)) {
      // A negative index is huge as an unsigned number, so one comparison finds both kinds of bad index.
      if (static_cast<uint64_t>(from[i]) >= places.size()) return base::data_error("a dictionary index lies outside its dictionary", {}, i);
      place = places[static_cast<size_t>(from[i])];
    }
    to[i] = place < 0 ? 0 : place;
    if (place < 0)
      ++*nulls;
    else
      valid_bits[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
  }
  return arrow::Status::OK();
}

arrow::Status map_any_indices(const arrow::ArrayData& d, const std::vector<int32_t>& places, int32_t* to, uint8_t* bits, int64_t* nulls) {
  using arrow::Type;
  switch (static_cast<const arrow::DictionaryType&>(*d.type).index_type()->id()) {
    case Type::INT8: return map_indices<int8_t>(d, places, to, bits, nulls);
    case Type::INT16: return map_indices<int16_t>(d, places, to, bits, nulls);
    case Type::INT32: return map_indices<int32_t>(d, places, to, bits, nulls);
    case Type::INT64: return map_indices<int64_t>(d, places, to, bits, nulls);
    case Type::UINT8: return map_indices<uint8_t>(d, places, to, bits, nulls);
    case Type::UINT16: return map_indices<uint16_t>(d, places, to, bits, nulls);
    case Type::UINT32: return map_indices<uint32_t>(d, places, to, bits, nulls);
    default: return map_indices<uint64_t>(d, places, to, bits, nulls);
  }
}

bool worth_encoding(const arrow::DataType& t) {
  const Physical p = physical_unchecked(t);
  return p != Physical::kNull && p != Physical::kBool && p != Physical::kNested && !is_float(t);
}

}  // namespace

arrow::Result<Column> import_dictionary(const arrow::ArrayData& d, arrow::MemoryPool* pool) {
  if (!d.dictionary) return base::internal_error("a dictionary array came without its dictionary");
  ARROW_ASSIGN_OR_RAISE(Column dictionary, import_array(d.dictionary, pool));
  ARROW_ASSIGN_OR_RAISE(dictionary, flatten(dictionary, d.dictionary->length, pool));
  const bool encode = worth_encoding(*dictionary.type());
  Entries entries;
  if (encode) {
    ARROW_ASSIGN_OR_RAISE(entries, unique_entries(dictionary.values, pool));
  } else {
    entries.values = dictionary.values;
    for (int64_t i = 0; i < d.dictionary->length; ++i) entries.places.push_back(is_null_at(dictionary, i) ? -1 : static_cast<int32_t>(i));
  }
  ARROW_ASSIGN_OR_RAISE(auto indices, allocate_buffer(d.length * 4, pool));
  ARROW_ASSIGN_OR_RAISE(auto validity, allocate_bits(d.length, pool));
  int64_t nulls = 0;
  if (d.length > 0) {
    ARROW_RETURN_NOT_OK(
        map_any_indices(d, entries.places, reinterpret_cast<int32_t*>(indices->mutable_data()), validity->mutable_data(), &nulls));
  }
  Column out = Column::dict(make_array(arrow::int32(), d.length, std::move(validity), nulls, std::move(indices)), entries.values);
  if (encode) return out;
  if (dictionary.type()->id() == arrow::Type::NA) {
    return Column::flat(arrow::ArrayData::Make(dictionary.type(), d.length, {nullptr}, d.length));
  }
  return flatten(out, d.length, pool);
}

}  // namespace gristmill::column
