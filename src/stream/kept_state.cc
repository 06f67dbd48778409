// Rows are written in the user's types, so that a checkpoint can be read without the engine.

#include "stream/kept_state.h"

#include <utility>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"

namespace gristmill::stream {

arrow::Status put_kept(SnapshotWriter& writer, const std::string& part, const KeptRecords& records,
                       const std::shared_ptr<arrow::Schema>& schema, std::span<const column::TypePtr> types, arrow::MemoryPool* pool) {
  std::vector<int> all(types.size());
  for (size_t c = 0; c < all.size(); ++c) all[c] = static_cast<int>(c);
  for (size_t g = 0; g < records.size(); ++g) {
    if (records[g].empty()) continue;
    std::vector<KeptRow> rows;
    arrow::UInt64Builder places(writer.pool());
    arrow::BooleanBuilder marks(writer.pool());
    for (const KeptRecord& r : records[g]) {
      rows.push_back(r.row);
      ARROW_RETURN_NOT_OK(places.Append(r.place));
      ARROW_RETURN_NOT_OK(marks.Append(r.mark));
    }
    column::Batch batch;
    batch.rows = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(batch.columns, gather(rows, types, all, pool));
    ARROW_ASSIGN_OR_RAISE(const auto exported, column::export_batch(batch, schema, pool));
    arrow::FieldVector fields = schema->fields();
    arrow::ArrayVector arrays = exported->columns();
    std::shared_ptr<arrow::Array> extra;
    ARROW_RETURN_NOT_OK(places.Finish(&extra));
    arrays.push_back(extra);
    fields.push_back(arrow::field("gm_place", arrow::uint64()));
    ARROW_RETURN_NOT_OK(marks.Finish(&extra));
    arrays.push_back(extra);
    fields.push_back(arrow::field("gm_mark", arrow::boolean()));
    const auto whole = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.rows, std::move(arrays));
    ARROW_RETURN_NOT_OK(writer.put(part, static_cast<int>(g), *whole));
  }
  return arrow::Status::OK();
}

arrow::Status each_kept(const SnapshotReader& reader, const std::string& part, const std::shared_ptr<arrow::Schema>& schema,
                        arrow::MemoryPool* pool, const KeptVisit& visit) {
  const int columns = schema->num_fields();
  return reader.each(part, [&](int, const std::shared_ptr<arrow::RecordBatch>& rows) -> arrow::Status {
    if (rows->num_columns() != columns + 2 || rows->column(columns)->type_id() != arrow::Type::UINT64 ||
        rows->column(columns + 1)->type_id() != arrow::Type::BOOL) {
      return base::data_error("the state of the checkpoint has other columns than the stream");
    }
    for (int64_t at = 0; at < rows->num_rows(); at += column::kMaxBatchRows) {
      const auto slice = rows->Slice(at, column::kMaxBatchRows);
      const arrow::ArrayVector arrays = slice->columns();
      const auto plain = arrow::RecordBatch::Make(schema, slice->num_rows(), arrow::ArrayVector(arrays.begin(), arrays.begin() + columns));
      ARROW_ASSIGN_OR_RAISE(const column::Batch batch, column::import_batch(*plain, pool));
      const auto& places = static_cast<const arrow::UInt64Array&>(*arrays[static_cast<size_t>(columns)]);
      const auto& taken = static_cast<const arrow::BooleanArray&>(*arrays[static_cast<size_t>(columns) + 1]);
      std::vector<bool> marks(static_cast<size_t>(batch.rows));
      for (int64_t j = 0; j < batch.rows; ++j) marks[static_cast<size_t>(j)] = taken.Value(j);
      ARROW_RETURN_NOT_OK(visit(batch, {places.raw_values(), static_cast<size_t>(batch.rows)}, marks));
    }
    return arrow::Status::OK();
  });
}

}  // namespace gristmill::stream
