// Blocks of 64 KiB to 256 MiB out of stretches of address space that all threads share, so that what one frees is what any needs next.
//
// The allocator below keeps pages of up to 4 MiB for each size and thread, each backed by huge pages as soon as one block lies in it: a
// query of a dozen sizes on two threads held 100 MiB that nobody used. Here the smallest free run that is large enough is cut, and free
// neighbours are one run, so that memory stays dense; huge pages are asked for all the same.
//
// Freed pages stay warm. How many bytes do is known: idle(), never less than it is but for the rest of the huge page at an end.
// release() gives them back; what nobody needed for a second goes by itself, as far as somebody allocates or frees.
#pragma once

#include <arrow/status.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace gristmill::base {

class BlockHeap {
 public:
  static constexpr int64_t kLeast = int64_t{64} << 10;
  static constexpr int64_t kMost = int64_t{256} << 20;
  static constexpr int64_t kPage = 4096;  // blocks are whole ones, and aligned to them
  static bool takes(int64_t size, int64_t alignment) { return size >= kLeast && size <= kMost && alignment <= kPage; }

  BlockHeap() = default;
  ~BlockHeap();
  BlockHeap(const BlockHeap&) = delete;
  BlockHeap& operator=(const BlockHeap&) = delete;
  // Never destroyed: buffers of static objects are freed after any static of ours. Not held by another thread while the process forks.
  static BlockHeap& instance();

  // Sizes as takes() has them; free() and resize() are told the size the block has.
  arrow::Status allocate(int64_t size, uint8_t** out);
  void free(uint8_t* block, int64_t size);
  // False: there is no room behind the block, nothing changed.
  bool resize(uint8_t* block, int64_t from, int64_t to);

  int64_t used() const { return used_.load(std::memory_order_relaxed); }  // bytes of blocks
  int64_t warm() const { return warm_.load(std::memory_order_relaxed); }  // used or idle; seldom changes
  int64_t idle() const { return warm_.load(std::memory_order_relaxed) - used(); }
  // Gives free pages back until at most `keep` bytes are idle, large runs first.
  void release(int64_t keep);

 private:
  // From one mmap; a bit for each page that may be resident.
  struct Region {
    uint8_t* base = nullptr;
    void* mapped = nullptr;
    std::vector<uint64_t> warm;
  };
  using Run = std::pair<int64_t, uint8_t*>;  // pages, where

  arrow::Status add_region();
  Region& region_of(const uint8_t* at);
  void insert(uint8_t* at, int64_t pages);  // a free run; joins its neighbours
  void erase(std::map<uint8_t*, int64_t>::iterator run);
  void take(uint8_t* at, int64_t pages);  // a part of no run any more
  int64_t set_warm(uint8_t* at, int64_t pages, bool warm);  // how many changed
  void release_locked(int64_t keep);
  void tick();

  std::mutex mutex_;  // what follows
  std::vector<Region> regions_;
  std::map<uint8_t*, int64_t> free_;  // runs by address, in pages
  std::set<Run> by_size_;
  int64_t least_idle_ = 0, window_began_ = 0, operations_ = 0;  // of the second at hand
  std::atomic<int64_t> used_{0};
  alignas(64) std::atomic<int64_t> warm_{0};  // every allocation reads it: apart from what changes
};

}  // namespace gristmill::base
