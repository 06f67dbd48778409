// Calls under all policies against a made-up service with drawn faults, in virtual time: who is answered, how often it was asked, how many
// at once and how fast.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "base/status.h"
#include "job/http/remote_calls.h"
#include "job/manual_background.h"

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Outcome = HttpAnswer::Outcome;

HttpAnswer answer_of(int status, std::string body = {}) {
  HttpAnswer a;
  a.outcome = Outcome::kAnswered;
  a.status = status;
  a.body = std::move(body);
  return a;
}

HttpAnswer broken(Outcome outcome = Outcome::kBroken) {
  HttpAnswer a;
  a.outcome = outcome;
  a.error = outcome == Outcome::kTimedOut ? "nothing came within the time-out" : "Connection reset by peer";
  return a;
}

// Answers each request by `serve`, after the time that it says.
class Service final : public Transport {
 public:
  explicit Service(ManualBackground& background) : background_(background) {}
  struct Fate {
    HttpAnswer answer;
    nanoseconds after{milliseconds(1)};
  };
  std::function<Fate(const HttpRequest&)> serve;
  std::vector<ManualBackground::Time> begun;
  std::map<std::string, int> asked;
  int64_t in_flight = 0, most = 0;

  uint64_t start(const HttpRequest& request, nanoseconds timeout, Done done) override {
    const uint64_t number = ++last_;
    begun.push_back(background_.now());
    asked[request.url] += 1;
    most = std::max(most, ++in_flight);
    Fate fate = serve(request);
    if (fate.after > timeout) fate = {broken(Outcome::kTimedOut), timeout};
    waiting_.emplace(number, std::move(done));
    background_.after(std::chrono::ceil<std::chrono::microseconds>(fate.after).count(),
                      [this, number, answer = std::move(fate.answer)]() mutable { finish(number, std::move(answer)); });
    return number;
  }
  void cancel(uint64_t number) override {
    background_.after(0, [this, number] { finish(number, broken(Outcome::kCancelled)); });
  }

 private:
  void finish(uint64_t number, HttpAnswer answer) {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) return;
    const Done done = std::move(at->second);
    waiting_.erase(at);
    --in_flight;
    done(std::move(answer));
  }
  ManualBackground& background_;
  uint64_t last_ = 0;
  std::map<uint64_t, Done> waiting_;
};

HttpRequest get(const std::string& path) { return {.url = "http://host/" + path}; }

struct World {
  ManualBackground background;
  Service service{background};
  base::CancelToken cancel;
  std::map<std::string, CallResult> results;

  void ask(RemoteCalls& calls, const std::string& path, uint64_t ordinal) {
    calls.call(get(path), ordinal,
               [this, path](CallResult r) { EXPECT_TRUE(results.emplace(path, std::move(r)).second) << path << " was answered twice"; });
  }
  void run() {
    while (background.step()) {
    }
  }
};

TEST(RemoteCalls, EveryCallIsAnsweredOnceAndTheBoundsHold) {
  for (uint64_t seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w;
    std::mt19937_64 random(seed);
    const int n = 300;
    CallPolicy policy;
    policy.concurrency = 1 + static_cast<int64_t>(random() % 20);
    policy.rate = random() % 2 == 0 ? 0 : 200;
    policy.burst = 1 + static_cast<int64_t>(random() % 5);
    policy.retry = {.retries = static_cast<int64_t>(random() % 4), .first = milliseconds(5), .most = milliseconds(80)};
    policy.time.attempt = milliseconds(50);
    policy.seed = seed;
    if (random() % 2 == 0) policy.breaker = {.failures = 4, .open_for = milliseconds(200), .give_up = minutes(1)};
    // Each address fails in its own way so many times, then it works.
    std::map<std::string, int> failures;
    for (int i = 0; i < n; ++i) failures["http://host/" + std::to_string(i)] = random() % 3 == 0 ? static_cast<int>(random() % 6) : 0;
    const auto injected = failures;
    w.service.serve = [&](const HttpRequest& r) -> Service::Fate {
      const nanoseconds after = milliseconds(1 + random() % 20);
      if (failures[r.url]-- <= 0) return {answer_of(200, r.url), after};
      switch (random() % 4) {
        case 0: return {answer_of(503), after};
        case 1: return {answer_of(429), after};
        case 2: return {broken(), after};
        default: return {answer_of(200), seconds(1)};  // too late
      }
    };
    {
      RemoteCalls calls(policy, w.service, w.background, w.cancel);
      for (int i = 0; i < n; ++i) w.ask(calls, std::to_string(i), static_cast<uint64_t>(i));
      w.run();
      ASSERT_EQ(w.results.size(), static_cast<size_t>(n));
      int64_t sent = 0;
      for (int i = 0; i < n; ++i) {
        const std::string path = std::to_string(i);
        const int fails = injected.at("http://host/" + path);
        const CallResult& r = w.results.at(path);
        EXPECT_EQ(r.status.ok(), fails <= policy.retry.retries) << path << ": " << r.status.ToString();
        EXPECT_EQ(w.service.asked["http://host/" + path], std::min<int64_t>(fails, policy.retry.retries) + 1) << path;
        if (r.status.ok()) {
          EXPECT_EQ(r.answer.body, "http://host/" + path);
        }
        EXPECT_FALSE(r.hopeless);
        sent += r.attempts;
      }
      EXPECT_EQ(calls.counts().requests, sent);
      EXPECT_EQ(calls.counts().requests - calls.counts().retries, n);
    }
    EXPECT_LE(w.service.most, policy.concurrency);
    EXPECT_EQ(w.service.in_flight, 0);
    if (policy.rate > 0) {
      for (size_t from = 0; from < w.service.begun.size(); from += 7) {
        for (size_t to = from; to < w.service.begun.size(); ++to) {
          const double between = std::chrono::duration<double>(w.service.begun[to] - w.service.begun[from]).count();
          ASSERT_LE(static_cast<double>(to - from + 1), static_cast<double>(policy.burst) + between * policy.rate + 0.01);
        }
      }
    }
  }
}

