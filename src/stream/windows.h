// Which windows a moment lies in: tumbling and hopping windows of one size, cut into panes.
//
// A window is [start, start + size), starts are offset + k * slide. A pane is as wide as the greatest length that divides size and slide,
// so a pane lies wholly inside or outside of every window: rows are aggregated once, into their pane, and a window is its panes together.
// For tumbling windows pane and window are the same.
#pragma once

#include <cstdint>
#include <numeric>

#include "stream/event_time.h"

namespace gristmill::stream {

struct TimeWindows {
  int64_t size = 1;
  int64_t slide = 1;
  int64_t offset = 0;
  int64_t width = 1;  // of a pane

  static TimeWindows make(int64_t size, int64_t slide, int64_t offset) { return {size, slide, offset, std::gcd(size, slide)}; }

  int64_t pane(int64_t t) const { return time_add(floor_to(time_less(t, offset), width), offset); }
  // Starts of the windows around a pane: first, first + slide, ..., last. first > last: the pane lies between windows.
  int64_t last_start(int64_t pane) const { return time_add(floor_to(time_less(pane, offset), slide), offset); }
  int64_t first_start(int64_t pane) const {
    return time_add(time_add(floor_to(time_less(time_less(pane, offset), size), slide), slide), offset);
  }
  bool between(int64_t pane) const { return first_start(pane) > last_start(pane); }
  int64_t first_end(int64_t pane) const { return time_add(first_start(pane), size); }
  int64_t last_end(int64_t pane) const { return time_add(last_start(pane), size); }
};

}  // namespace gristmill::stream
