// Pipelines with functions of the program: what they keep, drop and refuse, whatever the workers and batches.

#include "gristmill/job.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <arrow/array.h>
#include <arrow/compute/initialize.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

namespace gristmill {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class Folder {
 public:
  Folder() {
    EXPECT_TRUE(arrow::compute::Initialize().ok());
    std::string name = (fs::temp_directory_path() / "pipeline-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }

 private:
  fs::path path_;
};

TEST(Pipeline, RunsTheExampleOfTheDocumentation) {
  const Folder folder;
  const std::string input = folder.write("a.csv", "id,value\n1,4\n2,\n3,x\n4,9\n"), output = folder.file("out.parquet"),
                    rejected = folder.file("rejected.ndjson");
  // clang-format off
  using namespace gristmill::jobs;
  auto result = Pipeline(csv(input, {{"schema", "{id: int64, value: float64}"}}))
                  .transform(compute({{"root", "sqrt(value)"}}))
                  .transform(
                      [](Record& r) {
                        if (r.is_null("value")) return false;
                        r.set("score", r.float64("value") * 2);
                        return true;
                      },
                      {{"score", "float64"}})
                  .into(parquet(output))
                  .on_error(dead_letters(rejected))
                  .run({.workers = 2});
  // clang-format on
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->read, 4);
  EXPECT_EQ(result->written, 2);
  EXPECT_EQ(result->filtered, 1);
  EXPECT_EQ(result->bad, 1);
  EXPECT_NE(text_of(rejected).find(R"("text":"3,x")"), std::string::npos);
}

std::string numbers(int n) {
  std::string out = "id\n";
  for (int i = 0; i < n; ++i) out += std::to_string(i) + "\n";
  return out;
}

TEST(Pipeline, AFunctionOfRecordsGivesTheSameAtAnySetting) {
  const Folder folder;
  const std::string input = folder.write("a.csv", numbers(5000));
  std::string expected, letters;
  for (int i = 0; i < 5000; ++i) {
    if (i % 7 == 3) letters += std::to_string(i) + ";";
    if (i % 7 != 3 && i % 2 == 0) expected += std::to_string(i) + "," + std::to_string(i * 3) + (i % 4 == 0 ? ",yes\n" : ",\n");
  }
  for (const int workers : {1, 2, 8}) {
    for (const int batch : {1, 7, 1000}) {
      using namespace gristmill::jobs;
      const auto result = Pipeline(csv(input, {{"schema", "{id: int64}"}}))
                              .transform(
                                  [](Record& r) {
                                    const int64_t id = r.int64("id");
                                    if (id % 7 == 3) r.fail("seven and three");
                                    r.set("triple", id * 3);
                                    if (id % 4 == 0) r.set("four", "yes");
                                    return id % 2 == 0;
                                  },
                                  {{"triple", "int64"}, {"four", "string"}})
                              .into(csv(folder.file("out.csv"), {{"header", "false"}}))
                              .on_error(dead_letters(folder.file("rejected.ndjson")))
                              .run({.workers = workers, .batch_rows = batch});
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(text_of(folder.file("out.csv")), expected);
      EXPECT_EQ(result->read, result->written + result->filtered + result->bad);
      std::istringstream lines(text_of(folder.file("rejected.ndjson")));
      std::string found, line;
      while (std::getline(lines, line)) found += line.substr(16, line.find('}') - 16) + ";";
      EXPECT_EQ(found, letters);
    }
  }
}

TEST(Pipeline, AFunctionOfBatchesThatFailsIsHalvedUntilTheBadRowsAreFound) {
  const Folder folder;
  const std::string input = folder.write("a.csv", numbers(3000));
  const auto refuses = [](const std::shared_ptr<arrow::RecordBatch>& rows) -> arrow::Result<BatchOutcome> {
    const auto& ids = static_cast<const arrow::Int64Array&>(*rows->column(0));
    for (int64_t i = 0; i < ids.length(); ++i) {
      if (ids.Value(i) % 100 == 42) return arrow::Status::Invalid("no 42s");
    }
    return BatchOutcome{rows};
  };
  using namespace gristmill::jobs;
  const auto run = [&](JobPart policy) {
    return Pipeline(csv(input, {{"schema", "{id: int64}"}}))
        .transform_batches(refuses)
        .into(csv(folder.file("out.csv")))
        .on_error(std::move(policy))
        .run({.workers = 2});
  };
  const auto skipped = run(skip());
  ASSERT_TRUE(skipped.ok()) << skipped.status();
  EXPECT_EQ(skipped->bad, 30);
  EXPECT_EQ(skipped->written, 2970);
  const auto failed = run(fail());
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.status().message().find("no 42s"), std::string::npos);
}

TEST(Pipeline, WhatAFunctionDoesWrongIsSaid) {
  const Folder folder;
  const std::string input = folder.write("a.csv", numbers(3));
  using namespace gristmill::jobs;
  const auto with = [&](RecordFunction f) {
    return Pipeline(csv(input, {{"schema", "{id: int64}"}})).transform(std::move(f)).into(csv(folder.file("out.csv"))).run().status();
  };
  EXPECT_NE(with([](Record& r) { return r.int64("idd") > 0; }).message().find("no column \"idd\""), std::string::npos);
  EXPECT_NE(with([](Record& r) { return r.text("id").empty(); }).message().find("not text"), std::string::npos);
  EXPECT_NE(with([](Record& r) {
              r.set("new", 1);
              return true;
            }).message().find("was not declared"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(folder.file("out.csv")));
  const auto fewer = Pipeline(csv(input, {{"schema", "{id: int64}"}}))
                         .transform_batches([](const std::shared_ptr<arrow::RecordBatch>& rows) -> arrow::Result<BatchOutcome> {
                           return BatchOutcome{rows->Slice(1)};
                         })
                         .into(csv(folder.file("out.csv")))
                         .run();
  EXPECT_NE(fewer.status().message().find("was given 3 rows and gave back 2"), std::string::npos);
}

}  // namespace
}  // namespace gristmill
