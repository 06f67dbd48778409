// Open addressing over row numbers, at most half full; hashes are kept, so that rows are compared only when those are equal.

#include "job/steps/lookup_table.h"

#include <bit>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"

namespace gristmill::job {
namespace {

bool any_null(const std::vector<column::Column>& keys, int64_t row) {
  for (const auto& k : keys) {
    if (column::is_null_at(k, row)) return true;
  }
  return false;
}

// All rows of each column in one piece.
arrow::Result<std::vector<column::Column>> joined(const arrow::Table& table, arrow::MemoryPool* pool) {
  const auto columns = static_cast<size_t>(table.num_columns());
  std::vector<std::vector<column::Column>> parts(columns);
  std::vector<int64_t> rows;
  arrow::TableBatchReader reader(table);
  while (true) {
    std::shared_ptr<arrow::RecordBatch> piece;
    ARROW_RETURN_NOT_OK(reader.ReadNext(&piece));
    if (piece == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(const column::Batch batch, column::import_batch(*piece, pool));
    for (size_t c = 0; c < columns; ++c) parts[c].push_back(batch.columns[c]);
    rows.push_back(piece->num_rows());
  }
  std::vector<column::Column> out;
  for (size_t c = 0; c < columns; ++c) {
    if (parts[c].empty()) {
      const auto type = column::canonical_type(table.schema()->field(static_cast<int>(c))->type());
      ARROW_ASSIGN_OR_RAISE(auto none, column::null_column(type, pool));
      ARROW_ASSIGN_OR_RAISE(none, column::flatten(none, 0, pool));
      out.push_back(std::move(none));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto one, column::concat(parts[c], rows, pool));
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

arrow::Result<LookupTable> LookupTable::make(const arrow::Table& table, const std::vector<std::string>& keys, Duplicates duplicates,
                                             const std::shared_ptr<base::QueryMemory>& memory) {
  LookupTable out;
  out.rows_ = table.num_rows();
  const uint64_t slots = std::bit_ceil(static_cast<uint64_t>(out.rows_) * 2 + 2);
  // The columns are the pool's; what the index takes is reserved.
  ARROW_ASSIGN_OR_RAISE(out.held_, memory->reserve(static_cast<int64_t>(slots) * 8 + out.rows_ * 8, "lookup"));
  ARROW_ASSIGN_OR_RAISE(auto columns, joined(table, memory->pool()));
  const auto split = columns.begin() + std::ssize(keys);
  out.keys_.assign(columns.begin(), split);
  out.values_.assign(split, columns.end());
  out.slots_.assign(slots, -1);
  ARROW_RETURN_NOT_OK(out.index(duplicates, keys));
  return out;
}

arrow::Status LookupTable::index(Duplicates duplicates, const std::vector<std::string>& names) {
  hashes_.resize(static_cast<size_t>(rows_));
  column::hash_rows(keys_, rows_, {}, hashes_.data());
  const uint64_t mask = slots_.size() - 1;
  for (int64_t row = 0; row < rows_; ++row) {
    if (any_null(keys_, row)) continue;
    const uint64_t hash = hashes_[static_cast<size_t>(row)];
    for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
      int64_t& slot = slots_[at];
      if (slot < 0) {
        slot = row;
        break;
      }
      if (hashes_[static_cast<size_t>(slot)] != hash) continue;
      bool equal = true;
      for (const auto& k : keys_) equal = equal && column::equal_rows(k, slot, k, row);
      if (!equal) continue;
      if (duplicates == Duplicates::kError) {
        std::string text;
        for (size_t i = 0; i < keys_.size(); ++i) text += (i == 0 ? "" : ", ") + names[i] + " = " + column::value_text(keys_[i], row);
        return base::data_error("two rows of the lookup's table have the key " + text);
      }
      if (duplicates == Duplicates::kLast) slot = row;
      break;
    }
  }
  return arrow::Status::OK();
}

void LookupTable::find(const std::vector<column::Column>& keys, const column::Batch& batch, std::vector<int64_t>& out) const {
  out.assign(static_cast<size_t>(batch.rows), column::kNullIndex);
  std::vector<uint64_t> hashes(static_cast<size_t>(batch.rows));
  column::hash_rows(keys, batch.rows, batch.selection, hashes.data());
  const uint64_t mask = slots_.size() - 1;
  for (const uint16_t row : batch.selection.indices(batch.rows)) {
    if (any_null(keys, row)) continue;
    const uint64_t hash = hashes[row];
    for (uint64_t at = hash & mask; slots_[at] >= 0; at = (at + 1) & mask) {
      const int64_t there = slots_[at];
      if (hashes_[static_cast<size_t>(there)] != hash) continue;
      bool equal = true;
      for (size_t k = 0; k < keys.size(); ++k) equal = equal && column::equal_rows(keys_[k], there, keys[k], row);
      if (!equal) continue;
      out[row] = there;
      break;
    }
  }
}

arrow::Result<column::Column> LookupTable::take(size_t i, const std::vector<int64_t>& rows, arrow::MemoryPool* pool) const {
  return column::take(values_[i], std::span<const int64_t>(rows), pool);
}

}  // namespace gristmill::job
