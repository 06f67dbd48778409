// What explain() says of a function: the way of its calls, why, the numbers behind it, and its rules.

#include "flow/node.h"

#include <chrono>

#include "flow/rate_limit.h"

namespace gristmill::flow {

std::string Node::why() const {
  if (fixed == Way::kAsync) return "async: a coroutine, on the event loop (" + stats.numbers() + ")";
  const std::string known = " (" + stats.numbers() + ")";
  if (rules.way == CallWay::kCompute && fixed == Way::kCompute) return "compute: as its rules say, on the engine's workers" + known;
  if (rules.way == CallWay::kBlocking) return "blocking: as its rules say, on a thread for each call that is open" + known;
  if (fixed == Way::kBlocking) return "blocking: a function with a time-out, rate or window has threads of its own" + known;
  switch (stats.way()) {
    case Way::kBlocking: return "blocking: a call mostly waits, on a thread for each call that is open" + known;
    case Way::kCompute: return "compute: a call computes, on the engine's workers" + known;
    default: return "not known yet: the first call shows";
  }
}

std::string Node::rules_text() const {
  std::string text;
  const auto part = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (rules.retry) part("retry " + std::to_string(rules.retry->times));
  if (rules.timeout.count() > 0)
    part("time-out " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(rules.timeout).count()) + " ms");
  if (rules.rate) {
    const auto& rate = *rules.rate->state();
    std::string seconds = std::to_string(rate.seconds);
    seconds.erase(seconds.find_last_not_of('0') + 1);
    if (seconds.back() == '.') seconds.pop_back();
    part("rate " + std::to_string(rate.calls) + " in " + seconds + " s");
  }
  if (rules.cache) part("cache" + (rules.version.empty() ? "" : ", version " + rules.version));
  if (batch > 0) part(std::to_string(batch) + " items at once");
  if (rules.window > 0) part("window " + std::to_string(rules.window) + " calls");
  if (rules.window_bytes > 0) part("window " + std::to_string(rules.window_bytes) + " bytes");
  return text;
}

}  // namespace gristmill::flow
