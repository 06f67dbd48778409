// A service as a job file speaks of it: the keys that say how it may be called, and the calls themselves once a run has begun.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/cancellation.h"
#include "job/http/remote_calls.h"
#include "job/settings.h"

namespace gristmill::job {

class JobStatus;
class NamedCounts;

struct RemoteSettings {
  CallPolicy policy;
  HttpRequest request;               // headers, token, certificates and limits; the rest is the caller's
  std::vector<std::string> secrets;  // that no message may show
};

// Keys of everything that calls an HTTP service; `concurrency` and `failures` are the defaults of that key and of the breaker.
std::vector<Key> remote_keys(int64_t concurrency, int64_t failures);
arrow::Result<RemoteSettings> read_remote(const Settings& settings, int64_t concurrency, int64_t failures);

// One run's client and calls.
class RemoteService {
 public:
  static arrow::Result<std::unique_ptr<RemoteService>> open(const RemoteSettings& settings, const base::CancelToken& cancel);

  RemoteCalls& calls() { return *calls_; }
  // Adds what was counted since the last time to the run's numbers. Thread safe.
  void report(JobStatus* status, NamedCounts* counts);
  // What a person reads about a call that failed: the reason, and what the service said about it.
  std::string failure(const CallResult& result) const;

 private:
  RemoteService() = default;
  std::vector<std::string> secrets_;
  std::unique_ptr<Transport> transport_;  // goes after the calls
  std::unique_ptr<RemoteCalls> calls_;
  std::mutex mutex_;  // of reported_
  CallCounts reported_;
};

}  // namespace gristmill::job
