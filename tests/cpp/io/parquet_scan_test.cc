// The Parquet scan: every type and encoding comes back as it was written, whatever the morsels, batches and workers.

#include "io/parquet_scan.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "tables.h"

namespace gristmill::io::test {
namespace {

using arrow::Table;

std::shared_ptr<Table> read_all(const std::string& path, const ScanRun& run = {}, ParquetReadOptions options = {}) {
  auto source = scan_parquet({path}, options);
  if (!source.ok()) {
    ADD_FAILURE() << error_of(source.status());
    return nullptr;
  }
  auto answer = run_scan(**source, run);
  if (!answer.ok()) {
    ADD_FAILURE() << error_of(answer.status());
    return nullptr;
  }
  return answer->table;
}

void expect_same(const std::shared_ptr<Table>& got, const std::shared_ptr<Table>& wanted, const std::string& what) {
  ASSERT_NE(got, nullptr) << what;
  EXPECT_TRUE(same_rows(*got, *wanted)) << what << "\n" << got->schema()->ToString();
}

std::vector<FileShape> shapes() {
  std::vector<FileShape> out(7);
  out[1].dictionary = false;
  out[2].page_bytes = 200;
  out[3].page_v2 = true;
  out[3].page_bytes = 300;
  out[4].compression = arrow::Compression::UNCOMPRESSED;
  out[4].row_groups = {1, 0, 7, 300};
  out[5].dictionary = false;
  out[5].page_v2 = true;
  out[5].compression = arrow::Compression::SNAPPY;
  out[5].page_bytes = 100;
  out[6].store_schema = true;
  out[6].row_group_rows = 37;
  return out;
}

TEST(ParquetScan, GivesBackEveryTypeAsItWasWritten) {
  TemporaryDirectory dir;
  const auto table = random_table(1, 2500);
  int number = 0;
  for (const FileShape& shape : shapes()) {
    const std::string path = dir.path(std::to_string(number++) + ".parquet");
    write_file(path, table, shape);
    for (const bool own : {true, false}) {
      expect_same(read_all(path, {}, {.own_decoder = own}), table, path + (own ? " own" : " arrow"));
    }
  }
}

TEST(ParquetScan, ReadsTheOtherEncodings) {
  TemporaryDirectory dir;
  const auto table = random_table(2, 3000);
  using Encoding = parquet::Encoding;
  const std::vector<std::pair<Encoding::type, std::vector<std::string>>> cases = {
      {Encoding::DELTA_BINARY_PACKED, {"id", "sorted", "i8", "i64", "u32", "us", "day"}},
      {Encoding::DELTA_LENGTH_BYTE_ARRAY, {"text", "zone_full", "bytes"}},
      {Encoding::DELTA_BYTE_ARRAY, {"text", "zone", "view", "bytes"}},
      {Encoding::BYTE_STREAM_SPLIT, {"f32", "f64", "i64", "sorted", "dec30"}},
      {Encoding::RLE, {"flag", "flag_full"}},
  };
  for (const auto& [encoding, columns] : cases) {
    FileShape shape;
    shape.encoding = encoding;
    shape.encoded = columns;
    shape.page_bytes = 700;
    const std::string path = dir.path("x.parquet");
    write_file(path, table, shape);
    for (const int64_t batch : {0, 1, 333})
      expect_same(read_all(path, {.batch_rows = batch, .seed = 1}), table, "encoding " + std::to_string(encoding));
  }
}

TEST(ParquetScan, GivesTheSameRowsAtAnyMorselBatchAndWorkerCount) {
  TemporaryDirectory dir;
  for (const bool own : {true, false}) {
    FileShape shape;
    shape.page_bytes = 400;
    shape.row_groups = {120, 3};
    for (const int64_t morsel : {0, 1, 7, 200}) {
      const auto table = random_table(3, morsel > 0 && morsel < 100 ? 250 : 1000);  // a small morsel skips to its place every time
      write_file(dir.path("x.parquet"), table, shape);
      for (const int64_t batch : {0, 1, 7, 1024}) {
        const ScanRun run{.morsel_rows = morsel, .batch_rows = batch, .locals = 3, .seed = 11};
        expect_same(read_all(dir.path("x.parquet"), run, {.own_decoder = own}), table,
                    std::to_string(morsel) + "/" + std::to_string(batch));
      }
    }
  }
}

TEST(ParquetScan, CutsBigRowGroupsIntoMorsels) {
  TemporaryDirectory dir;
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < 500'000; ++i) ASSERT_TRUE(builder.Append(i * 3).ok());
  const auto table = Table::Make(arrow::schema({arrow::field("x", arrow::int64())}), {*builder.Finish()});
  FileShape shape;
  shape.row_group_rows = 500'000;
  shape.dictionary = false;
  shape.page_bytes = 8192;
  write_file(dir.path("x.parquet"), table, shape);
  const auto source = *scan_parquet({dir.path("x.parquet")});
  const auto answer = *run_scan(*source, {.locals = 2, .seed = 5});
  EXPECT_GE(answer.morsels, 4);
  expect_same(answer.table, table, "pieces");
}

// Workers that take neighbouring morsels get small ones, so that they end together; others would decode pages twice.
TEST(ParquetScan, CutsRowGroupsOfUsualSizeForRangesOnly) {
  TemporaryDirectory dir;
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int64_t i = 0; i < 250'000; ++i) {
    ASSERT_TRUE(numbers.Append(i * 3).ok());
    ASSERT_TRUE((i % 11 == 0 ? texts.AppendNull() : texts.Append("text number " + std::to_string(i % 5000))).ok());
  }
  const auto schema = arrow::schema({arrow::field("x", arrow::int64()), arrow::field("t", arrow::utf8())});
  const auto table = Table::Make(schema, {*numbers.Finish(), *texts.Finish()});
  for (const bool dictionary : {false, true}) {
    write_file(dir.path("x.parquet"), table, {.row_group_rows = 122'880, .dictionary = dictionary});
    const auto source = *scan_parquet({dir.path("x.parquet")});
    EXPECT_EQ((*run_scan(*source, {.locals = 2, .seed = 5})).morsels, 3);
    for (const uint64_t seed : {0, 5}) {
      const auto answer = *run_scan(*source, {.locals = 2, .ranges = true, .seed = seed});
      EXPECT_EQ(answer.morsels, 9);  // the last row group is too small
      expect_same(answer.table, table, dictionary ? "dictionary" : "plain");
    }
  }
}

TEST(ParquetScan, ReadsADictionaryManyTimesItsStoredSize) {
  TemporaryDirectory dir;
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < 200; ++i) ASSERT_TRUE(builder.Append(std::string(90'000, static_cast<char>('a' + i % 7))).ok());
  const auto table = Table::Make(arrow::schema({arrow::field("x", arrow::utf8())}), {*builder.Finish()});
  for (const auto compression : {arrow::Compression::ZSTD, arrow::Compression::SNAPPY}) {
    FileShape shape;
    shape.compression = compression;
    write_file(dir.path("x.parquet"), table, shape);
    expect_same(read_all(dir.path("x.parquet")), table, "long texts");
  }
}

TEST(ParquetScan, ProjectsInAnyOrderAndCountsWithoutColumns) {
  TemporaryDirectory dir;
  const auto table = random_table(4, 1234);
  write_file(dir.path("x.parquet"), table);
  const auto got = read_all(dir.path("x.parquet"), {.columns = {"zone", "id", "list", "f64"}});
  ASSERT_NE(got, nullptr);
  EXPECT_TRUE(got->column(1)->Equals(table->GetColumnByName("id")));
  EXPECT_TRUE(got->column(2)->Equals(table->GetColumnByName("list")));
  const auto source = *scan_parquet({dir.path("x.parquet")});
  for (const int64_t batch : {0, 100}) {
    const auto answer = *run_scan(*source, {.none = true, .batch_rows = batch});
    EXPECT_EQ(answer.rows, 1234);
    EXPECT_EQ(answer.counts.rows, 1234);
  }
  EXPECT_EQ(source->estimate().rows, 1234);
  EXPECT_TRUE(source->estimate().exact_rows);
}

TEST(ParquetScan, OffersOnlyTheMorselsALimitNeeds) {
  TemporaryDirectory dir;
  write_file(dir.path("x.parquet"), random_table(8, 1000), {.row_group_rows = 100});
  const auto source = *scan_parquet({dir.path("x.parquet")});
  plan::ScanRequest request;
  request.columns = {0};
  request.memory = base::QueryMemory::make(0);
  for (const auto& [limit, morsels] : std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {1, 1}, {100, 1}, {101, 2}, {5000, 10}}) {
    request.limit = limit;
    EXPECT_EQ((*source->open(request))->num_morsels(), morsels) << limit;
  }
}

TEST(ParquetScan, ReadsFilesInByteOrderOfTheirNamesWhateverTheirColumnOrder) {
  TemporaryDirectory dir;
  const auto table = random_table(5, 600);
  std::vector<int> reversed;
  for (int i = table->num_columns(); i-- > 0;) reversed.push_back(i);
  write_file(dir.path("b.parquet"), *table->Slice(200, 200)->SelectColumns(reversed));
  write_file(dir.path("a.parquet"), table->Slice(0, 200));
  write_file(dir.path("c.parquet"), table->Slice(400));
  expect_same(read_all(dir.path("*.parquet"), {.locals = 2, .seed = 3}), table, "three files");
  expect_same(read_all(dir.path()), table, "directory");
}

TEST(ParquetScan, ReadsFilesWithoutRowsAndWithoutRowGroups) {
  TemporaryDirectory dir;
  const auto table = random_table(6, 50);
  write_file(dir.path("a.parquet"), table->Slice(0, 0));
  write_file(dir.path("b.parquet"), table);
  write_file(dir.path("c.parquet"), table->Slice(0, 0));
  expect_same(read_all(dir.path("a.parquet")), table->Slice(0, 0), "empty");
  expect_same(read_all(dir.path("*.parquet")), table, "with empty ones");
}

TEST(ParquetScan, HandsSmallStringDictionariesOn) {
  TemporaryDirectory dir;
  const auto table = random_table(7, 4000);
  write_file(dir.path("x.parquet"), table);
  const auto source = *scan_parquet({dir.path("x.parquet")});
  plan::ScanRequest request;
  request.columns = {source->schema()->GetFieldIndex("zone")};
  request.memory = base::QueryMemory::make(0);
  const auto scan = *source->open(request);
  const auto local = *scan->make_local();
  plan::ScanCounts counts;
  int dictionaries = 0;
  ASSERT_TRUE(scan->read(
                      0, *local,
                      [&](column::Batch b) {
                        dictionaries += b.columns[0].is_dictionary();
                        return arrow::Status::OK();
                      },
                      counts)
                  .ok());
  EXPECT_GT(dictionaries, 0);
}

}  // namespace
}  // namespace gristmill::io::test
