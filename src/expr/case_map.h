// Upper and lower case of text, code point by code point.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"
#include "column/selection.h"

namespace gristmill::expr {

// `text`: flat or constant; the answer is flat with `rows` rows and no validity. Rows outside the selection are empty or mapped.
// ASCII is mapped here, everything else by Arrow's utf8 kernels.
arrow::Result<column::Column> map_case(const column::Column& text, bool upper, int64_t rows, const column::Selection* selection,
                                       arrow::MemoryPool* pool);

}  // namespace gristmill::expr
