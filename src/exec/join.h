// Hash join: a build side (a breaker without source) and a probe operator.
//
// Output: left rows in their order; for one left row its right rows in theirs, whichever side was built. Full key
// comparison; nulls never match unless nulls_equal; keys equal by semantics.md 3.
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

struct JoinSpec {
  plan::JoinKind kind = plan::JoinKind::kInner;
  std::vector<expr::BoundPtr> left_keys, right_keys;  // over the left / right input; same canonical types pairwise
  std::vector<column::TypePtr> left_types, right_types;
  bool nulls_equal = false;
  std::vector<int> output;  // columns of (left ++ right) in output order; semi and anti: left only
  bool build_left = false;  // inner only: the smaller side is left; order of the output stays as above
  std::string label;
};

class Join {
 public:
  virtual ~Join() = default;
  virtual Breaker build() = 0;                          // consumes the build side (right, or left when build_left)
  virtual std::shared_ptr<const Operator> probe() = 0;  // after build, when !spilled()
  virtual bool spilled() const = 0;
  virtual Breaker grace() = 0;  // consumes the probe side when spilled()
  // When set, probe output is not in order and must go through this breaker (build_left); null otherwise.
  virtual std::optional<Breaker> reorder() { return std::nullopt; }
  // One filter per probe-side key that is a plain input column: (probe column, filter), published when the build is done.
  virtual std::vector<std::pair<int, std::shared_ptr<plan::RuntimeFilter>>> runtime_filters() = 0;
};

arrow::Result<std::shared_ptr<Join>> make_hash_join(JoinSpec spec, const QueryContext& context);

}  // namespace gristmill::exec
