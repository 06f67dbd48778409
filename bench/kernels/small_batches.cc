// The price of the pipeline itself: many batches of 100 rows, each a morsel of its own, through a planned query (filter, project,
// ordered delivery) and through a stream, beside the same kernels called in a loop. Items are batches: what the rows differ by is the overhead
// of one more small batch.
//
// eligible/*: the same of batches above the threshold, which `.parallel()` cuts into morsels, hands to workers and puts back in order. With
// GRISTMILL_WORKERS=1 the one worker has the same work as the loop, and the difference is what that costs.
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "column/batch.h"
#include "column/kernels.h"
#include "expr/bind.h"
#include "expr/evaluate.h"
#include "gristmill/frame.h"
#include "gristmill/stream.h"
#include "inputs.h"

namespace gristmill::bench {
namespace {

constexpr int64_t kBatchRows = 100, kEligibleRows = 100'000;
constexpr int64_t kAllRows = 2'000'000;

std::shared_ptr<arrow::Table> table() {
  Random random(11);
  std::vector<int64_t> n;
  std::vector<double> x;
  for (int64_t i = 0; i < kAllRows; ++i) {
    n.push_back(random.below(1000));
    x.push_back(random.unit());
  }
  auto numbers = std::make_shared<arrow::Int64Array>(kAllRows, arrow::Buffer::FromVector(std::move(n)));
  auto doubles = std::make_shared<arrow::DoubleArray>(kAllRows, arrow::Buffer::FromVector(std::move(x)));
  return arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64()), arrow::field("x", arrow::float64())}), {numbers, doubles});
}

Expr predicate() { return col("n") > 500; }
Expr projection() { return col("x") * 2.0 + 1.0; }

void pipeline(benchmark::State& state) {
  const Frame query = from_arrow(table()).filter(predicate()).select({projection().alias("y")});
  const ParallelOptions options{.num_workers = 1, .chunk_rows = kBatchRows, .batch_rows = kBatchRows};
  for (auto _ : state) {
    int64_t rows = 0;
    const arrow::Status s = query.collect_batches(
        [&](const std::shared_ptr<arrow::RecordBatch>& b) {
          rows += b->num_rows();
          return arrow::Status::OK();
        },
        options);
    if (!s.ok()) state.SkipWithError(s.ToString().c_str());
    benchmark::DoNotOptimize(rows);
  }
  state.SetItemsProcessed(state.iterations() * (kAllRows / kBatchRows));
}

// The same rows given to a stream batch by batch: the stream's own price is the difference to `bare`.
void stream(benchmark::State& state, int64_t batch_rows, StreamParallel settings) {
  const auto all = table();
  std::vector<RecordBatchPtr> batches;
  for (int64_t at = 0; at < all->num_rows(); at += batch_rows) {
    arrow::ArrayVector columns;
    for (const auto& c : all->columns()) columns.push_back(c->chunk(0)->Slice(at, batch_rows));
    batches.push_back(arrow::RecordBatch::Make(all->schema(), batch_rows, std::move(columns)));
  }
  const Stream steps = Stream::from_batches(std::move(batches)).filter(predicate()).select({projection().alias("y")}).parallel(settings);
  for (auto _ : state) {
    int64_t rows = 0;
    const arrow::Status s = steps.for_each([&](const RecordBatchPtr& b) {
      rows += b->num_rows();
      return arrow::Status::OK();
    });
    if (!s.ok()) state.SkipWithError(s.ToString().c_str());
    benchmark::DoNotOptimize(rows);
  }
  state.SetItemsProcessed(state.iterations() * (kAllRows / batch_rows));
}

arrow::Result<int64_t> call_kernels(const arrow::Table& all, int64_t batch_rows, const expr::Bound& keep, const expr::Bound& value) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  expr::Evaluator evaluator(pool);
  const auto schema = arrow::schema({arrow::field("y", arrow::float64())});
  int64_t rows = 0, piece = 0;
  for (int64_t at = 0; at < all.num_rows(); at += piece) {
    column::Batch batch;
    piece = std::min({column::kDefaultBatchRows, batch_rows - at % batch_rows, all.num_rows() - at});
    batch.rows = piece;
    for (const auto& c : all.columns()) batch.columns.push_back(column::Column::flat(c->chunk(0)->data()->Slice(at, piece)));
    ARROW_ASSIGN_OR_RAISE(column::Mask mask, evaluator.mask(keep, batch));
    batch.selection = column::Selection::from_mask(std::move(mask));
    ARROW_ASSIGN_OR_RAISE(column::Column y, evaluator.evaluate(value, batch));
    batch.columns.assign(1, std::move(y));
    ARROW_ASSIGN_OR_RAISE(auto out, column::export_batch(batch, schema, pool));
    rows += out->num_rows();
  }
  return rows;
}

void bare(benchmark::State& state, int64_t batch_rows) {
  const auto all = table();
  const auto keep = expr::bind(predicate().node(), *all->schema());
  const auto value = expr::bind(projection().node(), *all->schema());
  if (!keep.ok() || !value.ok()) state.SkipWithError("does not bind");
  for (auto _ : state) {
    const auto rows = call_kernels(*all, batch_rows, **keep, **value);
    if (!rows.ok()) state.SkipWithError(rows.status().ToString().c_str());
    benchmark::DoNotOptimize(*rows);
  }
  state.SetItemsProcessed(state.iterations() * (kAllRows / batch_rows));
}

const bool kAdded = registered([] {
  benchmark::RegisterBenchmark("small_batch/pipeline", pipeline)->Unit(benchmark::kMillisecond);
  const StreamParallel disabled{.enabled = false};
  for (const auto& [name, rows] : {std::pair{std::string("small_batch"), kBatchRows}, std::pair{std::string("eligible"), kEligibleRows}}) {
    benchmark::RegisterBenchmark((name + "/parallel").c_str(), stream, rows, StreamParallel{})->Unit(benchmark::kMillisecond)->UseRealTime();
    benchmark::RegisterBenchmark((name + "/stream").c_str(), stream, rows, disabled)->Unit(benchmark::kMillisecond)->UseRealTime();
    benchmark::RegisterBenchmark((name + "/bare").c_str(), bare, rows)->Unit(benchmark::kMillisecond)->UseRealTime();
  }
});

}  // namespace
}  // namespace gristmill::bench
