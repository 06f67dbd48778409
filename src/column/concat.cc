// Rows of several columns one after another.
//
// Views keep pointing into the buffers of their parts: the buffer lists are joined (the same buffer once) and
// the indices in the views moved. Dictionaries stay when every part has the same entries.

#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>

#include <algorithm>
#include <unordered_map>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/kernels.h"

namespace gristmill::column {
namespace {

int64_t total_length(std::span<const ArrayPtr> parts) {
  int64_t n = 0;
  for (const ArrayPtr& p : parts) n += p->length;
  return n;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> concat_validity(std::span<const ArrayPtr> parts, int64_t rows, arrow::MemoryPool* pool) {
  const bool any = std::any_of(parts.begin(), parts.end(), [](const ArrayPtr& p) { return validity_of(*p).bits != nullptr; });
  if (!any) return nullptr;
  ARROW_ASSIGN_OR_RAISE(auto out, allocate_bits(rows, pool));
  int64_t at = 0;
  for (const ArrayPtr& p : parts) {
    if (const ValidityBits v = validity_of(*p); v.bits) {
      arrow::internal::CopyBitmap(v.bits, v.offset, p->length, out->mutable_data(), at);
    } else {
      arrow::bit_util::SetBitsTo(out->mutable_data(), at, p->length, true);
    }
    at += p->length;
  }
  return out;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> concat_bools(std::span<const ArrayPtr> parts, int64_t rows, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto out, allocate_bits(rows, pool));
  int64_t at = 0;
  for (const ArrayPtr& p : parts) {
    if (p->length > 0) arrow::internal::CopyBitmap(p->buffers[1]->data(), p->offset, p->length, out->mutable_data(), at);
    at += p->length;
  }
  return out;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> concat_values(std::span<const ArrayPtr> parts, int64_t rows, int width,
                                                            arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto out, allocate_buffer(rows * width, pool));
  uint8_t* to = out->mutable_data();
  for (const ArrayPtr& p : parts) {
    if (p->length > 0) std::memcpy(to, p->buffers[1]->data() + p->offset * width, static_cast<size_t>(p->length * width));
    to += p->length * width;
  }
  return out;
}

// Joins the out-of-line buffers of the parts into `out` and rewrites the views that were copied one part after another.
void join_view_buffers(std::span<const ArrayPtr> parts, View16* views, arrow::BufferVector* out) {
  std::unordered_map<const arrow::Buffer*, int32_t> places;
  std::vector<int32_t> moved;
  for (const ArrayPtr& p : parts) {
    moved.clear();
    bool same = true;
    for (size_t b = 2; b < p->buffers.size(); ++b) {
      const auto [it, fresh] = places.try_emplace(p->buffers[b].get(), static_cast<int32_t>(places.size()));
      if (fresh) out->push_back(p->buffers[b]);
      moved.push_back(it->second);
      same &= it->second == static_cast<int32_t>(b) - 2;
    }
    if (!same) {
      for (int64_t i = 0; i < p->length; ++i) {
        if (!views[i].is_inline()) views[i].ref.buffer = moved[static_cast<size_t>(views[i].ref.buffer)];
      }
    }
    views += p->length;
  }
}

template <typename O>
arrow::Result<ArrayPtr> concat_lists(std::span<const ArrayPtr> parts, int64_t rows, std::shared_ptr<arrow::Buffer> validity,
                                     arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto offsets, allocate_buffer((rows + 1) * static_cast<int64_t>(sizeof(O)), pool));
  auto* o = reinterpret_cast<O*>(offsets->mutable_data());
  std::vector<ArrayPtr> children;
  int64_t base = 0;
  *o++ = 0;
  for (const ArrayPtr& p : parts) {
    if (p->length == 0) continue;
    const auto* from = values_of<O>(*p);
    const int64_t values = static_cast<int64_t>(from[p->length]) - static_cast<int64_t>(from[0]);
    if (sizeof(O) == 4 && base + values > INT32_MAX) return base::data_error("a list column would hold more than 2^31 values in one batch");
    for (int64_t i = 1; i <= p->length; ++i) *o++ = static_cast<O>(base + (from[i] - from[0]));
    children.push_back(p->child_data[0]->Slice(from[0], values));
    base += values;
  }
  if (children.empty()) children.push_back(parts[0]->child_data[0]->Slice(0, 0));
  ARROW_ASSIGN_OR_RAISE(ArrayPtr child, concat_arrays(children, pool));
  return arrow::ArrayData::Make(parts[0]->type, rows, {std::move(validity), std::move(offsets)}, {std::move(child)});
}

arrow::Result<ArrayPtr> concat_nested(std::span<const ArrayPtr> parts, int64_t rows, std::shared_ptr<arrow::Buffer> validity,
                                      arrow::MemoryPool* pool) {
  const arrow::Type::type id = parts[0]->type->id();
  if (id == arrow::Type::LARGE_LIST) return concat_lists<int64_t>(parts, rows, std::move(validity), pool);
  if (id != arrow::Type::STRUCT) return concat_lists<int32_t>(parts, rows, std::move(validity), pool);
  auto out = arrow::ArrayData::Make(parts[0]->type, rows, {std::move(validity)});
  for (int f = 0; f < static_cast<int>(parts[0]->child_data.size()); ++f) {
    std::vector<ArrayPtr> fields;
    fields.reserve(parts.size());
    for (const ArrayPtr& p : parts) fields.push_back(struct_field(*p, f));
    ARROW_ASSIGN_OR_RAISE(ArrayPtr child, concat_arrays(fields, pool));
    out->child_data.push_back(std::move(child));
  }
  return out;
}

}  // namespace

arrow::Result<ArrayPtr> concat_arrays(std::span<const ArrayPtr> parts, arrow::MemoryPool* pool) {
  if (parts.size() == 1) return parts[0];
  const int64_t rows = total_length(parts);
  const TypePtr& type = parts[0]->type;
  const Physical p = physical_unchecked(*type);
  if (p == Physical::kNull) return arrow::ArrayData::Make(type, rows, {nullptr}, rows);
  ARROW_ASSIGN_OR_RAISE(auto validity, concat_validity(parts, rows, pool));
  ArrayPtr out;
  if (p == Physical::kNested) {
    ARROW_ASSIGN_OR_RAISE(out, concat_nested(parts, rows, std::move(validity), pool));
  } else {
    std::shared_ptr<arrow::Buffer> values;
    if (p == Physical::kBool) {
      ARROW_ASSIGN_OR_RAISE(values, concat_bools(parts, rows, pool));
    } else {
      ARROW_ASSIGN_OR_RAISE(values, concat_values(parts, rows, byte_width(p), pool));
    }
    out = arrow::ArrayData::Make(type, rows, {std::move(validity), values});
    if (p == Physical::kView) join_view_buffers(parts, reinterpret_cast<View16*>(values->mutable_data()), &out->buffers);
  }
  out->null_count = null_count_of(*out);
  if (out->null_count == 0) out->buffers[0].reset();
  return out;
}

arrow::Result<Column> concat(std::span<const Column> parts, std::span<const int64_t> rows, arrow::MemoryPool* pool) {
  if (parts.empty()) return base::internal_error("concat of no columns");
  const bool one_dictionary =
      std::all_of(parts.begin(), parts.end(), [&](const Column& c) { return c.is_dictionary() && c.dictionary == parts[0].dictionary; });
  std::vector<ArrayPtr> arrays;
  arrays.reserve(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    if (one_dictionary) {
      arrays.push_back(parts[i].values);
    } else {
      ARROW_ASSIGN_OR_RAISE(Column flat, flatten(parts[i], rows[i], pool));
      arrays.push_back(std::move(flat.values));
    }
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr joined, concat_arrays(arrays, pool));
  return one_dictionary ? Column::dict(std::move(joined), parts[0].dictionary) : Column::flat(std::move(joined));
}

}  // namespace gristmill::column
