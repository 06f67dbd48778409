// Runs on disk and their merge: however the merge is cut, the pieces together are the one stable order.

#include "exec/sort_run.h"

#include "sort_driver.h"

namespace gristmill::exec {
namespace {

using namespace sort_testing;  // NOLINT: the driver

struct Runs {
  SortData data;
  RunLayout layout;
  std::shared_ptr<base::SpillFile> file;
  std::vector<SortedRun> runs;
  int64_t rows = 0;
};

// Every run holds morsels from all over the input. Blocks are small; few keys go through many of them.
Runs random_runs(uint64_t seed, base::QueryMemory& memory, int count, bool few_keys) {
  RandomColumns random(seed);
  const TypePtr first = few_keys ? arrow::null() : arrow::int8(), second = few_keys ? arrow::boolean() : arrow::utf8_view();
  Runs out;
  out.data = random_data(random, {first, second}, 3 * count, 2000, false);
  out.layout.types = out.data.types;
  out.layout.keys = {0, 1};
  out.layout.order = {{true, false}, {false, true}};
  out.layout.payload = 3;
  out.layout.block_bytes = 8 << 10;
  out.file = ok(base::SpillFile::create());
  std::vector<std::vector<SortChunk>> chunks(static_cast<size_t>(count));
  for (size_t m = 0; m < out.data.morsels.size(); ++m) {
    SortChunk c;
    c.rows = out.data.morsels[m];
    c.keys = {c.rows.columns[0], c.rows.columns[1]};
    c.first_order = uint64_t{m} << 32;
    EXPECT_TRUE(encode_chunk(c, out.layout.order, memory.pool()).ok());
    chunks[static_cast<size_t>(random.below(count))].push_back(std::move(c));
    out.rows += out.data.morsels[m].rows;
  }
  for (auto& c : chunks) out.runs.push_back(ok(write_run(std::move(c), out.layout, *out.file, memory)));
  return out;
}

// A piece has the blocks that begin in it and what reaches into it, a block of each of four runs.
bool balanced(const Sorted& sorted, int64_t piece_rows) {
  constexpr int64_t kMost = 512;
  return std::all_of(sorted.pieces.begin(), sorted.pieces.end(), [&](const auto& piece) {
    int64_t rows = 0;
    for (const Batch& b : piece) rows += b.rows;
    return rows <= piece_rows + 5 * kMost;
  });
}

TEST(SortRun, PiecesOfAMergeMakeTheWhole) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::ProcessBudget process(int64_t{1} << 30);
    const auto memory = base::QueryMemory::make(4 << 20, process);
    const Runs all = random_runs(seed, *memory, 4, seed % 2 == 0);
    const SortSpec spec = sort_by(all.data, {input(all.data, 0), input(all.data, 1)}, all.layout.order);
    const Expected expected = expect(spec, all.data);
    const SortRun run{.seed = seed, .batch_rows = 333};
    for (const int64_t piece_rows : {int64_t{1}, int64_t{3000}, int64_t{1} << 40}) {
      const std::vector<RunCut> cuts = plan_cuts(all.runs, piece_rows);
      Sorted sorted;
      for (size_t p = 0; p <= cuts.size(); ++p) {
        auto& piece = sorted.pieces.emplace_back();
        const auto merged = merge_runs(all.runs, all.layout, *all.file, p == 0 ? nullptr : &cuts[p - 1],
                                       p == cuts.size() ? nullptr : &cuts[p], run.batch_rows, memory->pool(), [&](Batch b) {
                                         piece.push_back(std::move(b));
                                         return arrow::Status::OK();
                                       });
        ASSERT_TRUE(merged.ok()) << merged.ToString();
      }
      ASSERT_TRUE(balanced(sorted, piece_rows)) << "pieces of " << piece_rows;
      ASSERT_NO_FATAL_FAILURE(check_rows(sorted, expected, spec, run)) << "pieces of " << piece_rows;
    }
  }
}

// The one stable order, however few runs are merged at once and however small blocks and batches are.
TEST(SortRun, RunsMergeIntoOne) {
  for (uint64_t seed = 21; seed <= 24; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::ProcessBudget process(int64_t{1} << 30);
    QueryContext context;
    context.memory = base::QueryMemory::make(0, process);
    Runs all = random_runs(seed, *context.memory, 11, seed % 2 == 0);
    const SortSpec spec = sort_by(all.data, {input(all.data, 0), input(all.data, 1)}, all.layout.order);
    const Expected expected = expect(spec, all.data);
    all.layout.own_text = seed > 22;
    all.layout.batch_bytes = 4 << 10;
    const size_t fan_in = 1 + seed % 10;
    std::vector<SortedRun> one;
    one.push_back(ok(merge_into_one(std::move(all.runs), fan_in, all.layout, *all.file, context)));
    for (const RunBlock& b : one[0].blocks) ASSERT_LE(b.block.raw_bytes, uint64_t{2 * 8 << 10});
    Sorted sorted;
    auto& piece = sorted.pieces.emplace_back();
    const SortRun run{.seed = seed};
    const auto merged = merge_runs(one, all.layout, *all.file, nullptr, nullptr, run.batch_rows, context.pool(), [&](Batch b) {
      piece.push_back(std::move(b));
      return arrow::Status::OK();
    });
    ASSERT_TRUE(merged.ok()) << merged.ToString();
    ASSERT_NO_FATAL_FAILURE(check_rows(sorted, expected, spec, run));
  }
}

void check_cuts(uint64_t seed, bool few_keys) {
  base::ProcessBudget process(int64_t{1} << 30);
  const auto memory = base::QueryMemory::make(4 << 20, process);
  const Runs all = random_runs(seed, *memory, 3, few_keys);
  size_t blocks = 0;
  int64_t most = 0;
  for (const auto& r : all.runs) {
    int64_t rows = 0;
    for (const auto& b : r.blocks) {
      ++blocks;
      most = std::max(most, b.rows);
      rows += b.rows;
    }
    ASSERT_GT(rows, 0);
  }
  ASSERT_LE(most, 512);
  EXPECT_EQ(plan_cuts(all.runs, 1).size(), blocks - 1);
  EXPECT_TRUE(plan_cuts(all.runs, all.rows).empty());
  for (const int64_t wanted : {600, 2500}) {
    const std::vector<RunCut> cuts = plan_cuts(all.runs, wanted);
    const auto pieces = static_cast<int64_t>(cuts.size()) + 1;
    EXPECT_GE(pieces, all.rows / (wanted + most));
    EXPECT_LE(pieces, all.rows / wanted + 1);
    for (size_t i = 1; i < cuts.size(); ++i) EXPECT_LT(std::tie(cuts[i - 1].key, cuts[i - 1].order), std::tie(cuts[i].key, cuts[i].order));
  }
}

TEST(SortRun, CutsAreInOrderAndAsManyAsWanted) { check_cuts(9, false); }
TEST(SortRun, CutsDivideRowsOfOneKeyToo) { check_cuts(10, true); }

}  // namespace
}  // namespace gristmill::exec
