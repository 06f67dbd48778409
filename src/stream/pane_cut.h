// The rows of a batch by pane, and which of them must go one by one.
//
// Rows come nearly in the order of their times, so a batch is a few long stretches of one pane each. Stretches are found a block of rows at
// a time by the block's least and greatest time; only blocks in which the pane changes, or in which a row might be slow, are gone through
// row by row. With the keys of near_keys.h, tumbling counts of 10M rows take 71 ms of processor time instead of 170.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "stream/windows.h"

namespace gristmill::stream {

// Scratch of one worker.
class PaneCut {
 public:
  // Of a batch whose rows (physical ones) have these times. `delay`: how far the watermark stands behind the greatest time; `inherited`: it
  // does not follow the rows, so none is slow.
  void cut(const TimeWindows& windows, int64_t delay, bool inherited, std::span<const int64_t> times, std::span<const uint16_t> physical);

  // Physical rows, pane by pane, ascending within each; each pane's range.
  const std::vector<uint16_t>& rows() const { return rows_; }
  size_t panes() const { return starts_.size(); }
  int64_t start(size_t pane) const { return starts_[pane]; }
  int64_t begin(size_t pane) const { return begins_[pane]; }
  int64_t count(size_t pane) const { return counts_[pane]; }

  // Places of rows of which some window ends at or before the watermark that the rows before them allow; ascending.
  std::vector<uint16_t> take_slow() { return std::move(slow_); }
  int64_t outside() const { return outside_; }    // rows that lie between windows
  int64_t greatest() const { return greatest_; }  // time

 private:
  static constexpr int32_t kOutside = -1;
  struct Pane {
    int64_t from = 1, to = 0;  // [from, to): none yet
    int64_t safe = kNoTime;    // its first window's end
    int32_t number = kOutside;
    bool contains(int64_t t) const { return t >= from && t < to; }
  };
  struct Stretch {
    int32_t pane;
    uint32_t begin, count;
  };

  Pane pane_of(const TimeWindows& windows, int64_t t);
  void add(int32_t pane, size_t begin, size_t count);
  void find_ranges(std::span<const int64_t> times);
  void order(std::span<const uint16_t> physical);

  std::map<int64_t, int32_t> numbers_;
  std::vector<int64_t> starts_, counts_, begins_, next_;
  std::vector<Stretch> stretches_;
  std::vector<int64_t> least_, most_;  // time of each block
  std::vector<uint16_t> rows_, slow_;
  int64_t outside_ = 0;
  int64_t greatest_ = kNoTime;
};

}  // namespace gristmill::stream
