// GROUP BY with several grouping sets: ROLLUP, CUBE, GROUPING SETS and their products.
#pragma once

#include <string>
#include <vector>

#include "expr/node.h"
#include "plan/logical.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

// The expressions of the clause as written, and which of them make up each set.
struct GroupingClause {
  std::vector<const PgQuery__Node*> keys;
  std::vector<std::vector<size_t>> sets;
  bool distinct = false;  // group by distinct: equal sets once
};
arrow::Result<GroupingClause> grouping_clause(const PgQuery__SelectStmt& s, const ParsedText& text);

inline constexpr const char* kSetColumn = "$set";          // of the aggregated plan: which set a row is of
inline constexpr const char* kGroupingCall = "$grouping";  // GROUPING(a, b) before it is known what it stands for

// `input` aggregated once for each set. `keys` and `aggregates` have their output names as aliases; a key is NULL in rows of sets
// without it. Rows come in the order in which their groups first appear, those of one input row in the order of the sets.
arrow::Result<plan::PlanPtr> aggregate_sets(plan::PlanPtr input, const std::vector<expr::NodePtr>& keys,
                                            const std::vector<expr::NodePtr>& aggregates, const std::vector<std::vector<size_t>>& sets);

// GROUPING of these keys: a bit each, the last one lowest, set where the row's set is without the key.
expr::NodePtr grouping_value(const std::vector<size_t>& keys, const std::vector<std::vector<size_t>>& sets);

}  // namespace gristmill::sqltext
