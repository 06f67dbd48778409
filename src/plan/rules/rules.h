// The optimiser's rules, one a file: what a rule rewrites, and when it may not, stands at the top of its file.
//
// Common to all: the result has the same schema, rows and order, and fails with the same error. A fallible expression
// (expr::fallible) is never moved past another, past a filter or a join, nor dropped. A rule that changes nothing
// returns the very pointer it was given.
#pragma once

#include "plan/logical.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> fold_constants(const PlanPtr& plan);
arrow::Result<PlanPtr> merge_filters(const PlanPtr& plan);
arrow::Result<PlanPtr> push_filter(const PlanPtr& plan);
arrow::Result<PlanPtr> merge_projects(const PlanPtr& plan);
arrow::Result<PlanPtr> lift_limit(const PlanPtr& plan);
arrow::Result<PlanPtr> push_limit(const PlanPtr& plan);
arrow::Result<PlanPtr> top_n(const PlanPtr& plan);
arrow::Result<PlanPtr> push_projection(const PlanPtr& plan);
arrow::Result<PlanPtr> require_order(const PlanPtr& plan, bool ordered);
arrow::Result<PlanPtr> drop_sort(const PlanPtr& plan);
arrow::Result<PlanPtr> outer_to_inner(const PlanPtr& plan);
arrow::Result<PlanPtr> push_semi_join(const PlanPtr& plan);
arrow::Result<PlanPtr> join_order(const PlanPtr& plan);
arrow::Result<PlanPtr> choose_build_side(const PlanPtr& plan);

}  // namespace gristmill::plan
