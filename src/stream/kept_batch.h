// Rows that operators hold on to: batches of which some rows are wanted later, in any order.
//
// A batch is kept whole as long as one of its rows is; it is made compact before, so that it holds its own rows' bytes only. All of it is
// counted by the query's pool.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "exec/group_codec.h"
#include "expr/bind.h"
#include "expr/evaluate.h"

namespace gristmill::stream {

struct KeptBatch {
  std::vector<column::Column> columns;  // flat, without selection
  int64_t rows = 0;
};
using KeptBatchPtr = std::shared_ptr<const KeptBatch>;

// The selected rows of `batch`, compact.
arrow::Result<KeptBatchPtr> keep(const column::Batch& batch, arrow::MemoryPool* pool);

struct KeptRow {
  KeptBatchPtr batch;  // null: no row, all columns null
  int32_t row = 0;
};

// Column c of these rows, for each c of `columns`. `types`: of the columns, for rows that are none.
arrow::Result<std::vector<column::Column>> gather(std::span<const KeptRow> rows, std::span<const column::TypePtr> types,
                                                  std::span<const int> columns, arrow::MemoryPool* pool);

// A row as bytes, appended to `out`; and rows back from where such bytes begin, together in one batch.
void store_row(const KeptRow& row, std::vector<uint8_t>* out);
arrow::Result<KeptBatchPtr> stored_rows(std::vector<const uint8_t*> begins, std::span<const column::TypePtr> types,
                                        arrow::MemoryPool* pool);

// Keys of the selected rows as bytes: equal keys have equal bytes. `null[j]`: one of the keys of row j is null.
struct KeyRows {
  exec::EncodedRows bytes;
  std::vector<bool> null;
  std::vector<uint64_t> hashes;
  std::string_view key(int64_t j) const { return bytes.row(j); }
};
arrow::Status encode_keys(std::span<const expr::BoundPtr> keys, const column::Batch& batch, std::span<const uint16_t> rows,
                          expr::Evaluator& evaluator, KeyRows* out);
// The hash by which keys of bytes are cut into key groups.
uint64_t hash_key(std::string_view key);

// For std::unordered_map with keys of bytes.
struct KeyHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return static_cast<size_t>(hash_key(s)); }
};

}  // namespace gristmill::stream
