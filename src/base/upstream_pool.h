// Where the bytes of all accounts come from: Arrow's default pool.
//
// It keeps freed blocks warm by itself and backs them with huge pages (measured: no page faults on reuse of 64 KiB
// to 128 MiB blocks, across threads, also after a second of rest), so there is no cache of our own above it.
// Under the thread sanitizer it is malloc called from our code: blocks that wander between threads inside an
// allocator which is not instrumented look like races.
#pragma once

#include <arrow/type_fwd.h>

namespace gristmill::base {

arrow::MemoryPool* upstream_pool();

}  // namespace gristmill::base
