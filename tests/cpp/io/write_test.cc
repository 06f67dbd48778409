// Files written: the rows come back, the bytes are a function of the rows, and nothing half-written stays.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <sys/resource.h>

#include "base/status.h"
#include "io/csv_scan.h"
#include "io/csv_write.h"
#include "io/ipc_scan.h"
#include "io/ipc_write.h"
#include "io/parquet_scan.h"
#include "io/parquet_write.h"
#include "tables.h"

namespace gristmill::io::test {
namespace {

using SinkPtr = std::shared_ptr<exec::OrderedSink>;
using MakeSink = std::function<arrow::Result<SinkPtr>(const std::string& path, std::shared_ptr<arrow::Schema> schema)>;

std::shared_ptr<base::QueryMemory> memory() { return base::QueryMemory::make(0); }

arrow::Result<SinkPtr> parquet_sink(const std::string& path, std::shared_ptr<arrow::Schema> schema) {
  return write_parquet(path, std::move(schema), {.row_group_rows = 700}, memory());
}
arrow::Result<SinkPtr> ipc_sink(const std::string& path, std::shared_ptr<arrow::Schema> schema) {
  return write_ipc(path, std::move(schema), {.batch_rows = 700}, memory());
}
arrow::Result<SinkPtr> csv_sink(const std::string& path, std::shared_ptr<arrow::Schema> schema) {
  return write_csv(path, std::move(schema), {}, memory());
}

// Gives the table to the sink in random morsels of random batches, some with rows that are not selected and other encodings.
arrow::Status feed(exec::OrderedSink& sink, const arrow::Table& table, uint64_t seed) {
  Random random(seed);
  exec::QueryContext context;
  context.memory = memory();
  arrow::TableBatchReader reader(table);
  uint64_t seq = 0;
  std::vector<column::Batch> morsel;
  const auto deliver = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(morsel, sink.stage(std::move(morsel), context));
    ARROW_ASSIGN_OR_RAISE(const auto answer, sink.deliver(seq++, morsel));
    EXPECT_EQ(answer.wait, nullptr);
    morsel.clear();
    return arrow::Status::OK();
  };
  for (int64_t at = 0; at < table.num_rows();) {
    const int64_t n = seed == 0 ? table.num_rows() : std::min<int64_t>(table.num_rows() - at, static_cast<int64_t>(1 + random() % 300));
    ARROW_ASSIGN_OR_RAISE(const auto rows, table.Slice(at, n)->CombineChunksToBatch());
    ARROW_ASSIGN_OR_RAISE(auto batch, column::import_batch(*rows, arrow::default_memory_pool()));
    at += n;
    if (seed % 2 == 1 && n < 1000) {  // the same rows as a selection among others
      ARROW_ASSIGN_OR_RAISE(const auto wide, table.Slice(at - n, n + 5)->CombineChunksToBatch());
      ARROW_ASSIGN_OR_RAISE(batch, column::import_batch(*wide, arrow::default_memory_pool()));
      if (batch.rows > n) batch.selection = column::Selection().below(n, batch.rows);
    }
    morsel.push_back(std::move(batch));
    if (random() % 3 == 0) ARROW_RETURN_NOT_OK(deliver());
  }
  ARROW_RETURN_NOT_OK(deliver());
  return sink.finalize();
}

std::shared_ptr<arrow::Table> writable(uint64_t seed, int64_t rows) { return random_table(seed, rows); }

class EveryFormat : public ::testing::TestWithParam<std::pair<const char*, MakeSink>> {};

TEST_P(EveryFormat, WritesTheSameBytesWhateverTheBatchesWere) {
  TemporaryDirectory dir;
  auto table = writable(31, 3000);
  if (std::string(GetParam().first) == "csv") {
    for (const char* name : {"list", "bytes", "code"}) table = *table->RemoveColumn(table->schema()->GetFieldIndex(name));
  }
  std::string first;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const std::string path = dir.path("x." + std::string(GetParam().first));
    const auto sink = *GetParam().second(path, table->schema());
    const auto fed = feed(*sink, *table, seed);
    ASSERT_TRUE(fed.ok()) << error_of(fed);
    if (seed == 0) {
      first = read_text(path);
    } else {
      EXPECT_TRUE(read_text(path) == first) << "seed " << seed;
    }
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1) << "temporary files stayed";
}

