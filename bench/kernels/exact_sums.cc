// The price of sums that are exact: beside them a plain loop that adds doubles as they come.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "column/exact_groups.h"
#include "column/exact_sum.h"
#include "inputs.h"

namespace gristmill::bench {
namespace {

std::vector<uint32_t> group_numbers(int64_t groups) {
  Random random(6);
  std::vector<uint32_t> out;
  for (int64_t i = 0; i < kRows; ++i) out.push_back(static_cast<uint32_t>(random.below(groups)));
  return out;
}

void add_whole() {
  at_every_level("sum/exact", [](benchmark::State& state) {
    const column::Column c = double_column();
    const double* x = column::values_of<double>(*c.values);
    const column::ExactUnit unit = column::ExactUnit::choose({x, static_cast<size_t>(kRows)});
    column::ExactSum sum;
    column::WideSum wide;
    for (auto _ : state) benchmark::DoNotOptimize(column::exact_add_all(unit, sum, wide, x, nullptr, 0, kRows));
  });
}

void add_groups(int64_t groups) {
  const auto numbers = std::make_shared<std::vector<uint32_t>>(group_numbers(groups));
  at_every_level("group_sum/exact/" + std::to_string(groups), [numbers, groups](benchmark::State& state) {
    const column::Column c = double_column();
    const double* x = column::values_of<double>(*c.values);
    column::GroupSums sums(column::ExactUnit::choose({x, static_cast<size_t>(kRows)}));
    sums.resize(static_cast<size_t>(groups));
    for (auto _ : state) {
      sums.add(numbers->data(), x, nullptr, 0, kRows);
      benchmark::ClobberMemory();
    }
  });
}

void add_plain(int64_t groups) {
  benchmark::RegisterBenchmark(("group_sum/plain/" + std::to_string(groups)).c_str(), [groups](benchmark::State& state) {
    const std::vector<uint32_t> numbers = group_numbers(groups);
    const column::Column c = double_column();
    const double* x = column::values_of<double>(*c.values);
    std::vector<double> sums(static_cast<size_t>(groups));
    for (auto _ : state) {
      for (int64_t i = 0; i < kRows; ++i) sums[numbers[i]] += x[i];
      benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * kRows);
  });
}

const bool kAdded = registered([] {
  add_whole();
  for (const int64_t groups : {1, 10, 1000, 100'000}) {
    add_groups(groups);
    add_plain(groups);
  }
});

}  // namespace
}  // namespace gristmill::bench

BENCHMARK_MAIN();
