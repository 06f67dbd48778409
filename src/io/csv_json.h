// CSV sources as JSON and back.
#pragma once

#include <string>

#include <arrow/result.h>

#include "gristmill/text_options.h"
#include "io/csv_plan.h"
#include "io/json.h"

namespace gristmill::io {

// With the types that were found, so that nothing is inferred again elsewhere.
std::string csv_to_json(const CsvPlan& plan);
arrow::Result<CsvOptions> csv_from_json(const JsonReader& json);

// "fail", "null", "skip"
const char* on_error_text(OnError policy);
arrow::Result<OnError> on_error_from(const std::string& text);

}  // namespace gristmill::io
