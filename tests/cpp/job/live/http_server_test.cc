// Good, bad, slow and many clients, over real sockets.

#include "job/live/http_server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "job/live/client.h"

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;

const char kGet[] = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Served {
  std::atomic<int> requests{0}, ticks{0};
  std::string body = "hello\n";
  std::unique_ptr<HttpServer> server;

  explicit Served(HttpServerOptions options = {}) {
    server = HttpServer::start(
                 options,
                 [this](const ServedRequest& r) {
                   ++requests;
                   return HttpReply{.status = r.path == "/none" ? 404 : 200, .body = body};
                 },
                 [this] { ++ticks; })
                 .ValueOrDie();
  }
  int port() const { return server->port(); }
};

bool begins(const std::string& text, std::string_view with) { return text.substr(0, with.size()) == with; }

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  Served s;
  Client client(s.port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(kGet));
    const std::string answer = client.answer();
    EXPECT_TRUE(begins(answer, "HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_EQ(answer.substr(answer.size() - 10), "\r\n\r\nhello\n");
  }
  EXPECT_EQ(s.requests, 3);
}

TEST(HttpServer, AnswersRequestsSentAllAtOnceInTheirOrder) {
  Served s;
  Client client(s.port());
  std::string many;
  for (int i = 0; i < 40; ++i) many += i % 2 ? "GET /none HTTP/1.1\r\nHost: a\r\n\r\n" : kGet;
  ASSERT_TRUE(client.send(many));
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(begins(client.answer(), i % 2 ? "HTTP/1.1 404" : "HTTP/1.1 200")) << i;
}

TEST(HttpServer, AnswersARequestThatComesByteByByte) {
  Served s;
  Client client(s.port());
  for (const char c : std::string_view(kGet)) ASSERT_TRUE(client.send(std::string(1, c)));
  EXPECT_TRUE(begins(client.answer(), "HTTP/1.1 200"));
}

TEST(HttpServer, AHeadHasTheLengthAndNoBody) {
  Served s;
  Client client(s.port());
  ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
  const std::string answer = client.answer(true);
  EXPECT_NE(answer.find("Content-Length: 6\r\n"), std::string::npos);
  ASSERT_TRUE(client.send(kGet));
  EXPECT_TRUE(begins(client.answer(), "HTTP/1.1 200")) << "the connection goes on";
}

