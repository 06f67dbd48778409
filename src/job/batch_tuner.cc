#include "job/batch_tuner.h"

#include <algorithm>

namespace gristmill::job {
namespace {

constexpr int64_t kLookAgain = 64;  // batches between two looks at a neighbour
constexpr double kClearlyBetter = 0.95;
constexpr double kForget = 0.25;     // of what was known, at each new look
constexpr double kMostAtOnce = 1.5;  // times what was known: a turn in which somebody else had the core says little

}  // namespace

BatchTuner::Trial BatchTuner::next(int64_t rows) {
  int halvings = chosen();
  const int64_t n = asked_.fetch_add(1, std::memory_order_relaxed);
  if (!settled_.load(std::memory_order_relaxed)) {
    std::lock_guard lock(mutex_);
    const auto least = std::min_element(sizes_.begin(), sizes_.end(), [](const Size& a, const Size& b) { return a.tries < b.tries; });
    halvings = static_cast<int>(least - sizes_.begin());
  } else if (n % kLookAgain == 0) {
    halvings = std::clamp(halvings + (n / kLookAgain % 2 == 0 ? 1 : -1), 0, kSizes - 1);
  }
  int64_t each = rows;
  for (int i = 0; i < halvings && each / 2 >= kSmallest; ++i) each = (each + 1) / 2;
  if (halvings == chosen()) rows_.store(each, std::memory_order_relaxed);
  return {each, halvings};
}

void BatchTuner::took(const Trial& trial, int64_t rows, int64_t nanoseconds) {
  if (rows < kSmallest) return;  // a file's last rows tell nothing
  const double each = static_cast<double>(nanoseconds) / static_cast<double>(rows);
  std::lock_guard lock(mutex_);
  Size& size = sizes_[static_cast<size_t>(trial.halvings)];
  const bool settled = settled_.load(std::memory_order_relaxed);
  if (size.tries == 0 || (!settled && each < size.nanoseconds)) {
    size.nanoseconds = each;
  } else if (settled) {
    size.nanoseconds += kForget * (std::min(each, kMostAtOnce * size.nanoseconds) - size.nanoseconds);
  }
  size.tries += 1;
  if (std::all_of(sizes_.begin(), sizes_.end(), [](const Size& s) { return s.tries >= kTries; })) choose();
}

void BatchTuner::choose() {
  int best = 0;
  for (int i = 1; i < kSizes; ++i) {
    if (sizes_[static_cast<size_t>(i)].nanoseconds < kClearlyBetter * sizes_[static_cast<size_t>(best)].nanoseconds) best = i;
  }
  chosen_.store(best, std::memory_order_relaxed);
  settled_.store(true, std::memory_order_relaxed);
}

}  // namespace gristmill::job
