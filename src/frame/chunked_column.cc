// Chunks of a column to canonical pieces; dictionary entries are imported once, indices morsel by morsel.
//
// What lives as long as the table (imported entries) is allocated from Arrow's default pool, what lives as long as a
// morsel from the query's.

#include "frame/chunked_column.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/type.h>

#include "column/buffers.h"

namespace gristmill::frame {
namespace {

using column::Column;
using ArrayPtr = std::shared_ptr<arrow::ArrayData>;

// An int32-indexed array that names every entry of `dictionary` once, in order.
arrow::Result<ArrayPtr> every_entry(const ArrayPtr& dictionary) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  const int64_t n = dictionary->length;
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer(n * 4, pool));
  auto* to = reinterpret_cast<int32_t*>(values->mutable_data());
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<int32_t>(i);
  auto out = arrow::ArrayData::Make(arrow::dictionary(arrow::int32(), dictionary->type), n, {nullptr, std::move(values)}, 0);
  out->dictionary = dictionary;
  return out;
}

template <typename I>
int64_t map_rows(const arrow::ArrayData& rows, const std::vector<int32_t>& places, int32_t* to, uint8_t* valid) {
  const I* from = column::values_of<I>(rows);
  const column::ValidityBits in = column::validity_of(rows);
  int64_t nulls = 0;
  for (int64_t i = 0; i < rows.length; ++i) {
    const int32_t place = in.valid(i) ? places[static_cast<size_t>(from[i])] : -1;
    to[i] = place < 0 ? 0 : place;
    nulls += place < 0;
    valid[i >> 3] |= static_cast<uint8_t>((place >= 0) << (i & 7));
  }
  return nulls;
}

int64_t map_any(const arrow::DataType& index, const arrow::ArrayData& rows, const std::vector<int32_t>& places, int32_t* to,
                uint8_t* valid) {
  switch (index.id()) {
    case arrow::Type::INT8: return map_rows<int8_t>(rows, places, to, valid);
    case arrow::Type::UINT8: return map_rows<uint8_t>(rows, places, to, valid);
    case arrow::Type::INT16: return map_rows<int16_t>(rows, places, to, valid);
    case arrow::Type::UINT16: return map_rows<uint16_t>(rows, places, to, valid);
    case arrow::Type::UINT32: return map_rows<uint32_t>(rows, places, to, valid);
    case arrow::Type::INT64: return map_rows<int64_t>(rows, places, to, valid);
    case arrow::Type::UINT64: return map_rows<uint64_t>(rows, places, to, valid);
    default: return map_rows<int32_t>(rows, places, to, valid);
  }
}

// With the number of nulls known, and no validity without nulls.
ArrayPtr counted(ArrayPtr rows) {
  if (rows->null_count.load() == 0 && !rows->buffers[0]) return rows;
  auto out = rows->Copy();
  out->null_count = column::null_count_of(*rows);
  if (out->null_count == 0) out->buffers[0].reset();
  return out;
}

}  // namespace

arrow::Status DictionaryEntries::prepare(const arrow::DataType& type) {
  if (dictionary_->length > INT32_MAX) return arrow::Status::OK();  // left to import_array, which names the limit
  ARROW_ASSIGN_OR_RAISE(auto all, every_entry(dictionary_));
  ARROW_ASSIGN_OR_RAISE(Column imported, column::import_array(all, arrow::default_memory_pool()));
  if (!imported.is_dictionary()) return arrow::Status::OK();
  const auto* index = column::values_of<int32_t>(*imported.values);
  const auto valid = column::validity_of(*imported.values);
  places_.resize(static_cast<size_t>(all->length));
  for (int64_t i = 0; i < all->length; ++i) {
    places_[i] = valid.valid(i) ? index[i] : -1;
    unchanged_ = unchanged_ && places_[i] == i;
  }
  unchanged_ = unchanged_ && static_cast<const arrow::DictionaryType&>(type).index_type()->id() == arrow::Type::INT32;
  entries_ = imported.dictionary;
  return arrow::Status::OK();
}

