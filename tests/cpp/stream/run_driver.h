// What tests of whole runs have in common: folders for checkpoints, and whether every row is there once and in order.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace gristmill::stream::test {

// A folder of this process, removed at its end.
inline std::string fresh_folder(const std::string& name) {
  struct Parent {
    std::filesystem::path path = std::filesystem::path(testing::TempDir()) / ("gristmill-stream-" + std::to_string(getpid()));
    ~Parent() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Parent parent;
  std::filesystem::remove_all(parent.path / name);
  std::filesystem::create_directories(parent.path);
  return (parent.path / name).string();
}

inline std::vector<int64_t> numbers_of(const arrow::Table& table) {
  std::vector<int64_t> out;
  for (const auto& chunk : table.column(0)->chunks()) {
    const auto& n = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < n.length(); ++i) out.push_back(n.Value(i));
  }
  return out;
}

// Rows of a partition must be in order; all of them once.
inline void expect_each_once(const std::vector<int64_t>& got, int32_t partitions, int64_t each) {
  std::vector<int64_t> next(static_cast<size_t>(partitions), 0);
  for (const int64_t n : got) {
    auto& expected = next[static_cast<size_t>(n % partitions)];
    ASSERT_EQ(n / partitions, expected) << "partition " << n % partitions;
    ++expected;
  }
  for (const int64_t n : next) EXPECT_EQ(n, each);
}

}  // namespace gristmill::stream::test
