// How far event time has come: the minimum over partitions of the greatest time each has shown, less the delay.
//
// The watermark before a row is a function of the rows before it in each partition, so a piece of a partition's rows needs only two numbers
// from here (Start): what the others allow, and where its own partition stood. A partition that has shown nothing holds the watermark back;
// one that is idle does not; when all are idle the farthest counts. It never goes back: rows of a partition that woke up may be late.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "stream/event_time.h"

namespace gristmill::stream {

class SnapshotReader;
class SnapshotWriter;

class Watermark {
 public:
  // `inherited`: rows do not move it, only raise() does (a stateful operator before tells how far it came).
  Watermark(int32_t partitions, int64_t delay, bool inherited)
      : delay_(delay),
        inherited_(inherited),
        greatest_(static_cast<size_t>(partitions), kNoTime),
        idle_(static_cast<size_t>(partitions), false) {}

  // The rows of one piece of a partition.
  struct Start {
    int64_t level = kNoTime;   // the watermark before the first of them
    int64_t others = kNoTime;  // the least of the other partitions; kAllTime: there are none that count
    int64_t own = kNoTime;
    int64_t delay = 0;
    bool inherited = false;

    // Before a row of the piece, `run` being the greatest time of the piece's rows before it (kNoTime: it is the first).
    int64_t before(int64_t run) const {
      if (inherited) return level;
      return std::max(level, time_less(std::min(others, std::max(own, run)), delay));
    }
  };

  int64_t value() const { return level_; }
  int64_t delay() const { return delay_; }
  bool inherited() const { return inherited_; }

  // A piece of the partition is to be applied: it is awake.
  Start enter(int32_t partition);
  // It was, and `greatest` is the greatest of its times.
  void leave(int32_t partition, int64_t greatest);
  void raise(int64_t level) { level_ = std::max(level_, level); }
  // Idle partitions hold nothing back.
  void set_idle(int32_t partition);
  bool idle(int32_t partition) const { return idle_[static_cast<size_t>(partition)]; }
  int32_t partitions() const { return static_cast<int32_t>(greatest_.size()); }

  void save(const std::string& name, SnapshotWriter& writer) const;
  // Partitions the snapshot does not know have shown nothing.
  void load(const std::string& name, const SnapshotReader& reader);

 private:
  void refresh();

  int64_t delay_;
  bool inherited_;
  int64_t level_ = kNoTime;
  std::vector<int64_t> greatest_;
  std::vector<bool> idle_;
};

// Which partitions have been at their end for `after` of the clock's time.
class IdleClock {
 public:
  explicit IdleClock(int64_t after_micros) : after_(after_micros) {}
  bool on() const { return after_ > 0; }
  int64_t every() const { return on() ? std::max<int64_t>(after_ / 4, 1000) : 0; }
  void seen(int32_t partition) { since_.erase(partition); }
  // The partitions that have just become idle.
  std::vector<int32_t> tick(int64_t now_micros, const std::vector<int32_t>& at_end);

 private:
  int64_t after_;
  std::map<int32_t, int64_t> since_;
};

}  // namespace gristmill::stream
