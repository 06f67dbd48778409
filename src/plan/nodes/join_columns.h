// Columns of both sides of a join: keys of one type, names of the output (semantics.md 7).
#pragma once

#include <string>
#include <vector>

#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

// Casts both keys of a pair to the type they meet in.
arrow::Status unify_keys(const Plan& left, const Plan& right, expr::NodePtr& l, expr::NodePtr& r);

// The same for the key of an as-of join, which must have distances; its tolerance becomes a number of the key's units.
arrow::Status settle_asof(const Plan& left, const Plan& right, AsofMatch& match);

// Positions of a pair of keys that are plain columns: with coalesced keys, one column of the output.
struct KeyColumns {
  int left, right;
};
std::vector<KeyColumns> key_columns(const Plan& left, const Plan& right, const std::vector<expr::NodePtr>& left_keys,
                                    const std::vector<expr::NodePtr>& right_keys);

// Sets parts.output and parts.names. `coalesced` columns show once, under the left name: the left's value, or in a right join the
// right's; in a full join the right one is added at the end under a name of its own (`added`, in their order).
arrow::Status name_output(const Plan& left, const Plan& right, const std::vector<KeyColumns>& coalesced, JoinParts& parts,
                          std::vector<std::string>& added);

// `condition`, which names columns as an inner join's output does, over pair_schema(); refuses what is not bool.
arrow::Result<expr::NodePtr> pair_condition(const Plan& left, const Plan& right, const std::string& suffix, expr::NodePtr condition);

}  // namespace gristmill::plan
