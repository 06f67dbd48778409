// Calls to one service under all its policies: how many at once, how fast, how often again, and when to leave it alone.
//
// A call waits for one of `concurrency` places, then for the breaker and for its token of the rate, then it is sent. What fails for a
// passing reason (not reached, reset, cut short, late, 408, 425, 429, 5xx) gives its place back, pauses and comes again, before calls that
// have not begun. So in any moment at most `concurrency` requests are at the service and in any stretch of time the rate holds, retries and
// redirects included, whoever shares this object.
//
// Every call is answered exactly once: by the service's last word, or by the cancellation, which answers all that are left at once. No
// thread is held by a call. Thread safe; what is under way when it goes is answered as cancelled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/status.h>

#include "base/cancellation.h"
#include "job/http/http_client.h"
#include "job/policy/circuit_breaker.h"
#include "job/policy/retry.h"
#include "job/policy/time_limit.h"
#include "sched/task.h"

namespace gristmill::job {

struct CallPolicy {
  int64_t concurrency = 16;
  double rate = 0;  // requests a second; 0: no limit
  int64_t burst = 1;
  RetryPolicy retry;
  BreakerPolicy breaker;
  TimeLimit time;
  uint64_t seed = 0;  // of the pauses

  arrow::Status check() const;
};

struct CallResult {
  arrow::Status status;  // OK: the service answered 2xx
  HttpAnswer answer;     // its last one
  int64_t attempts = 0;
  // The failure is none of this call: the run was cancelled, or the service has been down for so long that it is given up.
  bool hopeless = false;
  // The service has certainly not taken the request: nothing was sent, or it refused with 4xx. (A POST that timed out may have worked.)
  bool untouched = true;
};

struct CallCounts {
  int64_t requests = 0;  // sent, retries included
  int64_t retries = 0;
  int64_t breaker_opened = 0;
  int64_t most_in_flight = 0;
};

class RemoteCalls {
 public:
  using Done = std::function<void(CallResult)>;

  // `background` gives timers and the clock; both references outlive this object, which is not destroyed from within a `done`.
  RemoteCalls(CallPolicy policy, Transport& transport, sched::Background& background, base::CancelToken cancel);
  ~RemoteCalls();
  RemoteCalls(const RemoteCalls&) = delete;
  RemoteCalls& operator=(const RemoteCalls&) = delete;

  // `ordinal` seeds the pauses of this call. `done` on any thread, perhaps from within call().
  void call(HttpRequest request, uint64_t ordinal, Done done);

  CallCounts counts() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// What a person reads about an answer that is none of 2xx, e.g. "HTTP status 503 from http://host/users/17". Headers and query are not in
// it.
std::string failure_text(const HttpRequest& request, const HttpAnswer& answer);
// `text` with every one of `secrets` as ***.
std::string without_secrets(std::string text, const std::vector<std::string>& secrets);

}  // namespace gristmill::job
