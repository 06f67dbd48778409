// How many rows go through the steps at once, found while the job runs: few enough that what the steps compute stays near the core, enough
// that what a batch costs by itself is spread over many.
//
// Sizes are the source's own batch and its halves. Each is tried a few times, then the best is taken, a smaller one only when it is
// clearly better; later its neighbours are looked at now and then, for data changes. Only built-in steps are tuned: what they give does not
// depend on where batches end. Thread safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace gristmill::job {

class BatchTuner {
 public:
  static constexpr int64_t kSmallest = 1024;

  // A size to be used for a batch of `rows`, and the answer to be given for it.
  struct Trial {
    int64_t rows;
    int halvings;
  };
  Trial next(int64_t rows);
  // The steps took so long for all rows of the batch.
  void took(const Trial& trial, int64_t rows, int64_t nanoseconds);

  // Halvings of the source's batches that are used now, and what that came to last.
  int chosen() const { return chosen_.load(std::memory_order_relaxed); }
  int64_t rows() const { return rows_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kSizes = 6, kTries = 3;
  struct Size {
    int tries = 0;
    double nanoseconds = 0;  // a row, the best of the tries since the last change
  };
  void choose();
  std::atomic<int> chosen_{0};
  std::atomic<int64_t> asked_{0}, rows_{0};
  std::atomic<bool> settled_{false};
  std::mutex mutex_;
  std::array<Size, kSizes> sizes_{};
};

}  // namespace gristmill::job
