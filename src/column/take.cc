// Rows by index, in the order of the indices. Nested values recurse: the ranges of a list's rows become 64-bit indices
// into its child.

#include <arrow/type.h>

#include <algorithm>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/simd/dispatch.h"

namespace gristmill::column {
namespace {

template <typename I>
constexpr simd::Index kIndexKind = sizeof(I) == 2   ? simd::kIndex16
                                   : sizeof(I) == 4 ? simd::kIndex32
                                                    : simd::kIndex64;

template <typename I>
bool any_negative(std::span<const I> indices) {
  if constexpr (sizeof(I) == 2) {
    return false;
  } else {
    I all = 0;
    for (I i : indices) all |= i;
    return all < 0;
  }
}

struct Validity {
  std::shared_ptr<arrow::Buffer> bits;  // null: all valid
  int64_t nulls = 0;
};

template <typename I>
arrow::Result<Validity> take_validity(const arrow::ArrayData& d, std::span<const I> indices, arrow::MemoryPool* pool) {
  Validity out;
  const ValidityBits v = validity_of(d);
  if (!v.bits && !any_negative(indices)) return out;
  const int64_t n = static_cast<int64_t>(indices.size());
  ARROW_ASSIGN_OR_RAISE(out.bits, allocate_bits(n, pool));
  out.nulls = n - simd::kernels().take_bits[kIndexKind<I>](v.bits, v.offset, indices.data(), n, out.bits->mutable_data());
  return out;
}

// Lists and maps: offsets anew, then the child's rows by index.
template <typename O, typename I>
arrow::Result<ArrayPtr> take_list(const arrow::ArrayData& d, std::span<const I> indices, Validity validity, arrow::MemoryPool* pool) {
  const int64_t n = static_cast<int64_t>(indices.size());
  ARROW_ASSIGN_OR_RAISE(auto offsets, allocate_buffer((n + 1) * static_cast<int64_t>(sizeof(O)), pool));
  auto* o = reinterpret_cast<O*>(offsets->mutable_data());
  const ValidityBits v = validity_of(d);
  std::vector<int64_t> child_rows;
  o[0] = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = static_cast<int64_t>(indices[i]);
    if (row >= 0 && v.valid(row)) {
      const ListRange r = list_range(d, row);
      for (int64_t k = r.begin; k < r.end; ++k) child_rows.push_back(k);
    }
    if (sizeof(O) == 4 && child_rows.size() > INT32_MAX) {
      return base::data_error("a list column would hold more than 2^31 values in one batch");
    }
    o[i + 1] = static_cast<O>(child_rows.size());
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr child, take_array(*d.child_data[0], std::span<const int64_t>(child_rows), pool));
  if (validity.nulls == 0) validity.bits.reset();
  return arrow::ArrayData::Make(d.type, n, {std::move(validity.bits), std::move(offsets)}, {std::move(child)}, validity.nulls);
}

template <typename I>
arrow::Result<ArrayPtr> take_nested(const arrow::ArrayData& d, std::span<const I> indices, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(Validity validity, take_validity(d, indices, pool));
  if (d.type->id() == arrow::Type::LARGE_LIST) return take_list<int64_t>(d, indices, std::move(validity), pool);
  if (d.type->id() != arrow::Type::STRUCT) return take_list<int32_t>(d, indices, std::move(validity), pool);
  if (validity.nulls == 0) validity.bits.reset();
  auto out = arrow::ArrayData::Make(d.type, static_cast<int64_t>(indices.size()), {std::move(validity.bits)}, validity.nulls);
  for (int f = 0; f < static_cast<int>(d.child_data.size()); ++f) {
    ARROW_ASSIGN_OR_RAISE(ArrayPtr child, take_array(*struct_field(d, f), indices, pool));
    out->child_data.push_back(std::move(child));
  }
  return out;
}

template <typename I>
arrow::Result<ArrayPtr> take_any(const arrow::ArrayData& d, std::span<const I> indices, arrow::MemoryPool* pool) {
  const int64_t n = static_cast<int64_t>(indices.size());
  const Physical p = physical_unchecked(*d.type);
  if (p == Physical::kNull) return arrow::ArrayData::Make(d.type, n, {nullptr}, n);
  if (p == Physical::kNested) return take_nested(d, indices, pool);
  ARROW_ASSIGN_OR_RAISE(Validity validity, take_validity(d, indices, pool));
  const auto& k = simd::kernels();
  std::shared_ptr<arrow::Buffer> values;
  if (p == Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(values, allocate_bits(n, pool));
    k.take_bits[kIndexKind<I>](d.buffers[1]->data(), d.offset, indices.data(), n, values->mutable_data());
  } else {
    const int width = byte_width(p);
    ARROW_ASSIGN_OR_RAISE(values, allocate_buffer(n * width, pool));
    k.take[simd::width_class(width)][kIndexKind<I>](d.buffers[1]->data() + d.offset * width, indices.data(), n, values->mutable_data());
  }
  return make_array_like(d, n, std::move(validity.bits), validity.nulls, std::move(values));
}

template <typename I>
arrow::Result<Column> take_column(const Column& c, std::span<const I> indices, arrow::MemoryPool* pool) {
  if (c.is_constant()) {
    if (!any_negative(indices) || is_null_at(c, 0)) return c;
    // A constant with gaps: index 0 where there is a row.
    std::vector<int64_t> zero_or_null(indices.size());
    std::transform(indices.begin(), indices.end(), zero_or_null.begin(), [](I i) { return static_cast<int64_t>(i) < 0 ? kNullIndex : 0; });
    ARROW_ASSIGN_OR_RAISE(ArrayPtr values, take_array(*c.values, std::span<const int64_t>(zero_or_null), pool));
    return Column::flat(std::move(values));
  }
  ARROW_ASSIGN_OR_RAISE(ArrayPtr values, take_array(*c.values, indices, pool));
  return Column{c.encoding, std::move(values), c.dictionary};
}

}  // namespace

ListRange list_range(const arrow::ArrayData& list, int64_t row) {
  if (list.type->id() == arrow::Type::LARGE_LIST) {
    const auto* o = values_of<int64_t>(list);
    return {o[row], o[row + 1]};
  }
  const auto* o = values_of<int32_t>(list);
  return {o[row], o[row + 1]};
}

ArrayPtr struct_field(const arrow::ArrayData& d, int f) {
  const ArrayPtr& child = d.child_data[f];
  if (d.offset == 0 && child->length == d.length) return child;
  return child->Slice(d.offset, d.length);
}

arrow::Result<ArrayPtr> take_array(const arrow::ArrayData& d, std::span<const uint16_t> indices, arrow::MemoryPool* pool) {
  return take_any(d, indices, pool);
}
arrow::Result<ArrayPtr> take_array(const arrow::ArrayData& d, std::span<const int32_t> indices, arrow::MemoryPool* pool) {
  return take_any(d, indices, pool);
}
arrow::Result<ArrayPtr> take_array(const arrow::ArrayData& d, std::span<const int64_t> indices, arrow::MemoryPool* pool) {
  return take_any(d, indices, pool);
}

arrow::Result<Column> take(const Column& c, std::span<const uint16_t> indices, arrow::MemoryPool* pool) {
  return take_column(c, indices, pool);
}
arrow::Result<Column> take(const Column& c, std::span<const int32_t> indices, arrow::MemoryPool* pool) {
  return take_column(c, indices, pool);
}
arrow::Result<Column> take(const Column& c, std::span<const int64_t> indices, arrow::MemoryPool* pool) {
  return take_column(c, indices, pool);
}

}  // namespace gristmill::column
