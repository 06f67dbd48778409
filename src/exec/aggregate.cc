// The three stages put together, and the merging phase between consuming and reading.

#include "exec/aggregate.h"

#include <utility>

#include "exec/aggregate_sink.h"

namespace gristmill::exec {
namespace {

// One piece a partition; few groups are merged in one.
class MergePhase final : public Phase {
 public:
  explicit MergePhase(std::shared_ptr<AggregateState> state) : state_(std::move(state)) {}

  std::string name() const override { return "merge groups"; }

  arrow::Result<int64_t> start(const QueryContext&) override {
    constexpr int64_t kFew = 16384;
    int64_t groups = 0;
    bool on_disk = false;
    for (const auto& p : state_->partitions) {
      groups += p.groups_in_memory();
      on_disk = on_disk || p.has_blocks();
    }
    pieces_ = groups <= kFew && !on_disk ? 1 : kPartitions;
    return pieces_;
  }

  arrow::Status run(int64_t piece) override {
    const AggregatePlan& plan = *state_->plan;
    const Turns::Scope turn(*plan.turns);
    const int64_t first = pieces_ == 1 ? 0 : piece;
    const int64_t last = pieces_ == 1 ? kPartitions - 1 : piece;
    for (int64_t p = first; p <= last; ++p) {
      ARROW_RETURN_NOT_OK(plan.context.cancel.check());
      ARROW_RETURN_NOT_OK(state_->partitions[static_cast<size_t>(p)].merge(plan, state_->spill_store, static_cast<int>(p)));
    }
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<AggregateState> state_;
  int64_t pieces_ = 0;
};

}  // namespace

std::shared_ptr<Phase> make_merge_phase(std::shared_ptr<AggregateState> state) { return std::make_shared<MergePhase>(std::move(state)); }

arrow::Result<Breaker> make_aggregate(AggregateSpec spec, const QueryContext& context) {
  ARROW_ASSIGN_OR_RAISE(auto plan, AggregatePlan::make(std::move(spec), context));
  auto state = std::make_shared<AggregateState>(std::move(plan));
  return Breaker{make_aggregate_sink(state), {make_merge_phase(state)}, make_group_source(state)};
}

}  // namespace gristmill::exec
