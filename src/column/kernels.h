// The kernels on whole columns: filter, take, concatenate, hash, compare. Each dispatches at run time to a
// level of simd/ (baseline, AVX2, AVX-512; base/cpu.h forces one) and gives the same bits at every level.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "column/batch.h"

namespace gristmill::column {

// Rows whose bit is set, in order. Encodings stay (constants stay constant, dictionaries share entries).
arrow::Result<Column> filter(const Column& c, int64_t rows, const Mask& keep, int64_t kept, arrow::MemoryPool* pool);

// Rows by index, any order, repeats allowed. kNullIndex (-1) gives a null row (32- and 64-bit forms only).
inline constexpr int64_t kNullIndex = -1;
arrow::Result<Column> take(const Column& c, std::span<const uint16_t> indices, arrow::MemoryPool* pool);
arrow::Result<Column> take(const Column& c, std::span<const int32_t> indices, arrow::MemoryPool* pool);
arrow::Result<Column> take(const Column& c, std::span<const int64_t> indices, arrow::MemoryPool* pool);

// Rows of several columns of one type after another, flat (dictionary kept when all share the entries). `rows[i]` = rows of part i.
arrow::Result<Column> concat(std::span<const Column> parts, std::span<const int64_t> rows, arrow::MemoryPool* pool);
// Views whose buffers are mostly unreferenced get one fresh buffer; others come back unchanged. For what is kept or spilled.
arrow::Result<Column> compact_views(const Column& c, int64_t rows, arrow::MemoryPool* pool);

// 64-bit hash of each row over the columns; keys that are equal by semantics.md 3 hash alike (-0.0 and 0.0, all NaNs, null
// = null; a value hashes the same in every encoding). Independent of batch, level and process. `out` has `rows` entries;
// with a selection only selected rows are written.
void hash_rows(std::span<const Column> keys, int64_t rows, const Selection& selection, uint64_t* out);
// Tests: every hash becomes this constant (forces collisions); 0 switches it off.
void force_constant_hash(uint64_t value);

enum class CompareOp : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe };
// a op b where both are non-null, as bits; NaN equal to itself and greatest. Types must be equal; any encoding.
arrow::Result<Mask> compare(CompareOp op, const Column& a, const Column& b, int64_t rows);
// Bits of non-null rows.
Mask validity_mask(const Column& c, int64_t rows);

// Three-way order of row i of a and row j of b (same type): nulls are equal to each other and greatest here.
int compare_rows(const Column& a, int64_t i, const Column& b, int64_t j);
// Key equality of semantics.md 3; nulls equal nulls.
bool equal_rows(const Column& a, int64_t i, const Column& b, int64_t j);
// All rows (at least one) have one value, by the bytes they lie in: equal texts that are long may lie apart, and then it is not seen.
bool same_bytes(const arrow::ArrayData& values, int64_t rows);

// One spillable block: columns with encodings and only the referenced bytes. Round-trips exactly.
arrow::Result<std::shared_ptr<arrow::Buffer>> serialize_batch(const Batch& batch, arrow::MemoryPool* pool);
arrow::Result<Batch> deserialize_batch(const std::shared_ptr<arrow::Buffer>& block, std::span<const TypePtr> types,
                                       arrow::MemoryPool* pool);

}  // namespace gristmill::column
