// Bad input: what goes in, and the exact message that comes out. "D" stands for the test's directory.

#include <filesystem>
#include <functional>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/ipc/writer.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "io/csv_scan.h"
#include "io/ipc_scan.h"
#include "io/parquet_scan.h"
#include "io/reader_source.h"
#include "io/resolve.h"
#include "tables.h"

namespace gristmill::io::test {
namespace {

std::shared_ptr<arrow::Table> one_column(const std::string& name, const std::shared_ptr<arrow::DataType>& type) {
  return arrow::Table::Make(arrow::schema({arrow::field(name, type)}), {*arrow::MakeArrayOfNull(type, 3)});
}

std::string with_d(std::string text, const std::string& directory) {
  for (size_t at = text.find(directory); at != std::string::npos; at = text.find(directory)) text.replace(at, directory.size(), "D");
  return text;
}

using Scan = arrow::Result<plan::TableSourcePtr> (*)(const std::vector<std::string>&);
const Scan kParquet = [](const std::vector<std::string>& p) { return scan_parquet(p); };
const Scan kCsv = [](const std::vector<std::string>& p) { return scan_csv(p); };
const Scan kIpc = [](const std::vector<std::string>& p) { return scan_ipc(p); };

struct Case {
  const char* what;
  Scan scan;
  std::vector<std::string> patterns;  // below D
  std::function<void(const TemporaryDirectory&)> prepare;
  const char* message;
};

const std::vector<Case>& cases() {
  static const auto parquet_of = [](const TemporaryDirectory& d, const char* name) {
    write_file(d.path(name), one_column("fare", arrow::int32()));
  };
  static const std::vector<Case> kCases = {
      {"nothing matches", kParquet, {"x*.parquet"}, [](auto& d) {}, "no file matches \"D/x*.parquet\""},
      {"a wrong ending",
       kParquet,
       {"trips.parq"},
       [](auto& d) { parquet_of(d, "trips.parquet"); },
       "file not found: D/trips.parq; did you mean \"D/trips.parquet\"?"},
      {"a wrong directory",
       kParquet,
       {"dat/x.parquet"},
       [](auto& d) { std::filesystem::create_directory(d.path("data")); },
       "file not found: D/dat/x.parquet; did you mean \"D/data\"?"},
      {"no such directory",
       kParquet,
       {"elsewhere/x.parquet"},
       [](auto& d) {},
       "file not found: D/elsewhere/x.parquet; there is no directory \"D/elsewhere\""},
      {"a file for a directory",
       kParquet,
       {"x/y.parquet"},
       [](auto& d) { write_text(d.path("x"), ""); },
       "file not found: D/x/y.parquet; \"D/x\" is a file"},
      {"an empty directory", kParquet, {""}, [](auto& d) {}, "directory \"D/\" has no *.parquet, *.parq, *.pq file; it is empty"},
      {"a directory of foreign files",
       kParquet,
       {"in"},
       [](auto& d) {
         std::filesystem::create_directory(d.path("in"));
         for (const char* name : {"in/notes.txt", "in/a.csv", "in/_SUCCESS"}) write_text(d.path(name), "x");
       },
       "directory \"D/in\" has no *.parquet, *.parq, *.pq file; it has \"D/in/a.csv\""},
      {"a foreign file",
       kParquet,
       {"trips.txt"},
       [](auto& d) { write_text(d.path("trips.txt"), "id,fare\n1,2\n3,4\n5,6\n"); },
       "not a Parquet file: D/trips.txt (expected magic \"PAR1\")"},
      {"a foreign file among good ones",
       kParquet,
       {"*.parquet"},
       [](auto& d) {
         parquet_of(d, "a.parquet");
         write_text(d.path("b.parquet"), "hello, I am no Parquet file");
       },
       "not a Parquet file: D/b.parquet (expected magic \"PAR1\")"},
      {"an empty file",
       kParquet,
       {"e.parquet"},
       [](auto& d) { write_text(d.path("e.parquet"), ""); },
       "not a Parquet file: D/e.parquet (it is empty)"},
      {"a tiny file",
       kParquet,
       {"e.parquet"},
       [](auto& d) { write_text(d.path("e.parquet"), "PAR1"); },
       "not a Parquet file: D/e.parquet (expected magic \"PAR1\")"},
      {"a truncated file",
       kParquet,
       {"t.parquet"},
       [](auto& d) {
         parquet_of(d, "t.parquet");
         std::filesystem::resize_file(d.path("t.parquet"), std::filesystem::file_size(d.path("t.parquet")) - 20);
       },
       "truncated Parquet file: D/t.parquet (magic \"PAR1\" is missing at its end)"},
      {"a footer longer than the file",
       kParquet,
       {"t.parquet"},
       [](auto& d) { write_text(d.path("t.parquet"), std::string("PAR1....\xff\xff\0\0PAR1", 16)); },
       "damaged Parquet file: D/t.parquet (footer of 65535 bytes in a file of 16)"},
      {"an encrypted file",
       kParquet,
       {"t.parquet"},
       [](auto& d) { write_text(d.path("t.parquet"), "PARE............PARE"); },
       "encrypted Parquet file: D/t.parquet; encrypted files cannot be read"},
      {"mixed types",
       kParquet,
       {"*.parquet"},
       [](auto& d) {
         parquet_of(d, "a.parquet");
         write_file(d.path("b.parquet"), one_column("fare", arrow::float64()));
       },
       "mixed schemas: column \"fare\" is double in D/b.parquet and int32 in D/a.parquet (column \"fare\"); schema_evolution=\"union\" "
       "takes the columns of all files, \"first\" those of the first"},
      {"mixed names",
       kParquet,
       {"*.parquet"},
       [](auto& d) {
         parquet_of(d, "a.parquet");
         write_file(d.path("b.parquet"), one_column("fares", arrow::int32()));
       },
       "mixed schemas: D/b.parquet has no column \"fare\", which D/a.parquet has (column \"fare\"); schema_evolution=\"union\" takes the "
       "columns of all files, \"first\" those of the first"},
      {"a column too many",
       kParquet,
       {"*.parquet"},
       [](auto& d) {
         parquet_of(d, "a.parquet");
         write_file(d.path("b.parquet"),
                    *one_column("fare", arrow::int32())
                         ->AddColumn(1, arrow::field("tip", arrow::int32()), one_column("x", arrow::int32())->column(0)));
       },
       "mixed schemas: D/b.parquet has a column \"tip\", which D/a.parquet has not (column \"tip\"); schema_evolution=\"union\" takes the "
       "columns of all files, \"first\" those of the first"},
      {"a type of another world",
       kParquet,
       {"h.parquet"},
       [](auto& d) { write_file(d.path("h.parquet"), one_column("half", arrow::float16())); },
       "cannot read column \"half\" of D/h.parquet: type halffloat is not supported (column \"half\")"},
      {"two columns of one name",
       kParquet,
       {"h.parquet"},
       [](auto& d) {
         const auto x = one_column("x", arrow::int32());
         write_file(d.path("h.parquet"), *x->AddColumn(1, x->field(0), x->column(0)));
       },
       "two columns of D/h.parquet are named \"x\""},
      {"a foreign IPC file",
       kIpc,
       {"t.arrow"},
       [](auto& d) { write_text(d.path("t.arrow"), "id,fare\n1,2\n"); },
       "not an Arrow IPC file: D/t.arrow (expected magic \"ARROW1\")"},
      {"an empty IPC file",
       kIpc,
       {"t.arrow"},
       [](auto& d) { write_text(d.path("t.arrow"), ""); },
       "not an Arrow IPC file: D/t.arrow (it is empty)"},
      {"a truncated IPC file",
       kIpc,
       {"t.arrow"},
       [](auto& d) { write_text(d.path("t.arrow"), std::string("ARROW1\0\0....................", 28)); },
       "truncated Arrow IPC file: D/t.arrow (magic \"ARROW1\" is missing at its end)"},
      {"an empty CSV file", kCsv, {"t.csv"}, [](auto& d) { write_text(d.path("t.csv"), ""); }, "empty CSV file: D/t.csv"},
      {"two CSV columns of one name",
       kCsv,
       {"t.csv"},
       [](auto& d) { write_text(d.path("t.csv"), "a,a\n1,2\n"); },
       "two columns of D/t.csv are named \"a\"; column_names gives other names"},
      {"mixed CSV files",
       kCsv,
       {"*.csv"},
       [](auto& d) {
         write_text(d.path("a.csv"), "a,b\n1,2\n");
         write_text(d.path("b.csv"), "a,c\n1,2\n");
       },
       "mixed schemas: D/b.csv has no column \"b\", which D/a.csv has"},
      {"an unknown ending",
       scan_files,
       {"t.xlsx"},
       [](auto& d) {},
       "cannot tell the format of \"D/t.xlsx\" from its name; known endings: .parquet, .parq, .pq, .csv, .tsv, .txt, .ndjson, "
       ".jsonl, .arrow, .ipc, .feather, .arrows"},
  };
  return kCases;
}

TEST(BadInput, GivesTheseMessages) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.what);
    TemporaryDirectory dir;
    c.prepare(dir);
    std::vector<std::string> patterns;
    for (const auto& p : c.patterns) patterns.push_back(dir.path(p));
    const auto source = c.scan(patterns);
    ASSERT_FALSE(source.ok());
    EXPECT_EQ(with_d(error_of(source.status()), dir.path()), c.message);
    EXPECT_EQ(base::error_kind(source.status()), base::ErrorKind::kIo);
  }
}

