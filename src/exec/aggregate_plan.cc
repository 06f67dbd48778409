// Sharing and layout: sum(x) and mean(x) are one state, an argument used twice is evaluated once.

#include "exec/aggregate_plan.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/memory_budget.h"
#include "base/status.h"

namespace gristmill::exec {
namespace {

bool same(const expr::BoundPtr& a, const expr::BoundPtr& b) {
  if (a == b) return true;
  return a && b && a->kind == expr::BoundKind::kInput && b->kind == expr::BoundKind::kInput && a->input == b->input;
}

bool same_argument(const AggregateArgument& a, const std::vector<expr::BoundPtr>& values, const expr::BoundPtr& filter) {
  return std::equal(a.values.begin(), a.values.end(), values.begin(), values.end(), same) && same(a.filter, filter);
}

int argument_number(std::vector<AggregateArgument>* arguments, const std::vector<expr::BoundPtr>& values, const expr::BoundPtr& filter) {
  for (size_t i = 0; i < arguments->size(); ++i) {
    if (same_argument((*arguments)[i], values, filter)) return static_cast<int>(i);
  }
  arrow::FieldVector fields;
  for (const auto& v : values) fields.push_back(arrow::field(std::to_string(fields.size()), v->type));
  arguments->push_back({values, filter, false, values.size() > 1 ? arrow::struct_(std::move(fields)) : nullptr});
  return static_cast<int>(arguments->size()) - 1;
}

// Arguments, then sort keys.
std::vector<expr::BoundPtr> values_of(const expr::BoundAggregate& a) {
  std::vector<expr::BoundPtr> values = a.args;
  for (const auto& by : a.order) values.push_back(by.key);
  return values;
}

// The next pieces of all tables of all workers, for rows and for bytes, in a small part of the limit.
int64_t largest_piece(const QueryContext& context) {
  constexpr int64_t kMost = int64_t{128} << 10, kLeast = int64_t{16} << 10, kShare = 16;
  if (!context.memory || !context.memory->limited()) return kMost;
  return std::clamp(context.memory->cap() / (kShare * kPartitions * std::max(1, context.workers)), kLeast, kMost);
}

bool sums(const expr::BoundAggregate& a) { return (a.function == "sum" || a.function == "mean") && !a.distinct; }

}  // namespace

void place_functions(std::span<AggregateFunction* const> functions, RowLayout* layout) {
  int states = layout->order_offset + 8;
  int flags = states;
  layout->functions = static_cast<int>(functions.size());
  for (const AggregateFunction* f : functions) flags += f->state_bytes();
  int number = 0;
  for (AggregateFunction* f : functions) {
    f->place(states, flags, number++, layout);
    states += f->state_bytes();
    flags += f->has_flag() ? 1 : 0;
  }
  layout->partition_offset = flags;
  layout->stride = (flags + 1 + 7) & ~7;
}

arrow::Result<std::shared_ptr<const AggregatePlan>> AggregatePlan::make(AggregateSpec spec, const QueryContext& context) {
  auto plan = std::make_shared<AggregatePlan>();
  plan->context = context;
  plan->turns = std::make_unique<Turns>();
  plan->patient = std::make_unique<PatientPool>(context.memory, plan->turns.get(), true);
  plan->waiting = std::make_unique<PatientPool>(context.memory, plan->turns.get(), false);
  ARROW_ASSIGN_OR_RAISE(plan->keys, KeyPlan::make(spec.keys));
  // Which (argument, is it a sum) has which function.
  std::vector<std::pair<int, int>> sum_functions;
  for (const auto& a : spec.aggregates) {
    const int argument = argument_number(&plan->arguments, values_of(a), a.filter);
    AggregateOutput out{-1, a.function == "mean" ? Outcome::kMean : Outcome::kValue, a.type};
    if (sums(a)) {
      for (const auto& [of, function] : sum_functions) {
        if (of == argument) out.function = function;
      }
    }
    if (out.function < 0) {
      const bool mean =
          sums(a) && std::any_of(spec.aggregates.begin(), spec.aggregates.end(), [&](const expr::BoundAggregate& b) {
            return b.function == "mean" && !b.distinct && same_argument(plan->arguments[static_cast<size_t>(argument)], b.args, b.filter);
          });
      ARROW_ASSIGN_OR_RAISE(auto function, make_function(a, mean, context.exact_float_sums));
      out.function = static_cast<int>(plan->functions.size());
      if (sums(a)) sum_functions.emplace_back(argument, out.function);
      plan->arguments[static_cast<size_t>(argument)].needs_values |= function->needs_values();
      plan->functions.push_back(std::move(function));
      plan->argument_of.push_back(argument);
    }
    plan->outputs.push_back(std::move(out));
  }

  RowLayout& layout = plan->layout;
  layout.form = plan->keys.form;
  layout.words = plan->keys.words;
  if (layout.form == KeyForm::kBlob) {
    layout.hash_offset = sizeof(Blob);
    layout.references.push_back({RowReference::kBlob, 0, -1});
  }
  layout.order_offset = plan->keys.key_bytes();
  layout.largest_piece = largest_piece(context);
  std::vector<AggregateFunction*> functions;
  for (const auto& f : plan->functions) functions.push_back(f.get());
  place_functions(functions, &layout);
  plan->spec = std::move(spec);
  return plan;
}

bool AggregatePlan::seals() const {
  return std::any_of(layout.references.begin(), layout.references.end(), [](const RowReference& r) { return r.moments() || r.until_seal; });
}

bool AggregatePlan::keeps_values() const {
  return std::any_of(layout.references.begin(), layout.references.end(), [](const RowReference& r) { return r.grows(); });
}

arrow::Result<std::vector<column::Column>> AggregatePlan::finish(std::span<const uint8_t* const> rows) const {
  ARROW_ASSIGN_OR_RAISE(auto columns, keys.decode(rows, layout, pool()));
  for (const AggregateOutput& out : outputs) {
    ARROW_ASSIGN_OR_RAISE(auto values, functions[static_cast<size_t>(out.function)]->finish(rows, out.outcome, out.type, pool()));
    columns.push_back(column::Column::flat(std::move(values)));
  }
  return columns;
}

}  // namespace gristmill::exec
