#include "flow/scope.h"

#include <utility>

#include "flow/batches.h"

namespace gristmill::flow {

Scope::Scope(Kind kind_, const Plan& plan_, ItemPtr parent_, int step_, bool strict_)
    : kind(kind_),
      plan(plan_),
      parent(std::move(parent_)),
      step(step_),
      strict(strict_),
      inside(kind == Kind::kMap || (parent && parent->scope->inside)) {
  if (parent) {
    key = parent->scope->key;
    key.insert(key.end(), {parent->position, step});
    parts = parent->scope->parts;
    if (parent->scope->parent) parts.push_back(parent->position);
  }
  if (!plan.batched.empty()) batches = std::make_unique<Batches>();
}

Scope::~Scope() = default;

Item::Item(ScopePtr scope_, int64_t number, std::vector<Anything> values_)
    : scope(std::move(scope_)),
      plan(scope->plan),
      position(number),
      values(std::move(values_)),
      waiting(plan.waiting),
      left(static_cast<int>(plan.steps.size())) {}

FlowCall Item::told(int attempt) const {
  if (scope->key.empty()) return {.item = position, .attempt = attempt};
  FlowCall call{.item = scope->key[0], .attempt = attempt, .parts = scope->parts};
  call.parts.push_back(position);
  return call;
}

}  // namespace gristmill::flow
