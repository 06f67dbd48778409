// Tables as sources: whatever the chunks, the batches hold the table's rows once, in order.

#include <random>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "column/types.h"
#include "frame/memory_table.h"

namespace gristmill::frame {
namespace {

using plan::ScanRequest;

std::shared_ptr<arrow::ChunkedArray> chunked(const std::shared_ptr<arrow::Array>& whole, const std::vector<int64_t>& sizes) {
  arrow::ArrayVector chunks;
  int64_t at = 0;
  for (const int64_t n : sizes) {
    chunks.push_back(whole->Slice(at, n));
    at += n;
  }
  if (at < whole->length()) chunks.push_back(whole->Slice(at));
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), whole->type());
}

std::shared_ptr<arrow::Array> numbers(int64_t n) {
  arrow::Int64Builder b;
  for (int64_t i = 0; i < n; ++i) (i % 7 == 3 ? b.AppendNull() : b.Append(i)).ok();
  return *b.Finish();
}

std::shared_ptr<arrow::Array> texts(int64_t n) {
  arrow::StringBuilder b;
  for (int64_t i = 0; i < n; ++i) (i % 5 == 1 ? b.AppendNull() : b.Append("row number " + std::to_string(i))).ok();
  return *b.Finish();
}

// int16 indices, entries with a duplicate and a null.
std::shared_ptr<arrow::Array> labels(int64_t n) {
  arrow::StringBuilder e;
  for (const char* s : {"red", "green", "red", "blue"}) e.Append(s).ok();
  e.AppendNull().ok();
  arrow::Int16Builder b;
  for (int64_t i = 0; i < n; ++i) (i % 6 == 5 ? b.AppendNull() : b.Append(static_cast<int16_t>(i % 5))).ok();
  const auto type = arrow::dictionary(arrow::int16(), arrow::utf8());
  return *arrow::DictionaryArray::FromArrays(type, *b.Finish(), *e.Finish());
}

struct Read {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::vector<int64_t> batch_rows;
  std::vector<column::Batch> batches;
  int64_t morsels = 0;
};

// Everything a scan gives, in order of morsels, as one batch of the border types.
Read read_all(const plan::TableSourcePtr& source, ScanRequest request) {
  Read out;
  arrow::FieldVector fields;
  for (const int c : request.columns) fields.push_back(source->schema()->field(c));
  const auto schema = arrow::schema(fields);
  const auto scan = source->open(request).ValueOrDie();
  auto local = scan->make_local().ValueOrDie();
  out.morsels = scan->num_morsels();
  arrow::RecordBatchVector parts;
  int64_t row = 0;
  for (int64_t seq = 0; seq < out.morsels; ++seq) {
    plan::ScanCounts counts;
    const int64_t before = row;
    const auto status = scan->read(
        static_cast<uint64_t>(seq), *local,
        [&](column::Batch b) {
          EXPECT_EQ(b.origin.first_row, row);
          EXPECT_EQ(b.origin.input, -1);
          EXPECT_GT(b.rows, 0);
          row += b.rows;
          out.batch_rows.push_back(b.rows);
          parts.push_back(column::export_batch(b, schema, arrow::default_memory_pool()).ValueOrDie());
          out.batches.push_back(std::move(b));
          return arrow::Status::OK();
        },
        counts);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(counts.rows, row - before);
  }
  auto table = arrow::Table::FromRecordBatches(schema, parts).ValueOrDie();
  out.rows = table->CombineChunksToBatch().ValueOrDie();
  return out;
}

std::string cells(const arrow::Array& a) {
  std::string out;
  for (int64_t i = 0; i < a.length(); ++i) {
    auto v = a.GetScalar(i).ValueOrDie();
    if (v->type->id() == arrow::Type::DICTIONARY) v = static_cast<const arrow::DictionaryScalar&>(*v).GetEncodedValue().ValueOrDie();
    out += v->ToString() + "\n";
  }
  return out;
}

void expect_rows(const Read& got, const std::vector<std::shared_ptr<arrow::Array>>& want, int64_t rows) {
  ASSERT_EQ(got.rows->num_rows(), rows);
  for (size_t c = 0; c < want.size(); ++c) EXPECT_EQ(cells(*got.rows->column(static_cast<int>(c))), cells(*want[c]->Slice(0, rows)));
}

plan::TableSourcePtr table_of(const std::vector<std::shared_ptr<arrow::ChunkedArray>>& columns) {
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i) fields.push_back(arrow::field("c" + std::to_string(i), columns[i]->type()));
  return make_memory_table(arrow::Table::Make(arrow::schema(fields), columns)).ValueOrDie();
}

TEST(MemoryTable, GivesTheSameRowsWhateverTheChunksMorselsAndBatches) {
  constexpr int64_t kRows = 1000;
  const std::vector<std::shared_ptr<arrow::Array>> want = {numbers(kRows), texts(kRows), labels(kRows)};
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::mt19937_64 rng(seed);
    std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
    for (const auto& w : want) {
      std::vector<int64_t> sizes;
      const int64_t largest = 1 + static_cast<int64_t>(rng() % (seed % 2 ? 9 : 400));
      for (int64_t at = 0; at < kRows;) {
        sizes.push_back(std::min<int64_t>(static_cast<int64_t>(rng() % largest), kRows - at));
        at += sizes.back() + (largest == 1);
        if (largest == 1) sizes.back() = 1;
      }
      columns.push_back(chunked(w, sizes));
    }
    const auto source = table_of(columns);
    ScanRequest request;
    request.columns = {0, 1, 2};
    request.morsel_rows = std::vector<int64_t>{1, 7, 100, 1000, 0}[rng() % 5];
    request.batch_rows = std::vector<int64_t>{1, 10, 300, 0}[rng() % 4];
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Read got = read_all(source, request);
    expect_rows(got, want, kRows);
    for (const int64_t n : got.batch_rows) EXPECT_LE(n, request.batch_rows ? request.batch_rows : column::kDefaultBatchRows);
  }
}

