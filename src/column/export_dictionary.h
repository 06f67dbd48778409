// Columns -> Arrow's dictionary arrays.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>

#include "column/column.h"

namespace gristmill::column {

// `type` is dictionary<K, V>. The entries are those that the rows name, in the order of their first appearance, whatever
// encoding the column has. An error if K cannot count them.
arrow::Result<std::shared_ptr<arrow::ArrayData>> export_dictionary(const Column& c, int64_t rows, const TypePtr& type,
                                                                   arrow::MemoryPool* pool);

}  // namespace gristmill::column
