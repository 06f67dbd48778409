// A running job's pages: /healthz, /readyz, /metrics, /status.json, /history.json, and / with live graphs.
//
//   LiveOptions options = *live_options("127.0.0.1:9090", getenv("GRISTMILL_LISTEN_TOKEN"));
//   ARROW_ASSIGN_OR_RAISE(auto server, LiveServer::start(options, status));
//   server->url()      // "http://127.0.0.1:9090/"
//
// Without a token only this machine can be listened on, and requests must name it as their host (a page elsewhere cannot be made to read
// them by renaming itself). With a token everything that tells about the job demands it; the health pages and the empty page do not.
//
// `status` outlives the server. Its thread wakes once a second to keep ten minutes of history.
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>

#include "job/job_status.h"
#include "job/live/http_server.h"

namespace gristmill::job {

struct LiveOptions {
  HttpServerOptions http;
  std::string token;
};

// Of a --listen flag and a secret (may be null or empty). A token shorter than 16 characters is a plan error.
arrow::Result<LiveOptions> live_options(const std::string& listen, const char* token);

class LiveServer {
 public:
  static arrow::Result<std::unique_ptr<LiveServer>> start(LiveOptions options, const JobStatus& status);
  ~LiveServer();
  int port() const;
  std::string url() const;

 private:
  LiveServer();
  struct Pages;
  std::unique_ptr<Pages> pages_;
  std::unique_ptr<HttpServer> server_;  // ends before the pages
};

// True when both are equal; takes the same time wherever they differ.
bool equal_in_constant_time(const std::string& a, const std::string& b);

}  // namespace gristmill::job
