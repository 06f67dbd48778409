// The client against a server of the test's own that behaves badly: many requests on one thread, connections used again, time-outs, answers
// cut short, cancellation, and an end in the middle of everything.

#include <gtest/gtest.h>

#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "job/http/http_client.h"
#include "job/small_http_server.h"

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = HttpAnswer::Outcome;

int threads_now() {
  int n = 0;
  DIR* folder = opendir("/proc/self/task");
  while (const dirent* entry = readdir(folder)) n += entry->d_name[0] != '.';
  closedir(folder);
  return n;
}

struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::pair<int, HttpAnswer>> all;

  Transport::Done keep(int i) {
    return [this, i](HttpAnswer a) {
      std::lock_guard lock(mutex);
      all.emplace_back(i, std::move(a));
      changed.notify_all();
    };
  }
  bool wait_for(size_t n) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, seconds(30), [&] { return all.size() >= n; });
  }
};

HttpAnswer ask(Transport& client, const HttpRequest& request, std::chrono::nanoseconds timeout = seconds(10)) {
  Answers answers;
  client.start(request, timeout, answers.keep(0));
  EXPECT_TRUE(answers.wait_for(1));
  return answers.all.at(0).second;
}

class HttpClientTest : public ::testing::Test {
 protected:
  void SetUp() override { client_ = open_http_client(64).ValueOrDie(); }
  SmallHttpServer server_;
  std::unique_ptr<Transport> client_;
};

TEST_F(HttpClientTest, GivesStatusBodyAndHeaders) {
  const HttpAnswer a = ask(*client_, {.url = server_.url("/echo/hello%20there?x=1")});
  EXPECT_EQ(a.outcome, Outcome::kAnswered);
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.body, "GET /echo/hello%20there?x=1 ");
  EXPECT_EQ(a.content_type, "text/plain");
  EXPECT_EQ(a.link, "<http://next/>; rel=\"next\"");
  const HttpAnswer posted =
      ask(*client_, {.method = "POST", .url = server_.url("/echo/"), .headers = {"X-Key: 7"}, .body = std::string("a\0b", 3)});
  EXPECT_EQ(posted.body, std::string("POST /echo/ a\0b", 15));
  EXPECT_EQ(server_.last_header("X-Key"), "7");
  EXPECT_EQ(ask(*client_, {.method = "PUT", .url = server_.url("/echo/"), .body = ""}).body, "PUT /echo/ ");
  EXPECT_EQ(ask(*client_, {.url = server_.url("/echo/../x/./y")}).body, "GET /echo/../x/./y ") << "paths go as they are";
  const HttpAnswer wait = ask(*client_, {.url = server_.url("/status/429")});
  EXPECT_EQ(wait.status, 429);
  EXPECT_EQ(wait.retry_after, seconds(3));
  EXPECT_EQ(ask(*client_, {.url = server_.url("/moved")}).redirect, server_.url("/echo/"));
}

TEST_F(HttpClientTest, SendsTheTokenAndTrustsNothingElse) {
  EXPECT_EQ(ask(*client_, {.url = server_.url("/echo/"), .bearer_token = "geheim"}).status, 200);
  EXPECT_EQ(server_.last_header("Authorization"), "Bearer geheim");
  EXPECT_EQ(ask(*client_, {.url = "ftp://127.0.0.1/"}).outcome, Outcome::kRefused);
}

TEST_F(HttpClientTest, FaultsAreToldApart) {
  EXPECT_EQ(ask(*client_, {.url = server_.url("/reset")}).outcome, Outcome::kBroken);
  EXPECT_EQ(ask(*client_, {.url = server_.url("/short")}).outcome, Outcome::kBroken);
  EXPECT_EQ(ask(*client_, {.url = server_.url("/nothing")}).outcome, Outcome::kBroken);
  EXPECT_EQ(ask(*client_, {.url = "http://127.0.0.1:1/"}).outcome, Outcome::kBroken);
  const HttpAnswer late = ask(*client_, {.url = server_.url("/slow/5000")}, milliseconds(100));
  EXPECT_EQ(late.outcome, Outcome::kTimedOut);
  EXPECT_EQ(late.error, "nothing came within the time-out");
  const HttpAnswer drip = ask(*client_, {.url = server_.url("/drip")}, milliseconds(300));
  EXPECT_EQ(drip.outcome, Outcome::kTimedOut) << "the time-out is for the whole answer, not for a byte";
}

