// What is written is what is read, or an error.
#include "base/spill_file.h"

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "base/environment.h"
#include "base/memory_budget.h"
#include "base/status.h"

namespace gristmill::base {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

std::vector<uint8_t> random_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> out(size);
  for (uint8_t& b : out) b = static_cast<uint8_t>(random());
  return out;
}

std::vector<uint8_t> soft_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> out(size);
  for (size_t i = 0; i < size; ++i) out[i] = i % 8 == 0 ? static_cast<uint8_t>(random() % 4) : 7;
  return out;
}

SpillBlock put(SpillFile& file, const std::vector<uint8_t>& data) {
  return file.write(data.data(), static_cast<int64_t>(data.size())).ValueOrDie();
}

void expect_reads(const SpillFile& file, const SpillBlock& block, const std::vector<uint8_t>& data) {
  static ProcessBudget process(int64_t{1} << 30);
  const auto memory = QueryMemory::make(0, process);
  const auto read = file.read(block, memory->pool());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ((*read)->size(), static_cast<int64_t>(data.size()));
  EXPECT_TRUE(std::equal(data.begin(), data.end(), (*read)->data()));
}

// Descriptors of this process that have no name any more.
std::vector<int> unlinked_descriptors() {
  std::vector<int> found;
  DIR* const dir = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(dir)) {
    const int fd = std::atoi(entry->d_name);
    struct stat info;
    if (entry->d_name[0] != '.' && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 0) found.push_back(fd);
  }
  closedir(dir);
  return found;
}

TEST(SpillFile, GivesBackBlocksOfEverySizeInAnyOrder) {
  const auto file = SpillFile::create().ValueOrDie();
  std::vector<std::vector<uint8_t>> data;
  uint64_t seed = 1;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{kMiB - 1}, size_t{kMiB}, size_t{kMiB + 1}, size_t{4 * kMiB},
                            size_t{4 * kMiB + 1}, size_t{9 * kMiB + 17}}) {
    data.push_back(random_bytes(size, seed++));
    data.push_back(soft_bytes(size, seed++));
  }
  std::vector<SpillBlock> blocks;
  for (const auto& d : data) blocks.push_back(put(*file, d));
  int64_t stored = 0;
  for (size_t i = data.size(); i-- > 0;) {
    expect_reads(*file, blocks[i], data[i]);
    stored += static_cast<int64_t>(blocks[i].stored_bytes);
    EXPECT_LE(blocks[i].stored_bytes, data[i].size() + 4 * (data[i].size() / kMiB + 1));
  }
  EXPECT_EQ(file->bytes_written(), stored);
  EXPECT_LT(blocks.back().stored_bytes, data.back().size() / 2);  // it does compress
}

TEST(SpillFile, LeavesNoHoleAfterALargeBlockOfASingleWriter) {
  const auto file = SpillFile::create().ValueOrDie();
  const SpillBlock first = put(*file, soft_bytes(10 * kMiB, 3));
  const SpillBlock second = put(*file, soft_bytes(1000, 4));
  EXPECT_EQ(second.offset, first.offset + first.stored_bytes);
}

TEST(SpillFile, KeepsBlocksOfManyWritersWhole) {
  const auto file = SpillFile::create().ValueOrDie();
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::pair<SpillBlock, std::vector<uint8_t>>> mine;
      for (uint64_t i = 0; i < 12; ++i) {
        auto data = i % 4 == 0 ? soft_bytes(5 * kMiB + t, t * 100 + i) : random_bytes(20'000 + 1000 * i, t * 100 + i);
        const SpillBlock block = put(*file, data);
        mine.emplace_back(block, std::move(data));
      }
      for (const auto& [block, data] : mine) expect_reads(*file, block, data);
    });
  }
  for (std::thread& t : threads) t.join();
}

