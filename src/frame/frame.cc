// The methods of a frame that only build plans. Running them is collect.cc's business.
//
// A chain keeps its first error: every method hands on the error it was given and checks only its own step.

#include "gristmill/frame.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/node.h"
#include "frame/selectors.h"
#include "frame/steps.h"
#include "plan/expressions.h"
#include "plan/logical.h"
#include "plan/shared_subplans.h"

namespace gristmill {
namespace {

using frame::columns_of;
using frame::expand;
using frame::then;
using plan::PlanPtr;

plan::JoinKind join_kind(Join how) {
  switch (how) {
    case Join::kInner: return plan::JoinKind::kInner;
    case Join::kLeft: return plan::JoinKind::kLeft;
    case Join::kSemi: return plan::JoinKind::kSemi;
    case Join::kAnti: return plan::JoinKind::kAnti;
    case Join::kRight: return plan::JoinKind::kRight;
    case Join::kFull: return plan::JoinKind::kFull;
  }
  return plan::JoinKind::kInner;
}

arrow::Status check_join(const JoinOptions& o) {
  const bool sides = !o.left_on.empty() || !o.right_on.empty();
  if (o.on.empty() && !sides && !o.where) return base::plan_error("a join needs keys", "give on, or left_on and right_on");
  if (!o.on.empty() && sides) return base::plan_error("a join takes either on, or left_on and right_on");
  return arrow::Status::OK();
}

arrow::Status check_asof(const AsofOptions& o) {
  const bool both = !o.left_on.empty() && !o.right_on.empty(), either = !o.left_on.empty() || !o.right_on.empty();
  if (o.on.empty() ? !both : either) return base::plan_error("an as-of join takes either on, or left_on and right_on");
  if (!o.by.empty() && (!o.left_by.empty() || !o.right_by.empty()))
    return base::plan_error("an as-of join takes either by, or left_by and right_by");
  return arrow::Status::OK();
}

}  // namespace

SortKey asc(Expr e) { return {std::move(e), false, false}; }
SortKey asc(std::string column) { return asc(col(std::move(column))); }
SortKey asc(const char* column) { return asc(col(column)); }
SortKey desc(Expr e) { return {std::move(e), true, false}; }
SortKey desc(std::string column) { return desc(col(std::move(column))); }
SortKey desc(const char* column) { return desc(col(column)); }

Frame::Frame(arrow::Result<PlanPtr> plan) : plan_(std::make_shared<arrow::Result<PlanPtr>>(std::move(plan))) {}

Frame Frame::filter(Expr predicate) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const auto all, expand({predicate}, *p->schema));
    return all.empty() ? p : plan::make_filter(p, expr::conjunction(all));
  });
}

Frame Frame::select(std::vector<Expr> exprs) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    if (exprs.empty()) return base::plan_error("select needs at least one expression");
    ARROW_ASSIGN_OR_RAISE(auto all, expand(exprs, *p->schema));
    if (all.empty()) return base::plan_error("no column is selected");
    return plan::make_project(p, std::move(all));
  });
}

Frame Frame::with_columns(std::vector<Expr> exprs) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(auto all, expand(exprs, *p->schema));
    return plan::make_with_columns(p, std::move(all));
  });
}

Frame Frame::drop(std::vector<std::string> columns) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    for (const std::string& name : columns) ARROW_RETURN_NOT_OK(plan::find_column(*p->schema, name).status());
    std::vector<expr::NodePtr> kept;
    for (const auto& f : p->schema->fields()) {
      if (std::find(columns.begin(), columns.end(), f->name()) == columns.end()) kept.push_back(expr::column(f->name()));
    }
    return plan::make_project(p, std::move(kept));
  });
}

Frame Frame::rename(std::vector<std::pair<std::string, std::string>> names) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    for (const auto& [from, to] : names) ARROW_RETURN_NOT_OK(plan::find_column(*p->schema, from).status());
    std::vector<expr::NodePtr> outputs;
    for (const auto& f : p->schema->fields()) {
      const auto it = std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == f->name(); });
      auto column = expr::column(f->name());
      outputs.push_back(it == names.end() ? column : expr::alias(column, it->second));
    }
    return plan::make_project(p, std::move(outputs));
  });
}

GroupBy Frame::group_by(std::vector<Expr> keys) const { return GroupBy(*this, std::move(keys)); }

GroupBy Frame::group_by(std::initializer_list<const char*> columns) const {
  std::vector<Expr> keys;
  for (const char* name : columns) keys.push_back(col(name));
  return GroupBy(*this, std::move(keys));
}