TEST(HttpServer, ClosesWhenAskedTo) {
  Served s;
  Client client(s.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_NE(client.answer().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.closed_within(5000));
}

TEST(HttpServer, AClientThatSendsNoMoreStillGetsItsAnswer) {
  Served s;
  Client client(s.port());
  ASSERT_TRUE(client.send(kGet));
  client.send_no_more();
  EXPECT_TRUE(begins(client.answer(), "HTTP/1.1 200"));
  EXPECT_TRUE(client.closed_within(5000));
}

TEST(HttpServer, RefusesAndSaysWhy) {
  Served s;
  const auto answer = [&](const std::string& text) {
    Client client(s.port());
    client.send(text);
    std::string out = client.answer();
    EXPECT_TRUE(client.closed_within(5000) || begins(out, "HTTP/1.1 405")) << text;
    return out;
  };
  EXPECT_TRUE(begins(answer("nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(begins(answer("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), "HTTP/1.1 413"));
  EXPECT_TRUE(begins(answer("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(300'000, 'x')), "HTTP/1.1 431"));
  EXPECT_TRUE(begins(answer("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), "HTTP/1.1 505"));
  const std::string other = answer("DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(begins(other, "HTTP/1.1 405"));
  EXPECT_NE(other.find("Allow: GET, HEAD\r\n"), std::string::npos);
  EXPECT_EQ(s.requests, 0);
}

TEST(HttpServer, ASlowRequestEndsAtItsDeadlineHoweverItDribbles) {
  Served s({.request_time = milliseconds(300)});
  Client client(s.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nX: "));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100 && client.send("x"); ++i) {
    std::this_thread::sleep_for(milliseconds(20));
    if (std::chrono::steady_clock::now() - begin > milliseconds(600)) break;
  }
  EXPECT_TRUE(begins(client.answer(), "HTTP/1.1 408"));
  Client silent(s.port());
  EXPECT_TRUE(silent.closed_within(5000));
}

TEST(HttpServer, AnIdleConnectionIsClosed) {
  Served s({.idle_time = milliseconds(200)});
  Client client(s.port());
  ASSERT_TRUE(client.send(kGet));
  client.answer();
  EXPECT_TRUE(client.closed_within(5000));
}

TEST(HttpServer, AClientThatTakesNoAnswerIsLeft) {
  HttpServerOptions options{.answer_time = milliseconds(300)};
  Served s(options);
  s.body = std::string(64 << 20, 'x');
  Client client(s.port(), 4096);
  ASSERT_TRUE(client.send(kGet));
  std::this_thread::sleep_for(milliseconds(500));
  Client other(s.port());  // meanwhile others are served
  ASSERT_TRUE(other.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(begins(other.answer(true), "HTTP/1.1 200"));
  EXPECT_TRUE(client.closed_within(5000));
}

TEST(HttpServer, SlowClientsInAllPlacesDoNotKeepOthersOut) {
  Served s({.connections = 8});
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 50; ++i) {
    slow.push_back(std::make_unique<Client>(s.port()));
    slow.back()->send("GET / HTTP/1.1\r\n");
  }
  for (int i = 0; i < 5; ++i) {
    Client client(s.port());
    ASSERT_TRUE(client.send(kGet));
    EXPECT_TRUE(begins(client.answer(), "HTTP/1.1 200")) << i;
  }
}

TEST(HttpServer, ManyClientsAtOnce) {
  Served s;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        Client client(s.port());
        if (client.send(kGet) && begins(client.answer(), "HTTP/1.1 200")) ++good;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(good, 200);
}

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

TEST(HttpServer, IdleConnectionsCostNoTime) {
  Served s({.tick_time = milliseconds(50)});
  Client first(s.port()), half(s.port()), closed_half(s.port());
  half.send("GET / HT");
  closed_half.send("GET / HT");
  closed_half.send_no_more();
  first.send(kGet);
  first.answer();
  const double before = cpu_seconds();
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_LT(cpu_seconds() - before, 0.2);
  EXPECT_GE(s.ticks, 5);
}

TEST(HttpServer, WithoutDescriptorsItWaitsAndGoesOn) {
  Served s;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  std::vector<std::unique_ptr<Client>> waiting;
  std::vector<int> taken;
  Client first(s.port());
  first.send(kGet);
  EXPECT_TRUE(begins(first.answer(), "HTTP/1.1 200"));
  Descriptor mine(socket(AF_INET, SOCK_STREAM, 0));
  rlimit few = before;
  few.rlim_cur = 256;
  setrlimit(RLIMIT_NOFILE, &few);
  for (int fd = dup(0); fd >= 0; fd = dup(0)) taken.push_back(fd);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(s.port()));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(mine.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);  // waits in the backlog
  const double used = cpu_seconds();
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_LT(cpu_seconds() - used, 0.15) << "must not try again and again";
  for (const int fd : taken) close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_EQ(send(mine.get(), kGet, sizeof kGet - 1, MSG_NOSIGNAL), static_cast<ssize_t>(sizeof kGet - 1));
  char bytes[16] = {};
  pollfd ready{mine.get(), POLLIN, 0};
  ASSERT_EQ(poll(&ready, 1, 5000), 1);
  ASSERT_GT(recv(mine.get(), bytes, sizeof bytes - 1, 0), 0);
  EXPECT_TRUE(begins(bytes, "HTTP/1.1 200"));
}

TEST(HttpServer, EndsAtOnceWhateverClientsDo) {
  auto s = std::make_unique<Served>();
  Client half(s->port()), idle(s->port());
  half.send("GET /");
  const auto begin = std::chrono::steady_clock::now();
  s->server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(2000));
  EXPECT_TRUE(half.closed_within(1000));
  EXPECT_FALSE(Client(1).connected());
}

TEST(HttpServer, APortThatIsTakenIsSaid) {
  Served s;
  const auto second = HttpServer::start({.port = s.port()}, [](const ServedRequest&) { return HttpReply{}; }, {});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().ToString().find("Address already in use"), std::string::npos) << second.status().ToString();
}

}  // namespace
}  // namespace gristmill::job
