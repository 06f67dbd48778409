// Whole jobs between services: pages in, an enrichment, posts out, through faults; every row accounted for and the same posts at any
// setting.

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "base/status.h"
#include "job/accounting.h"
#include "job/run_job.h"
#include "job/small_http_server.h"

namespace gristmill::job {
namespace {

using Reply = SmallHttpServer::Reply;

constexpr int64_t kRows = 900;

// Pages of rows, users that some rows have not, and a place that takes each key once. One request in three fails.
struct World {
  explicit World(uint64_t seed) : random(seed) {}
  std::mt19937_64 random;
  std::mutex mutex;
  std::vector<std::pair<std::string, std::string>> taken;  // key, body
  std::chrono::milliseconds page_after{0};
  bool refuse_18 = false;
  SmallHttpServer server{
      [this](const std::string& method, const std::string& path, const std::string& body) { return serve(method, path, body); }};

  Reply serve(const std::string& method, const std::string& path, const std::string& body) {
    std::lock_guard lock(mutex);
    const bool fault = random() % 3 == 0;
    const int kind = static_cast<int>(random() % 3);
    if (fault && kind == 0) return {.status = 503};
    if (fault && kind == 1) return {.kind = Reply::kReset};
    if (path.starts_with("/users/")) {
      const int64_t id = std::stoll(path.substr(7));
      if (id % 10 == 3) return {.status = 404};
      return {.body = "{\"name\": \"user " + std::to_string(id) + "\"}", .kind = fault ? Reply::kShort : Reply::kWhole};
    }
    if (method == "POST") {
      if (refuse_18 && body.find("\"id\":18,") != std::string::npos) return {.status = 422};
      const std::string key = server.last_header("Idempotency-Key");
      if (std::none_of(taken.begin(), taken.end(), [&](const auto& t) { return t.first == key; })) taken.emplace_back(key, body);
      return {.body = "taken", .kind = fault ? Reply::kReset : Reply::kWhole};  // perhaps the answer alone is lost
    }
    const int64_t page = std::stoll(path.substr(path.find('=') + 1));
    std::string rows;
    for (int64_t i = (page - 1) * 70; i < std::min(kRows, page * 70); ++i) {
      rows += (rows.empty() ? "" : ",") + std::string("{\"id\":") + std::to_string(i) + ",\"user\":" + std::to_string(i * 31 % 80) + "}";
    }
    return {.body = "[" + rows + "]", .after = page_after};
  }
  std::string job(const std::string& more) {
    const std::string again = "retries: 60, retry_pause: 1ms, longest_pause: 1ms, breaker: {failures: 0}";
    return "source: {http: {url: \"" + server.url("/orders") + "\", paging: {by: page}, schema: {id: int64, user: int64}, " + again +
           "}}\n" + "transforms:\n  - filter: \"id % 5 <> 2\"\n  - enrich: {http: {url: \"" + server.url("/users/{user}") +
           "\", into: who, schema: {name: string}, concurrency: 8, " + again + "}}\n  - drop: [user]\n" + "sink: {http: {url: \"" +
           server.url("/in") + "\", batch_rows: 64, " + again + "}}\n" + more;
  }
};

struct RemoteJobs : ::testing::Test {
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() / ("gm-remote-jobs-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
};

std::string shown(const JobReport& report) {
  std::string out;
  for (const StepTotals& s : report.steps) {
    out += s.name + ": in " + std::to_string(s.counts.rows_in) + ", out " + std::to_string(s.counts.rows_out) + ", filtered " +
           std::to_string(s.counts.filtered) + ", rejected " + std::to_string(s.counts.rejected) + ", skipped " +
           std::to_string(s.counts.skipped) + "\n";
  }
  return out;
}

int64_t bad_rows(const JobReport& report) {
  int64_t out = 0;
  for (const StepTotals& s : report.steps) out += s.counts.rejected + s.counts.skipped;
  return out;
}

std::vector<std::string> lines_of(std::istream& in) {
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST_F(RemoteJobs, EveryRowIsAccountedForThroughFaults) {
  std::vector<std::string> expected;
  int64_t rejected = 0;
  for (int64_t i = 0; i < kRows; ++i) {
    const int64_t user = i * 31 % 80;
    if (i % 5 == 2) continue;
    if (user % 10 == 3) {
      ++rejected;
      continue;
    }
    expected.push_back("{\"id\":" + std::to_string(i) + ",\"who\":{\"name\":\"user " + std::to_string(user) + "\"}}");
  }
  const std::string letters = (folder / "bad.ndjson").string();
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (const char* parallel : {"{workers: 1, batch_rows: 7}", "{workers: 2}", "{workers: 8, batch_rows: 50, queue_batches: 3}"}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", " + parallel);
      World w(seed);
      const auto job =
          parse_job(w.job("on_error: {policy: dead_letter, path: \"" + letters + "\"}\nparallel: " + parallel + "\n"), "job.yaml");
      ASSERT_TRUE(job.ok()) << job.status().ToString();
      JobReport report;
      const arrow::Status status = run_job(*job, {}, report);
      ASSERT_TRUE(status.ok()) << status.ToString();
      std::string all;
      for (const auto& [key, body] : w.taken) all += body;
      std::istringstream in(all);
      EXPECT_EQ(lines_of(in), expected);
      std::ifstream file(letters);
      EXPECT_EQ(std::ssize(lines_of(file)), rejected);
      EXPECT_TRUE(balance_of(report.steps).ok()) << shown(report);
      EXPECT_EQ(bad_rows(report), rejected);
    }
  }
}

TEST_F(RemoteJobs, RefusedPostsAreDeadLettersToo) {
  World w(1);
  w.refuse_18 = true;
  const std::string letters = (folder / "bad.ndjson").string();
  const auto job = parse_job(w.job("on_error: {policy: dead_letter, path: \"" + letters + "\"}\n"), "job.yaml");
  JobReport report;
  const arrow::Status status = run_job(*job, {}, report);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(balance_of(report.steps).ok()) << shown(report);
  int64_t posted = 0, refused = 0;
  for (const auto& [key, body] : w.taken) posted += std::count(body.begin(), body.end(), '\n');
  std::ifstream file(letters);
  for (const std::string& line : lines_of(file)) refused += line.find("did not take rows 0 to 63") != std::string::npos;
  EXPECT_EQ(refused, 64);
  EXPECT_EQ(posted, report.steps.back().counts.rows_out) << shown(report);
  EXPECT_EQ(report.steps.back().counts.rejected, 64) << shown(report);
}

TEST_F(RemoteJobs, StoppingFinishesWhatWasAccepted) {
  World w(3);
  w.page_after = std::chrono::milliseconds(20);
  const auto job = parse_job(w.job("on_error: {policy: skip}\nparallel: {workers: 2}\n"), "job.yaml");
  RunOptions options;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    options.stop.cancel(base::cancelled_error("stop"));
  });
  JobReport report;
  const arrow::Status status = run_job(*job, options, report);
  later.join();
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_TRUE(balance_of(report.steps).ok()) << shown(report);
  int64_t posted = 0;
  for (const auto& [key, body] : w.taken) posted += std::count(body.begin(), body.end(), '\n');
  EXPECT_EQ(posted, report.steps.back().counts.rows_out) << shown(report);
}

TEST_F(RemoteJobs, CancellingEndsSoonAndLeavesNothingAtWork) {
  World w(3);
  w.page_after = std::chrono::milliseconds(60'000);
  const auto job = parse_job(w.job("parallel: {workers: 2}\n"), "job.yaml");
  RunOptions options;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    options.cancel.cancel();
  });
  JobReport report;
  const auto begun = std::chrono::steady_clock::now();
  const arrow::Status status = run_job(*job, options, report);
  later.join();
  EXPECT_FALSE(status.ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
  EXPECT_EQ(report.outcome, "failed");
}

}  // namespace
}  // namespace gristmill::job
