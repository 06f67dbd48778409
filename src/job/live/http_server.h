// A small HTTP/1.1 server for pages about the process: one thread, poll(), requests without bodies, answers from memory.
//
// Every client has a deadline for its request and for taking the answer, whatever it does in between; when all places are taken the
// connection whose deadline is nearest gives way, so slow clients cannot keep others out. With nothing to do the thread sleeps.
//
// The handler and the tick run on the server's thread, one at a time; the destructor returns after the last of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "job/live/http_request.h"

namespace gristmill::job {

struct HttpReply {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // further ones
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // name or address; empty: every address of the machine
  int port = 0;                    // 0: a free one
  bool exposed = false;            // may listen beyond this machine; else such a host is an error
  size_t connections = 64;
  size_t head_bytes = 8192;
  std::chrono::milliseconds request_time{10'000};  // from the first byte of a request, or the connection, to its end
  std::chrono::milliseconds idle_time{30'000};     // between requests of a connection
  std::chrono::milliseconds answer_time{30'000};   // for taking the whole answer
  std::chrono::milliseconds tick_time{1000};
};

class HttpServer {
 public:
  using Handler = std::function<HttpReply(const ServedRequest&)>;

  static arrow::Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options, Handler handler, std::function<void()> tick);
  ~HttpServer();
  int port() const;
  // "127.0.0.1:9090", "[::1]:9090"
  std::string address() const;

 private:
  HttpServer();
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace gristmill::job
