// Items that belong together: those of the run, the values of a generator, or the items of a flow that is mapped inside.
//
// All of it is changed under the lock of its run. Each item of a scope is passed once, and in the order of their positions where the order
// counts; a scope is over once: complete, failed or of no use any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "flow/delivery.h"
#include "flow/inputs.h"
#include "flow/item.h"

namespace gristmill::flow {

struct Batches;

struct Scope : std::enable_shared_from_this<Scope> {
  enum class Kind : uint8_t { kRun, kValues, kMap };
  Scope(Kind kind_, const Plan& plan_, ItemPtr parent_, int step_, bool strict_);
  ~Scope();

  const Kind kind;
  const Plan& plan;
  const ItemPtr parent;  // whose step made it; null: the run's own
  const int step;
  const bool strict;           // an item's failure is the failure of all of it
  const bool inside;           // its rows end in a vector, not with the user
  std::vector<int64_t> key;    // where it is among all scopes, in the order of rows
  std::vector<int64_t> parts;  // of FlowCall, for its items: without their own position

  std::map<int64_t, ItemPtr> live;
  int64_t started = 0;
  int64_t passed = 0;
  int64_t limit = INT64_MAX;  // items from here on are of no use: this one failed
  FlowFailure failure;        // of that one
  bool closed = false;        // no more items come
  std::atomic<bool> over{false};
  bool queued = false;  // among those that go first

  std::shared_ptr<const Inputs> inputs;        // kMap
  std::vector<Anything> base;                  // kMap: what is the same for its items
  std::shared_ptr<detail::FlowSource> source;  // kValues
  bool pulling = false;                        // kValues: some are asked for
  int64_t most = 0;                            // kValues: so many
  std::map<int64_t, std::vector<Row>> kept;    // kMap: rows by position
  struct Held {
    std::vector<Row> rows;
    bool final = false;
  };
  std::map<int64_t, Held> held;  // kValues, in order: those whose turn has not come
  int64_t head = 0;
  std::unique_ptr<Batches> batches;  // in the making
};

}  // namespace gristmill::flow
