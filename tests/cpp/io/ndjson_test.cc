// NDJSON in and out, and text sinks: values against those the text was made of, at every block size; what is written reads back.

#include <filesystem>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "io/csv_scan.h"
#include "io/csv_write.h"
#include "io/ndjson_scan.h"
#include "io/output_folder.h"
#include "io/partition_sink.h"
#include "tables.h"

namespace gristmill::io::test {
namespace {

using SinkPtr = std::shared_ptr<exec::OrderedSink>;

std::shared_ptr<base::QueryMemory> memory() { return base::QueryMemory::make(0); }

// Values and the lines that say them, written in one of the ways JSON has.
struct Lines {
  std::string text;
  std::shared_ptr<arrow::Table> table;
};

std::string quoted(const std::string& s, Random& random) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x80 && random() % 20 == 0) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Lines random_lines(uint64_t seed, int64_t rows) {
  Random random(seed);
  arrow::Int64Builder id;
  arrow::DoubleBuilder value;
  arrow::StringBuilder name;
  arrow::BooleanBuilder flag;
  std::string text;
  const char* const names[] = {
      "", "plain", "say \"hi\"", "back\\slash", "two\nlines", "\xc3\xa4\xe2\x82\xac", "a text that is longer than a view holds inline"};
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<std::string> fields;
    const auto blank = [&] { return std::string(random() % 4 == 0 ? " " : ""); };
    const auto add = [&](const char* key, const std::string& v) {
      fields.push_back(blank() + "\"" + key + "\"" + blank() + ":" + blank() + v);
    };
    const auto number = static_cast<int64_t>(random()) >> (random() % 60);
    EXPECT_TRUE(id.Append(number).ok());
    add("id", std::to_string(number));
    const uint64_t kind = random() % 4;  // 0: null, 1: missing
    const double d = static_cast<double>(static_cast<int64_t>(random() % 2'000'001) - 1'000'000) / 64;
    EXPECT_TRUE((kind < 2 ? value.AppendNull() : value.Append(d)).ok());
    char digits[64];
    std::snprintf(digits, sizeof digits, kind == 2 ? "%.17g" : "%.17e", d);
    if (kind != 1) add("value", kind == 0 ? "null" : digits);
    const std::string n = names[random() % std::size(names)];
    EXPECT_TRUE(name.Append(n).ok());
    add("name", quoted(n, random));
    EXPECT_TRUE(flag.Append(i % 3 == 0).ok());
    add("flag", i % 3 == 0 ? "true" : "false");
    std::shuffle(fields.begin(), fields.end(), random);
    text += "{";
    for (size_t f = 0; f < fields.size(); ++f) text += (f > 0 ? "," : "") + fields[f];
    text += "}";
    text += random() % 5 == 0 ? "\r\n" : "\n";
    if (random() % 10 == 0) text += "\n";  // empty lines are no rows
  }
  const auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("value", arrow::float64()),
                                     arrow::field("name", arrow::utf8()), arrow::field("flag", arrow::boolean())});
  return {text, arrow::Table::Make(schema, {*id.Finish(), *value.Finish(), *name.Finish(), *flag.Finish()})};
}

const ColumnTypes kTypes = {{"id", "int64"}, {"value", "float64"}, {"name", "string"}, {"flag", "bool"}};

TEST(Ndjson, GivesTheValuesAtAnyBlockMorselAndBatchSize) {
  TemporaryDirectory dir;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Lines lines = random_lines(seed, seed % 4 == 0 ? 1 : 400);
    if (seed % 3 == 0) lines.text.pop_back();  // the last line may lack its end
    write_text(dir.path("x.ndjson"), lines.text);
    for (const int64_t block : {1, 100, 4096, 1 << 20}) {
      const auto source = scan_ndjson({dir.path("x.ndjson")}, {.schema = kTypes, .block_bytes = block});
      ASSERT_TRUE(source.ok()) << error_of(source.status());
      const ScanRun run{.morsel_rows = seed % 2 == 0 ? 7 : 0, .batch_rows = static_cast<int64_t>(seed % 5), .locals = 3, .seed = seed};
      const auto got = run_scan(**source, run);
      ASSERT_TRUE(got.ok()) << error_of(got.status());
      EXPECT_TRUE(same_rows(*got->table, *lines.table)) << "seed " << seed << ", blocks of " << block;
      const auto counted = run_scan(**source, {.none = true, .locals = 2, .seed = seed});
      ASSERT_TRUE(counted.ok()) << error_of(counted.status());
      EXPECT_EQ(counted->rows, lines.table->num_rows());
      const auto some = run_scan(**source, {.columns = {"name", "id"}, .locals = 2, .seed = seed});
      ASSERT_TRUE(some.ok()) << error_of(some.status());
      EXPECT_TRUE(same_rows(*some->table, **lines.table->SelectColumns({2, 0})));
    }
  }
}

