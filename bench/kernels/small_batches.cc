// The price of the pipeline itself: many batches of 100 rows, each a morsel of its own, through a planned query (filter, project,
// ordered delivery) and through a stream, beside the same kernels called in a loop. Items are batches: what the rows differ by is the overhead
// of one more small batch.
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <memory>
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

constexpr int64_t kBatchRows = 100;
constexpr int64_t kBatches = 20'000;

std::shared_ptr<arrow::Table> table() {
  Random random(11);
  std::vector<int64_t> n;
  std::vector<double> x;
  for (int64_t i = 0; i < kBatches * kBatchRows; ++i) {
    n.push_back(random.below(1000));
    x.push_back(random.unit());
  }
  auto numbers = std::make_shared<arrow::Int64Array>(kBatches * kBatchRows, arrow::Buffer::FromVector(std::move(n)));
  auto doubles = std::make_shared<arrow::DoubleArray>(kBatches * kBatchRows, arrow::Buffer::FromVector(std::move(x)));
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
  state.SetItemsProcessed(state.iterations() * kBatches);
}

// The same batches given to a stream one by one, each below the threshold: the stream's own price is the difference to `bare`.
void stream(benchmark::State& state) {
  const auto all = table();
  std::vector<RecordBatchPtr> batches;
  for (int64_t at = 0; at < all->num_rows(); at += kBatchRows) {
    arrow::ArrayVector columns;
    for (const auto& c : all->columns()) columns.push_back(c->chunk(0)->Slice(at, kBatchRows));
    batches.push_back(arrow::RecordBatch::Make(all->schema(), kBatchRows, std::move(columns)));
  }
  const Stream steps = Stream::from_batches(std::move(batches)).filter(predicate()).select({projection().alias("y")});
  for (auto _ : state) {
    int64_t rows = 0;
    const arrow::Status s = steps.for_each([&](const RecordBatchPtr& b) {
      rows += b->num_rows();
      return arrow::Status::OK();
    });
    if (!s.ok()) state.SkipWithError(s.ToString().c_str());
    benchmark::DoNotOptimize(rows);
  }
  state.SetItemsProcessed(state.iterations() * kBatches);
}

arrow::Result<int64_t> call_kernels(const arrow::Table& all, const expr::Bound& keep, const expr::Bound& value) {
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  expr::Evaluator evaluator(pool);
  const auto schema = arrow::schema({arrow::field("y", arrow::float64())});
  int64_t rows = 0;
  for (int64_t at = 0; at < all.num_rows(); at += kBatchRows) {
    column::Batch batch;
    batch.rows = kBatchRows;
    for (const auto& c : all.columns()) batch.columns.push_back(column::Column::flat(c->chunk(0)->data()->Slice(at, kBatchRows)));
    ARROW_ASSIGN_OR_RAISE(column::Mask mask, evaluator.mask(keep, batch));
    batch.selection = column::Selection::from_mask(std::move(mask));
    ARROW_ASSIGN_OR_RAISE(column::Column y, evaluator.evaluate(value, batch));
    batch.columns.assign(1, std::move(y));
    ARROW_ASSIGN_OR_RAISE(auto out, column::export_batch(batch, schema, pool));
    rows += out->num_rows();
  }
  return rows;
}

void bare(benchmark::State& state) {
  const auto all = table();
  const auto keep = expr::bind(predicate().node(), *all->schema());
  const auto value = expr::bind(projection().node(), *all->schema());
  if (!keep.ok() || !value.ok()) state.SkipWithError("does not bind");
  for (auto _ : state) {
    const auto rows = call_kernels(*all, **keep, **value);
    if (!rows.ok()) state.SkipWithError(rows.status().ToString().c_str());
    benchmark::DoNotOptimize(*rows);
  }
  state.SetItemsProcessed(state.iterations() * kBatches);
}

const bool kAdded = registered([] {
  benchmark::RegisterBenchmark("small_batch/pipeline", pipeline)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("small_batch/stream", stream)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("small_batch/bare", bare)->Unit(benchmark::kMillisecond);
});

}  // namespace
}  // namespace gristmill::bench
