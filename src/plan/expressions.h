// What the plan asks of an expression: its name and border type as an output column, its columns, rewriting by name.
//
// An output that is a plain input column keeps the field it came with (border type, nullability); everything computed
// is nullable and of its canonical type, text and binary as utf8 and binary.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/types.h"
#include "expr/node.h"
#include "plan/logical.h"

namespace gristmill::plan {

using NameSet = std::unordered_set<std::string>;

// The type computed values of a canonical type show at the border.
column::TypePtr border_type(const column::TypePtr& canonical);
arrow::Result<std::shared_ptr<arrow::Field>> output_field(const NamedExpr& e, const arrow::Schema& input);

// `e` without aliases at any depth; its output name is taken before.
expr::NodePtr strip_aliases(const expr::NodePtr& e);
NamedExpr named(const expr::NodePtr& e);

bool is_column(const expr::Node& e);
inline bool is_column(const NamedExpr& e) { return is_column(*e.expr); }
NameSet columns_of(const expr::Node& e);
void add_columns(const expr::Node& e, NameSet& names);
bool subset_of(const NameSet& names, const arrow::Schema& schema);
bool subset_of(const NameSet& names, const NameSet& all);
NameSet names_of(const arrow::Schema& schema);

// Column names replaced by expressions; names that are not in `by_name` stay.
using Substitution = std::unordered_map<std::string, expr::NodePtr>;
expr::NodePtr substitute(const expr::NodePtr& e, const Substitution& by_name);
// `e` as it may stand inside another expression: a constant gets the type it has alone, so it adapts no more.
arrow::Result<expr::NodePtr> as_operand(const expr::NodePtr& e, const arrow::Schema& input);
// The same node over other arguments.
expr::NodePtr with_args(const expr::Node& e, std::vector<expr::NodePtr> args);

// The position of a column; a plan error with the nearest name when there is none.
arrow::Result<int> find_column(const arrow::Schema& schema, std::string_view name);
arrow::Status check_unique(const arrow::Schema& schema);
arrow::Status refuse_aggregates(const expr::Node& e, std::string_view where);
// Sort, group and join keys: refuses types that have no order or equality here.
arrow::Status check_key_type(const expr::Node& e, const column::TypePtr& canonical, std::string_view where);

// Whether computing the aggregate can fail: its arguments, its filter, or a sum that leaves its type.
arrow::Result<bool> aggregate_fallible(const expr::NodePtr& aggregate, const arrow::Schema& input);
arrow::Result<bool> any_fallible(const std::vector<NamedExpr>& exprs, const arrow::Schema& input);
arrow::Result<bool> any_fallible(const std::vector<expr::NodePtr>& exprs, const arrow::Schema& input);

}  // namespace gristmill::plan
