// What ran when: the calls of a run with their begin and end, as numbers and as a drawing.
//
//   const FlowTimeline times;
//   flow.map(words, inputs, {.timeline = times});
//   std::ofstream("run.svg") << times.to_svg();
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gristmill {

// Copies share it; it holds the calls of all runs that were given it, seconds from when it was made. Thread safe.
class FlowTimeline {
 public:
  struct Span {
    std::string node;
    int64_t item = 0;
    std::vector<int64_t> parts = {};  // as in FlowCall
    std::string way;                  // async, blocking or compute
    int64_t thread = 0;               // the system's number; of all coroutines that of the event loop
    double start = 0;
    double end = 0;
  };

  FlowTimeline();
  std::vector<Span> spans() const;  // by their start
  // A lane a thread, and as many for coroutines as were open.
  std::string to_svg() const;
  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace gristmill