TEST(RemoteCalls, FillsItsPlacesAndItsRate) {
  World w;
  w.service.serve = [](const HttpRequest&) { return Service::Fate{answer_of(200), milliseconds(100)}; };
  RemoteCalls calls({.concurrency = 200, .rate = 500}, w.service, w.background, w.cancel);
  for (int i = 0; i < 1000; ++i) w.ask(calls, std::to_string(i), 0);
  const auto begun = w.background.now();
  w.run();
  // 1000 calls at 500 a second, then the last one's 100 ms.
  EXPECT_NEAR(std::chrono::duration<double>(w.background.now() - begun).count(), 2.1, 0.02);
  EXPECT_EQ(w.results.size(), 1000u);
}

TEST(RemoteCalls, WhatCannotGetBetterIsNotAskedAgain) {
  for (const int status : {400, 401, 404, 409, 422, 501, 505}) {
    World w;
    w.service.serve = [status](const HttpRequest&) { return Service::Fate{answer_of(status)}; };
    RemoteCalls calls({}, w.service, w.background, w.cancel);
    w.ask(calls, "users/1?key=geheim#x", 0);
    w.run();
    const CallResult& r = w.results.begin()->second;
    EXPECT_EQ(r.status.message(), "HTTP status " + std::to_string(status) + " from http://host/users/1");
    EXPECT_EQ(r.attempts, 1);
    EXPECT_EQ(r.untouched, status < 500);
  }
}

TEST(RemoteCalls, SaysHowOftenItWasTried) {
  World w;
  w.service.serve = [](const HttpRequest&) { return Service::Fate{broken()}; };
  RemoteCalls calls({.retry = {.retries = 2, .first = milliseconds(1)}}, w.service, w.background, w.cancel);
  w.ask(calls, "a", 0);
  w.run();
  EXPECT_EQ(w.results["a"].status.message(), "Connection reset by peer from http://host/a, after 3 attempts");
  EXPECT_FALSE(w.results["a"].untouched) << "it may have worked";
}

TEST(RemoteCalls, TheWholeTimeEndsRetries) {
  World w;
  w.service.serve = [](const HttpRequest&) { return Service::Fate{answer_of(200), minutes(9)}; };
  CallPolicy policy{.retry = {.retries = 1000, .first = milliseconds(10), .most = milliseconds(10)}};
  policy.time = {.attempt = seconds(1), .whole = seconds(5)};
  RemoteCalls calls(policy, w.service, w.background, w.cancel);
  w.ask(calls, "slow", 0);
  const auto begun = w.background.now();
  w.run();
  EXPECT_LE(w.background.now() - begun, seconds(5));
  EXPECT_EQ(w.results["slow"].attempts, 5);
  EXPECT_NE(w.results["slow"].status.message().find("time-out"), std::string::npos);
}

TEST(RemoteCalls, WaitsAsLongAsTheServerAsks) {
  World w;
  int times = 0;
  w.service.serve = [&](const HttpRequest&) {
    HttpAnswer a = answer_of(times++ == 0 ? 429 : 200);
    a.retry_after = seconds(17);
    return Service::Fate{a};
  };
  RemoteCalls calls({}, w.service, w.background, w.cancel);
  w.ask(calls, "a", 0);
  w.run();
  ASSERT_EQ(w.service.begun.size(), 2u);
  EXPECT_GE(w.service.begun[1] - w.service.begun[0], seconds(17));
  EXPECT_TRUE(w.results["a"].status.ok());
}

TEST(RemoteCalls, TheBreakerHoldsCallsBackAndLosesNone) {
  World w;
  const auto back_at = w.background.now() + seconds(35);
  w.service.serve = [&](const HttpRequest&) {
    return Service::Fate{answer_of(w.background.now() >= back_at ? 200 : 503), milliseconds(10)};
  };
  CallPolicy policy{.concurrency = 4, .retry = {.retries = 8, .first = milliseconds(100), .most = milliseconds(100)}};
  policy.breaker = {.failures = 5, .open_for = seconds(10), .give_up = minutes(5)};
  RemoteCalls calls(policy, w.service, w.background, w.cancel);
  for (int i = 0; i < 50; ++i) w.ask(calls, std::to_string(i), 0);
  w.run();
  for (const auto& [path, r] : w.results) EXPECT_TRUE(r.status.ok()) << path << ": " << r.status.ToString();
  EXPECT_EQ(w.results.size(), 50u);
  EXPECT_EQ(calls.counts().breaker_opened, 4);  // at the start, then by the probes after 10, 20 and 30 seconds
  EXPECT_LE(calls.counts().requests, 50 + 8 + 3);
}

