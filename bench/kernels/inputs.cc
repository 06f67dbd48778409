#include "inputs.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>

#include <cstdlib>
#include <memory>

#include "base/cpu.h"

namespace gristmill::bench {
namespace {

column::Column finished(arrow::ArrayBuilder& builder) {
  return column::import_array(builder.Finish().ValueOrDie()->data(), arrow::default_memory_pool()).ValueOrDie();
}

template <typename Builder, typename Value>
void append(Builder& builder, const Value& value) {
  if (!builder.Append(value).ok()) std::abort();
}

}  // namespace

uint64_t Random::bits() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

column::Column int64_column(int64_t distinct, uint64_t seed) {
  Random random(seed);
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < kRows; ++i) append(builder, random.below(distinct));
  return finished(builder);
}

column::Column double_column(uint64_t seed) {
  Random random(seed);
  arrow::DoubleBuilder builder;
  for (int64_t i = 0; i < kRows; ++i) append(builder, random.unit() * 1000);
  return finished(builder);
}

column::Column text_column(int length, uint64_t seed) {
  Random random(seed);
  arrow::StringBuilder builder;
  std::string text(static_cast<size_t>(length), 'x');
  for (int64_t i = 0; i < kRows; ++i) {
    for (char& c : text) c = static_cast<char>('a' + random.below(26));
    append(builder, text);
  }
  return finished(builder);
}

column::Mask mask_of(int percent, uint64_t seed) {
  Random random(seed);
  column::Mask mask(kRows, false);
  for (int64_t i = 0; i < kRows; ++i) {
    if (random.below(100) < percent) mask.set(i);
  }
  return mask;
}

void at_every_level(const std::string& name, std::function<void(benchmark::State&)> body) {
  for (const base::SimdLevel level : base::available_simd_levels()) {
    benchmark::RegisterBenchmark((name + "/" + std::string(base::simd_level_name(level))).c_str(), [body, level](benchmark::State& state) {
      const base::SimdLevel before = base::active_simd_level();
      base::force_simd_level(level);
      body(state);
      base::force_simd_level(before);
      state.SetItemsProcessed(state.iterations() * kRows);
    });
  }
}

}  // namespace gristmill::bench
