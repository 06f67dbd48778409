// The forms "X from Y" that a cast step knows, as one table: errors, the JSON Schema and the documentation list what stands there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "column/types.h"
#include "expr/node.h"

namespace gristmill::job {

struct CastForm {
  const char* to;
  const char* from;
  const char* help;
  const char* example;  // value -> result
  expr::NodePtr (*make)(expr::NodePtr value);
};

const std::vector<CastForm>& cast_forms();

// What `text` makes of the column `value` of type `from`: a type ("int64"), "try" and a type (NULL for what does not fit), a form of the
// table, or a pattern as of strftime: "timestamp from %d.%m.%Y", "%Y-%m from timestamp".
arrow::Result<expr::NodePtr> cast_expression(const std::string& text, expr::NodePtr value, const column::TypePtr& from);

// All forms on one line each, for errors and the documentation.
std::string cast_forms_text();

}  // namespace gristmill::job
