// Blocks keep what is in them, never overlap, and what is freed is found again; what lies idle is known and can be given back.
#include "base/block_heap.h"

#include <arrow/memory_pool.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "base/upstream_pool.h"

namespace gristmill::base {
namespace {

constexpr int64_t kKiB = 1024, kMiB = kKiB * kKiB;

uint8_t* block_of(BlockHeap& heap, int64_t size) {
  uint8_t* out = nullptr;
  EXPECT_TRUE(heap.allocate(size, &out).ok());
  return out;
}

int64_t resident() {
  int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(BlockHeap, WhatIsFreedIsTakenAgainAndNeighboursAreOneRun) {
  BlockHeap heap;
  uint8_t* const a = block_of(heap, 100 * kKiB);
  uint8_t* const b = block_of(heap, 200 * kKiB);
  uint8_t* const c = block_of(heap, 64 * kKiB);
  EXPECT_EQ(b, a + 100 * kKiB);
  heap.free(a, 100 * kKiB);
  heap.free(b, 200 * kKiB);
  EXPECT_EQ(heap.idle(), 300 * kKiB);
  EXPECT_EQ(heap.used(), 64 * kKiB);
  EXPECT_EQ(block_of(heap, 290 * kKiB), a);
  EXPECT_EQ(heap.idle(), 8 * kKiB);  // whole pages
  heap.free(a, 290 * kKiB);
  heap.free(c, 64 * kKiB);
  EXPECT_EQ(heap.used(), 0);
  EXPECT_EQ(heap.idle(), 364 * kKiB);
}

TEST(BlockHeap, TheSmallestRunThatFitsIsCut) {
  BlockHeap heap;
  std::vector<uint8_t*> blocks;
  for (const int64_t size : {kMiB, 64 * kKiB, 128 * kKiB, 64 * kKiB, 512 * kKiB, 64 * kKiB}) blocks.push_back(block_of(heap, size));
  heap.free(blocks[0], kMiB);
  heap.free(blocks[2], 128 * kKiB);
  heap.free(blocks[4], 512 * kKiB);
  EXPECT_EQ(block_of(heap, 100 * kKiB), blocks[2]);
  EXPECT_EQ(block_of(heap, 400 * kKiB), blocks[4]);
  EXPECT_EQ(block_of(heap, 600 * kKiB), blocks[0]);
}

TEST(BlockHeap, GrowsAndShrinksInPlace) {
  BlockHeap heap;
  uint8_t* const a = block_of(heap, kMiB);
  EXPECT_TRUE(heap.resize(a, kMiB, 3 * kMiB));
  std::memset(a, 1, static_cast<size_t>(3 * kMiB));
  uint8_t* const b = block_of(heap, 64 * kKiB);
  EXPECT_FALSE(heap.resize(a, 3 * kMiB, 4 * kMiB));
  EXPECT_TRUE(heap.resize(a, 3 * kMiB, kMiB));
  EXPECT_EQ(heap.used(), kMiB + 64 * kKiB);
  EXPECT_EQ(heap.idle(), 2 * kMiB);
  EXPECT_TRUE(heap.resize(a, kMiB, 2 * kMiB));
  EXPECT_EQ(heap.idle(), kMiB);
  heap.free(b, 64 * kKiB);
  heap.free(a, 2 * kMiB);
  EXPECT_EQ(heap.used(), 0);
}

TEST(BlockHeap, ReleasedPagesAreGone) {
  BlockHeap heap;
  std::vector<uint8_t*> blocks;
  for (int i = 0; i < 16; ++i) {
    blocks.push_back(block_of(heap, 8 * kMiB));
    std::memset(blocks.back(), i + 1, static_cast<size_t>(8 * kMiB));
  }
  const int64_t full = resident();
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 4 != 0) heap.free(blocks[i], 8 * kMiB);
  }
  EXPECT_EQ(heap.idle(), 96 * kMiB);
  heap.release(40 * kMiB);
  EXPECT_LE(heap.idle(), 40 * kMiB);
  EXPECT_GT(heap.idle(), 0);
  heap.release(0);
  EXPECT_EQ(heap.idle(), 0);
  EXPECT_LT(resident(), full - 80 * kMiB);
  for (size_t i = 0; i < blocks.size(); i += 4) {
    EXPECT_EQ(blocks[i][0], i + 1);
    EXPECT_EQ(blocks[i][8 * kMiB - 1], i + 1);
  }
  EXPECT_EQ(block_of(heap, 20 * kMiB), blocks[1]);
  EXPECT_EQ(blocks[1][0], 0);
  EXPECT_EQ(heap.idle(), 0);
}

// Blocks of random sizes come and go, more than one region's worth at times.
TEST(BlockHeap, RandomBlocksKeepWhatIsInThem) {
  struct Block {
    uint8_t* at;
    int64_t size;
    uint8_t mark;
  };
  BlockHeap heap;
  std::mt19937_64 random(7);
  std::vector<Block> blocks;
  int64_t used = 0;
  const auto pages = [](int64_t size) { return (size + BlockHeap::kPage - 1) / BlockHeap::kPage * BlockHeap::kPage; };
  const auto mark = [](const Block& b) {
    for (int64_t at = 0; at < b.size; at += 64 * kKiB) b.at[at] = b.mark;
    b.at[b.size - 1] = b.mark;
  };
  const auto check = [](const Block& b, int64_t size) {
    for (int64_t at = 0; at < size; at += 64 * kKiB) ASSERT_EQ(b.at[at], b.mark);
  };
  for (int step = 0; step < 3000; ++step) {
    const auto size = static_cast<int64_t>(BlockHeap::kLeast << (random() % 8)) - static_cast<int64_t>(random() % 3 == 0 ? 0 : random() % 1000);
    const bool grows = step % 1000 < 600;
    if (blocks.empty() || random() % 3 < (grows ? 2U : 1U)) {
      const int64_t least = std::max(size, BlockHeap::kLeast);
      blocks.push_back({block_of(heap, least), least, static_cast<uint8_t>(random())});
      mark(blocks.back());
      used += pages(least);
    } else {
      Block& b = blocks[random() % blocks.size()];
      check(b, b.size);
      if (random() % 4 == 0) {
        const int64_t other = std::max(BlockHeap::kLeast, static_cast<int64_t>(random() % static_cast<uint64_t>(2 * b.size)));
        if (heap.resize(b.at, b.size, other)) {
          check(b, std::min(b.size, other));
          used += pages(other) - pages(b.size);
          b.size = other;
          mark(b);
        }
      } else {
        heap.free(b.at, b.size);
        used -= pages(b.size);
        b = blocks.back();
        blocks.pop_back();
      }
    }
    if (step % 500 == 499) heap.release(static_cast<int64_t>(random() % 64) * kMiB);
    ASSERT_EQ(heap.used(), used);
    ASSERT_GE(heap.idle(), 0);
  }
  for (const Block& b : blocks) {
    check(b, b.size);
    heap.free(b.at, b.size);
  }
  EXPECT_EQ(heap.used(), 0);
  heap.release(0);
  EXPECT_EQ(heap.idle(), 0);
}

TEST(BlockHeap, ThreadsShareIt) {
  BlockHeap heap;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      std::vector<std::pair<uint8_t*, int64_t>> mine;
      for (int step = 0; step < 2000; ++step) {
        if (mine.size() < 8) {
          const auto size = static_cast<int64_t>(BlockHeap::kLeast + random() % (256 * kKiB));
          mine.emplace_back(block_of(heap, size), size);
          std::memset(mine.back().first, t, static_cast<size_t>(size));
        } else {
          std::swap(mine[random() % mine.size()], mine.back());
          wrong += mine.back().first[mine.back().second / 2] != t;
          heap.free(mine.back().first, mine.back().second);
          mine.pop_back();
        }
        if (step % 300 == 0) heap.release(kMiB);
      }
      for (const auto& [at, size] : mine) heap.free(at, size);
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(heap.used(), 0);
}

TEST(BlockHeap, WhatNobodyNeedsForASecondGoes) {
  BlockHeap heap;
  uint8_t* const large = block_of(heap, 32 * kMiB);
  std::memset(large, 1, static_cast<size_t>(32 * kMiB));
  heap.free(large, 32 * kMiB);
  const auto work = [&] {
    for (int i = 0; i < 600; ++i) heap.free(block_of(heap, 64 * kKiB), 64 * kKiB);
  };
  work();
  EXPECT_EQ(heap.idle(), 32 * kMiB);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  work();  // ends the second in which the block was there
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  work();
  EXPECT_LT(heap.idle(), kMiB);
}

TEST(UpstreamPool, BlocksMoveBetweenSmallAndLarge) {
  arrow::MemoryPool* const pool = upstream_pool();
  uint8_t* data = nullptr;
  ASSERT_TRUE(pool->Allocate(1000, 64, &data).ok());
  std::memset(data, 5, 1000);
  int64_t size = 1000;
  for (const int64_t next : {70 * kKiB, kMiB, 257 * kMiB, 2 * kMiB, 64 * kKiB, 10 * kKiB, int64_t{1}}) {
    ASSERT_TRUE(pool->Reallocate(size, next, 64, &data).ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0U);
    for (int64_t i = 0; i < std::min<int64_t>(next, 1000); ++i) ASSERT_EQ(data[i], 5) << next;
    data[next - 1] = 5;
    size = next;
  }
  pool->Free(data, size, 64);
  ASSERT_TRUE(pool->Allocate(kMiB, 8192, &data).ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 8192, 0U);
  pool->Free(data, kMiB, 8192);
}

// While others allocate.
TEST(UpstreamPool, AForkedChildAllocates) {
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) {
      uint8_t* data = nullptr;
      if (!upstream_pool()->Allocate(kMiB, 64, &data).ok()) break;
      upstream_pool()->Free(data, kMiB, 64);
    }
  });
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      uint8_t* data = nullptr;
      if (!upstream_pool()->Allocate(kMiB, 64, &data).ok()) _exit(1);
      data[0] = 1;
      upstream_pool()->Free(data, kMiB, 64);
      _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  other.join();
}

}  // namespace
}  // namespace gristmill::base
