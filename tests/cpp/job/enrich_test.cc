// enrich against a server that fails as told: the same rows, rejected rows and errors at any number of workers and size of batch, bounds
// that hold over all of them, one request an address, and secrets that do not show.

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <set>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "job/http/enrich.h"
#include "job/small_http_server.h"
#include "job/step_driver.h"

namespace gristmill::job {
namespace {

using Reply = SmallHttpServer::Reply;
using std::chrono::milliseconds;

std::shared_ptr<arrow::Table> users(int64_t n, int64_t of) {
  std::vector<std::string> rows;
  for (int64_t i = 0; i < n; ++i) {
    rows.push_back("{\"row\": " + std::to_string(i) + ", \"id\": " + std::to_string(i * 7919 % of) + ", \"name\": \"n/" +
                   std::to_string(i) + "\"}");
  }
  return table_of("row:int64 id:int64 name:string", rows);
}

std::string step(const SmallHttpServer& server, const std::string& path, const std::string& more) {
  return "enrich: {http: {url: \"" + server.url(path) + "\", into: user, retry_pause: 1ms, longest_pause: 2ms" +
         (more.empty() ? "" : ", " + more) + "}}";
}

int64_t id_of(const std::string& path) { return std::stoll(path.substr(path.rfind('/') + 1)); }

TEST(Enrich, TheSameRowsAtAnyNumberOfWorkersAndSizeOfBatch) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    // What an address does: n faults first, then its answer; some always refuse, some have nothing, some are no JSON.
    const auto input = users(3000, 700);
    std::optional<StepResult> first;
    for (const int workers : {1, 2, 3, 8}) {
      for (const int64_t batch_rows : {int64_t{1}, int64_t{37}, int64_t{3000}}) {
        if (batch_rows == 1 && workers == 2) continue;
        std::mt19937_64 random(seed);
        std::vector<int> faults(700), kind(700);
        for (int i = 0; i < 700; ++i) {
          faults[static_cast<size_t>(i)] = random() % 10 == 0 ? 1 + static_cast<int>(random() % 3) : 0;
          kind[static_cast<size_t>(i)] = static_cast<int>(random() % 20);
        }
        SmallHttpServer server([&](const std::string&, const std::string& path, const std::string&) -> Reply {
          const auto id = static_cast<size_t>(id_of(path));
          if (faults[id] > 0) {
            faults[id] -= 1;
            switch (id % 3) {
              case 0: return {.status = 503};
              case 1: return {.kind = Reply::kReset};
              default: return {.body = "{\"name\": \"half an answer\"}", .kind = Reply::kShort};
            }
          }
          if (kind[id] == 0) return {.status = 400, .body = "no"};
          if (kind[id] == 1) return {.status = 404};
          if (kind[id] == 2) return {.body = "{\"name\": "};
          if (kind[id] == 3) return {.body = "{\"name\": \"x\", \"tier\": \"gold\"}"};
          return {.body = "{\"name\": \"user " + std::to_string(id) + " of the service\", \"tier\": " + std::to_string(id % 5) +
                          ", \"more\": []}"};
        });
        auto made = run_step(enrich_kind(), step(server, "/users/{id}", "concurrency: 20, retries: 4, schema: {name: string, tier: int64}"),
                             input, {.batch_rows = batch_rows, .workers = workers});
        ASSERT_TRUE(made.ok()) << made.status().ToString();
        for (auto& [row, error] : made->rejected) {  // the port is another one each time
          for (size_t at; (at = error.find(server.url(""))) != std::string::npos;) error.replace(at, server.url("").size(), "HOST");
        }
        if (!first) {
          int64_t bad = 0;
          for (int64_t i = 0; i < 3000; ++i) bad += kind[static_cast<size_t>(i * 7919 % 700)] <= 3;
          EXPECT_EQ(std::ssize(made->rejected), bad);
          EXPECT_EQ(std::ssize(made->rows), 3000 - bad);
          for (const std::string& row : made->rows) EXPECT_NE(row.find(" of the service\",\"tier\":"), std::string::npos) << row;
          first = std::move(*made);
        } else {
          EXPECT_TRUE(made->rows == first->rows) << workers << " workers, batches of " << batch_rows;
          for (const auto& [row, error] : made->rejected) {
            ASSERT_EQ(error, first->rejected[row]) << "row " << row << ", " << workers << " workers, batches of " << batch_rows;
          }
          EXPECT_EQ(made->rejected.size(), first->rejected.size());
        }
      }
    }
  }
}