Frame Frame::join(const Frame& right, JoinOptions options) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const PlanPtr other, right.plan());
    ARROW_RETURN_NOT_OK(check_join(options));
    const bool on = !options.on.empty();
    return plan::make_join(p, other, join_kind(options.how), columns_of(on ? options.on : options.left_on),
                           columns_of(on ? options.on : options.right_on), on, options.nulls_equal, options.suffix,
                           options.where ? options.where->node() : nullptr);
  });
}

Frame Frame::cross_join(const Frame& right, std::string suffix) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const PlanPtr other, right.plan());
    return plan::make_cross_join(p, other, std::move(suffix));
  });
}

Frame Frame::join_asof(const Frame& right, AsofOptions o) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    ARROW_ASSIGN_OR_RAISE(const PlanPtr other, right.plan());
    ARROW_RETURN_NOT_OK(check_asof(o));
    const bool on = !o.on.empty(), by = !o.by.empty();
    plan::AsofMatch match;
    match.left_on = expr::column(on ? o.on : o.left_on);
    match.right_on = expr::column(on ? o.on : o.right_on);
    match.strategy = static_cast<plan::AsofStrategy>(o.strategy);
    match.allow_exact = o.allow_exact;
    if (o.tolerance) match.tolerance = o.tolerance->node();
    return plan::make_asof_join(p, other, std::move(match), columns_of(by ? o.by : o.left_by), columns_of(by ? o.by : o.right_by), on, by,
                                o.suffix);
  });
}

Frame Frame::sort(std::vector<SortKey> keys) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    std::vector<plan::SortBy> by;
    for (const SortKey& k : keys) {
      ARROW_ASSIGN_OR_RAISE(auto all, expand({k.expr}, *p->schema));
      for (auto& e : all) by.push_back({std::move(e), k.descending, k.nulls_first});
    }
    return plan::make_sort(p, std::move(by));
  });
}

Frame Frame::head(int64_t n) const { return slice(0, n); }

Frame Frame::slice(int64_t offset, std::optional<int64_t> length) const {
  return then(*this, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    if (offset < 0) {
      const Frame last = tail(-offset);
      return length ? last.head(*length).plan() : last.plan();
    }
    if (length && *length < 0) return base::plan_error("the number of rows of a limit cannot be negative: " + std::to_string(*length));
    return plan::make_limit(p, offset, length.value_or(-1));
  });
}

Frame Frame::explode(std::vector<std::string> columns) const {
  return then(*this, [&](const PlanPtr& p) { return plan::make_explode(p, std::move(columns)); });
}

Frame Frame::union_with(std::vector<Frame> others) const {
  others.insert(others.begin(), *this);
  return concat(std::move(others));
}

// plan() is const: the macros below must copy the pointer, not take it away.
arrow::Result<std::shared_ptr<arrow::Schema>> Frame::schema() const {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr p, plan());
  return p->schema;
}

arrow::Result<std::vector<std::string>> Frame::column_names(const std::vector<Expr>& exprs) const {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr p, plan());
  ARROW_ASSIGN_OR_RAISE(const auto all, expand(exprs, *p->schema));
  std::vector<std::string> names;
  for (const auto& e : all) names.push_back(expr::output_name(*e));
  return names;
}

arrow::Result<std::string> Frame::explain(bool optimized) const {
  ARROW_ASSIGN_OR_RAISE(PlanPtr p, plan());
  if (!optimized) return plan::explain(*p);
  ARROW_ASSIGN_OR_RAISE(const plan::SharedPlan shared, plan::optimize_shared(p));
  return plan::explain(shared);
}

GroupBy::GroupBy(Frame frame, std::vector<Expr> keys, bool sorted) : frame_(std::move(frame)), keys_(std::move(keys)), sorted_(sorted) {}

Frame GroupBy::agg(std::vector<Expr> aggregates) const {
  return then(frame_, [&](const PlanPtr& p) -> arrow::Result<PlanPtr> {
    if (keys_.empty()) return base::plan_error("group_by needs at least one key", "use select() to aggregate a whole frame");
    ARROW_ASSIGN_OR_RAISE(auto keys, expand(keys_, *p->schema));
    ARROW_ASSIGN_OR_RAISE(auto outputs, expand(aggregates, *p->schema));
    std::vector<plan::SortBy> order;
    for (const auto& k : keys) order.push_back({expr::column(expr::output_name(*k)), false, false});
    ARROW_ASSIGN_OR_RAISE(PlanPtr groups, plan::make_aggregate(p, std::move(keys), std::move(outputs)));
    return sorted_ ? plan::make_sort(std::move(groups), std::move(order)) : groups;
  });
}

}  // namespace gristmill