TEST(Ndjson, FindsTheTypes) {
  TemporaryDirectory dir;
  write_text(dir.path("x.ndjson"),
             "{\"a\":1,\"l\":[1,null]}\n{\"a\":2.5,\"s\":{\"x\":\"t\"},\"l\":[]}\n{\"a\":null,\"m\":1}\n{\"m\":\"mixed\"}\n");
  const auto source = scan_ndjson({dir.path("x.ndjson")});
  ASSERT_TRUE(source.ok()) << error_of(source.status());
  EXPECT_EQ((*source)->schema()->ToString(false), "a: double\nl: list<item: int64>\ns: struct<x: string>\nm: string");
}

TEST(Ndjson, NamesFileLineColumnAndValueOfWhatIsBad) {
  TemporaryDirectory dir;
  const std::string path = dir.path("bad.ndjson");
  write_text(path, "{\"id\":1}\n\n{\"id\":2}\n{\"id\":\"x\"}\n{\"id\":4}\n");
  for (const int64_t block : {1, 20, 1 << 20}) {
    const auto source = *scan_ndjson({path}, {.schema = {{"id", "int64"}}, .block_bytes = block});
    const auto got = run_scan(*source);
    ASSERT_FALSE(got.ok());
    const auto d = base::error_detail(got.status());
    ASSERT_NE(d, nullptr);
    EXPECT_EQ(d->file, path);
    EXPECT_EQ(d->line, 4);
    EXPECT_EQ(d->row, 2);
    EXPECT_EQ(d->column, "id");
    const auto kept = run_scan(**scan_ndjson({path}, {.schema = {{"id", "int64"}}, .on_error = OnError::kSkip, .block_bytes = block}));
    ASSERT_TRUE(kept.ok()) << error_of(kept.status());
    EXPECT_EQ(kept->table->num_rows(), 3);
    EXPECT_EQ(kept->counts.skipped, 1);
    const auto nulled = run_scan(**scan_ndjson({path}, {.schema = {{"id", "int64"}}, .on_error = OnError::kNull, .block_bytes = block}));
    ASSERT_TRUE(nulled.ok()) << error_of(nulled.status());
    EXPECT_EQ(nulled->table->num_rows(), 4);
    EXPECT_EQ(nulled->table->column(0)->null_count(), 1);
  }
  for (const char* text :
       {"{\"id\":1", "{\"id\":}", "[1]", "{\"id\":1}}", "{\"id\":1,\"id\":2}", "{\"id\":01}", "nonsense", "{\"id\":\"\xff\"}"}) {
    write_text(path, std::string(text) + "\n");
    EXPECT_FALSE(run_scan(**scan_ndjson({path}, {.schema = {{"id", "string"}}})).ok()) << text;
  }
}

// Gives the table to the sink in random morsels, staged by one thread.
arrow::Status feed(exec::OrderedSink& sink, const arrow::Table& table, uint64_t seed) {
  Random random(seed);
  exec::QueryContext context;
  context.memory = memory();
  uint64_t seq = 0;
  for (int64_t at = 0; at < table.num_rows();) {
    const int64_t n = std::min<int64_t>(table.num_rows() - at, static_cast<int64_t>(1 + random() % 200));
    ARROW_ASSIGN_OR_RAISE(const auto rows, table.Slice(at, n)->CombineChunksToBatch());
    ARROW_ASSIGN_OR_RAISE(auto batch, column::import_batch(*rows, arrow::default_memory_pool()));
    at += n;
    std::vector<column::Batch> morsel;
    morsel.push_back(std::move(batch));
    ARROW_ASSIGN_OR_RAISE(morsel, sink.stage(std::move(morsel), context));
    ARROW_RETURN_NOT_OK(sink.deliver(seq++, morsel).status());
  }
  return sink.finalize();
}

