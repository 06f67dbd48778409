// Reading, answering and lingering exclude each other, so at most one request's head and one answer are in memory.

#include "job/live/http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace gristmill::job {
namespace {

constexpr auto kLingerTime = std::chrono::seconds(1);
constexpr size_t kLingerBytes = 1 << 20;

const char* reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

}  // namespace

HttpConnection::HttpConnection(Descriptor fd, const HttpServerOptions& options, const HttpServer::Handler& handler, Clock::time_point now)
    : fd_(std::move(fd)), options_(options), handler_(handler), deadline_(now + options.request_time) {}

short HttpConnection::wanted_events() const { return phase_ == Phase::kAnswering ? POLLOUT : POLLIN; }

void HttpConnection::on_events(short events, Clock::time_point now) {
  if (events & (POLLERR | POLLNVAL)) {
    phase_ = Phase::kOver;
  } else if (phase_ == Phase::kAnswering) {
    send(now);
    answer_requests(now);
  } else if (events & (POLLIN | POLLHUP)) {
    receive(now);
  }
}

void HttpConnection::on_deadline(Clock::time_point now) {
  if (phase_ == Phase::kReading) {
    refuse(408, "the request took too long", now);
  } else {
    phase_ = Phase::kOver;
  }
}

void HttpConnection::receive(Clock::time_point now) {
  char bytes[16384];
  const ssize_t n = recv(fd_.get(), bytes, sizeof bytes, 0);
  if (n < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) phase_ = Phase::kOver;
    return;
  }
  if (phase_ == Phase::kLingering) {
    thrown_away_ += static_cast<size_t>(n);
    if (n == 0 || thrown_away_ > kLingerBytes) phase_ = Phase::kOver;
    return;
  }
  if (n == 0) {
    phase_ = Phase::kOver;  // nothing is being answered here, and half a request gets no answer
    return;
  }
  if (phase_ == Phase::kIdle) {
    phase_ = Phase::kReading;
    deadline_ = now + options_.request_time;
  }
  in_.append(bytes, static_cast<size_t>(n));
  answer_requests(now);
}

// Answers the requests that are complete, as long as each answer is taken at once: send() goes back to reading then.
void HttpConnection::answer_requests(Clock::time_point now) {
  while (phase_ == Phase::kReading) {
    const ParsedRequest parsed = parse_request(in_, options_.head_bytes);
    if (parsed.state == ParsedRequest::State::kIncomplete) return;
    if (parsed.state == ParsedRequest::State::kBad) return refuse(parsed.status, parsed.problem, now);
    in_.erase(0, parsed.used);
    const ServedRequest& request = parsed.request;
    const bool head_only = request.method == "HEAD";
    if (head_only || request.method == "GET") {
      begin_answer(handler_(request), head_only, request.keep_alive, now);
    } else {
      begin_answer({.status = 405, .body = "only GET and HEAD are served\n", .headers = {{"Allow", "GET, HEAD"}}}, false,
                   request.keep_alive, now);
    }
  }
}

void HttpConnection::refuse(int status, const std::string& problem, Clock::time_point now) {
  begin_answer({.status = status, .body = problem + "\n"}, false, false, now);
}

void HttpConnection::begin_answer(const HttpReply& reply, bool head_only, bool keep_alive, Clock::time_point now) {
  keep_alive_ = keep_alive;
  out_ = "HTTP/1.1 " + std::to_string(reply.status) + " " + reason_of(reply.status) + "\r\nContent-Type: " + reply.type +
         "\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  for (const auto& [name, value] : reply.headers) out_ += name + ": " + value + "\r\n";
  out_ += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!head_only) out_ += reply.body;
  sent_ = 0;
  phase_ = Phase::kAnswering;
  deadline_ = now + options_.answer_time;
  send(now);
}

void HttpConnection::send(Clock::time_point now) {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) phase_ = Phase::kOver;
      return;
    }
    sent_ += static_cast<size_t>(n);
  }
  out_.clear();
  if (!keep_alive_) {
    shutdown(fd_.get(), SHUT_WR);
    in_.clear();
    phase_ = Phase::kLingering;
    deadline_ = now + kLingerTime;
    return;
  }
  set_idle(now);
}

void HttpConnection::set_idle(Clock::time_point now) {
  phase_ = in_.empty() ? Phase::kIdle : Phase::kReading;
  deadline_ = now + (in_.empty() ? options_.idle_time : options_.request_time);
}

}  // namespace gristmill::job
