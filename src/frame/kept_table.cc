// Invariant: border_table() gives the bytes that exporting each batch at once would have given.

#include "frame/kept_table.h"

#include <arrow/array.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "column/column.h"
#include "column/types.h"

namespace gristmill::frame {
namespace {

// Results belong to their user, not to a query's budget.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> border_column(const arrow::ChunkedArray& kept,
                                                                  const std::shared_ptr<arrow::DataType>& type) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  arrow::ArrayVector chunks;
  for (const auto& chunk : kept.chunks()) {
    ARROW_ASSIGN_OR_RAISE(column::Column inside, column::import_array(chunk->data(), pool));
    ARROW_ASSIGN_OR_RAISE(auto array, column::export_array(inside, chunk->length(), type, pool));
    chunks.push_back(arrow::MakeArray(std::move(array)));
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
}

}  // namespace

std::shared_ptr<arrow::Schema> kept_schema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& f : schema.fields()) fields.push_back(f->WithType(column::kept_type(f->type())));
  return std::make_shared<arrow::Schema>(std::move(fields), schema.metadata());
}

arrow::Result<std::shared_ptr<arrow::Table>> border_table(const arrow::Table& kept, const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (int i = 0; i < schema->num_fields(); ++i) {
    const auto& type = schema->field(i)->type();
    auto column = kept.column(i);
    if (!column->type()->Equals(*type)) {
      ARROW_ASSIGN_OR_RAISE(column, border_column(*column, type));
    }
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(schema, std::move(columns), kept.num_rows());
}

}  // namespace gristmill::frame
