// How far a running query is, for whoever wants to show it. Written by workers, read at any time from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace gristmill::base {

struct Progress {
  std::atomic<int64_t> tasks{0}, tasks_done{0};      // pipelines and phases of the query
  std::atomic<int64_t> morsels{0}, morsels_done{0};  // of the pipelines that have begun and know their size
  std::atomic<int64_t> rows{0};                      // read by pipelines so far
};

}  // namespace gristmill::base
