// What a query gives while it is being lowered: a plan whose columns have names of their own, and what the user calls them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "plan/logical.h"

namespace gristmill::sqltext {

struct Query {
  plan::PlanPtr plan;
  std::vector<std::string> names;  // one a column of the plan; they may repeat
  std::vector<bool> unknown;       // text literals and NULL: they take the type of what they meet in a set operation
};

// The columns as the plan calls them.
Query query_over(plan::PlanPtr plan);
// `name`, or with strokes added until nothing in `taken` is called so; it is taken then.
std::string fresh_name(std::string name, std::vector<std::string>& taken);
// The plan with the columns called as the user calls them.
arrow::Result<plan::PlanPtr> shown(const Query& query);

// Finds a table by the name in the query (as written, and in lower case unless quoted).
using TableLookup = std::function<arrow::Result<Query>(const std::string& name)>;

}  // namespace gristmill::sqltext
