// What the JSON functions prepare when bound, and the error they share.
#pragma once

#include <span>
#include <string_view>

#include "column/types.h"
#include "expr/json_path.h"
#include "expr/registry.h"

namespace gristmill::expr {

struct JsonState final : FunctionState {
  JsonPath path;
  column::TypePtr type;  // json.parse
  bool lenient = false;
};

// Argument `i` as a constant path; the whole document if it is left out.
arrow::Result<JsonPath> json_path_argument(std::string_view function, std::span<const ArgumentInfo> args, size_t i);
// `not JSON: "{": ...`
arrow::Status bad_json(std::string_view text, simdjson::error_code why, int64_t row);

}  // namespace gristmill::expr
