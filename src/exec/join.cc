// The parts of a hash join put together; what each does is in its own file.

#include "exec/join.h"

#include <arrow/type.h>

#include "exec/join_build.h"
#include "exec/join_grace.h"
#include "exec/join_order.h"

namespace gristmill::exec {
namespace {

class HashJoin final : public Join {
 public:
  HashJoin(std::shared_ptr<JoinState> state, Breaker grace, std::optional<Breaker> reorder)
      : state_(std::move(state)), grace_(std::move(grace)), reorder_(std::move(reorder)) {}

  Breaker build() override { return make_join_build(state_); }
  std::shared_ptr<const Operator> probe() override { return make_join_probe(state_); }
  bool spilled() const override { return state_->rows.spilled(); }
  std::shared_ptr<Source> unmatched() override { return state_->shape->keeps_build() ? make_unmatched_source(state_) : nullptr; }
  Breaker grace() override { return grace_; }
  std::optional<Breaker> reorder() override { return reorder_; }

  std::vector<std::pair<int, std::shared_ptr<plan::RuntimeFilter>>> runtime_filters() override {
    const JoinShape& shape = *state_->shape;
    std::vector<std::pair<int, std::shared_ptr<plan::RuntimeFilter>>> out;
    // A dropped row must not hide that another of its keys fails.
    if (shape.fallible_probe) return out;
    const bool drops = shape.spec.kind == plan::JoinKind::kInner || !shape.shows_pairs();
    if (shape.layout.nulls_equal() || !drops || !shape.needs_match()) return out;
    for (size_t k = 0; k < shape.probe.keys.size(); ++k) {
      const expr::Bound& key = *shape.probe.keys[k];
      if (key.kind != expr::BoundKind::kInput || !JoinFilter::possible(*key.type)) continue;
      auto filter = std::make_shared<JoinFilter>(key.type);
      state_->filters.emplace_back(static_cast<int>(k), filter);
      out.emplace_back(key.input, std::move(filter));
    }
    return out;
  }

 private:
  const std::shared_ptr<JoinState> state_;
  const Breaker grace_;
  const std::optional<Breaker> reorder_;
};

}  // namespace

arrow::Result<std::shared_ptr<Join>> make_hash_join(JoinSpec spec, const QueryContext& context) {
  ARROW_ASSIGN_OR_RAISE(auto decided, make_join_shape(std::move(spec)));
  std::optional<Breaker> reorder;
  if (decided->out_of_order()) {
    std::vector<column::TypePtr> types = output_types(*decided);
    types.push_back(arrow::uint64());
    ARROW_ASSIGN_OR_RAISE(reorder, make_join_order(std::move(types), decided->spec.label, context));
  }
  auto state = std::make_shared<JoinState>(std::move(decided), context);
  ARROW_ASSIGN_OR_RAISE(Breaker grace, make_join_grace(state));
  return std::make_shared<HashJoin>(std::move(state), std::move(grace), std::move(reorder));
}

}  // namespace gristmill::exec
