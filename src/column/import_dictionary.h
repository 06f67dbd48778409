// Arrow's dictionary arrays -> the dictionary encoding.
#pragma once

#include <arrow/array/data.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/column.h"

namespace gristmill::column {

// Entries without nulls and without duplicates, int32 indices; rows of a null entry are null. Values whose key equality
// is not equality of bits (floats) and those not worth an encoding (bool, null, nested) come out flat.
arrow::Result<Column> import_dictionary(const arrow::ArrayData& border, arrow::MemoryPool* pool);

}  // namespace gristmill::column
