// Rows of batches with few rows left each, as one column. To compact each and join them would copy every value twice and take memory
// for it twice.

#include "column/compact_together.h"

#include <cstring>

#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "column/simd/dispatch.h"

namespace gristmill::column {
namespace {

// So few are left that each is fetched by its index; else all are gone through by the mask.
bool is_sparse(int64_t kept, int64_t rows) { return kept * 8 < rows; }

bool same_text(const arrow::ArrayData& a, const arrow::ArrayData& b) {
  if (a.buffers.size() != b.buffers.size()) return false;
  for (size_t i = 2; i < a.buffers.size(); ++i) {
    if (a.buffers[i] != b.buffers[i]) return false;
  }
  return true;
}

}  // namespace

arrow::Result<Column> compact_column(const Batch& batch, size_t c, arrow::MemoryPool* pool) {
  const int64_t kept = batch.selected();
  if (batch.selection.all()) return batch.columns[c];
  if (is_sparse(kept, batch.rows)) return take(batch.columns[c], batch.selection.indices(batch.rows), pool);
  return filter(batch.columns[c], batch.rows, batch.selection.mask(batch.rows), kept, pool);
}

arrow::Result<std::optional<Column>> compact_together(std::span<const Batch> parts, size_t c, int64_t rows, arrow::MemoryPool* pool) {
  const Column& first = parts[0].columns[c];
  if (!first.is_flat()) return std::nullopt;
  const Physical p = physical_unchecked(*first.type());
  if (p == Physical::kNull || p == Physical::kNested || p == Physical::kBool) return std::nullopt;
  for (const Batch& b : parts) {
    const Column& column = b.columns[c];
    if (!column.is_flat() || has_nulls(column) || (p == Physical::kView && !same_text(*first.values, *column.values))) return std::nullopt;
  }
  const int width = byte_width(p);
  const auto& k = simd::kernels();
  ARROW_ASSIGN_OR_RAISE(auto out, allocate_buffer(rows * width, pool));
  uint8_t* to = out->mutable_data();
  for (const Batch& b : parts) {
    if (b.selected() == 0) continue;
    const arrow::ArrayData& d = *b.columns[c].values;
    const uint8_t* const from = d.buffers[1]->data() + d.offset * width;
    const int64_t kept = b.selected();
    if (b.selection.all()) {
      std::memcpy(to, from, static_cast<size_t>(kept * width));
    } else if (is_sparse(kept, b.rows)) {
      k.take[simd::width_class(width)][simd::kIndex16](from, b.selection.indices(b.rows).data(), kept, to);
    } else {
      k.filter[simd::width_class(width)](from, b.selection.mask(b.rows).words.data(), b.rows, to);
    }
    to += kept * width;
  }
  return Column::flat(make_array_like(*first.values, rows, nullptr, 0, std::move(out)));
}

}  // namespace gristmill::column
