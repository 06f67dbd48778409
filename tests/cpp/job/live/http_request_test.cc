// What is a request, what is none yet, and what is refused.

#include "job/live/http_request.h"

#include <gtest/gtest.h>

#include <random>

namespace gristmill::job {
namespace {

using State = ParsedRequest::State;

ParsedRequest parse(std::string_view text) { return parse_request(text, 1000); }

int refused(std::string_view text) {
  const ParsedRequest parsed = parse(text);
  return parsed.state == State::kBad ? parsed.status : 0;
}

TEST(ServedRequest, AWholeRequest) {
  const ParsedRequest p = parse("GET /status.json?a=b%20c HTTP/1.1\r\nHost: localhost:90\r\nX-Thing:  two words \t\r\n\r\nrest");
  ASSERT_EQ(p.state, State::kComplete);
  EXPECT_EQ(p.request.method, "GET");
  EXPECT_EQ(p.request.path, "/status.json");
  EXPECT_EQ(p.request.query, "a=b%20c");
  EXPECT_EQ(*p.request.header("host"), "localhost:90");
  EXPECT_EQ(*p.request.header("x-thing"), "two words");
  EXPECT_EQ(p.request.header("other"), nullptr);
  EXPECT_TRUE(p.request.keep_alive);
  EXPECT_EQ(p.used, std::string_view("GET /status.json?a=b%20c HTTP/1.1\r\nHost: localhost:90\r\nX-Thing:  two words \t\r\n\r\n").size());
}

TEST(ServedRequest, EveryBeginningOfARequestIsIncomplete) {
  const std::string whole = "\r\nGET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_EQ(parse(std::string_view(whole).substr(0, n)).state, State::kIncomplete) << n;
  EXPECT_EQ(parse(whole).state, State::kComplete);
}

TEST(ServedRequest, KeepsTheConnectionAsTheVersionAndTheHeaderSay) {
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n").request.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").request.keep_alive);
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n").request.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n").request.keep_alive);
}

TEST(ServedRequest, WhatTwoReadersCouldTakeDifferentlyIsRefused) {
  const auto with = [](std::string_view header) { return refused("GET / HTTP/1.1\r\nHost: a\r\n" + std::string(header) + "\r\n\r\n"); };
  EXPECT_EQ(refused("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\n\r\n"), 400) << "no host";
  EXPECT_EQ(refused("GET /\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET  HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(refused("GET / FTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(with("Host: b"), 400);
  EXPECT_EQ(with("Authorization: a\r\nauthorization: b"), 400);
  EXPECT_EQ(with("Broken"), 400);
  EXPECT_EQ(with("Name : x"), 400);
  EXPECT_EQ(with(" folded: x"), 400);
  EXPECT_EQ(with("X: a\x01"), 400);
  EXPECT_EQ(with(std::string_view("X: a\0b", 6)), 400);
  EXPECT_EQ(with("X: a\rb"), 400);
  EXPECT_EQ(with("Content-Length: -1"), 400);
  EXPECT_EQ(with("Content-Length: 12"), 413);
  EXPECT_EQ(with("Content-Length: 0"), 0);
  EXPECT_EQ(with("Transfer-Encoding: chunked"), 413);
  EXPECT_EQ(with("X: " + std::string(1000, 'x')), 431);
  EXPECT_EQ(refused("GET /" + std::string(1000, 'x')), 431) << "before its end has come";
}

TEST(ServedRequest, RandomBytesAreNeverTakenForMoreThanTheyAre) {
  std::mt19937 random(7);
  const std::string pieces[] = {
      "GET ", "/", " HTTP/1.1", "\r\n", "\r", "\n", "Host: a", ":", " ", "Content-Length: 0", "\t", std::string(1, '\0'), "\xff"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (unsigned n = random() % 12; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const ParsedRequest p = parse(text);
    if (p.state == State::kComplete) {
      EXPECT_LE(p.used, text.size());
      EXPECT_EQ(text.substr(p.used - 4, 4), "\r\n\r\n");
    }
    if (p.state == State::kBad) EXPECT_GE(p.status, 400);
  }
}

}  // namespace
}  // namespace gristmill::job
