#include "stream/rows.h"

#include <algorithm>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"

namespace gristmill::stream {

arrow::Status emit_rows(const arrow::RecordBatch& all, RowRange range, const std::vector<int>& columns, int64_t first_row,
                        arrow::MemoryPool* pool, const plan::BatchConsumer& emit, plan::ScanCounts& counts, int32_t input) {
  const int64_t n = range.rows;
  std::vector<column::Column> imported;
  imported.reserve(columns.size());
  for (const int c : columns) {
    const std::shared_ptr<arrow::ArrayData>& whole = all.column_data(c);
    ARROW_ASSIGN_OR_RAISE(column::Column values, column::import_array(n == whole->length ? whole : whole->Slice(range.begin, n), pool));
    imported.push_back(std::move(values));
  }
  const int64_t batches = n <= kBatchRows ? 1 : (n + kBatchRows - 1) / kBatchRows;
  const int64_t each = batches == 1 ? n : (n + batches - 1) / batches;
  for (int64_t at = 0; at < n; at += each) {
    column::Batch batch;
    batch.rows = std::min(each, n - at);
    batch.origin.input = input;
    batch.origin.first_row = first_row + at;
    if (batch.rows == n) {
      batch.columns = std::move(imported);
    } else {
      batch.columns.reserve(imported.size());
      for (const column::Column& c : imported) batch.columns.push_back(column::slice(c, at, batch.rows));
    }
    counts.rows += batch.rows;
    ARROW_RETURN_NOT_OK(emit(std::move(batch)));
  }
  return arrow::Status::OK();
}

arrow::Status emit_rows(const arrow::RecordBatch& rows, const std::vector<int>& columns, int64_t first_row, arrow::MemoryPool* pool,
                        const plan::BatchConsumer& emit, plan::ScanCounts& counts, int32_t input) {
  return emit_rows(rows, {0, rows.num_rows()}, columns, first_row, pool, emit, counts, input);
}

bool same_columns(const arrow::Schema& a, const arrow::Schema& b) {
  if (&a == &b) return true;
  if (a.num_fields() != b.num_fields()) return false;
  for (int i = 0; i < a.num_fields(); ++i) {
    const auto &x = *a.field(i), &y = *b.field(i);
    if (x.name() != y.name() || !x.type()->Equals(*y.type())) return false;
  }
  return true;
}

arrow::Status other_columns(const std::string& who, const arrow::Schema& came, const arrow::Schema& wanted) {
  const auto text = [](const arrow::Schema& s) {
    std::string out;
    for (const auto& f : s.fields()) out += (out.empty() ? "" : ", ") + f->name() + " " + f->type()->ToString();
    return "(" + out + ")";
  };
  return base::data_error(who + " gave a batch of " + text(came) + " instead of " + text(wanted));
}

}  // namespace gristmill::stream
