// The HTTP sink against a service that remembers what it took: every row once and in order whatever fails, the same posts at any size of
// batch, and an exact word on what was delivered when the run fails.

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <sstream>

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"
#include "exec/operator.h"
#include "io/ndjson_write.h"
#include "job/http/http_sink.h"
#include "job/small_http_server.h"
#include "job/step_driver.h"
#include "job/transform.h"

namespace gristmill::job {
namespace {

using Reply = SmallHttpServer::Reply;
using std::chrono::milliseconds;

// Takes each key once; `fate` says what happens to a post, by its number as it came.
struct Service {
  std::function<Reply(int number, const std::string& body)> fate = [](int, const std::string&) { return Reply{}; };
  std::mutex mutex;
  int came = 0;
  std::vector<std::string> bodies;  // taken
  SmallHttpServer server{[this](const std::string& method, const std::string&, const std::string& body) {
    std::lock_guard lock(mutex);
    Reply reply = fate(came++, body);
    // A reset here comes after the service has taken the post: only the answer is lost.
    const bool taken = reply.status < 300;
    if (taken && std::find(bodies.begin(), bodies.end(), body) == bodies.end()) bodies.push_back(body);
    EXPECT_EQ(method, "POST");
    return reply;
  }};
  std::vector<std::string> rows() {
    std::vector<std::string> out;
    for (const std::string& b : bodies) {
      std::istringstream in(b);
      for (std::string line; std::getline(in, line);) out.push_back(line);
    }
    return out;
  }
};

std::shared_ptr<arrow::Table> numbers(int64_t n) {
  std::vector<std::string> rows;
  for (int64_t i = 0; i < n; ++i) rows.push_back("{\"id\":" + std::to_string(i) + ",\"name\":\"n" + std::to_string(i) + "\"}");
  return table_of("id:int64 name:string", rows);
}

std::vector<std::string> lines(int64_t first, int64_t end) {
  std::vector<std::string> out;
  for (int64_t i = first; i < end; ++i) out.push_back("{\"id\":" + std::to_string(i) + ",\"name\":\"n" + std::to_string(i) + "\"}");
  return out;
}

struct Delivery {
  arrow::Status status;
  std::vector<std::string> refused;  // rows
  std::vector<std::string> reasons;
  std::map<std::string, int64_t> counts;
};

void wait_for(const base::WaitHandlePtr& handle) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;
  handle->on_ready([&] {
    std::lock_guard lock(mutex);
    ready = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return ready; })) << "nobody woke the sink";
}

Delivery deliver(const std::string& url, const std::string& more, const std::shared_ptr<arrow::Table>& rows, int64_t batch_rows,
                 bool fail) {
  Delivery out;
  const auto config =
      Config::parse("http: {url: \"" + url + "\", retry_pause: 1ms, longest_pause: 2ms" + (more.empty() ? "" : ", " + more) + "}",
                    "sink.yaml")
          .ValueOrDie();
  const SinkKind kind = http_sink_kind();
  const auto settings = Settings::read(config.root().sections.at(0).second, kind.key).ValueOrDie();
  const auto sink = kind.make(settings).ValueOrDie();
  SinkContext context;
  context.memory = base::QueryMemory::make(0);
  context.counts = std::make_shared<NamedCounts>();
  const auto encoder = io::ndjson_encoder("test", rows->schema()).ValueOrDie();
  context.reject = [&](const column::Batch& batch, const arrow::Status& why) -> arrow::Status {
    if (fail) return why;
    for (int64_t i = 0; i < batch.rows; ++i) {
      std::string text;
      ARROW_RETURN_NOT_OK(encoder->encode(batch, i, 1, text));
      text.pop_back();
      out.refused.push_back(text);
      out.reasons.push_back(why.message());
    }
    return arrow::Status::OK();
  };
  const auto ordered = sink->open(rows->schema(), context).ValueOrDie();
  exec::QueryContext query;
  query.memory = context.memory;
  out.status = [&]() -> arrow::Status {
    uint64_t seq = 0;
    for (int64_t at = 0; at < rows->num_rows(); at += batch_rows) {
      ARROW_ASSIGN_OR_RAISE(const auto record, rows->Slice(at, batch_rows)->CombineChunksToBatch());
      ARROW_ASSIGN_OR_RAISE(auto batch, column::import_batch(*record, query.pool()));
      std::vector<column::Batch> one;
      one.push_back(std::move(batch));
      ARROW_ASSIGN_OR_RAISE(auto staged, ordered->stage(std::move(one), query));
      while (true) {
        ARROW_ASSIGN_OR_RAISE(const auto answer, ordered->deliver(seq, staged));
        if (answer.wait == nullptr) break;
        wait_for(answer.wait);
      }
      ++seq;
    }
    ARROW_RETURN_NOT_OK(sink->complete());
    return ordered->finalize();
  }();
  if (!out.status.ok()) ordered->abandon();
  out.counts = context.counts->all();
  return out;
}

