// Cutting batches into blocks, and the one byte form of their values.

#include "io/row_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <arrow/array/array_base.h>
#include <arrow/array/concatenate.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "column/bits.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;
using column::View16;
using ArrayDataPtr = std::shared_ptr<ArrayData>;
using BufferPtr = std::shared_ptr<arrow::Buffer>;

arrow::Result<BufferPtr> copied_bits(const uint8_t* bits, int64_t offset, int64_t n, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto out, column::allocate_bits(n, pool));
  uint8_t* to = out->mutable_data();
  for (int64_t i = 0; i < n; i += 64) {
    const int64_t some = std::min<int64_t>(64, n - i);
    const uint64_t word = column::read_bits(bits, offset + i, some);
    std::memcpy(to + i / 8, &word, static_cast<size_t>((some + 7) / 8));
  }
  return out;
}

// The validity of a column without nulls is not written at all.
arrow::Result<BufferPtr> stable_validity(const ArrayData& d, int64_t nulls, arrow::MemoryPool* pool) {
  if (nulls == 0 || d.buffers[0] == nullptr) return nullptr;
  return copied_bits(d.buffers[0]->data(), d.offset, d.length, pool);
}

template <typename T>
bool has_nan(const T* v, int64_t n) {
  bool any = false;
  for (int64_t i = 0; i < n; ++i) any |= v[i] != v[i];
  return any;
}

template <typename T>
arrow::Result<ArrayDataPtr> with_one_nan(const ArrayDataPtr& d, arrow::MemoryPool* pool) {
  const T* v = column::values_of<T>(*d);
  if (!has_nan(v, d->length)) return d;
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer((d->offset + d->length) * static_cast<int64_t>(sizeof(T)), pool));
  T* to = reinterpret_cast<T*>(values->mutable_data());
  std::fill_n(to, d->offset, T{});
  for (int64_t i = 0; i < d->length; ++i) to[d->offset + i] = v[i] == v[i] ? v[i] : std::numeric_limits<T>::quiet_NaN();
  auto out = d->Copy();
  out->buffers[1] = std::move(values);
  return out;
}

// Within lists and structs too.
arrow::Result<ArrayDataPtr> one_nan(const ArrayDataPtr& d, arrow::MemoryPool* pool) {
  if (d->type->id() == arrow::Type::FLOAT) return with_one_nan<float>(d, pool);
  if (d->type->id() == arrow::Type::DOUBLE) return with_one_nan<double>(d, pool);
  ArrayDataPtr out = d;
  for (size_t i = 0; i < d->child_data.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto child, one_nan(d->child_data[i], pool));
    if (child == d->child_data[i]) continue;
    if (out == d) out = d->Copy();
    out->child_data[i] = std::move(child);
  }
  return out;
}

arrow::Result<ArrayDataPtr> stable_fixed(const ArrayData& d, int64_t width, int64_t nulls, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto validity, stable_validity(d, nulls, pool));
  BufferPtr values = arrow::SliceBuffer(d.buffers[1], d.offset * width, d.length * width);
  return ArrayData::Make(d.type, d.length, {std::move(validity), std::move(values)}, nulls);
}

arrow::Result<ArrayDataPtr> stable_bool(const ArrayData& d, int64_t nulls, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto validity, stable_validity(d, nulls, pool));
  ARROW_ASSIGN_OR_RAISE(auto values, copied_bits(d.buffers[1]->data(), d.offset, d.length, pool));
  if (validity != nullptr) {
    for (int64_t i = 0; i < values->size(); ++i) values->mutable_data()[i] &= validity->data()[i];
  }
  return ArrayData::Make(d.type, d.length, {std::move(validity), std::move(values)}, nulls);
}

// Long strings move to fresh buffers in row order; a new one begins where the next string would pass 1 GiB.
arrow::Result<ArrayDataPtr> stable_views(const ArrayData& d, int64_t nulls, arrow::MemoryPool* pool) {
  constexpr int64_t kBufferBytes = int64_t{1} << 30;
  ARROW_ASSIGN_OR_RAISE(auto validity, stable_validity(d, nulls, pool));
  const column::ValidityBits valid = column::validity_of(d);
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < d.length; ++i) {
    const View16& v = column::values_of<View16>(d)[i];
    if (!valid.valid(i) || v.is_inline()) continue;
    if (sizes.empty() || sizes.back() + v.size > kBufferBytes) sizes.push_back(0);
    sizes.back() += v.size;
  }
  ARROW_ASSIGN_OR_RAISE(auto views, column::allocate_zeroed(d.length * static_cast<int64_t>(sizeof(View16)), pool));
  std::vector<BufferPtr> buffers{std::move(validity), views};
  for (const int64_t bytes : sizes) {
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(bytes, pool));
    buffers.push_back(std::move(data));
  }
  auto* to = reinterpret_cast<View16*>(views->mutable_data());
  size_t buffer = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < d.length; ++i) {
    if (!valid.valid(i)) continue;
    to[i] = column::values_of<View16>(d)[i];
    if (to[i].is_inline()) continue;
    const std::string_view text = column::view_at(d, i);
    if (at == sizes[buffer]) ++buffer, at = 0;
    std::memcpy(buffers[2 + buffer]->mutable_data() + at, text.data(), text.size());
    to[i].ref.buffer = static_cast<int32_t>(buffer);
    to[i].ref.offset = static_cast<int32_t>(at);
    at += static_cast<int64_t>(text.size());
  }
  return ArrayData::Make(d.type, d.length, std::move(buffers), nulls);
}

