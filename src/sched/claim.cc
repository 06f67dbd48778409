// Both kinds of claims. A range is packed (front, back) in one word, so that taking a grain and
// stealing half of a range are one compare-and-swap each.
//
// Invariant of the ranges: the numbers not yet handed out and below the bound are in some slot's range or in the
// hands of a thief between its two writes; `in_transit_` and `installed_` let a searcher see the latter, so a
// slot that hears "nothing left" knows that every number has an owner.
// A word never takes an old value again while numbers in it are unclaimed (ranges only shrink, and a slot
// installs a stolen one only over its own empty range), hence no ABA.

#include "sched/claim.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace gristmill::sched {
namespace {

void lower(std::atomic<uint64_t>& bound, uint64_t to) {
  uint64_t now = bound.load(std::memory_order_relaxed);
  while (to < now && !bound.compare_exchange_weak(now, to, std::memory_order_acq_rel)) {
  }
}

class CounterClaims final : public Claims {
 public:
  explicit CounterClaims(uint64_t count) : bound_(count) {}

  std::optional<uint64_t> next(int) override {
    // The look before the add keeps the counter from running away when asked again and again.
    if (next_.load(std::memory_order_relaxed) >= bound_.load(std::memory_order_acquire)) return std::nullopt;
    const uint64_t seq = next_.fetch_add(1, std::memory_order_relaxed);
    if (seq >= bound_.load(std::memory_order_acquire)) return std::nullopt;
    return seq;
  }

  void close_from(uint64_t seq) override { lower(bound_, seq); }
  int64_t steals() const override { return 0; }
  int64_t steals_of(int) const override { return 0; }

  int64_t remaining(int) const override {
    const uint64_t next = next_.load(std::memory_order_relaxed);
    const uint64_t bound = bound_.load(std::memory_order_relaxed);
    if (next >= bound) return 0;
    return static_cast<int64_t>(std::min<uint64_t>(bound - next, std::numeric_limits<int64_t>::max()));
  }

 private:
  alignas(64) std::atomic<uint64_t> next_{0};
  alignas(64) std::atomic<uint64_t> bound_;
};

struct Range {
  uint32_t front = 0;
  uint32_t back = 0;
  uint64_t packed() const { return uint64_t{back} << 32 | front; }
  static Range of(uint64_t word) { return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)}; }
  uint32_t usable(uint64_t bound) const {
    const uint64_t end = std::min<uint64_t>(back, bound);
    return end > front ? static_cast<uint32_t>(end - front) : 0;
  }
};

