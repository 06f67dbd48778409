// A large partition in stretches, for functions that need of the rows before one only what these add up to: every worker takes some.
//
// The same functions follow a partition on disk in the same way (window_spill.cc), there one stretch after the other.
#pragma once

#include <memory>
#include <vector>

#include "exec/breaker.h"
#include "exec/window_state.h"

namespace gristmill::exec {

struct WindowStretch {
  WindowUnit unit;
  int64_t first = 0;  // of its partition
  WindowCarry carry;  // of the rows between
};

// Whether a function's values come from stretches: it looks anywhere before its row, and streams.
bool takes_stretches(const WindowTask& task);

// The large ones of `whole` cut into stretches, the others as they are.
// `whole_peers`: rows that are peers stay together.
void cut_stretches(const std::vector<WindowUnit>& whole, bool whole_peers, std::vector<WindowStretch>& stretches,
                   std::vector<WindowUnit>& others);

// Sums up what lies before each stretch. Without pieces where there are none.
std::shared_ptr<Phase> make_stretch_phase(const std::shared_ptr<OrderingState>& state);

}  // namespace gristmill::exec