arrow::Result<ArrayDataPtr> stable_nested(const ArrayDataPtr& d, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const auto fresh, arrow::Concatenate({arrow::MakeArray(d)}, pool));
  auto out = fresh->data()->Copy();
  if (column::null_count_of(*out) == 0) out->buffers[0] = nullptr;
  for (auto& child : out->child_data) {
    ARROW_ASSIGN_OR_RAISE(child, stable_bytes(child, pool));
  }
  return out;
}

}  // namespace

void RowBlocks::add(column::Batch dense) {
  if (dense.rows == 0) return;
  rows_ += dense.rows;
  parts_.push_back(std::move(dense));
}

RowBlock RowBlocks::take() {
  RowBlock out;
  while (out.rows < block_rows_ && !parts_.empty()) {
    const int64_t wanted = block_rows_ - out.rows;
    column::Batch part = std::move(parts_.front());
    parts_.pop_front();
    if (part.rows > wanted) {
      parts_.push_front(column::slice(part, wanted, part.rows - wanted));
      part = column::slice(part, 0, wanted);
    }
    out.rows += part.rows;
    out.parts.push_back(std::move(part));
  }
  rows_ -= out.rows;
  return out;
}

arrow::Result<ArrayDataPtr> block_column(RowBlock& block, int index, const column::TypePtr& type, arrow::MemoryPool* pool) {
  std::vector<column::Column> parts;
  std::vector<int64_t> rows;
  for (column::Batch& b : block.parts) {
    parts.push_back(std::move(b.columns[index]));
    rows.push_back(b.rows);
  }
  column::Column whole;
  if (parts.empty()) {
    ARROW_ASSIGN_OR_RAISE(whole, column::null_column(column::canonical_type(type), pool));
  } else if (parts.size() == 1) {
    whole = std::move(parts[0]);
  } else {
    ARROW_ASSIGN_OR_RAISE(whole, column::concat(parts, rows, pool));
    parts.clear();
  }
  ARROW_ASSIGN_OR_RAISE(const auto data, column::export_array(whole, block.rows, type, pool));
  return one_nan(data, pool);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> block_batch(RowBlock& block, const std::shared_ptr<arrow::Schema>& schema,
                                                               arrow::MemoryPool* pool) {
  std::vector<ArrayDataPtr> columns;
  for (int i = 0; i < schema->num_fields(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto data, block_column(block, i, schema->field(i)->type(), pool));
    ARROW_ASSIGN_OR_RAISE(data, stable_bytes(data, pool));
    columns.push_back(std::move(data));
  }
  return arrow::RecordBatch::Make(schema, block.rows, std::move(columns));
}

arrow::Result<ArrayDataPtr> stable_bytes(const ArrayDataPtr& d, arrow::MemoryPool* pool) {
  if (d->type->id() == arrow::Type::NA) return d;
  const int64_t nulls = column::null_count_of(*d);
  switch (d->type->id()) {
    case arrow::Type::BOOL: return stable_bool(*d, nulls, pool);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: return stable_views(*d, nulls, pool);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: {
      ArrayDataPtr whole = d;
      if (d->offset != 0) {
        ARROW_ASSIGN_OR_RAISE(const auto fresh, arrow::Concatenate({arrow::MakeArray(d)}, pool));
        whole = fresh->data();
      }
      ARROW_ASSIGN_OR_RAISE(auto validity, stable_validity(*whole, nulls, pool));
      auto out = whole->Copy();
      out->buffers[0] = std::move(validity);
      return out;
    }
    default: break;
  }
  if (!d->child_data.empty() || d->dictionary != nullptr) return stable_nested(d, pool);
  const auto* fixed = dynamic_cast<const arrow::FixedWidthType*>(d->type.get());
  if (fixed == nullptr) return stable_nested(d, pool);
  return stable_fixed(*d, fixed->bit_width() / 8, nulls, pool);
}

}  // namespace gristmill::io
