// A table source over an arrow::RecordBatchReader: Python iterables and streams handed over through the C interface.
//
// Such a stream can be read once: the second open() is a plan error. ReadNext is called by one thread at a time, not
// always the same one.
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "plan/table_source.h"

namespace gristmill::io {

// `name` as explain shows it, e.g. "stream". Refuses types the engine does not carry, naming the column.
arrow::Result<plan::TableSourcePtr> scan_reader(std::shared_ptr<arrow::RecordBatchReader> reader, std::string name = "stream");

// `schema` with dictionaries as their values and extensions as their storage; `what` begins the error about a type.
arrow::Result<std::shared_ptr<arrow::Schema>> border_schema(const arrow::Schema& schema, const std::string& what,
                                                            const std::string& file = {});

}  // namespace gristmill::io