TEST(Enrich, ErrorsSayWhatAndWhere) {
  SmallHttpServer server([](const std::string&, const std::string& path, const std::string&) -> Reply {
    switch (id_of(path)) {
      case 0: return {.status = 503};
      case 1: return {.status = 422, .body = "{\"error\": \"geheim is no key\"}"};
      case 2: return {.body = "<html>"};
      case 3: return {.body = "{\"tier\": \"gold\"}"};
      case 4: return {.body = "{\"name\": \"\xff\"}"};
      case 5: return {.status = 204};
      default: return {.body = "{\"name\": \"fine\"}"};
    }
  });
  const auto table =
      table_of("id:int64", {"{\"id\":0}", "{\"id\":1}", "{\"id\":2}", "{\"id\":3}", "{\"id\":4}", "{\"id\":5}", "{}", "{\"id\":7}"});
  const auto made =
      run_step(enrich_kind(),
               step(server, "/users/{id}?key=geheim", "retries: 1, headers: {X-Key: geheim}, schema: {name: string, tier: int64}"), table);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  const std::string host = server.url("");
  const std::map<int64_t, std::string> expected = {
      {0, "HTTP status 503 from " + host + "/users/0, after 2 attempts | id=0"},
      {1, "HTTP status 422 from " + host + "/users/1: {\"error\": \"*** is no key\"} | id=1"},
      {2, "the answer is no JSON: <html> | user="},
      {3, "cannot read the value as int64 | user.tier=\"gold\""},
      {4, "the answer is not valid UTF-8 | user="},
      {5, "the service has no answer | id=5"},
      {6, "the address needs a value | id="},
  };
  EXPECT_EQ(made->rejected, expected);
  EXPECT_EQ(made->rows, std::vector<std::string>{"{\"id\":7,\"user\":{\"name\":\"fine\",\"tier\":null}}"});
}

TEST(Enrich, MissingMayBeNullOrDropped) {
  SmallHttpServer server([](const std::string&, const std::string& path, const std::string&) -> Reply {
    return id_of(path) % 2 ? Reply{.status = 404} : Reply{.body = " [1, 2] \n"};
  });
  const auto table = table_of("id:int64", {"{\"id\":1}", "{\"id\":2}", "{}"});
  EXPECT_EQ(run_step(enrich_kind(), step(server, "/users/{id}", "on_missing: null"), table)->rows,
            (std::vector<std::string>{"{\"id\":1,\"user\":null}", "{\"id\":2,\"user\":\"[1, 2]\"}", "{\"id\":null,\"user\":null}"}));
  EXPECT_EQ(run_step(enrich_kind(), step(server, "/users/{id}", "on_missing: drop"), table)->rows,
            (std::vector<std::string>{"{\"id\":2,\"user\":\"[1, 2]\"}"}));
}

