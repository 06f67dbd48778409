// What happens in a run of a flow, told to whoever wants to hear it, and how far the run is.
//
//   flow.map(words, inputs, {.on_event = [](const FlowEvent& e) { std::clog << e.to_string() << "\n"; }});
//
//   const FlowProgress progress;  // looked at from any thread while the run goes on
//   flow.map(words, inputs, {.progress = progress});
//   flow.map(words, inputs, {.progress = FlowProgress::terminal()});  // a line on standard error
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/status.h>

namespace gristmill {

struct FlowEvent {
  enum class What : uint8_t {
    kFlowStart,
    kFlowEnd,
    kFlowError,
    kMapStart,  // of a flow that is mapped inside
    kMapEnd,
    kItemStart,
    kItemEnd,
    kItemError,
    kNodeStart,  // a call begins
    kNodeEnd,    // the function gave its value
    kNodeError,  // it will give none
    kCached,     // the value was known: no call
    kRetry,      // a call failed and will be made again
  };

  What what = What::kFlowStart;
  std::string node = {};            // the function; empty of an item and of the flow
  int64_t item = -1;                // from 0; -1: the flow
  std::vector<int64_t> parts = {};  // as in FlowCall
  arrow::Status error = {};
  int attempt = 1;

  std::string to_string() const;  // a line for a log: "retry item=17 node=fetch attempt=2 error=IOError: busy"
};

// Copies share it; runs that share one add up. Thread safe.
class FlowProgress {
 public:
  using Show = std::function<void(const std::string& line)>;

  FlowProgress();
  // `show` gets text() again and again once a run takes longer than `after`, and an empty line when it is over; one call at a time.
  explicit FlowProgress(Show show, std::chrono::milliseconds after = std::chrono::seconds(1),
                        std::chrono::milliseconds every = std::chrono::milliseconds(200));
  // A line on standard error that is gone when the run is over; nothing where that is no terminal.
  static FlowProgress terminal();

  int64_t done() const;      // items that are through, failed ones too
  int64_t failed() const;    // of those
  int64_t total() const;     // -1: nobody knows, since they are pulled
  std::string text() const;  // "[########................] 12 of 36 items, 1 failed, 2.4 s"
  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace gristmill
