// Rows and values as JSON text: what the NDJSON sink writes, for whoever sends such text elsewhere.
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "io/text_sink.h"

namespace gristmill::io {

// Whether values of the type have a JSON form (nested ones too).
bool has_json(const arrow::DataType& canonical);
struct JsonForm {
  bool omit_nulls = false;
  bool names_floats = false;  // NaN and infinities, which JSON has not, are the texts NaN, Infinity and -Infinity; else null
};

// A value of a flat canonical column; `row` counts from the array's offset.
void append_json_value(const arrow::ArrayData& d, int64_t row, JsonForm form, std::string& out);
// One object a line; `path` for errors. A plan error names a column without a JSON form.
arrow::Result<std::shared_ptr<const LineEncoder>> ndjson_encoder(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                                 JsonForm form = {});

}  // namespace gristmill::io