TEST(Enrich, PostsTheRowAndReplacesAColumn) {
  SmallHttpServer server([](const std::string& method, const std::string&, const std::string& body) -> Reply {
    return {.body = "{\"said\": \"" + method + "\", \"got\": " + body + "}"};
  });
  const auto table =
      table_of("id:int64 user:string t:timestamp(us)", {R"({"id":1,"user":"a\"b","t":"2024-02-29T12:00:00"})", R"({"user":"ü","t":null})"});
  const auto made = run_step(
      enrich_kind(), step(server, "/x", R"(method: POST, body: "{\"id\": {id}, \"who\": [{user}], \"at\": {t}, \"o\": {}}")"), table);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(
      made->rows[0],
      R"({"id":1,"user":"{\"said\": \"POST\", \"got\": {\"id\": 1, \"who\": [\"a\\\"b\"], \"at\": \"2024-02-29T12:00:00\", \"o\": {}}}","t":"2024-02-29T12:00:00"})");
  EXPECT_EQ(server.last_header("Content-Type"), "application/json");
}

TEST(Enrich, EachAddressIsAskedForOnce) {
  std::mutex mutex;
  std::map<std::string, int> asked;
  SmallHttpServer server([&](const std::string&, const std::string& path, const std::string&) -> Reply {
    std::lock_guard lock(mutex);
    asked[path] += 1;
    return {.body = "1", .after = milliseconds(2)};
  });
  const auto made =
      run_step(enrich_kind(), step(server, "/users/{id}", "concurrency: 50"), users(20'000, 500), {.batch_rows = 500, .workers = 8});
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(asked.size(), 500u);
  for (const auto& [path, n] : asked) EXPECT_EQ(n, 1) << path;
  EXPECT_EQ(made->counts.at("requests"), 500);
  EXPECT_EQ(made->counts.at("cache_hits"), 19'500);
  asked.clear();
  ASSERT_TRUE(run_step(enrich_kind(), step(server, "/users/{id}", "concurrency: 50, cache: {entries: 0}"), users(2000, 500)).ok());
  for (const auto& [path, n] : asked) EXPECT_EQ(n, 4) << path;
}

TEST(Enrich, ConcurrencyAndRateHoldOverAllWorkers) {
  std::mutex mutex;
  std::vector<std::chrono::steady_clock::time_point> came;
  SmallHttpServer server([&](const std::string&, const std::string&, const std::string&) -> Reply {
    std::lock_guard lock(mutex);
    came.push_back(std::chrono::steady_clock::now());
    return {.body = "1", .after = milliseconds(5)};
  });
  const auto made = run_step(enrich_kind(), step(server, "/users/{row}", "concurrency: 7, rate: 400/s"), users(400, 400),
                             {.batch_rows = 50, .workers = 8});
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_LE(server.most_at_once(), 7);
  ASSERT_EQ(came.size(), 400u);
  const double seconds = std::chrono::duration<double>(came.back() - came.front()).count();
  EXPECT_GE(seconds, 0.95) << "400 requests at 400 a second";
  EXPECT_LE(seconds, 5) << "and not much slower";
}

TEST(Enrich, ValuesStayWithinTheirPlace) {
  std::mutex mutex;
  std::set<std::string> paths;
  SmallHttpServer server([&](const std::string&, const std::string& path, const std::string&) -> Reply {
    std::lock_guard lock(mutex);
    paths.insert(path);
    return {.body = "1"};
  });
  const auto table =
      table_of("k:string f:float64", {R"({"k":"../admin?x=1#y","f":0.1})", R"({"k":"..","f":1e300})", R"({"k":"ü b","f":-2})"});
  ASSERT_TRUE(run_step(enrich_kind(), step(server, "/u/{k}/{f}", ""), table).ok());
  EXPECT_EQ(paths, (std::set<std::string>{"/u/..%2Fadmin%3Fx%3D1%23y/0.1", "/u/../1e%2B300", "/u/%C3%BC%20b/-2.0"}));
}

TEST(Enrich, UnderFailTheSmallestRowIsTheError) {
  for (const int64_t batch_rows : {int64_t{10}, int64_t{64}, int64_t{5000}}) {
    std::atomic<int> asked{0};
    SmallHttpServer server([&](const std::string&, const std::string& path, const std::string&) -> Reply {
      ++asked;
      const int64_t row = id_of(path);
      if (row == 150) return {.status = 400, .after = milliseconds(50)};  // the smallest answers last
      if (row > 150 && row % 3 == 0) return {.status = 400};
      return {.body = "1"};
    });
    const auto made = run_step(enrich_kind(), step(server, "/users/{row}", "concurrency: 32"), users(5000, 10),
                               {.batch_rows = batch_rows, .workers = 1, .fail_fast = true});
    EXPECT_EQ(made.status().message(), "HTTP status 400 from " + server.url("/users/150"));
    if (batch_rows == 5000) {
      EXPECT_LT(asked, 1000) << "rows behind the failed one are not asked for";
    }
  }
}

TEST(Enrich, AServiceThatIsDownEndsTheRunWhateverThePolicy) {
  SmallHttpServer server([](const std::string&, const std::string&, const std::string&) -> Reply { return {.status = 503}; });
  const auto made =
      run_step(enrich_kind(), step(server, "/users/{row}", "breaker: {failures: 5, open_for: 20ms, give_up: 100ms}"), users(100, 100));
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.status().message().find("has not come back: HTTP status 503"), std::string::npos) << made.status().message();
}

TEST(Enrich, CancellationEndsItSoon) {
  SmallHttpServer server(
      [](const std::string&, const std::string&, const std::string&) -> Reply { return {.after = milliseconds(60'000)}; });
  StepRun run{.workers = 3};
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(100));
    run.cancel.cancel(base::cancelled_error("enough"));
  });
  const auto begun = std::chrono::steady_clock::now();
  const auto made = run_step(enrich_kind(), step(server, "/users/{row}", ""), users(5000, 10), run);
  later.join();
  EXPECT_EQ(made.status().message(), "enough");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

TEST(Enrich, AnswersCountAgainstTheMemoryLimit) {
  SmallHttpServer server([](const std::string&, const std::string&, const std::string&) -> Reply {
    return {.body = "\"" + std::string(1 << 20, 'x') + "\""};
  });
  const auto made = run_step(enrich_kind(), step(server, "/users/{row}", "cache: {entries: 0}, concurrency: 4"), users(200, 10),
                             {.memory = int64_t{64} << 20});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(base::error_kind(made.status()), base::ErrorKind::kMemory) << made.status().ToString();
}

TEST(Enrich, ACacheOfAFewAnswersStaysSmall) {
  SmallHttpServer server([](const std::string&, const std::string&, const std::string&) -> Reply {
    return {.body = "\"" + std::string(100'000, 'x') + "\""};
  });
  const auto made = run_step(enrich_kind(), step(server, "/users/{row}", "cache: {entries: 1000, size: 1MB}, concurrency: 4"),
                             users(300, 10), {.batch_rows = 10, .memory = int64_t{64} << 20});
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_EQ(made->rows.size(), 300u);
}

void expect_refused(const std::string& http, const std::string& message) {
  const auto made = run_step(enrich_kind(), "enrich: {http: " + http + "}", users(1, 1));
  ASSERT_FALSE(made.ok()) << http;
  const std::string text = base::describe_error(made.status());
  EXPECT_NE(text.find(message), std::string::npos) << text;
}

TEST(Enrich, RefusesWhatCannotBe) {
  expect_refused("{url: \"http://h/{idd}\", into: u}", "no column \"idd\"");
  expect_refused("{url: \"http://{name}/\", into: u}", "cannot come from a column");
  expect_refused("{url: \"ftp://h/{id}\", into: u}", "no address of an HTTP server");
  expect_refused("{url: \"http://h/{id}\"}", "into");
  expect_refused("{url: \"http://h/{id}\", into: u, body: x}", "a GET has no body");
  expect_refused("{url: \"http://h/{id}\", into: u, schema: {a: map}}", "map");
  expect_refused("{url: \"http://h/{id}\", into: u, concurrency: 0}", "concurrency");
  expect_refused("{url: \"http://h/{id}\", into: u, retriess: 1}", "retries");
  expect_refused("{url: \"http://h/{id}\", into: u, headers: {\"a b\": x}}", "no name of a header");
  expect_refused("{url: \"http://h/{id}\", into: u, breaker: {failures: 3, open_for: 10s, give_up: 1s}}", "circuit breaker");
}

}  // namespace
}  // namespace gristmill::job
