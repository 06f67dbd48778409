// Buffers as the kernels want them: 64-byte aligned, with room for one whole vector store beyond the end.
#pragma once

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "column/types.h"

namespace gristmill::column {

inline constexpr int64_t kStoreSlack = 64;  // kernels may write this many bytes beyond what they were asked for

// size() == bytes, capacity at least kStoreSlack more. Contents undefined.
arrow::Result<std::shared_ptr<arrow::Buffer>> allocate_buffer(int64_t bytes, arrow::MemoryPool* pool);
arrow::Result<std::shared_ptr<arrow::Buffer>> allocate_zeroed(int64_t bytes, arrow::MemoryPool* pool);
// Room for `bits` bits in whole 64-bit words; all zero. size() counts bytes that hold bits.
arrow::Result<std::shared_ptr<arrow::Buffer>> allocate_bits(int64_t bits, arrow::MemoryPool* pool);

// The bits [offset, offset + n) as a bitmap that starts at bit 0.
arrow::Result<std::shared_ptr<arrow::Buffer>> copy_bits(const uint8_t* bits, int64_t offset, int64_t n, arrow::MemoryPool* pool);

// The values of a flat column, of `bytes`, that nobody but this reference holds and `pool` has allocated: to be written over. Else null.
std::shared_ptr<arrow::Buffer> own_values(const std::shared_ptr<arrow::ArrayData>& values, int64_t bytes, arrow::MemoryPool* pool);

// A flat array without children; `validity` null = no nulls.
std::shared_ptr<arrow::ArrayData> make_array(TypePtr type, int64_t length, std::shared_ptr<arrow::Buffer> validity, int64_t null_count,
                                             std::shared_ptr<arrow::Buffer> values);
// `like` with other rows: its type and its string buffers, new validity and values.
std::shared_ptr<arrow::ArrayData> make_array_like(const arrow::ArrayData& like, int64_t length, std::shared_ptr<arrow::Buffer> validity,
                                                  int64_t null_count, std::shared_ptr<arrow::Buffer> values);
// `rows` nulls of any canonical type.
arrow::Result<std::shared_ptr<arrow::ArrayData>> make_null_array(const TypePtr& type, int64_t rows, arrow::MemoryPool* pool);
// Nulls among the rows of the slice, counted if unknown; a null-typed array is all null.
int64_t null_count_of(const arrow::ArrayData& d);

}  // namespace gristmill::column
