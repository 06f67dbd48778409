// The answers that a batch's rows got, as one column: JSON as text, or a struct of what the schema names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"
#include "column/types.h"
#include "job/http/answer_cache.h"
#include "job/transform.h"

namespace gristmill::job {

// `type`: utf8_view, or a struct. A row without an answer (null pointer), or with a missing one, is NULL. Rows whose answer is no JSON or
// does not fit the type are rejected, and NULL. Answers that several rows share are held once.
arrow::Result<column::Column> answer_column(const std::vector<AnsweredPtr>& answers, const column::TypePtr& type, const std::string& name,
                                            RowErrors& errors, arrow::MemoryPool* pool);

}  // namespace gristmill::job