class RangeClaims final : public Claims {
 public:
  RangeClaims(uint64_t count, int slots, std::vector<int> nodes)
      : bound_(count), count_(std::max(slots, 1)), nodes_(std::move(nodes)), ranges_(new Padded[static_cast<size_t>(count_)]) {
    nodes_.resize(static_cast<size_t>(count_), 0);
    std::vector<int> order(static_cast<size_t>(count_));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return node_of(a) < node_of(b); });
    const auto n = static_cast<uint64_t>(count_);
    for (uint64_t s = 0; s < n; ++s) {
      // count < 2^32 and n < 2^31: no overflow.
      const Range r{static_cast<uint32_t>(count * s / n), static_cast<uint32_t>(count * (s + 1) / n)};
      ranges_[order[s]].word.store(r.packed(), std::memory_order_relaxed);
    }
  }

  std::optional<uint64_t> next(int slot) override {
    for (;;) {
      if (auto seq = take_front(ranges_[slot].word)) return seq;
      if (!steal_into(slot)) return std::nullopt;
    }
  }

  void close_from(uint64_t seq) override { lower(bound_, seq); }
  int64_t steals() const override {
    int64_t sum = 0;
    for (int s = 0; s < count_; ++s) sum += steals_of(s);
    return sum;
  }
  int64_t steals_of(int slot) const override { return ranges_[slot].steals.load(std::memory_order_relaxed); }

  int64_t remaining(int slot) const override {
    return Range::of(ranges_[slot].word.load(std::memory_order_relaxed)).usable(bound_.load(std::memory_order_relaxed));
  }

 private:
  struct alignas(64) Padded {
    std::atomic<uint64_t> word{0};
    std::atomic<int64_t> steals{0};  // into this slot
  };

  std::optional<uint64_t> take_front(std::atomic<uint64_t>& word) {
    uint64_t seen = word.load(std::memory_order_acquire);
    for (;;) {
      Range r = Range::of(seen);
      if (r.usable(bound_.load(std::memory_order_acquire)) == 0) return std::nullopt;
      const uint64_t seq = r.front++;
      if (word.compare_exchange_weak(seen, r.packed(), std::memory_order_acq_rel, std::memory_order_acquire)) return seq;
    }
  }

  int node_of(int slot) const { return nodes_[static_cast<size_t>(slot)]; }

  // Puts the upper half of the fullest range, of the node's own if one has anything, into the empty range of `slot`; false when nothing
  // is left anywhere.
  bool steal_into(int slot) {
    for (;;) {
      const uint64_t installed = installed_.load(std::memory_order_seq_cst);
      const uint64_t bound = bound_.load(std::memory_order_acquire);
      int victim = -1;
      uint32_t most = 0;
      bool near = false;
      for (int s = 0; s < count_; ++s) {
        const uint32_t n = Range::of(ranges_[s].word.load(std::memory_order_seq_cst)).usable(bound);
        const bool here = node_of(s) == node_of(slot);
        if (s != slot && n > 0 && (here > near || (here == near && n > most))) {
          most = n;
          near = here;
          victim = s;
        }
      }
      if (victim >= 0) {
        if (steal(victim, slot)) return true;
        continue;  // somebody was faster: look again
      }
      if (in_transit_.load(std::memory_order_seq_cst) == 0 && installed_.load(std::memory_order_seq_cst) == installed) return false;
    }
  }

  bool steal(int victim, int slot) {
    in_transit_.fetch_add(1, std::memory_order_seq_cst);
    std::atomic<uint64_t>& word = ranges_[victim].word;
    uint64_t seen = word.load(std::memory_order_acquire);
    const Range r = Range::of(seen);
    const uint32_t n = r.usable(bound_.load(std::memory_order_acquire));
    const uint32_t end = r.front + n;
    const uint32_t middle = end - (n + 1) / 2;
    const bool won = n > 0 && word.compare_exchange_strong(seen, Range{r.front, middle}.packed(), std::memory_order_seq_cst);
    if (won) {
      ranges_[slot].word.store(Range{middle, end}.packed(), std::memory_order_seq_cst);
      installed_.fetch_add(1, std::memory_order_seq_cst);
      ranges_[slot].steals.fetch_add(1, std::memory_order_relaxed);
    }
    in_transit_.fetch_sub(1, std::memory_order_seq_cst);
    return won;
  }

  std::atomic<uint64_t> bound_;
  const int count_;
  std::vector<int> nodes_;  // of the slots
  std::unique_ptr<Padded[]> ranges_;
  std::atomic<int64_t> in_transit_{0};  // thieves between their two writes (or about to find out that they lost)
  std::atomic<uint64_t> installed_{0};  // ranges that appeared where a searcher may have looked already
};

}  // namespace

std::unique_ptr<Claims> counter_claims(uint64_t count) { return std::make_unique<CounterClaims>(count); }

std::unique_ptr<Claims> range_claims(uint64_t count, int slots, std::vector<int> node_of_slot) {
  // Packed halves have 32 bits; more morsels than that come from the counter, which hands out the same set.
  if (count > std::numeric_limits<uint32_t>::max()) return counter_claims(count);
  return std::make_unique<RangeClaims>(count, slots, std::move(node_of_slot));
}

}  // namespace gristmill::sched
