// lookup against a plain map, over workers and sizes of batches; keys of several columns and widths, duplicates, rows without a match.

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include <arrow/table.h>

#include "base/status.h"
#include "job/step_driver.h"
#include "job/steps/kinds.h"

namespace gristmill::job {
namespace {

class Lookup : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("gm-lookup-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& text) {
    const auto path = folder_ / "table.csv";
    std::ofstream(path) << text;
    return path.string();
  }
  static arrow::Result<StepResult> run(const std::string& path, const std::string& more, const std::shared_ptr<arrow::Table>& rows,
                                       StepRun how = {}) {
    return run_step(lookup_kind(), "lookup: {from: {csv: {path: \"" + path + "\"}}, " + more + "}", rows, how);
  }
  std::filesystem::path folder_;
};

TEST_F(Lookup, AgreesWithAMapAtAnyNumberOfWorkers) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::map<std::pair<int64_t, std::string>, std::string> table;
    const int64_t keys = 1 + static_cast<int64_t>(random() % 500);
    for (int64_t i = 0; i < keys; ++i) {
      table[{static_cast<int64_t>(random() % 300), "k" + std::to_string(random() % 3)}] = "value number " + std::to_string(random() % 1000);
    }
    std::string text = "a,b,v\n,k1,no key\n";
    for (const auto& [key, v] : table) text += std::to_string(key.first) + "," + key.second + "," + v + "\n";
    const std::string path = file(text);
    std::vector<std::string> rows, expected, dropped;
    std::map<int64_t, std::string> rejected;
    for (int64_t i = 0; i < 2000; ++i) {
      const bool null = random() % 20 == 0;
      const int64_t a = static_cast<int64_t>(random() % 330);
      const std::string b = "k" + std::to_string(random() % 3), x = null ? "null" : std::to_string(a);
      rows.push_back("{\"x\":" + x + ",\"y\":\"" + b + "\"}");
      const auto at = null ? table.end() : table.find({a, b});
      const std::string begin = rows.back().substr(0, rows.back().size() - 1);
      expected.push_back(begin + ",\"v\":" + (at == table.end() ? "null" : "\"" + at->second + "\"") + "}");
      if (at != table.end()) dropped.push_back(expected.back());
      if (at == table.end()) rejected[i] = "the lookup's table has no such row | x=" + x + ", " + b;
    }
    const auto input = table_of("x:int32 y:string", rows);
    for (const int workers : {1, 3}) {
      for (const int64_t batch_rows : {int64_t{1}, int64_t{17}, int64_t{2000}}) {
        const StepRun how{.batch_rows = batch_rows, .workers = workers};
        EXPECT_EQ(run(path, "on: {x: a, y: b}, on_missing: null", input, how)->rows, expected);
        EXPECT_EQ(run(path, "on: {x: a, y: b}, on_missing: drop", input, how)->rows, dropped);
        const auto strict = run(path, "on: {x: a, y: b}", input, how);
        EXPECT_EQ(strict->rows, dropped);
        EXPECT_EQ(strict->rejected, rejected);
      }
    }
  }
}

TEST_F(Lookup, DuplicatesAndNames) {
  const std::string path = file("id,name,tier\n1,a,x\n2,b,y\n1,c,z\n");
  const auto rows = table_of("id:int64 tier:string", {R"({"id":1,"tier":"mine"})"});
  EXPECT_EQ(run(path, "on: {id: id}, columns: {name: who}", rows).status().message().substr(0, 200),
            "two rows of the lookup's table have the key id = 1");
  EXPECT_EQ(run(path, "on: {id: id}, columns: {name: who, tier: theirs}, duplicates: first", rows)->rows[0],
            R"({"id":1,"tier":"mine","who":"a","theirs":"x"})");
  EXPECT_EQ(run(path, "on: {id: id}, columns: {name: who}, duplicates: last", rows)->rows[0], R"({"id":1,"tier":"mine","who":"c"})");
  EXPECT_NE(run(path, "on: {id: id}, duplicates: last", rows).status().message().find("there is a column \"tier\" already"),
            std::string::npos);
}

TEST_F(Lookup, KeysThatDoNotFitMatchNothing) {
  const std::string path = file("id,v\n5000000000,big\n7,small\n");
  const auto rows = table_of("id:int16", {"{\"id\":7}", "{\"id\":8}"});
  const auto made = run(path, "on: {id: id}, on_missing: null", rows);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->rows, (std::vector<std::string>{R"({"id":7,"v":"small"})", R"({"id":8,"v":null})"}));
}

TEST_F(Lookup, AnEmptyTableHasNothing) {
  const std::string path = folder_ / "none.csv";
  std::ofstream(path) << "id,v\n";
  const auto rows = table_of("id:int64", {"{\"id\":7}"});
  const auto made =
      run_step(lookup_kind(),
               "lookup: {from: {csv: {path: \"" + path + "\", schema: {id: int64, v: string}}}, on: {id: id}, on_missing: null}", rows);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->rows, (std::vector<std::string>{R"({"id":7,"v":null})"}));
}

TEST_F(Lookup, RefusesWhatCannotBe) {
  const std::string path = file("id,v\n1,x\n");
  const auto rows = table_of("id:int64 name:string", {"{}"});
  const auto refused = [&](const std::string& more) { return base::describe_error(run(path, more, rows).status()); };
  EXPECT_NE(refused("on: {idd: id}").find("no column \"idd\""), std::string::npos);
  EXPECT_NE(refused("on: {id: idd}").find("the table has no column \"idd\""), std::string::npos);
  EXPECT_NE(refused("on: {name: id}").find("cast step"), std::string::npos);
  EXPECT_NE(refused("on: {id: id}, columns: {w: x}").find("the table has no column \"w\""), std::string::npos);
  EXPECT_NE(refused("onn: {id: id}").find("onn"), std::string::npos);
  EXPECT_NE(base::describe_error(run("/no/such.csv", "on: {id: id}", rows).status()).find("/no/such.csv"), std::string::npos);
}

TEST_F(Lookup, TheTableCountsAgainstTheMemoryLimit) {
  std::string text = "id,v\n";
  for (int i = 0; i < 200'000; ++i)
    text += std::to_string(i) + ",a value that is long enough not to be inlined " + std::to_string(i) + "\n";
  const auto made = run(file(text), "on: {id: id}", table_of("id:int64", {"{\"id\":7}"}), {.memory = int64_t{4} << 20});
  EXPECT_EQ(base::error_kind(made.status()), base::ErrorKind::kMemory) << made.status().ToString();
}

}  // namespace
}  // namespace gristmill::job
