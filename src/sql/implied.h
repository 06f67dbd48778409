// What an OR in WHERE says of each item of FROM alone.
#pragma once

#include <vector>

#include "sql/from.h"

namespace gristmill::sqltext {

// (a = b and p) or (a = b and q)         ->  a = b, p or q
// (x = 1 and y = 2) or (x = 2 and y = 1)  ->  x = 1 or x = 2, y = 2 or y = 1, and the condition itself     (x and y of different items)
//
// Only of conditions that cannot fail. What is true of a row stays so, be something NULL or not.
arrow::Result<std::vector<expr::NodePtr>> with_implied(const std::vector<expr::NodePtr>& conditions, const std::vector<Relation>& items);

}  // namespace gristmill::sqltext