TEST(RemoteCalls, AServiceThatStaysAwayIsGivenUp) {
  World w;
  w.service.serve = [](const HttpRequest&) { return Service::Fate{answer_of(503)}; };
  CallPolicy policy{.concurrency = 4, .retry = {.retries = 1000, .first = milliseconds(100), .most = milliseconds(100)}};
  policy.breaker = {.failures = 3, .open_for = seconds(10), .give_up = minutes(1)};
  RemoteCalls calls(policy, w.service, w.background, w.cancel);
  for (int i = 0; i < 20; ++i) w.ask(calls, std::to_string(i), 0);
  const auto begun = w.background.now();
  w.run();
  ASSERT_EQ(w.results.size(), 20u);
  for (const auto& [path, r] : w.results) {
    EXPECT_TRUE(r.hopeless) << path;
    EXPECT_NE(r.status.message().find("has not come back: HTTP status 503"), std::string::npos) << r.status.message();
  }
  EXPECT_LE(w.background.now() - begun, seconds(90));
}

TEST(RemoteCalls, CancellationAnswersEverybodyAtOnce) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w;
    std::mt19937_64 random(seed);
    w.service.serve = [&](const HttpRequest&) {
      return Service::Fate{random() % 3 == 0 ? answer_of(503) : answer_of(200), milliseconds(random() % 50)};
    };
    CallPolicy policy{
        .concurrency = 5, .rate = random() % 2 ? 100.0 : 0.0, .retry = {.retries = 50, .first = seconds(1), .most = seconds(9)}};
    RemoteCalls calls(policy, w.service, w.background, w.cancel);
    for (int i = 0; i < 60; ++i) w.ask(calls, std::to_string(i), 0);
    for (uint64_t i = random() % 60; i > 0; --i) w.background.step();
    w.cancel.cancel(base::cancelled_error("enough"));
    ASSERT_EQ(w.results.size(), 60u);
    const int64_t sent = calls.counts().requests;
    w.ask(calls, "late", 0);
    EXPECT_EQ(w.results["late"].status.message(), "enough");
    w.run();
    EXPECT_EQ(calls.counts().requests, sent);
    EXPECT_EQ(w.service.in_flight, 0);
  }
}

TEST(RemoteCalls, FollowsRedirectsWithinTheServerOnly) {
  World w;
  w.service.serve = [](const HttpRequest& r) -> Service::Fate {
    HttpAnswer a = answer_of(302);
    if (r.url == "http://host/near") a.redirect = "http://host/here";
    if (r.url == "http://host/far") a.redirect = "http://elsewhere/here?token=geheim";
    if (r.url == "http://host/loop") a.redirect = "http://host/loop";
    if (r.url == "http://host/here") a = answer_of(200, "found");
    return {a};
  };
  RemoteCalls calls({}, w.service, w.background, w.cancel);
  for (const char* path : {"near", "far", "loop"}) w.ask(calls, path, 0);
  HttpRequest post = get("near");
  post.method = "POST";
  CallResult posted;
  calls.call(post, 0, [&](CallResult r) { posted = std::move(r); });
  w.run();
  EXPECT_EQ(w.results["near"].answer.body, "found");
  EXPECT_EQ(w.results["far"].status.message(), "HTTP status 302 from http://host/far names another place, http://elsewhere/here");
  EXPECT_FALSE(w.results["loop"].status.ok());
  EXPECT_EQ(w.service.asked["http://host/loop"], 11);
  EXPECT_FALSE(posted.status.ok());
}

TEST(HttpText, ValuesCannotChangeAnAddress) {
  std::string out;
  append_url_encoded("a/b?c=d&e#f ../ü%", out);
  EXPECT_EQ(out, "a%2Fb%3Fc%3Dd%26e%23f%20..%2F%C3%BC%25");
  EXPECT_EQ(shown_url("https://h/p?key=1#x"), "https://h/p");
  EXPECT_EQ(origin_of("https://h:8443/p?x"), "https://h:8443");
  EXPECT_FALSE(check_http_url("ftp://h/").ok());
  EXPECT_FALSE(check_http_url("http:///p").ok());
  EXPECT_FALSE(check_http_url("http://user:geheim@h/p").ok());
  EXPECT_EQ(check_http_url("http://user:geheim@h/p").message().find("geheim"), std::string::npos);
  EXPECT_TRUE(check_http_url("https://h").ok());
  EXPECT_EQ(without_secrets("Bearer abc and abc", {"abc", ""}), "Bearer *** and ***");
}

}  // namespace
}  // namespace gristmill::job
