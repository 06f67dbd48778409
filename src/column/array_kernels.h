// Filter, take, concatenate and repeat on plain arrays, without encodings: what kernels.h is made of, and what nested
// types recurse into.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <span>

#include "column/selection.h"

namespace gristmill::column {

using ArrayPtr = std::shared_ptr<arrow::ArrayData>;

arrow::Result<ArrayPtr> filter_array(const arrow::ArrayData& d, const Mask& keep, int64_t kept, arrow::MemoryPool* pool);
// Negative indices give nulls.
arrow::Result<ArrayPtr> take_array(const arrow::ArrayData& d, std::span<const uint16_t> indices, arrow::MemoryPool* pool);
arrow::Result<ArrayPtr> take_array(const arrow::ArrayData& d, std::span<const int32_t> indices, arrow::MemoryPool* pool);
arrow::Result<ArrayPtr> take_array(const arrow::ArrayData& d, std::span<const int64_t> indices, arrow::MemoryPool* pool);
arrow::Result<ArrayPtr> concat_arrays(std::span<const ArrayPtr> parts, arrow::MemoryPool* pool);  // at least one; equal types
arrow::Result<ArrayPtr> repeat_row(const arrow::ArrayData& d, int64_t row, int64_t rows, arrow::MemoryPool* pool);

// Offsets of a list, large list or map as [begin, end) of its child (the child's own offset not applied).
struct ListRange {
  int64_t begin, end;
};
ListRange list_range(const arrow::ArrayData& list, int64_t row);
// Field f of a struct as an array with the struct's rows.
ArrayPtr struct_field(const arrow::ArrayData& d, int f);

}  // namespace gristmill::column