TEST(HttpSink, EveryRowOnceAndInOrderWhateverFails) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::optional<std::vector<std::string>> first;
    for (const int64_t batch_rows : {int64_t{1}, int64_t{33}, int64_t{1000}}) {
      Service service;
      std::mt19937_64 random(seed);
      int in_a_row = 0;
      service.fate = [&](int, const std::string&) -> Reply {
        if (random() % 3 != 0 || ++in_a_row > 4) {
          in_a_row = 0;
          return {};
        }
        switch (random() % 4) {
          case 0: return {.status = 503};
          case 1: return {.status = 429, .headers = "Retry-After: 0\r\n"};
          case 2: return {.body = "cut", .kind = Reply::kShort};
          default: return {.kind = Reply::kReset};
        }
      };
      const Delivery d =
          deliver(service.server.url("/in"), "batch_rows: 70, retries: 6, breaker: {failures: 0}", numbers(1000), batch_rows, true);
      ASSERT_TRUE(d.status.ok()) << d.status.ToString();
      EXPECT_EQ(service.rows(), lines(0, 1000));
      EXPECT_EQ(service.bodies.size(), 15u);
      EXPECT_EQ(d.counts.at("rows_delivered"), 1000);
      EXPECT_EQ(d.counts.at("posts"), 15);
      if (!first) first = service.bodies;
      EXPECT_EQ(service.bodies, *first) << "batches of " << batch_rows;
    }
  }
}

TEST(HttpSink, CutsByRowsAndBytes) {
  Service service;
  ASSERT_TRUE(deliver(service.server.url("/in"), "batch_bytes: 60, format: json", numbers(5), 2, true).status.ok());
  EXPECT_EQ(service.bodies, (std::vector<std::string>{R"([{"id":0,"name":"n0"},{"id":1,"name":"n1"}])",
                                                      R"([{"id":2,"name":"n2"},{"id":3,"name":"n3"}])", R"([{"id":4,"name":"n4"}])"}));
  EXPECT_EQ(service.server.last_header("Content-Type"), "application/json");
  Service alone;
  ASSERT_TRUE(deliver(alone.server.url("/in"), "batch_bytes: 1", numbers(3), 2, true).status.ok());
  EXPECT_EQ(alone.bodies.size(), 3u) << "a row that is too long goes alone";
}

TEST(HttpSink, AKeyIsTheSameInEveryAttemptAndEveryRun) {
  Service service;
  std::vector<std::string> keys;
  service.fate = [&](int number, const std::string&) {
    keys.push_back(service.server.last_header("Idempotency-Key"));
    return Reply{.status = number == 0 ? 503 : 200};
  };
  for (int run = 0; run < 2; ++run) {
    ASSERT_TRUE(deliver(service.server.url("/in"), "batch_rows: 6", numbers(10), 10, true).status.ok());
  }
  ASSERT_EQ(keys.size(), 5u);
  EXPECT_EQ(keys[0].size(), 34u);
  EXPECT_EQ(keys[0], keys[1]) << "the second attempt";
  EXPECT_NE(keys[1], keys[2]) << "another post";
  EXPECT_EQ(keys[3], keys[1]) << "another run";
  EXPECT_EQ(keys[4], keys[2]);
  Service none;
  ASSERT_TRUE(deliver(none.server.url("/in"), "idempotency_key: \"\"", numbers(10), 10, true).status.ok());
  EXPECT_EQ(none.server.last_header("Idempotency-Key"), "");
}

