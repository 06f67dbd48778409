// CSV, IPC streams, record batch readers, patterns, and sources made again from their JSON.

#include <filesystem>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "io/csv_scan.h"
#include "io/files.h"
#include "io/ipc_scan.h"
#include "io/parquet_scan.h"
#include "io/reader_source.h"
#include "io/resolve.h"
#include "tables.h"

namespace gristmill::io::test {
namespace {

TEST(Files, ComeInByteOrderOfTheirPaths) {
  TemporaryDirectory dir;
  for (const char* d : {"a", "a-b", "a/deep", ".hidden"}) std::filesystem::create_directories(dir.path(d));
  for (const char* f :
       {"a/2.csv", "a/10.csv", "a-b/1.csv", "a/deep/1.csv", ".hidden/1.csv", "a/.x.csv", "a/_note.csv", "a/x.txt", "[1].csv"})
    write_text(dir.path(f), "");
  const auto names = [&](const std::string& pattern) {
    std::string out;
    const auto found = expand_files(dir.path(pattern), {".csv"});
    if (!found.ok()) return error_of(found.status());
    for (const auto& f : *found) out += f.substr(dir.path().size() + 1) + " ";
    return out;
  };
  EXPECT_EQ(names("a/*.csv"), "a/10.csv a/2.csv a/_note.csv ");
  EXPECT_EQ(names("*/?.csv"), "a-b/1.csv a/2.csv ");
  EXPECT_EQ(names("**/*.csv"), "[1].csv a-b/1.csv a/10.csv a/2.csv a/_note.csv a/deep/1.csv ");
  EXPECT_EQ(names("a/[!2]*.csv"), "a/10.csv a/_note.csv ");
  EXPECT_EQ(names("a"), "a/10.csv a/2.csv a/deep/1.csv ");
  EXPECT_EQ(names("[1].csv"), "[1].csv ");
  EXPECT_EQ(*expand_files("file://" + dir.path("a/2.csv"), {}), std::vector<std::string>{dir.path("a/2.csv")});
  EXPECT_EQ(*expand_files({dir.path("a/2.csv"), dir.path("a-b/1.csv")}, {}),
            (std::vector<std::string>{dir.path("a/2.csv"), dir.path("a-b/1.csv")}));
}

TEST(Csv, InfersTypesAndKeepsRowsAtAnyMorselAndBatchSize) {
  TemporaryDirectory dir;
  std::string text = "id,price,when,name,empty\n";
  for (int i = 0; i < 1000; ++i) {
    text +=
        std::to_string(i) + "," + std::to_string(i) + ".25,2024-01-0" + std::to_string(1 + i % 9) + ",\"n, " + std::to_string(i) + "\",\n";
  }
  write_text(dir.path("a.csv"), text);
  write_text(dir.path("b.csv"), text);
  const auto source = *scan_csv({dir.path("*.csv")}, {.block_bytes = 3000});
  EXPECT_EQ(source->schema()->ToString(), "id: int64\nprice: double\nwhen: date32[day]\nname: string\nempty: string");
  const auto wanted = *run_scan(*source, {});
  EXPECT_EQ(wanted.rows, 2000);
  for (const int64_t morsel : {1, 7, 1000}) {
    const auto got = *run_scan(*source, {.morsel_rows = morsel, .batch_rows = 13, .locals = 2, .seed = 3});
    EXPECT_TRUE(same_rows(*got.table, *wanted.table));
  }
  const auto some = *run_scan(*source, {.columns = {"name", "id"}});
  EXPECT_TRUE(some.table->column(0)->Equals(wanted.table->GetColumnByName("name")));
  EXPECT_EQ(run_scan(*source, {.none = true})->rows, 2000);
}

TEST(Csv, TakesTypesDelimiterAndNullsFromTheUser) {
  TemporaryDirectory dir;
  write_text(dir.path("a.tsv"), "1\t-\n2\tx\n");
  const CsvOptions options{
      .separator = '\t', .has_header = false, .schema_overrides = {{"column_1", "decimal(10,2)"}}, .null_values = {"-"}};
  const auto source = *scan_csv({dir.path("a.tsv")}, options);
  EXPECT_EQ(source->schema()->ToString(), "column_1: decimal128(10, 2)\ncolumn_2: string");
  const auto got = *run_scan(*source, {});
  EXPECT_EQ(got.table->column(1)->null_count(), 1);
  const auto again = *make_source(source->kind(), source->to_json());
  EXPECT_TRUE(same_rows(*run_scan(*again, {})->table, *got.table));
}

void write_stream(const std::string& path, const arrow::Table& table, int64_t rows) {
  const auto out = *arrow::io::FileOutputStream::Open(path);
  const auto writer = *arrow::ipc::MakeStreamWriter(out, table.schema());
  ASSERT_TRUE(writer->WriteTable(table, rows).ok());
  ASSERT_TRUE(writer->Close().ok());
  ASSERT_TRUE(out->Close().ok());
}

TEST(Ipc, ReadsStreamsAndDictionaries) {
  TemporaryDirectory dir;
  auto table = random_table(41, 900);
  write_stream(dir.path("a.arrows"), *table, 200);
  const auto source = *scan_ipc({dir.path("a.arrows")});
  const auto got = *run_scan(*source, {.morsel_rows = 30, .batch_rows = 7, .locals = 2, .seed = 4});
  EXPECT_TRUE(same_rows(*got.table, *table));
  EXPECT_EQ(run_scan(*source, {.columns = {"zone"}})->rows, 900);

  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto codes = *arrow::DictionaryArray::FromArrays(type, *arrow::json::ArrayFromJSONString(arrow::int8(), "[1, 0, null, 1]"),
                                                         *arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["x", "yy"])"));
  const auto coded = arrow::Table::Make(arrow::schema({arrow::field("c", type)}), arrow::ArrayVector{codes});
  write_stream(dir.path("d.arrows"), *coded, 4);
  const auto decoded = *run_scan(**scan_ipc({dir.path("d.arrows")}), {});
  EXPECT_EQ(decoded.table->schema()->ToString(), "c: string");
  EXPECT_EQ(decoded.table->column(0)->ToString().find("\"yy\",\n    \"x\",\n    null") != std::string::npos, true)
      << decoded.table->ToString();
}

TEST(Reader, IsReadInOrderWhateverTheMorsels) {
  const auto table = random_table(42, 700);
  auto reader = std::make_shared<arrow::TableBatchReader>(table);
  reader->set_chunksize(90);
  const auto source = *scan_reader(reader);
  EXPECT_EQ(source->kind(), "stream");
  EXPECT_TRUE(same_rows(*run_scan(*source, {.morsel_rows = 20, .batch_rows = 8, .locals = 3, .seed = 2})->table, *table));
}

TEST(Resolve, MakesSourcesAgainFromTheirJson) {
  TemporaryDirectory dir;
  const auto table = random_table(43, 300);
  write_file(dir.path("a \"b\".parquet"), table);
  const auto source = *scan_parquet({dir.path("*.parquet")}, {.prune = false});
  const auto again = make_source(source->kind(), source->to_json());
  ASSERT_TRUE(again.ok()) << error_of(again.status());
  EXPECT_EQ((*again)->to_json(), source->to_json());
  EXPECT_TRUE(same_rows(*run_scan(**again, {})->table, *table));
  EXPECT_EQ(error_of(make_source("parqet", "{}").status()), "unknown kind of source \"parqet\"; did you mean \"parquet\"?");
  EXPECT_EQ(error_of(make_source("memory", "{}").status()),
            "a plan over a memory source cannot leave its process; write the data to a file and scan that");
  EXPECT_EQ(error_of(make_source("csv", R"({"paths":["x"],"header":3})").status()), "source option \"header\" is not true or false");
}

}  // namespace
}  // namespace gristmill::io::test
