// The C++ side of tests/fuzz/exact_oracle.py: answers questions on standard input. Skipped unless
// GRISTMILL_EXACT_ORACLE is set, since otherwise nobody asks.
//
// A question is a line: operation, then doubles as 16 hexadecimal digits of their bits; an answer is a line "= bits"
// or "= none". Operations: sum, mean; var0, var1, std0, std1; cov0, cov1, corr, slope, intercept (values in pairs).

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "base/cpu.h"
#include "column/exact_groups.h"
#include "column/exact_moments.h"
#include "exact_inputs.h"

namespace gristmill::column {
namespace {

std::optional<double> answer_sum(const std::string& operation, const std::vector<double>& x) {
  GroupSums sums(ExactUnit::choose(std::span(x).first(std::min<size_t>(x.size(), 8))));
  sums.resize(1);
  const std::vector<uint32_t> groups(x.size(), 0);
  sums.add(groups.data(), x.data(), nullptr, 0, static_cast<int64_t>(x.size()));
  return operation == "sum" ? sums.value(0) : sums.value_over(0, static_cast<int64_t>(x.size()));
}

std::optional<double> answer_pairs(const std::string& operation, const std::vector<double>& both) {
  std::vector<double> x, y;
  for (size_t i = 0; i + 1 < both.size(); i += 2) {
    x.push_back(both[i]);
    y.push_back(both[i + 1]);
  }
  GroupPairs pairs({ExactUnit::choose(x), ExactUnit::choose(y)});
  pairs.resize(1);
  const std::vector<uint32_t> groups(x.size(), 0);
  pairs.add(groups.data(), {x.data(), y.data()}, nullptr, 0, static_cast<int64_t>(x.size()));
  if (operation == "corr") return pairs.correlation(0);
  if (operation == "slope") return pairs.slope(0);
  if (operation == "intercept") return pairs.intercept(0);
  return pairs.covariance(0, 0, 1, operation.back() - '0');
}

std::optional<double> answer(const std::string& operation, const std::vector<double>& x) {
  if (operation == "sum" || operation == "mean") return answer_sum(operation, x);
  if (operation.starts_with("var") || operation.starts_with("std")) {
    GroupVariances variances({ExactUnit::choose(x)});
    variances.resize(1);
    const std::vector<uint32_t> groups(x.size(), 0);
    variances.add(groups.data(), {x.data()}, nullptr, 0, static_cast<int64_t>(x.size()));
    const int ddof = operation.back() - '0';
    return operation.starts_with("var") ? variances.variance(0, ddof) : variances.stddev(0, ddof);
  }
  return answer_pairs(operation, x);
}

TEST(ExactOracle, AnswersQuestionsOnStandardInput) {
  if (std::getenv("GRISTMILL_EXACT_ORACLE") == nullptr) GTEST_SKIP() << "run by tests/fuzz/exact_oracle.py";
  std::string line;
  for (uint64_t number = 0; std::getline(std::cin, line); ++number) {
    const std::vector<base::SimdLevel> levels = base::available_simd_levels();
    base::force_simd_level(levels[number % levels.size()]);
    std::istringstream words(line);
    std::string operation, word;
    words >> operation;
    std::vector<double> x;
    while (words >> word) x.push_back(inputs::from_bits(std::stoull(word, nullptr, 16)));
    const std::optional<double> value = answer(operation, x);
    if (value) {
      std::cout << "= " << std::hex << inputs::to_bits(*value) << "\n" << std::flush;
    } else {
      std::cout << "= none\n" << std::flush;
    }
  }
  base::force_simd_level(base::best_simd_level());
}

}  // namespace
}  // namespace gristmill::column
