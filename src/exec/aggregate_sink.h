// What sink, phases and source of an aggregation share. A partition is spilled only while nobody works on it; nothing that may
// spill is called with a lock held.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/memory_budget.h"
#include "exec/aggregate_plan.h"
#include "exec/group_hash.h"
#include "exec/group_partition.h"

namespace gristmill::exec {

class AggregateState final : public base::Spillable {
 public:
  explicit AggregateState(std::shared_ptr<const AggregatePlan> p) : plan(std::move(p)), spill_store(plan->context.memory) {}
  ~AggregateState() override;

  // All workers' groups are in; from here on they may be spilled from here.
  void close();
  std::string spill_name() const override { return "aggregation"; }
  int64_t spillable_bytes() const override;
  arrow::Result<int64_t> spill(int64_t bytes) override;

  std::shared_ptr<const AggregatePlan> plan;
  SharedSpill spill_store;
  std::array<GroupPartition, kPartitions> partitions;

 private:
  bool registered_ = false;
};

std::shared_ptr<Sink> make_aggregate_sink(std::shared_ptr<AggregateState> state);
std::shared_ptr<Phase> make_merge_phase(std::shared_ptr<AggregateState> state);
std::shared_ptr<Source> make_group_source(std::shared_ptr<AggregateState> state);

}  // namespace gristmill::exec