TEST_P(EveryFormat, LeavesNothingWhenAbandonedAndKeepsWhatWasThere) {
  TemporaryDirectory dir;
  const auto table = random_table(32, 2000)->SelectColumns({0, 1, 2});
  const std::string path = dir.path("x");
  write_text(path, "old");
  {
    const auto sink = *GetParam().second(path, (*table)->schema());
    exec::QueryContext context;
    context.memory = memory();
    const auto rows = *(*table)->CombineChunksToBatch();
    std::vector<column::Batch> morsel{*column::import_batch(*rows, arrow::default_memory_pool())};
    ASSERT_TRUE(sink->deliver(0, morsel).ok());
    EXPECT_EQ(read_text(path), "old");
    sink->abandon();
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  }
  {
    const auto dropped = *GetParam().second(path, (*table)->schema());
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  EXPECT_EQ(read_text(path), "old");
}

TEST_P(EveryFormat, SaysWhenTheFileCannotGrow) {
  TemporaryDirectory dir;
  const auto table = random_table(33, 5000)->SelectColumns({0, 4});
  const std::string path = dir.path("x");
  rlimit before{}, small{};
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 2000;
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  arrow::Status status;
  {
    const auto sink = *GetParam().second(path, (*table)->schema());
    status = feed(*sink, **table, 1);
    sink->abandon();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(error_of(status), "cannot write " + path + ": File too large");
  EXPECT_EQ(base::error_kind(status), base::ErrorKind::kIo);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

INSTANTIATE_TEST_SUITE_P(Write, EveryFormat,
                         ::testing::Values(std::pair<const char*, MakeSink>{"parquet", parquet_sink},
                                           std::pair<const char*, MakeSink>{"ipc", ipc_sink},
                                           std::pair<const char*, MakeSink>{"csv", csv_sink}),
                         [](const auto& info) { return std::string(info.param.first); });

TEST(ParquetWrite, RoundTripsEveryType) {
  TemporaryDirectory dir;
  const auto table = writable(34, 2500);
  const auto sink = *parquet_sink(dir.path("x.parquet"), table->schema());
  ASSERT_TRUE(feed(*sink, *table, 3).ok());
  const auto source = *scan_parquet({dir.path("x.parquet")});
  EXPECT_TRUE(source->schema()->Equals(*table->schema(), false)) << source->schema()->ToString();
  const auto got = *run_scan(*source, {});
  const auto wanted = *table->CombineChunks();
  EXPECT_EQ(got.table->num_rows(), wanted->num_rows());
  EXPECT_TRUE(same_rows(*got.table, *wanted));
  EXPECT_EQ(got.morsels, 4);  // row groups of 700
}

TEST(ParquetWrite, SaysWhoWroteTheFileAndKeepsStatistics) {
  TemporaryDirectory dir;
  const auto table = random_table(35, 100);
  const auto sink = *write_parquet(dir.path("x.parquet"), table->schema(), {.bloom_columns = {"id"}}, memory());
  ASSERT_TRUE(feed(*sink, *table, 0).ok());
  const auto metadata = parquet::ParquetFileReader::OpenFile(dir.path("x.parquet"))->metadata();
  EXPECT_EQ(metadata->created_by(), "gristmill version 0.1.0");
  EXPECT_TRUE(metadata->RowGroup(0)->ColumnChunk(0)->is_stats_set());
  EXPECT_TRUE(metadata->RowGroup(0)->ColumnChunk(0)->bloom_filter_offset().has_value());
  EXPECT_EQ(metadata->RowGroup(0)->ColumnChunk(0)->compression(), parquet::Compression::ZSTD);
}

// Columns are encoded apart and put together; the library writing the same row groups in one go makes the same file.
TEST(ParquetWrite, MakesTheBytesOfASingleWriter) {
  TemporaryDirectory dir;
  const auto table = writable(39, 2000);
  const auto sink =
      *write_parquet(dir.path("x.parquet"), table->schema(), {.row_group_rows = 700, .bloom_columns = {"id", "text"}}, memory());
  ASSERT_TRUE(feed(*sink, *table, 5).ok());
  parquet::WriterProperties::Builder b;
  b.created_by("gristmill version 0.1.0")->compression(parquet::Compression::ZSTD)->compression_level(1)->max_row_group_length(700);
  b.enable_bloom_filter("id", {})->enable_bloom_filter("text", {});
  const auto out = *arrow::io::FileOutputStream::Open(dir.path("y.parquet"));
  const auto writer = *parquet::arrow::FileWriter::Open(*table->schema(), arrow::default_memory_pool(), out, b.build(),
                                                        parquet::ArrowWriterProperties::Builder().store_schema()->build());
  ASSERT_TRUE(writer->WriteTable(*table, 700).ok());
  ASSERT_TRUE(writer->Close().ok());
  ASSERT_TRUE(out->Close().ok());
  const std::string ours = read_text(dir.path("x.parquet")), theirs = read_text(dir.path("y.parquet"));
  const auto differ = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  EXPECT_TRUE(ours == theirs) << ours.size() << " and " << theirs.size() << " bytes, equal up to " << differ.first - ours.begin();
}

TEST(ParquetWrite, MakesTheSameBytesWhoeverEncodes) {
  TemporaryDirectory dir;
  const auto table = writable(40, 20000);
  std::string first;
  for (int workers = 1; workers <= 3; ++workers) {
    const auto sink = *parquet_sink(dir.path("x.parquet"), table->schema());
    exec::QueryContext context;
    context.memory = memory();
    std::mutex mutex;
    std::atomic<int64_t> next{0};
    uint64_t delivered = 0;
    std::map<uint64_t, std::vector<column::Batch>> waiting;
    const auto work = [&] {
      for (int64_t at; (at = next.fetch_add(500)) < table->num_rows();) {
        std::vector<column::Batch> morsel{
            *column::import_batch(**table->Slice(at, 500)->CombineChunksToBatch(), arrow::default_memory_pool())};
        morsel = *sink->stage(std::move(morsel), context);
        std::lock_guard lock(mutex);
        waiting[static_cast<uint64_t>(at / 500)] = std::move(morsel);
        for (; waiting.contains(delivered); ++delivered) {
          ASSERT_TRUE(sink->deliver(delivered, waiting[delivered]).ok());
          waiting.erase(delivered);
        }
      }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) threads.emplace_back(work);
    for (auto& t : threads) t.join();
    ASSERT_TRUE(sink->finalize().ok());
    if (workers == 1) first = read_text(dir.path("x.parquet"));
    EXPECT_TRUE(read_text(dir.path("x.parquet")) == first) << workers << " workers";
  }
}

TEST(ParquetWrite, MakesDictionariesOnlyOfValuesThatRepeat) {
  constexpr int64_t kRows = 40000;
  Random random(41);
  arrow::Int64Builder distinct, thousands, runs, twice;
  arrow::StringBuilder names, zones, moments, days;
  for (int64_t i = 0; i < kRows; ++i) {
    ASSERT_TRUE(distinct.Append(static_cast<int64_t>(random())).ok());
    ASSERT_TRUE(thousands.Append(static_cast<int64_t>(random() % 5000)).ok());
    ASSERT_TRUE(runs.Append(i / 4).ok());
    ASSERT_TRUE(twice.Append(static_cast<int64_t>(random() % (kRows / 2))).ok());
    ASSERT_TRUE(names.Append("a name of its own " + std::to_string(i)).ok());
    ASSERT_TRUE((i % 7 == 0 ? zones.AppendNull() : zones.Append("zone " + std::to_string(i % 50))).ok());
    ASSERT_TRUE(moments.Append("2026-11-22T10:00:00.0000000000000 " + std::to_string(100000 + i * 4 / 5)).ok());  // 44 bytes for each of 32,000
    ASSERT_TRUE(days.Append("2026-11-22T10:00:00.0000000000000 " + std::to_string(100000 + i / 4)).ok());         // of 10,000
  }
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (arrow::ArrayBuilder* b : std::initializer_list<arrow::ArrayBuilder*>{&distinct, &thousands, &runs, &twice, &names, &zones, &moments, &days}) {
    columns.push_back(*b->Finish());
    fields.push_back(arrow::field("c" + std::to_string(fields.size()), columns.back()->type()));
  }
  const auto table = arrow::Table::Make(arrow::schema(fields), columns);
  TemporaryDirectory dir;
  const auto sink = *write_parquet(dir.path("x.parquet"), table->schema(), {}, memory());
  ASSERT_TRUE(feed(*sink, *table, 6).ok());
  const auto metadata = parquet::ParquetFileReader::OpenFile(dir.path("x.parquet"))->metadata();
  std::vector<bool> dictionaries;
  for (int i = 0; i < 8; ++i) dictionaries.push_back(metadata->RowGroup(0)->ColumnChunk(i)->has_dictionary_page());
  EXPECT_EQ(dictionaries, (std::vector<bool>{false, true, true, true, false, true, false, true}));
  const auto got = *run_scan(**scan_parquet({dir.path("x.parquet")}), {});
  EXPECT_TRUE(same_rows(*got.table, *table));
}

TEST(ParquetWrite, WritesAFileWithoutRows) {
  TemporaryDirectory dir;
  const auto table = random_table(36, 0);
  const auto sink = *parquet_sink(dir.path("x.parquet"), table->schema());
  ASSERT_TRUE(feed(*sink, *table, 0).ok());
  const auto got = *run_scan(**scan_parquet({dir.path("x.parquet")}), {});
  EXPECT_EQ(got.rows, 0);
  EXPECT_TRUE(got.table->schema()->Equals(*table->schema(), false));
}

TEST(Write, RefusesWhatCannotBeWritten) {
  TemporaryDirectory dir;
  const auto schema = arrow::schema({arrow::field("x", arrow::list(arrow::int32()))});
  EXPECT_EQ(error_of(write_csv(dir.path("x.csv"), schema, {}, memory()).status()),
            "column \"x\" of type list<int32> cannot be written as CSV; write Parquet or IPC, or turn it into text");
  EXPECT_EQ(error_of(write_parquet(dir.path("x"), schema, {.compression = "zst"}, memory()).status()),
            "unknown compression \"zst\"; did you mean \"zstd\"?");
  EXPECT_EQ(error_of(write_parquet(dir.path("no/x"), schema, {}, memory()).status()),
            "cannot write " + dir.path("no/x") + ": there is no directory \"" + dir.path("no") + "\"");
  EXPECT_EQ(error_of(write_ipc(dir.path(), schema, {}, memory()).status()), "cannot write " + dir.path() + ": it is a directory");
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Write, RefusesANullInAColumnDeclaredNotNull) {
  TemporaryDirectory dir;
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("x", arrow::int32())}), {*arrow::MakeArrayOfNull(arrow::int32(), 3)});
  const auto schema = arrow::schema({arrow::field("x", arrow::int32(), false)});
  for (const MakeSink& make : {MakeSink(parquet_sink), MakeSink(ipc_sink), MakeSink(csv_sink)}) {
    const auto sink = *make(dir.path("x"), schema);
    const auto status = feed(*sink, *table, 0);
    EXPECT_EQ(error_of(status), "a null for " + dir.path("x") + " in a column that is declared not null (column \"x\")");
  }
}

