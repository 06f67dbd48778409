// The probe side's sink and the phase that joins the partitions; one partition is join_partition.cc's business.

#include "exec/join_grace.h"

#include <arrow/type.h>

#include "exec/evaluate_all.h"
#include "exec/join_order.h"
#include "exec/join_partition.h"

namespace gristmill::exec {
namespace {

struct GraceLocal final : LocalState {
  explicit GraceLocal(arrow::MemoryPool* pool) : evaluator(pool) {}
  expr::Evaluator evaluator;
};

class GraceSink final : public Sink {
 public:
  explicit GraceSink(std::shared_ptr<GraceState> state) : state_(std::move(state)) {}
  std::string name() const override { return "join spill " + state_->shape->spec.label; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override {
    ARROW_RETURN_NOT_OK(state_->open());
    return std::make_unique<GraceLocal>(context.pool());
  }
  arrow::Status consume(column::Batch batch, Position position, LocalState& local) override {
    const JoinShape& shape = *state_->shape;
    ARROW_ASSIGN_OR_RAISE(auto keys, evaluate_all(local.as<GraceLocal>().evaluator, shape.probe.keys, batch));
    const bool drop = shape.needs_match() && !shape.layout.nulls_equal();
    ARROW_ASSIGN_OR_RAISE(KeptRows kept,
                          keep_rows(shape.probe, std::move(batch), keys, drop, position.order, state_->join->context.pool()));
    return state_->probe_rows.add(std::move(kept));
  }
  arrow::Status combine(LocalState&) override { return arrow::Status::OK(); }
  arrow::Status finalize() override { return state_->probe_rows.flush(); }

 private:
  std::shared_ptr<GraceState> state_;
};

// Joins the partitions, one a piece, into the sort's sink.
class JoinPartitions final : public Phase {
 public:
  JoinPartitions(std::shared_ptr<GraceState> state, std::shared_ptr<Sink> sorted) : state_(std::move(state)), sorted_(std::move(sorted)) {}
  std::string name() const override { return "join partitions"; }

  arrow::Result<int64_t> start(const QueryContext& context) override {
    context_ = context;
    state_->probe = state_->probe_rows.partitions().take();
    locals_.resize(kSpillPartitions);
    return kSpillPartitions;
  }

  arrow::Status run(int64_t piece) override {
    auto& local = locals_[static_cast<size_t>(piece)];
    ARROW_ASSIGN_OR_RAISE(local, sorted_->make_local(context_));
    Position at{static_cast<uint64_t>(piece), static_cast<uint64_t>(piece) << 48};
    const Emit emit = [&](column::Batch batch) {
      const Position here = at;
      at.order += static_cast<uint64_t>(batch.rows);
      return sorted_->consume(std::move(batch), here, *local);
    };
    PartitionJoin partition(*state_, emit);
    const size_t p = static_cast<size_t>(piece);
    ARROW_RETURN_NOT_OK(partition.join(std::move(state_->build[p]), std::move(state_->probe[p]), 1));
    return sorted_->end_morsel(at, *local);
  }

  arrow::Status finish() override {
    for (auto& local : locals_) {
      ARROW_RETURN_NOT_OK(sorted_->combine(*local));
      local.reset();
    }
    return sorted_->finalize();
  }

 private:
  std::shared_ptr<GraceState> state_;
  std::shared_ptr<Sink> sorted_;
  QueryContext context_;
  std::vector<std::unique_ptr<LocalState>> locals_;
};

}  // namespace

arrow::Result<Breaker> make_join_grace(std::shared_ptr<JoinState> join) {
  const JoinShape& shape = *join->shape;
  std::vector<column::TypePtr> types = output_types(shape);
  types.resize(types.size() + (shape.out_of_order() ? 2 : 1), arrow::uint64());
  auto state = std::make_shared<GraceState>(join);
  const StopAt stop = [state]() -> std::optional<std::pair<uint64_t, arrow::Status>> {
    if (!state->error_order) return std::nullopt;
    return std::pair(*state->error_order, state->error);
  };
  ARROW_ASSIGN_OR_RAISE(Breaker sorted, make_join_order(std::move(types), shape.spec.label, join->context, stop));
  Breaker b;
  b.sink = std::make_shared<GraceSink>(state);
  b.phases.push_back(std::make_shared<JoinPartitions>(state, sorted.sink));
  b.phases.insert(b.phases.end(), sorted.phases.begin(), sorted.phases.end());
  b.source = sorted.source;
  return b;
}

}  // namespace gristmill::exec