// A value that disagrees with the inferred type, beyond the block that inference saw.
TEST(BadInput, NamesFileLineColumnAndValueOfABadCsvValue) {
  TemporaryDirectory dir;
  std::string text = "id,\"fare, net\",zone\n";
  for (int i = 0; i < 50; ++i) text += std::to_string(i) + ",1.5,\"two\nlines\"\n";
  text += "50,cheap,x\n";
  write_text(dir.path("t.csv"), text);
  const auto source = *scan_csv({dir.path("t.csv")}, {.infer_rows = 10, .block_bytes = 200});
  const auto got = run_scan(*source, {});
  EXPECT_EQ(
      with_d(error_of(got.status()), dir.path()),
      "cannot read the value as float64 (file D/t.csv, line 102, row 50, column \"fare, net\", value \"cheap\"); the type was inferred: "
      "schema_overrides names another, a greater infer_rows looks at more rows, null_values names texts that mean null, "
      "on_error=\"null\" or \"skip\" goes on");
  EXPECT_EQ(base::error_kind(got.status()), base::ErrorKind::kData);
}

TEST(BadInput, SaysThatAFileChangedOrWentAway) {
  TemporaryDirectory dir;
  const auto table = random_table(1, 100);
  write_file(dir.path("x.parquet"), table);
  const auto source = *scan_parquet({dir.path("x.parquet")});
  write_file(dir.path("x.parquet"), table->Slice(0, 50));
  EXPECT_EQ(with_d(error_of(run_scan(*source, {}).status()), dir.path()), "file changed since the scan was made: D/x.parquet");
  std::filesystem::remove(dir.path("x.parquet"));
  EXPECT_EQ(with_d(error_of(run_scan(*source, {}).status()), dir.path()), "file not found: D/x.parquet");
}