TEST(MemoryTable, CutsMorselsByRowsNotByChunks) {
  const auto source = table_of({chunked(numbers(100), {3, 50})});
  ScanRequest request;
  request.columns = {0};
  request.morsel_rows = 40;
  EXPECT_EQ(read_all(source, request).morsels, 3);
}

TEST(MemoryTable, PutsCrumbsTogether) {
  const auto source = table_of({chunked(numbers(100), std::vector<int64_t>(100, 1))});
  ScanRequest request;
  request.columns = {0};
  EXPECT_EQ(read_all(source, request).batch_rows, std::vector<int64_t>({100}));
}

TEST(MemoryTable, CutsBatchesAtBordersOfLargeChunks) {
  const auto source = table_of({chunked(numbers(100), {30, 30})});
  ScanRequest request;
  request.columns = {0};
  request.batch_rows = 50;
  EXPECT_EQ(read_all(source, request).batch_rows, std::vector<int64_t>({30, 30, 40}));
}

TEST(MemoryTable, CopiesNoNumbers) {
  const auto whole = numbers(100);
  const auto source = table_of({chunked(whole, {})});
  ScanRequest request;
  request.columns = {0};
  const Read got = read_all(source, request);
  EXPECT_EQ(got.batches[0].columns[0].values->buffers[1]->data(), whole->data()->buffers[1]->data());
}

TEST(MemoryTable, SharesTheEntriesOfADictionaryBetweenMorselsAndScans) {
  const auto source = table_of({chunked(labels(100), {33})});
  ScanRequest request;
  request.columns = {0};
  request.morsel_rows = 10;
  const Read a = read_all(source, request), b = read_all(source, request);
  ASSERT_TRUE(a.batches[0].columns[0].is_dictionary());
  EXPECT_EQ(a.batches[0].columns[0].dictionary->length, 3) << "duplicates and the null entry are gone";
  for (const auto& batch : a.batches) EXPECT_EQ(batch.columns[0].dictionary, b.batches[0].columns[0].dictionary);
}

TEST(MemoryTable, ReadsNoMoreThanTheLimit) {
  const auto source = table_of({chunked(numbers(100), {})});
  ScanRequest request;
  request.columns = {0};
  request.morsel_rows = 8;
  request.limit = 20;
  const Read got = read_all(source, request);
  EXPECT_EQ(got.morsels, 3);
  EXPECT_EQ(got.rows->num_rows(), 20);
}

TEST(MemoryTable, CountsRowsWithoutColumns) {
  const auto source = table_of({chunked(numbers(100), {})});
  int64_t rows = 0;
  ScanRequest request;
  const auto scan = source->open(request).ValueOrDie();
  auto local = scan->make_local().ValueOrDie();
  for (int64_t m = 0; m < scan->num_morsels(); ++m) {
    plan::ScanCounts counts;
    ASSERT_TRUE(scan->read(
                        m, *local,
                        [&](column::Batch b) {
                          rows += b.rows;
                          return arrow::Status::OK();
                        },
                        counts)
                    .ok());
  }
  EXPECT_EQ(rows, 100);
}

TEST(MemoryTable, OfNoRowsHasNoMorsels) {
  const auto source = table_of({chunked(texts(0), {})});
  ScanRequest request;
  request.columns = {0};
  EXPECT_EQ(source->open(request).ValueOrDie()->num_morsels(), 0);
}

TEST(MemoryTable, StopsWhenTheConsumerFails) {
  const auto source = table_of({chunked(numbers(100), {})});
  ScanRequest request;
  request.columns = {0};
  request.batch_rows = 10;
  const auto scan = source->open(request).ValueOrDie();
  auto local = scan->make_local().ValueOrDie();
  int calls = 0;
  plan::ScanCounts counts;
  const auto status =
      scan->read(0, *local, [&](column::Batch) { return ++calls == 2 ? base::data_error("enough") : arrow::Status::OK(); }, counts);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(calls, 2);
}

TEST(MemoryTable, TellsItsSize) {
  const auto source = table_of({chunked(numbers(100), {}), chunked(texts(100), {})});
  EXPECT_EQ(source->name(), "table (2 columns, 100 rows)");
  EXPECT_EQ(source->kind(), "memory");
  EXPECT_EQ(*source->estimate().rows, 100);
  EXPECT_TRUE(source->estimate().exact_rows);
}

TEST(MemoryTable, RefusesColumnsOfDifferentLengths) {
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("a", arrow::int64()), arrow::field("b", arrow::int64())}),
                                        arrow::ArrayVector{numbers(3), numbers(4)}, 3);
  EXPECT_EQ(base::error_kind(make_memory_table(table).status()), base::ErrorKind::kPlan);
}

TEST(AutoMorselRows, GivesEveryWorkerFourMorselsOfUsefulSize) {
  EXPECT_EQ(auto_morsel_rows(100, 8), 8192);
  EXPECT_EQ(auto_morsel_rows(100'000, 2), 8192);
  EXPECT_EQ(auto_morsel_rows(1'000'000, 2), 122880);
  EXPECT_EQ(auto_morsel_rows(100'000'000, 2), 131072);
  EXPECT_EQ(auto_morsel_rows(0, 0), 8192);
}

}  // namespace
}  // namespace gristmill::frame
