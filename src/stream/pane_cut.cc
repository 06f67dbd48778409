// Invariant: the stretches are the rows that are neither slow nor between windows, in order; neighbours of one pane are one stretch.

#include "stream/pane_cut.h"

#include <algorithm>

#include "expr/level.h"

namespace gristmill::stream {
namespace {

constexpr size_t kBlock = 64;

}  // namespace

PaneCut::Pane PaneCut::pane_of(const TimeWindows& windows, int64_t t) {
  Pane out;
  out.from = windows.pane(t);
  out.to = time_add(out.from, windows.width);
  out.safe = windows.first_end(out.from);
  if (windows.between(out.from)) return out;
  const auto [at, fresh] = numbers_.emplace(out.from, static_cast<int32_t>(starts_.size()));
  if (fresh) {
    starts_.push_back(out.from);
    counts_.push_back(0);
  }
  out.number = at->second;
  return out;
}

void PaneCut::add(int32_t pane, size_t begin, size_t count) {
  counts_[static_cast<size_t>(pane)] += static_cast<int64_t>(count);
  if (!stretches_.empty()) {
    Stretch& last = stretches_.back();
    if (last.pane == pane && last.begin + last.count == begin) {
      last.count += static_cast<uint32_t>(count);
      return;
    }
  }
  stretches_.push_back({pane, static_cast<uint32_t>(begin), static_cast<uint32_t>(count)});
}

// Of whole blocks.
void PaneCut::find_ranges(std::span<const int64_t> times) {
  const size_t blocks = times.size() / kBlock;
  least_.resize(blocks);
  most_.resize(blocks);
  const int64_t* const all = times.data();
  int64_t* const least = least_.data();
  int64_t* const most = most_.data();
  expr::at_best_level([=]() GRISTMILL_INLINE {
    for (size_t b = 0; b < blocks; ++b) {
      const int64_t* const t = all + b * kBlock;
      int64_t low = t[0], high = t[0];
      for (size_t k = 0; k < kBlock; ++k) {
        low = t[k] < low ? t[k] : low;
        high = t[k] > high ? t[k] : high;
      }
      least[b] = low;
      most[b] = high;
    }
  });
}

void PaneCut::cut(const TimeWindows& windows, int64_t delay, bool inherited, std::span<const int64_t> times,
                  std::span<const uint16_t> physical) {
  numbers_.clear();
  starts_.clear();
  counts_.clear();
  stretches_.clear();
  slow_.clear();
  outside_ = 0;
  find_ranges(times);
  int64_t run = kNoTime;
  Pane pane;
  const auto one_by_one = [&](size_t begin, size_t end) {
    for (size_t j = begin; j < end; ++j) {
      const int64_t t = times[j];
      if (!pane.contains(t)) pane = pane_of(windows, t);
      if (pane.number == kOutside) {
        ++outside_;
      } else if (!inherited && run != kNoTime && pane.safe <= time_less(run, delay)) {
        slow_.push_back(static_cast<uint16_t>(j));
      } else {
        add(pane.number, j, 1);
      }
      run = std::max(run, t);
    }
  };
  for (size_t b = 0; b < least_.size(); ++b) {
    const size_t begin = b * kBlock;
    if (!pane.contains(least_[b])) pane = pane_of(windows, least_[b]);
    // The block's own greatest time is more than any row of it has before it.
    const int64_t most = std::max(run, most_[b]);
    if (pane.number != kOutside && pane.contains(most_[b]) && (inherited || pane.safe > time_less(most, delay))) {
      add(pane.number, begin, kBlock);
      run = most;
    } else {
      one_by_one(begin, begin + kBlock);
    }
  }
  one_by_one(least_.size() * kBlock, times.size());
  greatest_ = run;
  order(physical);
}

void PaneCut::order(std::span<const uint16_t> physical) {
  begins_.resize(starts_.size());
  int64_t at = 0;
  for (size_t p = 0; p < starts_.size(); ++p) {
    begins_[p] = at;
    at += counts_[p];
  }
  rows_.resize(static_cast<size_t>(at));
  next_ = begins_;
  for (const Stretch& s : stretches_) {
    int64_t& next = next_[static_cast<size_t>(s.pane)];
    std::copy_n(physical.begin() + s.begin, s.count, rows_.begin() + next);
    next += s.count;
  }
}

}  // namespace gristmill::stream
