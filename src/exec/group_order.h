// Groups in the order they leave: by the order of their first row, or by hash where no order is wanted.
#pragma once

#include <cstdint>
#include <vector>

namespace gristmill::exec {

struct GroupEntry {
  uint64_t key;
  uint8_t* row;
};

// By key; entries of equal keys stay as they are among themselves. `scratch` has room for n.
void sort_entries(GroupEntry* entries, GroupEntry* scratch, int64_t n);

}  // namespace gristmill::exec
