// A thread gets back what it freed, others do not; what threads keep is bounded, known, and goes when it is asked for or they end.
#include "base/block_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/upstream_pool.h"

namespace gristmill::base {
namespace {

constexpr int64_t kKiB = 1024, kMiB = kKiB * kKiB;

uint8_t* block_of(int64_t size) {
  uint8_t* out = nullptr;
  EXPECT_TRUE(BlockCache::instance().allocate(size, &out).ok());
  return out;
}

// Each test in a thread that keeps nothing yet, beside no other that keeps anything.
void in_new_thread(const std::function<void()>& test) {
  BlockCache::instance().flush();
  std::thread(test).join();
}

TEST(BlockCache, AThreadGetsBackWhatItFreedAndOthersDoNot) {
  in_new_thread([] {
    BlockCache& cache = BlockCache::instance();
    uint8_t* const a = block_of(256 * kKiB);
    uint8_t* const apart = block_of(64 * kKiB);
    uint8_t* const b = block_of(200 * kKiB);
    cache.free(a, 256 * kKiB);
    cache.free(b, 200 * kKiB);
    EXPECT_EQ(cache.bytes(), 456 * kKiB);
    std::thread([&] {
      uint8_t* const other = block_of(256 * kKiB);
      EXPECT_NE(other, a);
      EXPECT_NE(other, b);
      cache.free(other, 256 * kKiB);
    }).join();
    EXPECT_EQ(block_of(256 * kKiB), a);
    EXPECT_EQ(block_of(200 * kKiB), b);
    EXPECT_EQ(cache.bytes(), 0);
    cache.free(a, 256 * kKiB);
    cache.free(b, 200 * kKiB);
    cache.free(apart, 64 * kKiB);
  });
}

TEST(BlockCache, NeighboursAreOneRunAndARunIsCut) {
  in_new_thread([] {
    BlockCache& cache = BlockCache::instance();
    uint8_t* const whole = block_of(300 * kKiB);
    cache.free(whole, 300 * kKiB);
    uint8_t* const a = block_of(100 * kKiB);
    uint8_t* const b = block_of(180 * kKiB);
    EXPECT_EQ(a, whole);
    EXPECT_EQ(b, whole + 100 * kKiB);
    EXPECT_EQ(cache.bytes(), 20 * kKiB);
    cache.free(b, 180 * kKiB);
    cache.free(a, 100 * kKiB);
    EXPECT_EQ(block_of(290 * kKiB), whole);
    cache.free(whole, 290 * kKiB);
    EXPECT_EQ(cache.bytes(), 300 * kKiB);
  });
}

TEST(BlockCache, AThreadKeepsNoMoreThanItsShareAndNothingLarge) {
  in_new_thread([] {
    BlockCache& cache = BlockCache::instance();
    std::vector<uint8_t*> blocks;
    for (int i = 0; i < 64; ++i) blocks.push_back(block_of(128 * kKiB));
    uint8_t* const large = block_of(2 * kMiB);
    const int64_t before = BlockHeap::instance().used();
    cache.free(large, 2 * kMiB);
    EXPECT_EQ(cache.bytes(), 0);
    EXPECT_EQ(BlockHeap::instance().used(), before - 2 * kMiB);
    for (size_t i = 0; i < blocks.size(); i += 2) {  // no two are neighbours
      cache.free(blocks[i], 128 * kKiB);
      EXPECT_LE(cache.bytes(), BlockCache::kKept);
    }
    EXPECT_GE(cache.bytes(), BlockCache::kKept / 2);
    for (size_t i = 1; i < blocks.size(); i += 2) cache.free(blocks[i], 128 * kKiB);
    EXPECT_LE(cache.bytes(), BlockCache::kKept);
  });
  EXPECT_EQ(BlockCache::instance().bytes(), 0);  // the thread has ended
}

TEST(BlockCache, WhatIsKeptIsIdleAndIsGivenBack) {
  BlockCache::instance().free(block_of(kMiB), kMiB);
  if (idle_bytes_at_most() == 0) GTEST_SKIP() << "blocks come from another allocator: a sanitizer's, or the one that a variable names";
  in_new_thread([] {
    BlockCache& cache = BlockCache::instance();
    uint8_t* const block = block_of(kMiB);
    std::memset(block, 1, static_cast<size_t>(kMiB));
    const int64_t before = idle_bytes();
    cache.free(block, kMiB);
    EXPECT_EQ(idle_bytes(), before + kMiB);
    release_idle(before + kMiB);
    EXPECT_EQ(cache.bytes(), kMiB);  // there is no need to
    std::thread([] { release_idle(0); }).join();
    EXPECT_EQ(cache.bytes(), 0);
    EXPECT_EQ(idle_bytes(), 0);
  });
}

TEST(BlockCache, BlocksWanderBetweenThreadsAndKeepWhatIsInThem) {
  in_new_thread([] {
    const int64_t before = BlockHeap::instance().used();
    struct Block {
      uint8_t* at;
      int64_t size;
      uint8_t mark;
    };
    std::mutex mutex;
    std::vector<Block> shared;  // freed by whoever takes one
    std::atomic<int> wrong{0};
    const auto check_and_free = [&](const Block& b) {
      wrong += b.at[0] != b.mark || b.at[b.size / 2] != b.mark || b.at[b.size - 1] != b.mark;
      BlockCache::instance().free(b.at, b.size);
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937_64 random(static_cast<uint64_t>(t));
        for (int step = 0; step < 500; ++step) {
          const auto size = static_cast<int64_t>(BlockHeap::kLeast + random() % (400 * kKiB));
          Block made{block_of(size), size, static_cast<uint8_t>(random())};
          std::memset(made.at, made.mark, static_cast<size_t>(size));
          if (random() % 2 == 0) {
            check_and_free(made);
            continue;
          }
          std::lock_guard lock(mutex);
          shared.push_back(made);
          if (shared.size() > 20) {
            std::swap(shared[random() % shared.size()], shared.back());
            made = shared.back();
            shared.pop_back();
            check_and_free(made);
          }
          if (step % 100 == 0) BlockCache::instance().flush();
        }
      });
    }
    for (auto& t : threads) t.join();
    for (const Block& b : shared) check_and_free(b);
    EXPECT_EQ(wrong, 0);
    BlockCache::instance().flush();
    EXPECT_EQ(BlockHeap::instance().used(), before);
  });
}

}  // namespace
}  // namespace gristmill::base