TEST(IpcWrite, RoundTripsEveryType) {
  TemporaryDirectory dir;
  const auto table = writable(37, 2500);
  for (const std::string compression : {"lz4", "zstd", "none"}) {
    const auto sink = *write_ipc(dir.path("x.arrow"), table->schema(), {.batch_rows = 700, .compression = compression}, memory());
    ASSERT_TRUE(feed(*sink, *table, 3).ok());
    const auto source = *scan_ipc({dir.path("x.arrow")});
    EXPECT_EQ(source->estimate().rows, 2500);
    for (const int64_t morsel : {0, 100}) {
      const auto got = *run_scan(*source, {.morsel_rows = morsel, .batch_rows = 64, .locals = 2, .seed = 9});
      EXPECT_TRUE(same_rows(*got.table, *table));
    }
    EXPECT_EQ(run_scan(*source, {.none = true})->rows, 2500);
  }
}

TEST(CsvWrite, RoundTripsTextAndNumbers) {
  TemporaryDirectory dir;
  const auto table = *random_table(38, 500)->SelectColumns({0, 1, 10});
  const auto sink = *csv_sink(dir.path("x.csv"), table->schema());
  ASSERT_TRUE(feed(*sink, *table, 2).ok());
  const auto got = *run_scan(**scan_csv({dir.path("x.csv")}), {});
  EXPECT_TRUE(got.table->column(0)->Equals(table->column(0)));
}

}  // namespace
}  // namespace gristmill::io::test
