// VALUES, and the row of a SELECT without FROM.
#pragma once

#include "sql/parse.h"
#include "sql/query.h"

namespace gristmill::sqltext {

// One row, to compute expressions on; its column is nobody's.
arrow::Result<plan::PlanPtr> one_row();

// The rows of VALUES, columns column1, column2, ...; DEFAULT is NULL where `defaults` allows it.
arrow::Result<Query> lower_values(PgQuery__Node* const* rows, size_t n, const ParsedText& text, bool defaults = false);

}  // namespace gristmill::sqltext
