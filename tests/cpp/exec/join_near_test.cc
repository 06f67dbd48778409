// The index of as-of joins: walking both sides gives what searching gives, and both what looking at every row gives.

#include "exec/join_near.h"

#include <algorithm>
#include <optional>

#include "column/random_columns.h"

namespace gristmill::exec {
namespace {

using column::Column;
using column::testing::ok;
using column::testing::pool;
using column::testing::RandomColumns;

Column column_of(const std::vector<int64_t>& values, const char* type_name) {
  const auto type = ok(column::parse_type(type_name));
  const column::Physical p = column::physical_unchecked(*type);
  const int64_t n = static_cast<int64_t>(values.size());
  auto buffer = ok(column::allocate_buffer(n * column::byte_width(p), pool()));
  column::visit_number(p, [&]<typename T>() {
    auto* out = reinterpret_cast<T*>(buffer->mutable_data());
    for (size_t i = 0; i < values.size(); ++i) out[i] = static_cast<T>(values[i]);
  });
  return Column::flat(column::make_array(type, n, nullptr, 0, std::move(buffer)));
}

struct Chain {
  std::unique_ptr<NearIndex> index;
  std::vector<uint64_t> words;

  explicit Chain(const Column& on, int64_t rows) {
    NearWords read;
    EXPECT_TRUE(read.read(on, rows, pool()).ok());
    for (int64_t i = 0; i < rows; ++i) words.push_back(read[i]);
    index = ok(NearIndex::make(nullptr, on, rows, pool()));
    for (int64_t p = 0; p < index->pieces(); ++p) index->sort(p);
    index->merge();
  }

  // By looking at every row.
  int32_t chosen(uint64_t word, const NearRule& rule) const {
    NearPair found;
    for (size_t i = 0; i < words.size(); ++i) {
      const NearRow here{static_cast<int32_t>(i), words[i]};
      if (here.word == word && !rule.exact()) continue;
      if (rule.looks_back() && here.word <= word && (found.back.row < 0 || here.word >= found.back.word)) found.back = here;
      if (rule.looks_forward() && here.word >= word && (found.forward.row < 0 || here.word < found.forward.word)) found.forward = here;
    }
    const NearRow* const row = rule.choose(word, found);
    return row ? row->row : kNoRow;
  }
};

std::vector<NearRule> rules() {
  std::vector<NearRule> out;
  for (const auto strategy : {plan::AsofStrategy::kBackward, plan::AsofStrategy::kForward, plan::AsofStrategy::kNearest}) {
    for (const bool exact : {true, false}) {
      for (const std::optional<uint64_t> tolerance : {std::optional<uint64_t>(), std::optional<uint64_t>(3)}) {
        AsofSpec spec;
        spec.strategy = strategy;
        spec.allow_exact = exact;
        spec.tolerance = tolerance;
        out.emplace_back(spec, false);
      }
    }
  }
  return out;
}

std::vector<int64_t> draw(RandomColumns& random, int64_t n, int64_t values, int64_t from) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(from + random.below(values));
  return out;
}

TEST(NearIndex, AWalkASearchAndALookAtEveryRowAgree) {
  RandomColumns random(7);
  int64_t walked = 0;
  for (int round = 0; round < 120; ++round) {
    SCOPED_TRACE(round);
    const char* const type = random.pick<const char*>({"int64", "uint64", "int8", "uint32", "timestamp(us)", "date", "float64", "float32"});
    const int64_t least = type[0] == 'u' ? 0 : -60;
    const int64_t values = random.pick<int64_t>({1, 5, 120});
    std::vector<int64_t> right = draw(random, random.pick<int64_t>({1, 2, 7, 100, 700}), values, least);
    const bool sorted = random.chance(0.7);
    if (sorted) std::sort(right.begin(), right.end());
    const Chain chain(column_of(right, type), static_cast<int64_t>(right.size()));
    EXPECT_EQ(chain.index->pieces(), 0) << "nothing left to sort";
    std::vector<int64_t> left = draw(random, random.pick<int64_t>({1, 2, 3, 4, 5, 63, 64, 500}), random.pick<int64_t>({1, 90, 125}),
                                     least + random.below(values));
    std::sort(left.begin(), left.end());
    const int64_t n = static_cast<int64_t>(left.size());
    NearWords words;
    ASSERT_TRUE(words.read(column_of(left, type), n, pool()).ok());
    for (const NearRule& rule : rules()) {
      NearCursors walking, searching;
      NearPlaces places;
      std::vector<int32_t> rows(left.size());
      const bool near = chain.index->walk(words, n, rule, walking, places, rows.data());
      walked += near;
      for (int64_t i = 0; i < n; ++i) {
        const NearPair found = chain.index->find(0, words[i], rule, searching);
        const NearRow* const row = rule.choose(words[i], found);
        const int32_t want = chain.chosen(words[i], rule);
        ASSERT_EQ(row ? row->row : kNoRow, want) << "row " << i;
        if (near) {
          ASSERT_EQ(rows[static_cast<size_t>(i)], want) << "row " << i;
        }
      }
      if (!rule.only_back()) continue;
      NearCursors all;
      std::vector<int32_t> found(left.size());
      chain.index->find_back_all(words, n, rule.exact(), all, found.data());
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(found[static_cast<size_t>(i)], chain.chosen(words[i], rule)) << "row " << i;
    }
  }
  EXPECT_GT(walked, 1000);
}

TEST(NearIndex, WalksOnlyRowsThatAscendAndLieNear) {
  std::vector<int64_t> right;
  for (int64_t i = 0; i < 100'000; ++i) right.push_back(i);
  const Chain chain(column_of(right, "int64"), 100'000);
  AsofSpec spec;
  const NearRule rule(spec, false);
  const auto walks = [&](const std::vector<int64_t>& left) {
    NearWords words;
    NearCursors cursors;
    NearPlaces places;
    std::vector<int32_t> rows(left.size());
    EXPECT_TRUE(words.read(column_of(left, "int64"), static_cast<int64_t>(left.size()), pool()).ok());
    return chain.index->walk(words, static_cast<int64_t>(left.size()), rule, cursors, places, rows.data());
  };
  EXPECT_TRUE(walks({5, 5, 6, 40}));
  EXPECT_FALSE(walks({5, 6, 5, 40}));
  EXPECT_FALSE(walks({5, 5, 6, 90'000}));
  EXPECT_FALSE(walks({}));
}

}  // namespace
}  // namespace gristmill::exec
