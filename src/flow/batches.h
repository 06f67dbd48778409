// Functions of many items at once: which items go together is a matter of their numbers alone, never of who came first.
//
// Batch k of a step holds the items from k * size on of a scope; it is sent when each of them has come or cannot come any more. All under
// the lock of the run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "flow/request.h"

namespace gristmill::flow {

struct Batches {
  struct Group {
    std::map<int64_t, ItemPtr> items;
    int64_t gone = 0;
  };
  std::map<std::pair<int, int64_t>, Group> open;  // by step and number

  // Each gives up the requests for batches that nobody is missing from any more.
  void join(const Scope& scope, int step, const ItemPtr& item, std::vector<Request>& full);
  void leave(const Scope& scope, const Item& item, std::vector<Request>& full);  // it is through, or of no use
  void close(const Scope& scope, std::vector<Request>& full);                    // no more items come

 private:
  using Place = std::map<std::pair<int, int64_t>, Group>::iterator;
  Place send_if_full(const Scope& scope, Place place, std::vector<Request>& full);
};

}  // namespace gristmill::flow