TEST(SpillFile, HasNoNameAndIsNotInherited) {
  const size_t before = unlinked_descriptors().size();
  const auto file = SpillFile::create().ValueOrDie();
  const std::vector<int> open = unlinked_descriptors();
  ASSERT_EQ(open.size(), before + 1);
  for (const int fd : open) EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(SpillFile, DetectsEveryFlippedByte) {
  const std::vector<int> others = unlinked_descriptors();
  const auto file = SpillFile::create().ValueOrDie();
  int fd = -1;
  for (const int open : unlinked_descriptors()) {
    if (std::find(others.begin(), others.end(), open) == others.end()) fd = open;
  }
  ASSERT_GE(fd, 0);
  for (const auto& data : {soft_bytes(3000, 5), random_bytes(3000, 6)}) {
    const SpillBlock block = put(*file, data);
    for (uint64_t i = 0; i < block.stored_bytes; ++i) {
      uint8_t byte = 0;
      const auto at = static_cast<off_t>(block.offset + i);
      ASSERT_EQ(pread(fd, &byte, 1, at), 1);
      const uint8_t flipped = byte ^ 0x10;
      ASSERT_EQ(pwrite(fd, &flipped, 1, at), 1);
      const auto read = file->read(block, arrow::default_memory_pool());
      ASSERT_FALSE(read.ok()) << "byte " << i;
      EXPECT_EQ(error_kind(read.status()), ErrorKind::kIo);
      EXPECT_EQ(read.status().message().rfind("a spilled block differs from what was written", 0), 0u);
      ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
    }
    expect_reads(*file, block, data);
  }
  SpillBlock beyond = put(*file, soft_bytes(3000, 7));
  ASSERT_EQ(ftruncate(fd, static_cast<off_t>(beyond.offset + 10)), 0);
  EXPECT_FALSE(file->read(beyond, arrow::default_memory_pool()).ok());
}

TEST(SpillFile, SaysWhatToDoWhenTheDiskIsFull) {
  const ScopedSetting directory("GRISTMILL_SPILL_DIR", "/var/tmp");
  const ScopedSetting full("GRISTMILL_SPILL_FAIL_AFTER", "5000");
  const auto file = SpillFile::create().ValueOrDie();
  const auto data = random_bytes(4000, 8);
  const SpillBlock kept = put(*file, data);
  const auto refused = file->write(data.data(), 4000);
  EXPECT_EQ(error_kind(refused.status()), ErrorKind::kIo);
  EXPECT_EQ(refused.status().message(), "disk full while spilling: wanted 4004 bytes in /var/tmp");
  EXPECT_NE(describe_error(refused.status()).find("set GRISTMILL_SPILL_DIR"), std::string::npos);
  expect_reads(*file, kept, data);
}

TEST(SpillFile, FailsAtOnceWhenNothingMayBeWritten) {
  const ScopedSetting full("GRISTMILL_SPILL_FAIL_AFTER", "0");
  const auto file = SpillFile::create().ValueOrDie();
  const uint8_t byte = 1;
  EXPECT_FALSE(file->write(&byte, 1).ok());
}

TEST(SpillFile, RefusesAMemoryFileSystemUnlessToldTwice) {
  struct stat info;
  if (stat("/dev/shm", &info) != 0 || access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no memory file system here";
  const arrow::Status refused = SpillFile::create("/dev/shm").status();
  EXPECT_EQ(error_kind(refused), ErrorKind::kIo);
  EXPECT_NE(refused.message().find("memory file system"), std::string::npos) << refused.message();
  EXPECT_NE(describe_error(refused).find("GRISTMILL_SPILL_DIR"), std::string::npos);
  const ScopedSetting allowed("GRISTMILL_SPILL_ALLOW_TMPFS", "1");
  {
    const ScopedSetting by_accident("TMPDIR", "/dev/shm");
    EXPECT_FALSE(SpillFile::create().ok());
  }
  const ScopedSetting chosen("GRISTMILL_SPILL_DIR", "/dev/shm");
  const auto file = SpillFile::create();
  ASSERT_TRUE(file.ok());
  const auto data = soft_bytes(5000, 9);
  expect_reads(**file, put(**file, data), data);
}

TEST(SpillFile, NamesADirectoryThatIsNotThere) {
  const arrow::Status refused = SpillFile::create("/var/tmp/no/such/place").status();
  EXPECT_EQ(error_kind(refused), ErrorKind::kIo);
  EXPECT_NE(describe_error(refused).find("/var/tmp/no/such/place"), std::string::npos);
}

TEST(SpillFile, ReadsIntoThePoolItIsGiven) {
  ProcessBudget process(100 * kMiB);
  const auto memory = QueryMemory::make(8 * kMiB, process);
  const auto file = SpillFile::create().ValueOrDie();
  const SpillBlock block = put(*file, soft_bytes(2 * kMiB, 10));
  const auto read = file->read(block, memory->pool());
  ASSERT_TRUE(read.ok());
  EXPECT_GE(memory->used(), 2 * kMiB);
  const SpillBlock large = put(*file, soft_bytes(20 * kMiB, 11));
  EXPECT_EQ(error_kind(file->read(large, memory->pool()).status()), ErrorKind::kMemory);
}

}  // namespace
}  // namespace gristmill::base
