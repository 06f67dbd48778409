// The sink around the workers' states, and what becomes of them when all is consumed.

#include "exec/aggregate_sink.h"

#include <utility>

#include "exec/aggregate_local.h"

namespace gristmill::exec {
namespace {

class AggregateSink final : public Sink {
 public:
  explicit AggregateSink(std::shared_ptr<AggregateState> state) : state_(std::move(state)) {}

  std::string name() const override { return state_->plan->spec.label.empty() ? "aggregate" : state_->plan->spec.label; }

  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override {
    auto local = std::make_unique<AggregateLocal>(state_);
    ARROW_RETURN_NOT_OK(local->open());
    return local;
  }

  arrow::Status consume(column::Batch batch, Position position, LocalState& local) override {
    return local.as<AggregateLocal>().consume(batch, position);
  }

  arrow::Status combine(LocalState& local) override {
    local.as<AggregateLocal>().hand_over();
    return arrow::Status::OK();
  }

  arrow::Status finalize() override {
    state_->close();
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<AggregateState> state_;
};

}  // namespace

AggregateState::~AggregateState() {
  if (registered_) plan->context.memory->unregister_spillable(this);
}

void AggregateState::close() {
  if (plan->layout.form == KeyForm::kNone || registered_) return;
  plan->context.memory->register_spillable(this);
  registered_ = true;
}

int64_t AggregateState::spillable_bytes() const {
  int64_t bytes = 0;
  for (const auto& p : partitions) bytes += p.spillable_bytes();
  return bytes;
}

// From the last one down: merging goes upwards.
arrow::Result<int64_t> AggregateState::spill(int64_t bytes) {
  int64_t freed = 0;
  for (int p = kPartitions - 1; p >= 0 && freed < bytes; --p) {
    ARROW_ASSIGN_OR_RAISE(const int64_t n, partitions[static_cast<size_t>(p)].spill(*plan, spill_store));
    freed += n;
  }
  return freed;
}

std::shared_ptr<Sink> make_aggregate_sink(std::shared_ptr<AggregateState> state) {
  return std::make_shared<AggregateSink>(std::move(state));
}

}  // namespace gristmill::exec
