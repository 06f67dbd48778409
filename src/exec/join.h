// Hash join: a build side (a breaker without source) and a probe operator.
//
// Output: left rows in their order; for one left row its right rows in theirs, whichever side was built, unless nobody sees the order: then
// an inner join that builds its left side gives right rows in their order, for each its left rows in theirs. A semi or anti join that
// builds its left side marks the rows that matched and gives them, or the others, when all right rows have passed. Right and full joins
// at last give the right rows that matched nothing, in their order. Full key comparison; nulls never match unless nulls_equal;
// keys equal by semantics.md 3. Without keys every pair is a candidate. An as-of join picks one right row of equal keys, or
// of all if it has none: only it may come without any.
//
// A residual is checked on every pair of equal keys. If it can fail, the smallest failing left row is the error, whatever
// was spilled; such an error names no source row, like one of a filter behind a join.
//
// When the build side does not fit, `spilled()` is true after its phases: the probe rows are then partitioned to disk as
// well (grace), joined partition by partition, and the order restored by Position; `grace` is that path:
// the lowering runs it instead of the probe operator.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "exec/breaker.h"
#include "expr/bind.h"
#include "plan/logical.h"

namespace gristmill::exec {

struct AsofSpec {
  expr::BoundPtr left_on, right_on;
  plan::AsofStrategy strategy = plan::AsofStrategy::kBackward;
  bool allow_exact = true;
  std::optional<uint64_t> tolerance;      // integers and times: in units
  std::optional<double> float_tolerance;  // floats
};

struct JoinSpec {
  plan::JoinKind kind = plan::JoinKind::kInner;
  std::vector<expr::BoundPtr> left_keys, right_keys;  // over the left / right input; same canonical types pairwise
  std::vector<column::TypePtr> left_types, right_types;
  bool nulls_equal = false;
  expr::BoundPtr residual;       // over left ++ right; not for inner and as-of joins
  std::optional<AsofSpec> asof;  // kAsof
  std::vector<int> output;  // columns of (left ++ right) in output order; semi and anti: left only
  bool build_left = false;  // inner, semi and anti: the smaller side is left
  bool ordered = true;      // whether left rows must leave in their order
  std::string label;
};

class Join {
 public:
  virtual ~Join() = default;
  virtual Breaker build() = 0;                          // consumes the build side (right, or left when build_left)
  virtual std::shared_ptr<const Operator> probe() = 0;  // after build, when !spilled()
  virtual bool spilled() const = 0;
  // Joins that keep build rows: what must be read after the last probe row; null otherwise. When spilled, grace() does it.
  virtual std::shared_ptr<Source> unmatched() = 0;
  virtual Breaker grace() = 0;  // consumes the probe side when spilled()
  // When set, probe output is not in order and must go through this breaker (build_left, ordered); null otherwise.
  virtual std::optional<Breaker> reorder() { return std::nullopt; }
  // One filter per probe-side key that is a plain input column: (probe column, filter), published when the build is done.
  virtual std::vector<std::pair<int, std::shared_ptr<plan::RuntimeFilter>>> runtime_filters() = 0;
};

arrow::Result<std::shared_ptr<Join>> make_hash_join(JoinSpec spec, const QueryContext& context);

}  // namespace gristmill::exec
