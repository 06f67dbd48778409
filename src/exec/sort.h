// Stable sort and top-n. Rows with equal keys keep their Position order. Spills sorted runs and merges them.
#pragma once

#include <optional>
#include <vector>

#include "column/key_encoding.h"
#include "exec/breaker.h"
#include "expr/bind.h"

namespace gristmill::exec {

struct SortSpec {
  std::vector<expr::BoundPtr> keys;
  std::vector<column::SortKey> order;
  std::vector<column::TypePtr> types;  // of the input's columns, which are the output's too
  std::optional<int64_t> top;          // only the first so many rows are wanted
  std::string label;
};

arrow::Result<Breaker> make_sort(SortSpec spec, const QueryContext& context);

}  // namespace gristmill::exec
