// Where the bytes of all accounts come from: blocks of 64 KiB and more from our own heap (block_heap.h), the rest from Arrow's default
// pool; all of it from the latter where ARROW_DEFAULT_MEMORY_POOL names one.
//
// Under the thread sanitizer it is malloc called from our code: blocks that wander between threads inside an
// allocator which is not instrumented look like races.
#pragma once

#include <cstdint>

#include <arrow/type_fwd.h>

namespace gristmill::base {

arrow::MemoryPool* upstream_pool();
// Resident, but of nobody; as far as it is known.
int64_t idle_bytes();
int64_t idle_bytes_at_most();  // a bound that costs one load of what seldom changes
// Gives all but `keep` of them back to the system.
void release_idle(int64_t keep);

}  // namespace gristmill::base