TEST_F(HttpClientTest, AnAnswerHasABound) {
  EXPECT_EQ(ask(*client_, {.url = server_.url("/long/100000"), .most_bytes = 100'000}).body.size(), 100'000u);
  const HttpAnswer a = ask(*client_, {.url = server_.url("/long/100001"), .most_bytes = 100'000});
  EXPECT_EQ(a.outcome, Outcome::kTooLong);
  EXPECT_EQ(a.error, "the answer is longer than 100000 bytes");
}

TEST_F(HttpClientTest, ConnectionsAreUsedAgain) {
  for (int i = 0; i < 200; ++i) EXPECT_EQ(ask(*client_, {.url = server_.url("/echo/" + std::to_string(i))}).status, 200);
  EXPECT_EQ(server_.connections(), 1);
}

TEST(HttpClient, ThousandsOfRequestsWithoutAThreadEach) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit wide{std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 8192)), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &wide), 0);
  EXPECT_NE(open_http_client(int64_t{1} << 40).status().message().find("than this process may open"), std::string::npos);
  SmallHttpServer server;
  auto client = open_http_client(2000).ValueOrDie();
  const int before = threads_now();
  Answers answers;
  const int n = 2000;
  for (int i = 0; i < n; ++i)
    client->start({.url = server.url("/together/" + std::to_string(n) + "/" + std::to_string(i))}, seconds(60), answers.keep(i));
  // The server answers none of them before it has all: so all are in flight at once.
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_LE(threads_now(), before);
  ASSERT_TRUE(answers.wait_for(static_cast<size_t>(n)));
  std::set<int> seen;
  for (const auto& [i, a] : answers.all) {
    EXPECT_EQ(a.body, std::to_string(i));
    seen.insert(i);
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(n));
}

TEST(HttpClient, NeverMoreConnectionsThanTold) {
  SmallHttpServer server;
  auto client = open_http_client(3).ValueOrDie();
  Answers answers;
  for (int i = 0; i < 60; ++i) client->start({.url = server.url("/slow/10")}, seconds(30), answers.keep(i));
  ASSERT_TRUE(answers.wait_for(60));
  for (const auto& [i, a] : answers.all) EXPECT_EQ(a.status, 200);
  EXPECT_LE(server.most_at_once(), 3);
}

TEST_F(HttpClientTest, CancelAnswersAtOnce) {
  Answers answers;
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 20; ++i) numbers.push_back(client_->start({.url = server_.url("/slow/60000")}, seconds(60), answers.keep(i)));
  std::this_thread::sleep_for(milliseconds(50));
  const auto begun = std::chrono::steady_clock::now();
  for (const uint64_t n : numbers) client_->cancel(n);
  client_->cancel(999'999);
  ASSERT_TRUE(answers.wait_for(20));
  for (const auto& [i, a] : answers.all) EXPECT_EQ(a.outcome, Outcome::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
  EXPECT_EQ(ask(*client_, {.url = server_.url("/echo/")}).status, 200);
}

TEST_F(HttpClientTest, TheEndAnswersEverythingOnce) {
  Answers answers;
  for (int i = 0; i < 100; ++i) client_->start({.url = server_.url(i % 2 ? "/slow/60000" : "/echo/")}, seconds(60), answers.keep(i));
  client_.reset();
  ASSERT_EQ(answers.all.size(), 100u);
  std::set<int> seen;
  for (const auto& [i, a] : answers.all) seen.insert(i);
  EXPECT_EQ(seen.size(), 100u);
}

TEST_F(HttpClientTest, RequestsMayBeStartedFromAnAnswer) {
  std::atomic<int> left{500};
  Answers answers;
  std::function<void(HttpAnswer)> again = [&](HttpAnswer a) {
    if (--left > 0) {
      client_->start({.url = server_.url("/echo/")}, seconds(10), again);
    } else {
      answers.keep(0)(std::move(a));
    }
  };
  client_->start({.url = server_.url("/echo/")}, seconds(10), again);
  EXPECT_TRUE(answers.wait_for(1));
}

TEST_F(HttpClientTest, ManyThreadsMayStartRequests) {
  Answers answers;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) client_->start({.url = server_.url("/echo/")}, seconds(30), answers.keep(t * 100 + i));
    });
  }
  for (auto& t : threads) t.join();
  ASSERT_TRUE(answers.wait_for(800));
  for (const auto& [i, a] : answers.all) EXPECT_EQ(a.status, 200);
}

}  // namespace
}  // namespace gristmill::job
