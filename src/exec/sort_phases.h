// The phases that sort in memory, in the order in which they run. All have no pieces when the rows went to disk.
#pragma once

#include <memory>
#include <vector>

#include "exec/breaker.h"
#include "exec/sort_state.h"

namespace gristmill::exec {

std::vector<std::shared_ptr<Phase>> make_sort_phases(const std::shared_ptr<SortState>& state);
// The first of them, and the others, which need SortState::joined, min, max, exact and the chunks' prefixes alone.
std::shared_ptr<Phase> make_join_phase(const std::shared_ptr<SortState>& state);
std::vector<std::shared_ptr<Phase>> make_order_phases(const std::shared_ptr<SortState>& state);

}  // namespace gristmill::exec
