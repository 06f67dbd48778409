// Slots say who waits for whom: a step waits for those of its part that make its arguments; what earlier parts made is there already.

#include "flow/plan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace gristmill::flow {

Plan::Plan(std::vector<Step> laid, std::vector<Anything> fixed, std::vector<int> asked)
    : values(std::move(fixed)), wanted(std::move(asked)) {
  steps = divide(std::move(laid));
  place();
}

std::vector<Step> Plan::divide(std::vector<Step> laid) {
  if (std::none_of(laid.begin(), laid.end(), [](const Step& s) { return s.node->explodes; })) return laid;
  std::set<int> late;  // slots that depend on what the generator gives
  std::vector<Step> before;
  std::vector<Step> behind;
  std::optional<Step> generator;
  for (Step& step : laid) {
    const bool depends = step.node->explodes || std::any_of(step.args.begin(), step.args.end(), [&](int a) { return late.contains(a); });
    if (depends) late.insert(step.out);
    if (depends && !generator) {
      generator = std::move(step);
    } else {
      (depends ? behind : before).push_back(std::move(step));
    }
  }
  before.push_back(std::move(*generator));
  tail = std::make_shared<Plan>(std::move(behind), values, wanted);
  return before;
}

void Plan::place() {
  std::map<int, int> maker;
  for (int index = 0; index < static_cast<int>(steps.size()); ++index) {
    Step& step = steps[static_cast<size_t>(index)];
    std::set<int> before;
    for (const int slot : step.args) {
      if (const auto it = maker.find(slot); it != maker.end()) before.insert(it->second);
    }
    if (step.node->explodes) {  // an item is divided when the rest of it is sure
      for (int b = 0; b < index; ++b) before.insert(b);
    }
    step.needs = static_cast<int>(before.size());
    for (const int b : before) steps[static_cast<size_t>(b)].feeds.push_back(index);
    if (before.empty()) first.push_back(index);
    waiting.push_back(step.needs);
    maker[step.out] = index;
    if (step.node->batch > 0) {
      batched.push_back(index);
      largest_batch = std::max(largest_batch, step.node->batch);
    }
  }
}

bool Plan::computes() const {
  return std::all_of(steps.begin(), steps.end(), [](const Step& s) {
    return s.node->way() == Way::kCompute && !s.node->rules.retry && !s.node->rules.cache && !s.inner && !s.node->explodes &&
           s.node->batch == 0;
  });
}

bool Plan::waits() const {
  return (tail && tail->waits()) || std::any_of(steps.begin(), steps.end(), [](const Step& s) {
           return s.node->way() == Way::kAsync || (s.inner && s.inner->waits());
         });
}

int64_t Plan::item_ns() const {
  int64_t sum = 0;
  for (const Step& s : steps) {
    const int64_t one = s.node->stats.wall_ns();
    if (one == 0) return 0;
    sum += one;
  }
  return sum;
}

int Plan::number(int from) {
  for (Step& step : steps) {
    step.number = from++;
    if (step.inner) from = step.inner->number(from);
  }
  return tail ? tail->number(from) : from;
}

void Plan::collect(std::vector<const Step*>& out) const {
  for (const Step& step : steps) {
    out.push_back(&step);
    if (step.inner) step.inner->collect(out);
  }
  if (tail) tail->collect(out);
}

}  // namespace gristmill::flow