TEST(TextSinks, HaveTheSameBytesWhateverTheMorselsAndReadBackCompressedOrNot) {
  TemporaryDirectory dir;
  const Lines lines = random_lines(77, 3000);
  for (const bool csv : {true, false}) {
    for (const char* ending : {"", ".gz", ".zst", ".lz4", ".bz2"}) {
      const std::string path = dir.path(std::string("x") + (csv ? ".csv" : ".ndjson") + ending);
      std::string first;
      for (uint64_t seed = 1; seed <= 4; ++seed) {
        const auto sink =
            csv ? *write_csv(path, lines.table->schema(), {}, memory()) : *write_ndjson(path, lines.table->schema(), {}, memory());
        const auto fed = feed(*sink, *lines.table, seed);
        ASSERT_TRUE(fed.ok()) << error_of(fed);
        if (seed == 1) first = read_text(path);
        EXPECT_TRUE(read_text(path) == first) << path << " seed " << seed;
      }
      const auto source = csv ? *scan_csv({path}, {.schema = kTypes}) : *scan_ndjson({path}, {.schema = kTypes});
      const auto back = run_scan(*source);
      ASSERT_TRUE(back.ok()) << error_of(back.status());
      EXPECT_TRUE(same_rows(*back->table, *lines.table)) << path;
    }
  }
}

TEST(TextSinks, RefuseWhatTheyCannotWrite) {
  TemporaryDirectory dir;
  const auto list = arrow::schema({arrow::field("l", arrow::list(arrow::int64()))});
  EXPECT_FALSE(write_csv(dir.path("x.csv"), list, {}, memory()).ok());
  EXPECT_FALSE(write_ndjson(dir.path("x.ndjson.br"), list, {}, memory()).ok());
  EXPECT_FALSE(write_ndjson(dir.path("x.ndjson"), list, {.compression_level = 3}, memory()).ok());
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

// Rows sorted by their key, in files of at most `most` rows.
TEST(PartitionSink, CutsByKeyAndRowsAndLeavesNothingWhenAbandoned) {
  TemporaryDirectory dir;
  arrow::Int64Builder id;
  arrow::StringBuilder key;
  for (int64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(id.Append(i).ok());
    ASSERT_TRUE((i < 900 ? key.Append(std::to_string(i / 300)) : key.AppendNull()).ok());
  }
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("id", arrow::int64()), arrow::field("key", arrow::utf8())}),
                                        {*id.Finish(), *key.Finish()});
  const auto written = arrow::schema({table->schema()->field(0)});
  const auto make = [&](const std::string& file) { return write_csv(file, written, {}, memory()); };
  for (const int64_t most : {0, 70}) {
    const std::string path = dir.path("lake" + std::to_string(most));
    const auto sink = partition_sink(*OutputFolder::create(path, Overwrite::kError, ".csv", nullptr), {{"key"}, most, 0}, make, memory());
    const auto fed = feed(*sink, *table, 5);
    ASSERT_TRUE(fed.ok()) << error_of(fed);
    for (const char* folder : {"key=0", "key=1", "key=2", "key=__HIVE_DEFAULT_PARTITION__"}) {
      const int64_t rows = std::string(folder) == "key=__HIVE_DEFAULT_PARTITION__" ? 100 : 300,
                    files = most == 0 ? 1 : (rows + most - 1) / most;
      EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path + "/" + folder), {}), files) << folder;
    }
    EXPECT_TRUE(read_text(path + "/key=1/part-000000.csv").starts_with("id\n300\n301\n"));
  }
  {
    const auto sink =
        partition_sink(*OutputFolder::create(dir.path("none"), Overwrite::kError, ".csv", nullptr), {{"key"}, 0, 0}, make, memory());
    const auto rows = *table->CombineChunksToBatch();
    exec::QueryContext context;
    context.memory = memory();
    std::vector<column::Batch> morsel{*column::import_batch(*rows, arrow::default_memory_pool())};
    morsel = *sink->stage(std::move(morsel), context);
    ASSERT_TRUE(sink->deliver(0, morsel).ok());
    sink->abandon();
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 2);
}

}  // namespace
}  // namespace gristmill::io::test
