// Subqueries inside expressions: first a placeholder, which every rewriting of the expression carries along, then columns of a join.
//
// A placeholder is a call "$subquery" of what the subquery needs of the row: the columns it refers to, then what IN or ANY tests. It
// stands for the value until the plan is known on which the expression is computed: FROM's, or the aggregate's above
// it. There the subquery is lowered for good, joined to that plan, and the placeholder becomes an expression over the join.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "expr/node.h"
#include "plan/logical.h"
#include "sql/lower_expr.h"
#include "sql/outer.h"
#include "sql/parse.h"
#include "sql/query.h"

namespace gristmill::sqltext {

class SublinkLowering {
 public:
  virtual ~SublinkLowering() = default;
  virtual arrow::Result<expr::NodePtr> lower(const PgQuery__SubLink& link, const ExpressionLowering& at) = 0;
};

// PostgreSQL's name for an output column that is a subquery.
std::string subquery_name(const PgQuery__SubLink& link);
bool contains_subquery(const expr::Node& e);
// The columns that placeholders in `e` are computed from.
std::vector<std::string> subquery_columns(const expr::Node& e);

// What a plan gets from a subquery: its rows, and how they meet the rows outside.
struct PlannedSubquery {
  plan::PlanPtr plan;
  std::vector<std::string> names;         // what the user calls the plan's columns
  std::vector<std::string> values;        // its output columns
  std::vector<Dependence::Key> keys;      // equal in rows that belong together: over the plan outside, over `plan`
  bool null_safe = false;                 // ... NULL to NULL
  std::vector<expr::NodePtr> conditions;  // over both
  bool at_most_one = false, exactly_one = false;
  expr::NodePtr empty;
};

class Subqueries {
 public:
  using LowerSelect = std::function<arrow::Result<Query>(const PgQuery__SelectStmt&, Dependence&)>;
  Subqueries(const ParsedText& text, LowerSelect lower) : text_(text), lower_(std::move(lower)) {}

  // The placeholder for a subquery in an expression over `scope`, whose names are columns of `names`.
  arrow::Result<expr::NodePtr> placeholder(const PgQuery__SubLink& link, const ExpressionLowering& at, const Scope& scope,
                                           const plan::PlanPtr& names);
  // `plan` filtered by a condition that holds placeholders: semi and anti joins where it may be.
  arrow::Result<plan::PlanPtr> filter(plan::PlanPtr plan, const expr::NodePtr& condition);
  // `e` without placeholders, over `plan`, which gets further columns. `truth`: NULL and false are the same to the consumer.
  arrow::Result<expr::NodePtr> resolve(plan::PlanPtr& plan, const expr::NodePtr& e, bool truth = false);
  // Placeholders that resolve() has replaced already, by the columns they became.
  expr::NodePtr resolved(const expr::NodePtr& e) const;
  // Placeholders inside aggregates, which are computed below the aggregation.
  arrow::Result<expr::NodePtr> resolve_inside_aggregates(plan::PlanPtr& plan, const expr::NodePtr& e);

  // A lateral item of FROM: `scope` is of the items that it may refer to; the first of `sources` that has all columns it does refer to
  // gives their values, and the last one has them all.
  arrow::Result<PlannedSubquery> lateral(const PgQuery__SelectStmt& select, const Scope& scope, const std::vector<plan::PlanPtr>& sources);

 private:
  struct Record {
    const PgQuery__SubLink* link = nullptr;
    int number = 0;
    Scope scope;
    std::vector<std::string> used;  // columns outside; the placeholder's first arguments
    std::string op;                 // of ANY and ALL
    PlannedSubquery alone;          // when nothing outside is used
  };
  enum class Fact : uint8_t { kMatch, kNoMatch };

  const Record* record_of(const expr::Node& e) const;
  arrow::Result<PlannedSubquery> correlated(const PgQuery__SelectStmt& select, const Scope& scope, const std::vector<std::string>& used,
                                            const std::vector<expr::NodePtr>& args, const plan::PlanPtr& outside, Dependence& how) const;
  arrow::Result<PlannedSubquery> plan_of(const Record& r, const plan::PlanPtr& outside, const std::vector<expr::NodePtr>& args,
                                         bool may_hand_up) const;
  arrow::Status check_width(const Record& r, size_t tests, size_t outputs) const;

  arrow::Result<plan::PlanPtr> filter_exists(plan::PlanPtr plan, const Record& r, const expr::Node& holder, bool negated);
  arrow::Result<plan::PlanPtr> filter_in(plan::PlanPtr plan, const Record& r, const expr::Node& holder, bool negated);
  arrow::Result<expr::NodePtr> exists_value(plan::PlanPtr& plan, const Record& r, const expr::Node& holder);
  arrow::Result<expr::NodePtr> scalar_value(plan::PlanPtr& plan, const Record& r, const expr::Node& holder);
  arrow::Result<expr::NodePtr> in_value(plan::PlanPtr& plan, const Record& r, const expr::Node& holder, bool truth);
  arrow::Result<expr::NodePtr> quantified_value(plan::PlanPtr& plan, const Record& r, const expr::Node& holder);
  arrow::Result<expr::NodePtr> value(plan::PlanPtr& plan, const expr::Node& holder, bool truth);

  const ParsedText& text_;
  LowerSelect lower_;
  std::vector<std::unique_ptr<Record>> records_;
  std::map<int, expr::NodePtr> resolved_;
};

// One SELECT whose expressions may hold subqueries.
class SelectLevel : public SublinkLowering {
 public:
  SelectLevel(Subqueries& subqueries, const Scope& scope, plan::PlanPtr names)
      : subqueries_(subqueries), scope_(scope), names_(std::move(names)) {}
  arrow::Result<expr::NodePtr> lower(const PgQuery__SubLink& link, const ExpressionLowering& at) override {
    return subqueries_.placeholder(link, at, scope_, names_);
  }

 private:
  Subqueries& subqueries_;
  const Scope& scope_;
  plan::PlanPtr names_;
};

}  // namespace gristmill::sqltext
