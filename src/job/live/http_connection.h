// One client of the HTTP server: what it sent, what it is still to get, and until when.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "job/live/http_server.h"
#include "job/live/listen_socket.h"

namespace gristmill::job {

class HttpConnection {
 public:
  using Clock = std::chrono::steady_clock;

  HttpConnection(Descriptor fd, const HttpServerOptions& options, const HttpServer::Handler& handler, Clock::time_point now);
  int fd() const { return fd_.get(); }
  short wanted_events() const;
  Clock::time_point deadline() const { return deadline_; }
  bool over() const { return phase_ == Phase::kOver; }

  void on_events(short events, Clock::time_point now);
  void on_deadline(Clock::time_point now);

 private:
  enum class Phase : unsigned char {
    kIdle,       // no byte of a request yet
    kReading,    // part of a request
    kAnswering,  // nothing is read until the answer is taken
    kLingering,  // answered and shut; what still comes is thrown away, so that the answer is not lost to a reset
    kOver
  };
  void receive(Clock::time_point now);
  void answer_requests(Clock::time_point now);
  void begin_answer(const HttpReply& reply, bool head_only, bool keep_alive, Clock::time_point now);
  void refuse(int status, const std::string& problem, Clock::time_point now);
  void send(Clock::time_point now);
  void set_idle(Clock::time_point now);

  Descriptor fd_;
  const HttpServerOptions& options_;
  const HttpServer::Handler& handler_;
  Phase phase_ = Phase::kIdle;
  Clock::time_point deadline_;
  std::string in_;
  std::string out_;
  size_t sent_ = 0;
  size_t thrown_away_ = 0;
  bool keep_alive_ = true;
  bool ended_ = false;  // the client sends no more
};

}  // namespace gristmill::job
