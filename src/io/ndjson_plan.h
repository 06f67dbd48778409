// What an NDJSON scan knows before it begins: files, rules, columns.
//
// The schema is given, or guessed from the first lines of the first file, lists and structs too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/types.h"
#include "gristmill/text_options.h"
#include "io/text_blocks.h"

namespace gristmill::io {

struct NdjsonPlan {
  NdjsonOptions options;
  std::vector<std::string> patterns;
  BlockRules rules;
  std::vector<TextFile> files;
  std::shared_ptr<arrow::Schema> schema;  // border types
  std::vector<column::TypePtr> types;     // canonical
  std::vector<bool> inferred;
  int64_t bytes = 0;
};
arrow::Result<std::shared_ptr<NdjsonPlan>> plan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options);

}  // namespace gristmill::io
