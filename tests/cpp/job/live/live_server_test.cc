// The pages of a running job: what each says, who may read it, where it may be served.

#include "job/live/live_server.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <thread>

#include "job/live/client.h"
#include "job/live/live_json.h"
#include "job/live/prometheus.h"
#include "job/live/samples.h"

namespace gristmill::job {
namespace {

const char kToken[] = "0123456789abcdef-secret";

struct Job {
  JobStatus status;
  std::unique_ptr<LiveServer> server;

  explicit Job(const char* token = nullptr) {
    status.lay_out({.name = "orders", .steps = {{"csv", StepKind::kSource}, {"parquet", StepKind::kSink}}, .group_of_worker = {0, 0}});
    LiveOptions options = live_options("127.0.0.1:0", token).ValueOrDie();
    options.http.tick_time = std::chrono::milliseconds(20);
    server = LiveServer::start(options, status).ValueOrDie();
  }
  std::string get(const std::string& path, const std::string& headers = "Host: localhost\r\n") const {
    Client client(server->port());
    client.send("GET " + path + " HTTP/1.1\r\n" + headers + "\r\n");
    return client.answer();
  }
  int status_of(const std::string& path, const std::string& headers = "Host: localhost\r\n") const {
    return std::stoi(get(path, headers).substr(9, 3));
  }
};

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(LiveServer, HealthAndReadinessFollowThePhase) {
  Job job;
  EXPECT_EQ(job.status_of("/healthz"), 200);
  EXPECT_EQ(job.status_of("/readyz"), 503);
  job.status.set_phase(JobPhase::kRunning);
  EXPECT_EQ(job.status_of("/readyz"), 200);
  job.status.set_phase(JobPhase::kDraining, "stopped");
  EXPECT_EQ(job.status_of("/readyz"), 503);
  EXPECT_EQ(job.status_of("/healthz"), 200);
  job.status.set_phase(JobPhase::kFailed, "no space left on the disk");
  EXPECT_EQ(job.status_of("/healthz"), 503);
}

TEST(LiveServer, StatusAndMetricsHaveTheNumbers) {
  Job job;
  job.status.set_phase(JobPhase::kRunning);
  job.status.step(0).add({.rows_out = 1234});
  EXPECT_TRUE(holds(job.get("/status.json"), "\"rows_in\":1234,"));
  const std::string metrics = job.get("/metrics");
  EXPECT_TRUE(holds(metrics, "Content-Type: text/plain; version=0.0.4")) << metrics;
  EXPECT_TRUE(holds(metrics, "\ngristmill_job_rows_in_total{job=\"orders\"} 1234\n")) << metrics;
}

TEST(LiveServer, HistoryGrowsWhileTheJobRuns) {
  Job job;
  EXPECT_TRUE(holds(job.get("/history.json"), "\r\n\r\n[]"));
  job.status.set_phase(JobPhase::kRunning);
  for (int i = 0; i < 200 && holds(job.get("/history.json"), "\r\n\r\n[]"); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(holds(job.get("/history.json"), "{\"unix_seconds\":"));
}

TEST(LiveServer, ThePageNeedsNothingFromElsewhere) {
  Job job;
  const std::string page = job.get("/");
  EXPECT_TRUE(holds(page, "Content-Security-Policy: default-src 'none'"));
  EXPECT_TRUE(holds(page, "<script src=\"page.js\">"));
  EXPECT_FALSE(holds(page, "http://") || holds(page, "https://"));
  EXPECT_TRUE(holds(job.get("/page.js"), "Content-Type: text/javascript"));
  EXPECT_TRUE(holds(job.get("/page.css"), "prefers-color-scheme: dark"));
  EXPECT_EQ(job.status_of("/other"), 404);
  EXPECT_EQ(job.status_of("/status.json?x=1"), 200);
}

TEST(LiveServer, AnotherNameForThisMachineIsRefusedWithoutAToken) {
  Job job;
  for (const char* host : {"localhost", "localhost:9090", "127.0.0.1:1", "127.3.2.1", "[::1]:80"}) {
    EXPECT_EQ(job.status_of("/status.json", "Host: " + std::string(host) + "\r\n"), 200) << host;
  }
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "127.evil.example:80", "localhost.evil.example", "[fe80::1]", ""}) {
    EXPECT_EQ(job.status_of("/status.json", "Host: " + std::string(host) + "\r\n"), 421) << host;
  }
}

TEST(LiveServer, WithATokenOnlyItsHolderReadsTheNumbers) {
  Job job(kToken);
  const std::string host = "Host: job.example\r\n", good = host + "Authorization: Bearer " + kToken + "\r\n";
  for (const char* open : {"/", "/page.js", "/page.css", "/healthz"}) EXPECT_EQ(job.status_of(open, host), 200) << open;
  EXPECT_EQ(job.status_of("/readyz", host), 503);
  for (const char* closed : {"/status.json", "/metrics", "/history.json"}) {
    EXPECT_EQ(job.status_of(closed, host), 401) << closed;
    EXPECT_EQ(job.status_of(closed, good), 200) << closed;
  }
  EXPECT_EQ(job.status_of("/other", host), 401) << "what there is is not told either";
  EXPECT_EQ(job.status_of("/status.json", host + "Authorization: bearer " + kToken + "\r\n"), 200);
  const std::string wrong[] = {
      "Bearer", "Bearer ", "Bearer 0123456789abcdef-secre", std::string("Bearer ") + kToken + "x", std::string("Basic ") + kToken, kToken};
  for (const std::string& text : wrong) EXPECT_EQ(job.status_of("/status.json", host + "Authorization: " + text + "\r\n"), 401) << text;
  EXPECT_TRUE(holds(job.get("/metrics", host), "WWW-Authenticate: Bearer"));
}

TEST(LiveServer, TokensAreComparedWhole) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
  for (const char* other : {"", "a", "ab", "abd", "xbc", "abcabc", "abca"}) {
    EXPECT_FALSE(equal_in_constant_time("abc", other)) << other;
    EXPECT_FALSE(equal_in_constant_time(other, "abc")) << other;
  }
}

