// What travels with a morsel beside its rows: its partition, or a sign that stands between rows (a barrier, a watermark, a tick of the
// clock).
//
// The source of a stage's rows writes a note when a morsel is claimed; the stage's sink takes it when the morsel is delivered. Both know
// the morsel by its number, which is the same at both ends of a pipeline of row-wise steps.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "stream/stateful.h"

namespace gristmill::stream {

struct Note {
  enum class Kind : uint8_t { kRows, kBarrier, kWatermark, kTick };
  Kind kind = Kind::kRows;
  int32_t partition = 0;
  int64_t epoch = 0;  // kBarrier
  bool last = false;  // kBarrier: the run is stopped here, and the state stays for the next one
  int64_t ticks = 0;  // kWatermark
  Tick tick;          // kTick
};

// Thread safe.
class Notes {
 public:
  void put(uint64_t seq, Note note) {
    std::lock_guard lock(mutex_);
    notes_.insert_or_assign(seq, std::move(note));
  }
  int32_t partition_of(uint64_t seq) const {
    std::lock_guard lock(mutex_);
    const auto it = notes_.find(seq);
    return it == notes_.end() ? 0 : it->second.partition;
  }
  Note peek(uint64_t seq) const {
    std::lock_guard lock(mutex_);
    const auto it = notes_.find(seq);
    return it == notes_.end() ? Note{} : it->second;
  }
  void drop(uint64_t seq) {
    std::lock_guard lock(mutex_);
    notes_.erase(seq);
  }
  // No morsel is on its way.
  bool empty() const {
    std::lock_guard lock(mutex_);
    return notes_.empty();
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, Note> notes_;
};

}  // namespace gristmill::stream
