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

// Every run holds morsels from all over the input. The small limit makes blocks small.
Runs random_runs(uint64_t seed, base::QueryMemory& memory, int count) {
  RandomColumns random(seed);
  Runs out;
  out.data = random_data(random, {arrow::int8(), ok(column::parse_type("string"))}, 3 * count, 2000, false);
  out.layout.types = out.data.types;
  out.layout.keys = {0, 1};
  out.layout.order = {{true, false}, {false, true}};
  out.layout.payload = 3;
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

TEST(SortRun, PiecesOfAMergeMakeTheWhole) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::ProcessBudget process(int64_t{1} << 30);
    const auto memory = base::QueryMemory::make(4 << 20, process);
    const Runs all = random_runs(seed, *memory, 4);
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
      ASSERT_NO_FATAL_FAILURE(check_rows(sorted, expected, spec, run)) << "pieces of " << piece_rows;
    }
  }
}

TEST(SortRun, CutsAreInOrderAndAsManyAsWanted) {
  base::ProcessBudget process(int64_t{1} << 30);
  const auto memory = base::QueryMemory::make(4 << 20, process);
  const Runs all = random_runs(9, *memory, 3);
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

}  // namespace
}  // namespace gristmill::exec
