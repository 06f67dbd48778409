// Parts that stand in a plan several times are computed once and their rows kept for everyone who reads them.
//
//   with t as (select k, sum(v) s from big group by k) select ... from t a join t b ...   ->   t first, then the rest over its rows
//
// A part is one node that several others read (a frame used twice, a query of WITH), or equal nodes over equal inputs. It is worth keeping
// when it groups or has windows, or joins and is guessed to give at most half the rows it reads. Its users' columns and
// filters still reach it: it gives the columns that anybody wants and, when all of its users filter, the rows that anybody wants.
// The answer does not depend on it: a part's rows come in the order the plan says, or in any where no user can see it.
#pragma once

#include <memory>
#include <vector>

#include "plan/logical.h"

namespace gristmill::plan {

// What a plan reads in place of a part: nothing is there until the part has been computed.
class SharedRows final : public TableSource {
 public:
  SharedRows(int number, const Plan& part);
  std::string kind() const override { return "shared"; }
  std::string name() const override;
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  TableEstimate estimate() const override { return estimate_; }
  std::string to_json() const override { return "{}"; }  // optimised plans are not written down
  arrow::Result<std::shared_ptr<Scan>> open(const ScanRequest& request) const override;

  int number() const { return number_; }
  // Rows with at least the columns that anybody reads, by name. Before the first open() and not during a run.
  void fill(TableSourcePtr rows) { rows_ = std::move(rows); }
  void clear() { rows_.reset(); }

 private:
  const int number_;
  const std::shared_ptr<arrow::Schema> schema_;
  TableEstimate estimate_;
  TableSourcePtr rows_;
};

struct SharedPart {
  PlanPtr plan;
  std::shared_ptr<SharedRows> rows;
};

struct SharedPlan {
  std::vector<SharedPart> parts;  // each before those that read it
  PlanPtr main;
};

// optimize() for a plan and its parts.
arrow::Result<SharedPlan> optimize_shared(const PlanPtr& plan, bool ordered = true);

// Plans that group the same rows: what they have in common, and each over the rows of that.
struct TogetherPlan {
  PlanPtr common;                    // null: they have nothing in common, or do other things with it than filter, project and group
  std::shared_ptr<SharedRows> rows;  // never filled: whoever runs the plans hands the rows on
  std::vector<PlanPtr> users;
};
arrow::Result<TogetherPlan> optimize_together(const std::vector<PlanPtr>& plans, bool ordered = true);

// The main plan, then the parts.
std::string explain(const SharedPlan& plan);

// What a node does, as text that equal nodes share; without its inputs. A scan's names its source.
std::string node_key(const Plan& plan);

}  // namespace gristmill::plan
