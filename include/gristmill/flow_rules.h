// How the calls of a flow (flow.h) go: rules of one function, options of a run, and what is told of a failure.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "gristmill/flow_cache.h"
#include "gristmill/flow_events.h"
#include "gristmill/flow_timeline.h"
#include "gristmill/options.h"

namespace gristmill {

// Up to `times` more calls after a failed one. The pause before the n-th is first * factor^(n-1) seconds, at most `most`, less a part up to
// `jitter` of it that depends on the item, so that many do not come back at one moment. `on`: which errors are worth it (nothing: all).
struct Retry {
  int times = 3;
  double first = 0.1;
  double factor = 2;
  double most = 60;
  double jitter = 0.5;
  std::function<bool(const arrow::Status&)> on = {};
};

// At most `calls` starts in any `seconds`; copies share it, so several functions and flows may. They come evenly: at most `burst` at a
// moment (0: what belongs to a hundredth of a second, at least one).
class RateLimit {
 public:
  explicit RateLimit(int64_t calls, double seconds = 1.0, int64_t burst = 0);
  // The one of that name in the process, as long as somebody holds it; an error if it has other numbers.
  static arrow::Result<RateLimit> named(const std::string& name, int64_t calls, double seconds = 1.0, int64_t burst = 0);
  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

enum class CallWay : uint8_t { kAuto, kCompute, kBlocking };

// Rules for the calls of one function. A plain function with a time-out, rate or window gets threads of its own.
struct CallRules {
  std::optional<Retry> retry = {};
  std::chrono::nanoseconds timeout{0};  // of each call; 0: none
  std::optional<RateLimit> rate = {};
  int64_t window = 0;        // calls open at once; 0: 10,000 of a coroutine, 1,024 of a function
  int64_t window_bytes = 0;  // bytes of the arguments of open calls (one call is always let in); 0: no limit
  CallWay way = CallWay::kAuto;
  std::optional<FlowCache> cache = {};  // flow_cache.h
  std::string version = {};             // of the function, for the cache
};

// Which call a function is in.
struct FlowCall {
  int64_t item = 0;  // from 0
  int attempt = 1;
  std::shared_ptr<const std::atomic<bool>> ended = {};
  std::vector<int64_t> parts = {};  // which value of a generator, which item of a flow inside, the outermost first
  bool cancelled() const { return ended && ended->load(std::memory_order_relaxed); }  // nobody waits for it any more
};

enum class FlowErrors : uint8_t {
  kFail,     // the first failure that occurs ends the run
  kOrdered,  // the failure of the earliest item does: which one does not depend on timing
  kReturn,   // stands in the item's place (map_each, stream)
  kSkip,     // the item is left out
};

struct FlowFailure {
  int64_t item = 0;
  std::string node;
  arrow::Status status;
  int attempts = 1;
  std::vector<int64_t> parts = {};  // as in FlowCall
};

struct FlowOptions {
  FlowErrors errors = FlowErrors::kFail;
  std::function<void(const FlowFailure&)> dead_letter = {};  // with kSkip: told of each item left out, one at a time
  int num_workers = 0;                                       // of the engine's, for functions that compute; 0: all
  int64_t window = 10'000;                                   // items open, and of a stream also those not yet taken
  bool ordered = true;                                       // of a stream: in the order of the input, or as they are completed
  Cancellation cancel = {};
  std::optional<FlowTimeline> timeline = {};  // what ran when is put there (flow_timeline.h)
  // Told what happens, one event at a time, on the threads of the run, so it should not take long; an exception ends the run.
  std::function<void(const FlowEvent&)> on_event = {};
  std::optional<FlowProgress> progress = {};  // how far it is (flow_events.h)
};

// A value of the graph: an input, or what a function gives.
template <typename T>
struct Slot {
  int index = -1;
  const void* flow = nullptr;
};

}  // namespace gristmill
