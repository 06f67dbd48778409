// An aggregation as it runs: keys in their form, each distinct argument once, functions placed in the row.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "exec/aggregate.h"
#include "exec/aggregate_functions.h"
#include "exec/group_keys.h"
#include "exec/group_row.h"

namespace gristmill::exec {

struct AggregateArgument {
  std::vector<expr::BoundPtr> values;  // none: rows themselves; several: a struct of them
  expr::BoundPtr filter;               // may be null
  bool needs_values = false;
  column::TypePtr packed;  // of several
};

struct AggregateOutput {
  int function = 0;
  Outcome outcome = Outcome::kValue;
  column::TypePtr type;
};

// Immutable, shared by sink, phases and source.
struct AggregatePlan {
  static arrow::Result<std::shared_ptr<const AggregatePlan>> make(AggregateSpec spec, const QueryContext& context);

  AggregateSpec spec;
  QueryContext context;
  KeyPlan keys;
  std::vector<AggregateArgument> arguments;
  std::vector<AggregateFunctionPtr> functions;
  std::vector<int> argument_of;  // of each function
  std::vector<AggregateOutput> outputs;
  RowLayout layout;

  // Not for what leaves.
  std::unique_ptr<Turns> turns;
  std::unique_ptr<PatientPool> patient;  // for tables and blocks while no lock is held
  std::unique_ptr<PatientPool> waiting;  // while one is

  arrow::MemoryPool* pool() const { return context.pool(); }
  bool seals() const;         // a function has something to do after the last merge
  bool keeps_values() const;  // as many as there are rows
  // Key columns, then one column per aggregate.
  arrow::Result<std::vector<column::Column>> finish(std::span<const uint8_t* const> rows) const;
};

}  // namespace gristmill::exec
