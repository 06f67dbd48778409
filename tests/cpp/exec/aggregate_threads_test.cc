// Aggregation with real threads: morsels claimed as they come, spills asked for by whoever runs short, pieces and output
// morsels in parallel. Whatever the timing, the same bits.

#include <atomic>
#include <thread>

#include "aggregate_driver.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

// f(thread) on `workers` threads; the first error.
template <typename F>
arrow::Status on_threads(int workers, F&& f) {
  std::vector<arrow::Status> statuses(static_cast<size_t>(workers));
  std::vector<std::thread> threads;
  for (int w = 0; w < workers; ++w) threads.emplace_back([&, w] { statuses[static_cast<size_t>(w)] = f(w); });
  for (auto& t : threads) t.join();
  for (auto& s : statuses) ARROW_RETURN_NOT_OK(s);
  return arrow::Status::OK();
}

// The output, morsel by morsel, as text: nothing of it stays in the query's memory.
arrow::Result<Table> run_threads(const AggregateSpec& spec, const Morsels& morsels, const RunConfig& config, const QueryContext& context) {
  ARROW_ASSIGN_OR_RAISE(Breaker breaker, make_aggregate(spec, context));
  std::vector<std::unique_ptr<LocalState>> locals(static_cast<size_t>(config.workers));
  std::atomic<size_t> claimed{0};
  ARROW_RETURN_NOT_OK(on_threads(config.workers, [&](int w) -> arrow::Status {
    auto& local = locals[static_cast<size_t>(w)];
    ARROW_ASSIGN_OR_RAISE(local, breaker.sink->make_local(context));
    for (size_t m = claimed++; m < morsels.size(); m = claimed++)
      ARROW_RETURN_NOT_OK(feed(*breaker.sink, *local, morsels[m], m, config.cut_rows));
    return arrow::Status::OK();
  }));
  for (auto& l : locals) ARROW_RETURN_NOT_OK(breaker.sink->combine(*l));
  locals.clear();
  ARROW_RETURN_NOT_OK(breaker.sink->finalize());
  for (const auto& phase : breaker.phases) {
    ARROW_ASSIGN_OR_RAISE(const int64_t pieces, phase->start(context));
    std::atomic<int64_t> piece{0};
    ARROW_RETURN_NOT_OK(on_threads(config.workers, [&](int) -> arrow::Status {
      for (int64_t p = piece++; p < pieces; p = piece++) ARROW_RETURN_NOT_OK(phase->run(p));
      return arrow::Status::OK();
    }));
    ARROW_RETURN_NOT_OK(phase->finish());
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t count, breaker.source->start(context));
  std::vector<Table> parts(static_cast<size_t>(count));
  std::atomic<int64_t> seq{0};
  ARROW_RETURN_NOT_OK(on_threads(config.workers, [&](int) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto reader, breaker.source->make_local(context));
    RowCounts counts;
    for (int64_t s = seq++; s < count; s = seq++) {
      Table& part = parts[static_cast<size_t>(s)];
      const auto emit = [&](const Batch& b) {
        Table rows = cells({b});
        part.insert(part.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
        return arrow::Status::OK();
      };
      ARROW_RETURN_NOT_OK(breaker.source->read(static_cast<uint64_t>(s), *reader, emit, counts));
    }
    return arrow::Status::OK();
  }));
  Table out;
  for (auto& p : parts) out.insert(out.end(), std::make_move_iterator(p.begin()), std::make_move_iterator(p.end()));
  return out;
}

