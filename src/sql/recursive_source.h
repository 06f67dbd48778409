// The rows of a recursive query as a table that is made round by round while it is read.
//
// Round 0 is the first plan's rows; each further round runs the second plan over the rows of the round before, until there are none.
// Rows come round by round, each round's in its plan's order. Without `all` a row equal to one that came already is left out.
// Memory: the last round, and without `all` the keys of all rows, count against the query that reads.
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "plan/logical.h"

namespace gristmill::sqltext {

// Stands for the rows of the round before in the second plan; cannot be read itself.
plan::TableSourcePtr make_working_source(std::string name, std::shared_ptr<arrow::Schema> schema);

// Both plans have the columns of `schema`, up to border types.
arrow::Result<plan::TableSourcePtr> make_recursive_source(std::string name, std::shared_ptr<arrow::Schema> schema, plan::PlanPtr first,
                                                          plan::PlanPtr further, plan::TableSourcePtr working, bool all);

}  // namespace gristmill::sqltext
