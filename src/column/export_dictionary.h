// Columns -> Arrow's dictionary arrays.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

#include "column/column.h"

namespace gristmill::column {

// `type` is dictionary<K, V>. A dictionary column gives its entries as they are; any other is encoded, entries in the order
// of their first appearance. An error if K cannot count the entries.
arrow::Result<std::shared_ptr<arrow::ArrayData>> export_dictionary(const Column& c, int64_t rows, const TypePtr& type,
                                                                   arrow::MemoryPool* pool);

}  // namespace gristmill::column