TEST(HttpSink, RefusedRowsAreToldAndTheOthersGoOn) {
  for (const int64_t batch_rows : {int64_t{7}, int64_t{64}, int64_t{500}}) {
    Service service;
    service.fate = [](int, const std::string& body) {
      return body.find("\"id\":130,") != std::string::npos ? Reply{.status = 422, .body = "no such id"} : Reply{};
    };
    const Delivery d = deliver(service.server.url("/in"), "batch_rows: 50", numbers(500), batch_rows, false);
    ASSERT_TRUE(d.status.ok()) << d.status.ToString();
    EXPECT_EQ(d.refused, lines(100, 150));
    EXPECT_EQ(d.reasons[0], "the service did not take rows 100 to 149: HTTP status 422 from " + service.server.url("/in") + ": no such id");
    auto expected = lines(0, 100);
    for (auto& l : lines(150, 500)) expected.push_back(l);
    EXPECT_EQ(service.rows(), expected);
    EXPECT_EQ(d.counts.at("rows_delivered"), 450);
  }
}

TEST(HttpSink, WhenTheRunFailsItSaysWhatWasDelivered) {
  for (const int64_t batch_rows : {int64_t{7}, int64_t{500}}) {
    Service service;
    service.fate = [](int, const std::string& body) { return Reply{.status = body.find("\"id\":130,") != std::string::npos ? 422 : 200}; };
    const Delivery d = deliver(service.server.url("/in"), "batch_rows: 50", numbers(500), batch_rows, true);
    EXPECT_EQ(d.status.message(), "the service did not take rows 100 to 149: HTTP status 422 from " + service.server.url("/in") +
                                      "; delivered: rows 0 to 99; not sent: rows from 150 on");
    EXPECT_EQ(service.rows(), lines(0, 100)) << "and nothing else was sent";
  }
}

TEST(HttpSink, WhatMayHaveArrivedIsSaidToo) {
  Service service;
  service.fate = [](int, const std::string& body) {
    return body.find("\"id\":130,") != std::string::npos ? Reply{.kind = Reply::kReset} : Reply{};
  };
  const Delivery d = deliver(service.server.url("/in"), "batch_rows: 50, retries: 2", numbers(500), 100, true);
  const std::string text = d.status.message();
  EXPECT_NE(text.find("after 3 attempts; it may have them nevertheless; delivered: rows 0 to 99; not known: rows 100 to 149; not sent: "
                      "rows from 150 on"),
            std::string::npos)
      << text;
}

TEST(HttpSink, SeveralPostsAtOnceLoseNothing) {
  Service service;
  service.fate = [](int number, const std::string&) {
    return Reply{.status = number % 7 == 3 ? 503 : 200, .after = milliseconds(number % 5)};
  };
  const Delivery d = deliver(service.server.url("/in"), "batch_rows: 10, concurrency: 8, retries: 8", numbers(2000), 64, true);
  ASSERT_TRUE(d.status.ok()) << d.status.ToString();
  const auto rows = service.rows();
  EXPECT_EQ(rows.size(), 2000u);
  const auto expected = lines(0, 2000);
  EXPECT_EQ(std::set<std::string>(rows.begin(), rows.end()), std::set<std::string>(expected.begin(), expected.end()));
  EXPECT_LE(service.server.most_at_once(), 8);
}

TEST(HttpSink, ASlowServiceSlowsTheSource) {
  Service service;
  service.fate = [](int, const std::string&) { return Reply{.after = milliseconds(3)}; };
  const Delivery d = deliver(service.server.url("/in"), "batch_rows: 10", numbers(1000), 10, true);
  ASSERT_TRUE(d.status.ok()) << d.status.ToString();
  EXPECT_EQ(service.rows(), lines(0, 1000));
}

TEST(HttpSink, NoRowsAreNoPosts) {
  Service service;
  ASSERT_TRUE(deliver(service.server.url("/in"), "", numbers(1)->Slice(0, 0), 10, true).status.ok());
  EXPECT_EQ(service.came, 0);
}

}  // namespace
}  // namespace gristmill::job