TEST(LiveServer, ListeningBeyondThisMachineDemandsAToken) {
  JobStatus status;
  for (const char* where : {"0.0.0.0:0", ":0", "[::]:0"}) {
    const auto refused = LiveServer::start(*live_options(where, nullptr), status);
    ASSERT_FALSE(refused.ok()) << where;
    EXPECT_TRUE(holds(refused.status().ToString(), "lets other machines read the job's status")) << refused.status().ToString();
  }
  EXPECT_TRUE(LiveServer::start(*live_options("0.0.0.0:0", kToken), status).ok());
  EXPECT_TRUE(LiveServer::start(*live_options("localhost:0", ""), status).ok());
  EXPECT_FALSE(live_options("127.0.0.1:0", "short").ok());
}

TEST(LiveServer, AddressesToListenOn) {
  const auto text = [](const char* t) {
    const auto at = parse_host_port(t);
    return at.ok() ? at->host + "|" + std::to_string(at->port) : "wrong";
  };
  EXPECT_EQ(text("9090"), "127.0.0.1|9090");
  EXPECT_EQ(text("localhost:0"), "localhost|0");
  EXPECT_EQ(text(":80"), "|80");
  EXPECT_EQ(text("[::1]:65535"), "::1|65535");
  for (const char* wrong : {"", "a", "a:", "a:b", "a:-1", "a:65536", "::1:80", "[::1]", "a:80x", "a: 80"})
    EXPECT_EQ(text(wrong), "wrong") << wrong;
}

TEST(LiveServer, CurlReadsIt) {
  Job job;
  job.status.set_phase(JobPhase::kRunning);
  const std::string command =
      "curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{content_type}' " + job.server->url() + "status.json 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  ASSERT_TRUE(pipe);
  std::array<char, 256> line{};
  ASSERT_TRUE(fgets(line.data(), static_cast<int>(line.size()), pipe.get()));
  if (holds(line.data(), "not found")) GTEST_SKIP() << "there is no curl on this machine";
  EXPECT_STREQ(line.data(), "200 application/json");
}

TEST(LiveJson, WhatIsNotKnownIsNull) {
  const std::string empty = status_json(Snapshot{});
  EXPECT_TRUE(holds(empty, "\"fraction_done\":null")) << empty;
  EXPECT_TRUE(holds(empty, "\"limit\":null")) << empty;
  EXPECT_TRUE(holds(empty, "\"steps\":[],\"workers\":[]}")) << empty;
  Sample sample = running_sample();
  sample.now.name = "a \"b\"\n\x01";
  const std::string full = status_json(sample);
  EXPECT_TRUE(holds(full, R"("name":"a \"b\"\u000a\u0001")")) << full;
  EXPECT_TRUE(holds(full, R"("batches":{"count":1830,"p50_seconds":0.000812,"p99_seconds":0.0021})")) << full;
  EXPECT_TRUE(holds(full, R"("limit":1200000000})")) << full;
  EXPECT_TRUE(holds(full, R"("eta_seconds":7.6})")) << full;
}

TEST(Prometheus, FamiliesOfAJob) {
  const std::string text = prometheus_text(running_sample());
  for (const char* line : {
           "gristmill_job_phase{job=\"orders\",phase=\"running\"} 1",
           "gristmill_job_phase{job=\"orders\",phase=\"done\"} 0",
           "gristmill_job_rows_rejected_total{job=\"orders\"} 12",
           "gristmill_job_errors_total{job=\"orders\",kind=\"cast\"} 12",
           "gristmill_job_step_rows_filtered_total{job=\"orders\",step=\"2\",name=\"filter\",kind=\"transform\"} 99988",
           "gristmill_job_step_seconds_total{job=\"orders\",step=\"1\",name=\"cast\",kind=\"transform\"} 3.1",
           "gristmill_job_worker_steals_total{job=\"orders\",worker=\"0\",group=\"0\"} 12",
           "gristmill_job_batch_seconds{job=\"orders\",quantile=\"0.99\"} 0.0021",
           "gristmill_job_ring_slots_used{job=\"orders\"} 5",
           "gristmill_job_core_use_ratio{job=\"orders\",cpu=\"1\"} 0.88",
       }) {
    EXPECT_TRUE(holds(text, std::string("\n") + line + "\n")) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace gristmill::job