arrow::Result<Column> DictionaryEntries::import(const ArrayPtr& rows, arrow::MemoryPool* pool) {
  std::call_once(once_, [&] { status_ = prepare(*rows->type); });
  ARROW_RETURN_NOT_OK(status_);
  if (!entries_) return column::import_array(rows, pool);
  const int64_t n = rows->length;
  const auto& values = rows->buffers[1];
  if (unchanged_ && values && reinterpret_cast<uintptr_t>(values->data()) % 4 == 0 && column::null_count_of(*rows) == 0) {
    auto indices = rows->Copy();
    indices->type = arrow::int32();
    indices->buffers[0].reset();
    indices->null_count = 0;
    indices->dictionary.reset();
    return Column::dict(std::move(indices), entries_);
  }
  ARROW_ASSIGN_OR_RAISE(auto mapped, column::allocate_buffer(n * 4, pool));
  ARROW_ASSIGN_OR_RAISE(auto valid, column::allocate_bits(n, pool));
  const auto& index = *static_cast<const arrow::DictionaryType&>(*rows->type).index_type();
  const int64_t nulls = map_any(index, *rows, places_, reinterpret_cast<int32_t*>(mapped->mutable_data()), valid->mutable_data());
  return Column::dict(column::make_array(arrow::int32(), n, std::move(valid), nulls, std::move(mapped)), entries_);
}

arrow::Result<Column> Piece::read(int64_t from, int64_t to, arrow::MemoryPool* pool) const {
  const bool whole = from == begin && to == end;
  if (rows_) return column::import_array(whole ? rows_ : rows_->Slice(from - begin, to - from), pool);
  return whole ? values_ : column::slice(values_, from - begin, to - from);
}

ChunkedColumn::ChunkedColumn(const arrow::ChunkedArray& chunks, bool ours) : as_is_(ours && column::is_viewed(*chunks.type())) {
  std::unordered_map<const arrow::ArrayData*, std::shared_ptr<DictionaryEntries>> known;
  int64_t begin = 0;
  for (const auto& array : chunks.chunks()) {
    if (array->length() == 0) continue;
    Chunk chunk{begin, array->data(), nullptr};
    if (chunk.data->type->id() == arrow::Type::DICTIONARY && chunk.data->dictionary) {
      auto& entries = known[chunk.data->dictionary.get()];
      if (!entries) entries = std::make_shared<DictionaryEntries>(chunk.data->dictionary);
      chunk.entries = entries;
    }
    begin += array->length();
    chunks_.push_back(std::move(chunk));
  }
}

arrow::Result<std::vector<Piece>> ChunkedColumn::read(int64_t begin, int64_t end, arrow::MemoryPool* pool) const {
  std::vector<Piece> pieces;
  auto chunk = std::upper_bound(chunks_.begin(), chunks_.end(), begin, [](int64_t row, const Chunk& c) { return row < c.begin; });
  if (chunk != chunks_.begin()) --chunk;
  for (; chunk != chunks_.end() && chunk->begin < end; ++chunk) {
    const int64_t from = std::max(begin, chunk->begin), to = std::min(end, chunk->begin + chunk->data->length);
    if (from >= to) continue;
    const bool whole = to - from == chunk->data->length;
    auto rows = whole ? chunk->data : chunk->data->Slice(from - chunk->begin, to - from);
    const auto type = rows->type->id();
    if (as_is_) {
      pieces.emplace_back(from, to, Column::flat(counted(std::move(rows))));
    } else if (chunk->entries) {
      ARROW_ASSIGN_OR_RAISE(Column values, chunk->entries->import(rows, pool));
      pieces.emplace_back(from, to, std::move(values));
    } else if (type == arrow::Type::DICTIONARY || type == arrow::Type::EXTENSION) {  // may have entries to import, however few the rows
      ARROW_ASSIGN_OR_RAISE(Column values, column::import_array(rows, pool));
      pieces.emplace_back(from, to, std::move(values));
    } else {
      pieces.emplace_back(from, to, std::move(rows));
    }
  }
  return pieces;
}

}  // namespace gristmill::frame
