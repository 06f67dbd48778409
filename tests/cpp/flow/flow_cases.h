// A small vocabulary for the tests of flows.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gristmill/flow.h"

namespace gristmill {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

inline std::vector<int64_t> numbers(int64_t count) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(i);
  return out;
}

inline double seconds_since(Clock::time_point began) { return std::chrono::duration<double>(Clock::now() - began).count(); }

template <typename T>
std::string message(const arrow::Result<T>& result) {
  return result.ok() ? "no error" : result.status().message();
}

template <typename T>
T value(arrow::Result<T> result) {
  EXPECT_TRUE(result.ok()) << message(result);
  return result.ok() ? std::move(*result) : T{};
}

}  // namespace gristmill
