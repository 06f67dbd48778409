// UNION, INTERSECT and EXCEPT over queries that are lowered already.
#pragma once

#include <string>
#include <vector>

#include "sql/query.h"

namespace gristmill::sqltext {

enum class SetOperation : uint8_t { kUnion, kIntersect, kExcept };

// Columns by position, called as the first query's; types brought together. Rows: union in the order of the queries, intersect and
// except in the first one's. Without `all` of equal rows the first. More than two queries for union only.
arrow::Result<Query> combine(SetOperation op, bool all, std::vector<Query> queries);

// The queries with the first one's column names and common types, on which one can go by name.
arrow::Result<std::vector<Query>> bring_together(const std::string& what, std::vector<Query> queries);

}  // namespace gristmill::sqltext
