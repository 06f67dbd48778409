// FROM's items and WHERE's conditions to one plan.
#pragma once

#include <vector>

#include "sql/from.h"
#include "sql/subquery.h"

namespace gristmill::sqltext {

// Items of a FROM list joined by the equalities among `conditions`, which are taken out: first item by first item that some equality
// joins to what is there, in written order; items that nothing joins are crossed.
arrow::Result<plan::PlanPtr> join_items(std::vector<Relation> items, std::vector<expr::NodePtr>& conditions);

// The same, then the other conditions, in their order; in a correlated subquery, what ties it to the query around. `plain`: nothing
// above changes which rows there are, and no outer column is used there; `values`: what it selects, computed here only if conditions are
// handed up.
arrow::Result<plan::PlanPtr> from_where(std::vector<Relation> items, std::vector<expr::NodePtr> conditions, bool plain,
                                        const std::vector<expr::NodePtr>& values, Dependence* d, Subqueries& subqueries);

}  // namespace gristmill::sqltext
