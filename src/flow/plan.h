// A plan of a run: the steps that the wanted slots need, in the order of the graph.
//
// A generator divides a plan: what does not depend on it comes before, and is run once an item; what does (and every other generator) is
// the tail, run once for each value it gives. A flow that is mapped inside stays a step with a plan of its own. Steps are numbered through
// all plans of a run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flow/node.h"

namespace gristmill::flow {

struct Plan;
struct Step {
  NodePtr node;
  std::string prefix;     // the flows it is in
  std::vector<int> args;  // slots
  int out = 0;            // slot
  std::shared_ptr<Plan> inner = nullptr;
  int number = 0;
  int needs = 0;                // steps it waits for
  std::vector<int> feeds = {};  // steps that wait for it
  std::string name() const { return prefix + node->name; }
};

struct Plan {
  // `steps` in the order of the graph, with node, arguments and result.
  Plan(std::vector<Step> laid, std::vector<Anything> fixed, std::vector<int> asked);

  std::vector<Step> steps;
  std::vector<Anything> values;  // one a slot: what is the same for all items
  std::vector<int> waiting;      // needs of each step
  std::vector<int> first;        // steps that wait for none
  std::vector<int> wanted;       // slots
  std::shared_ptr<Plan> tail;    // behind the generator, which is the last step
  std::vector<int> batched;      // steps that take many items at once
  int64_t largest_batch = 0;

  bool computes() const;    // every step is known to compute, and an item stays one item
  bool waits() const;       // some step, here or in other plans of the run, is a coroutine
  int64_t item_ns() const;  // what an item was measured to take; 0: not known
  // The steps of this plan and those within and behind it, numbered from `from` on. How many there are then.
  int number(int from);
  void collect(std::vector<const Step*>& out) const;  // by number, as number() counts

 private:
  std::vector<Step> divide(std::vector<Step> laid);
  void place();
};

}  // namespace gristmill::flow
