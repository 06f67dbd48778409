// Filter at several selectivities, take of random rows.
#include <arrow/memory_pool.h>

#include <memory>
#include <string>
#include <vector>

#include "column/kernels.h"
#include "inputs.h"

namespace gristmill::bench {
namespace {

void add_filter(const std::string& name, const column::Column& c, int percent) {
  const auto mask = std::make_shared<column::Mask>(mask_of(percent));
  at_every_level("filter/" + name + "/" + std::to_string(percent), [c, mask](benchmark::State& state) {
    const int64_t kept = mask->count();
    for (auto _ : state) benchmark::DoNotOptimize(column::filter(c, kRows, *mask, kept, arrow::default_memory_pool()));
  });
}

void add_take(const std::string& name, const column::Column& c) {
  auto rows = std::make_shared<std::vector<int32_t>>();
  Random random(5);
  for (int64_t i = 0; i < kRows; ++i) rows->push_back(static_cast<int32_t>(random.below(kRows)));
  at_every_level("take/" + name, [c, rows](benchmark::State& state) {
    const std::span<const int32_t> indices(*rows);
    for (auto _ : state) benchmark::DoNotOptimize(column::take(c, indices, arrow::default_memory_pool()));
  });
}

const bool kAdded = registered([] {
  for (const int percent : {1, 10, 50, 90}) add_filter("int64", int64_column(1 << 20), percent);
  for (const int percent : {10, 50}) add_filter("string", text_column(10), percent);
  add_take("int64", int64_column(1 << 20));
  add_take("string", text_column(10));
});

}  // namespace
}  // namespace gristmill::bench
