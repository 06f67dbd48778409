// A call that a run wants: of a step for an item, of a generator for its next values, or of a step for many items at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flow/item.h"
#include "flow/open_call.h"

namespace gristmill::flow {

struct Request {
  int step = 0;
  ItemPtr item;
  int attempt = 1;                                             // the n-th call
  ScopePtr values = nullptr;                                   // of the generator that is asked for more
  std::shared_ptr<const std::vector<ItemPtr>> many = nullptr;  // `item` is the first of them

  std::shared_ptr<const std::string> key = nullptr;  // under which a cache keeps the answer

  const Step& called() const { return item->plan.steps[static_cast<size_t>(step)]; }
  bool dead() const;  // nobody wants the answer
};

// What is called, with the arguments the items have.
CallWork work_of(const Request& request);

}  // namespace gristmill::flow