TEST(BadInput, ReadsAStreamOnce) {
  const auto table = one_column("x", arrow::int32());
  const auto source = *scan_reader(std::make_shared<arrow::TableBatchReader>(table), "trips");
  EXPECT_EQ(run_scan(*source, {})->rows, 3);
  EXPECT_EQ(error_of(run_scan(*source, {}).status()), "\"trips\" can be read only once; collect it into a table first");
}

// Whatever byte is wrong, the answer is an error about this file or some rows: never a crash, never memory that is not ours.
TEST(BadInput, SurvivesDamagedParquetFiles) {
  TemporaryDirectory dir;
  const auto table = random_table(9, 300);
  int refused = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    FileShape shape;
    shape.row_group_rows = 120;
    shape.page_bytes = 300;
    shape.dictionary = seed % 2 == 0;
    shape.page_v2 = seed % 3 == 0;
    shape.compression = seed % 5 < 2 ? arrow::Compression::ZSTD : arrow::Compression::UNCOMPRESSED;
    const std::string path = dir.path("x.parquet");
    write_file(path, table, shape);
    std::string bytes = read_text(path);
    for (uint64_t n = 1 + random() % 4; n > 0; --n) bytes[4 + random() % (bytes.size() - 12)] = static_cast<char>(random());
    write_text(path, bytes);
    for (const bool own : {true, false}) {
      if (!own && seed % 4 != 0) continue;
      SCOPED_TRACE("seed " + std::to_string(seed));
      const auto source = scan_parquet({path}, {.own_decoder = own});
      const auto status =
          source.ok()
              ? run_scan(**source, {.predicate = expr::call("ge", {expr::column("text"), expr::literal(std::string_view("a"))})}).status()
              : source.status();
      if (status.ok()) continue;
      ++refused;
      EXPECT_EQ(base::error_kind(status), base::ErrorKind::kIo) << error_of(status);
      EXPECT_NE(error_of(status).find(path), std::string::npos) << error_of(status);
    }
  }
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace gristmill::io::test
