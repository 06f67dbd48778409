// How long the decimals of a plan can be, and so what cannot fail though its types allow it.
//
// A sum of decimals has 38 digits by its type, so half of it may not fit the type of the product. But a sum of values that are short by
// their type is never so long: there are less than 10^19 of them. What is computed of such a sum then moves freely, and joins
// may drop its groups.
#pragma once

#include <memory>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "plan/logical.h"

namespace gristmill::plan {

// The plan's columns in types as short as their values certainly are, scales as they are; null when the types say all.
std::shared_ptr<arrow::Schema> short_schema(const Plan& p);

// expr::fallible of expressions over the rows of `input`, knowing that.
arrow::Result<bool> fallible(const expr::NodePtr& e, const Plan& input);
arrow::Result<bool> any_fallible(const std::vector<NamedExpr>& exprs, const Plan& input);
arrow::Result<bool> any_fallible(const std::vector<expr::NodePtr>& exprs, const Plan& input);

}  // namespace gristmill::plan