Morsels data_of(uint64_t seed, int64_t keys, int count, bool text) {
  RandomColumns random(seed);
  constexpr int64_t kRows = 20000;
  Morsels out;
  for (int m = 0; m < count; ++m) {
    Batch b;
    b.rows = kRows;
    auto ints = ok(column::allocate_buffer(kRows * 8, column::testing::pool()));
    auto values = ok(column::allocate_buffer(kRows * 8, column::testing::pool()));
    for (int64_t i = 0; i < kRows; ++i) {
      reinterpret_cast<int64_t*>(ints->mutable_data())[i] = random.below(keys) * 7919;
      reinterpret_cast<double*>(values->mutable_data())[i] = static_cast<double>(random.below(1'000'000'000)) * 1e-5;
    }
    const auto key = column::make_array(arrow::int64(), kRows, nullptr, 0, ints);
    if (text) {
      std::vector<std::string> words;
      for (int64_t i = 0; i < kRows; ++i) words.push_back("a key of some length " + std::to_string(column::values_of<int64_t>(*key)[i]));
      auto views = ok(column::allocate_zeroed(kRows * 16, column::testing::pool()));
      std::string heap;
      for (int64_t i = 0; i < kRows; ++i) {
        auto& v = reinterpret_cast<column::View16*>(views->mutable_data())[i];
        const std::string& w = words[static_cast<size_t>(i)];
        v.size = static_cast<uint32_t>(w.size());
        std::memcpy(v.ref.prefix, w.data(), 4);
        v.ref.offset = static_cast<int32_t>(heap.size());
        heap += w;
      }
      auto array = column::make_array(arrow::utf8_view(), kRows, nullptr, 0, views);
      array->buffers.push_back(arrow::Buffer::FromString(std::move(heap)));
      b.columns.push_back(Column::flat(array));
    } else {
      b.columns.push_back(Column::flat(key));
    }
    b.columns.push_back(Column::flat(column::make_array(arrow::float64(), kRows, nullptr, 0, values)));
    out.push_back(std::move(b));
  }
  return out;
}

void check_threads(const Morsels& data, const TypePtr& key, int64_t cap, std::optional<bool> spills) {
  AggregateSpec spec;
  const auto x = input(1, arrow::float64());
  spec.keys = {input(0, key)};
  spec.aggregates = {aggregate("sum", {x}),   aggregate("mean", {x}), aggregate("count", {}),
                     aggregate("first", {x}), aggregate("max", {x}),  aggregate("last", {input(0, key)})};
  for (const bool ordered : {true, false}) {
    spec.ordered = ordered;
    const Table alone = ok(run_threads(spec, data, {}, context_of({})));
    for (int round = 0; round < 2; ++round) {
      const RunConfig config{.workers = 4, .cut_rows = 4096, .cap = cap};
      base::ProcessBudget process(int64_t{4} << 30);
      const QueryContext context = context_of(config, &process);
      const Table together = ok(run_threads(spec, data, config, context));
      ASSERT_EQ(together.size(), alone.size());
      for (size_t i = 0; i < alone.size(); ++i) ASSERT_EQ(together[i], alone[i]) << "row " << i;
      EXPECT_EQ(context.memory->spilled_bytes() > 0, spills.value_or(context.memory->spilled_bytes() > 0));
    }
  }
}

TEST(AggregateThreads, FewGroups) { check_threads(data_of(1, 50, 20, false), arrow::int64(), 0, false); }
TEST(AggregateThreads, ManyGroups) { check_threads(data_of(2, 100000, 12, false), arrow::int64(), 0, false); }
// More groups than fit, even if one worker does it all.
TEST(AggregateThreads, ManyGroupsInLittleMemory) { check_threads(data_of(3, 800000, 20, false), arrow::int64(), int64_t{24} << 20, true); }
// Enough for the groups, not for every worker's copy of them: whether anything is spilled depends on who gets which morsel.
TEST(AggregateThreads, LongKeysInHardlyEnoughMemory) {
  check_threads(data_of(5, 60000, 10, true), arrow::utf8_view(), int64_t{24} << 20, std::nullopt);
}
TEST(AggregateThreads, LongKeysInLittleMemory) { check_threads(data_of(4, 600000, 16, true), arrow::utf8_view(), int64_t{24} << 20, true); }

}  // namespace
}  // namespace gristmill::exec
