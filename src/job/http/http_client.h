// Whole HTTP requests, as many at once as wanted, on one thread.
//
// The thread and its connections belong to a client; connections are kept and used again. A request holds no thread, only its own few
// kilobytes and what has come of its answer, at most `most_bytes`. The destructor cancels what is under way and joins the thread; every
// request is answered exactly once, on the client's thread, also then.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

namespace gristmill::job {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers = {};  // "Name: value"
  std::optional<std::string> body = {};
  std::string bearer_token = {};
  std::string ca_file = {};  // PEM certificates to trust; empty: the system's
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(10);
  int64_t most_bytes = int64_t{16} << 20;  // of the answer's body
};

struct HttpAnswer {
  enum class Outcome {
    kAnswered,  // a whole answer of any status
    kBroken,    // not reached, reset, ended early
    kTimedOut,
    kTooLong,  // the body passes most_bytes
    kRefused,  // will not get better: an address that is none, a certificate that is not trusted
    kCancelled,
  };
  Outcome outcome = Outcome::kCancelled;
  int status = 0;
  std::string body, content_type, link;
  std::string redirect;  // the absolute address that a 3xx names
  std::optional<std::chrono::nanoseconds> retry_after;
  std::string error;  // when there is no whole answer
};

// What sends requests; a test has its own.
class Transport {
 public:
  using Done = std::function<void(HttpAnswer)>;
  virtual ~Transport() = default;
  // Thread safe. `done` exactly once, on any thread (from within start() only when the transport has stopped). Gives the request's number.
  virtual uint64_t start(const HttpRequest& request, std::chrono::nanoseconds timeout, Done done) = 0;
  virtual void cancel(uint64_t number) = 0;  // it is answered as cancelled, if it was not answered before
};

// At most `most_connections` connections.
arrow::Result<std::unique_ptr<Transport>> open_http_client(int64_t most_connections);

// The address without query and fragment, which may hold secrets; for messages.
std::string shown_url(const std::string& url);
// Scheme, host and port as they are written: what two addresses of one server have in common.
std::string origin_of(const std::string& url);
// A plan error for what is no http(s) address, has no host, or holds a user's name and password.
arrow::Status check_http_url(const std::string& url);
// `text` as it may stand within a path or a query: everything but letters, digits and -._~ as %XX.
void append_url_encoded(std::string_view text, std::string& out);

}  // namespace gristmill::job
