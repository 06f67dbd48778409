// What groups, joins and sorts begin with: hashes, comparisons, sort prefixes.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "column/kernels.h"
#include "column/key_encoding.h"
#include "inputs.h"

namespace gristmill::bench {
namespace {

void add_hash(const std::string& name, const column::Column& c) {
  at_every_level("hash/" + name, [c](benchmark::State& state) {
    const std::array<column::Column, 1> keys{c};
    std::vector<uint64_t> hashes(kRows);
    for (auto _ : state) {
      column::hash_rows(keys, kRows, column::Selection(), hashes.data());
      benchmark::ClobberMemory();
    }
  });
}

void add_compare(const std::string& name, const column::Column& a, const column::Column& b) {
  at_every_level("compare/" + name, [a, b](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(column::compare(column::CompareOp::kLt, a, b, kRows));
  });
}

void add_prefixes(const std::string& name, const column::Column& c) {
  at_every_level("sort_prefix/" + name, [c](benchmark::State& state) {
    const std::array<column::Column, 1> keys{c};
    const std::array<column::SortKey, 1> order{column::SortKey{.nullable = false}};
    std::vector<uint64_t> prefixes(kRows);
    for (auto _ : state) benchmark::DoNotOptimize(column::key_prefixes(keys, order, kRows, prefixes.data()));
  });
}

const bool kAdded = registered([] {
  add_hash("int64", int64_column(1 << 20));
  add_hash("string10", text_column(10));
  add_hash("string30", text_column(30));
  add_compare("int64", int64_column(1000, 1), int64_column(1000, 2));
  add_compare("float64", double_column(1), double_column(2));
  add_compare("string10", text_column(10, 1), text_column(10, 2));
  add_prefixes("float64", double_column());
  add_prefixes("string10", text_column(10));
});

}  // namespace
}  // namespace gristmill::bench
