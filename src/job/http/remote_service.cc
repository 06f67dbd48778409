// Keys, and what they mean for the policies.

#include "job/http/remote_service.h"

#include <algorithm>

#include "base/status.h"
#include "io/text_shown.h"
#include "job/job_status.h"
#include "job/retry_keys.h"
#include "job/transform.h"
#include "sched/task.h"

namespace gristmill::job {
namespace {

using std::chrono::nanoseconds;

bool within_header(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool is_header_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

}  // namespace

std::vector<Key> remote_keys(int64_t concurrency, int64_t failures) {
  std::vector<Key> out{
      {.name = "headers", .kind = ValueKind::kNames, .help = "Headers of every request; their values are in no message.", .secret = true},
      {.name = "bearer_token", .kind = ValueKind::kText, .help = "The token that the server wants to see.", .secret = true},
      {.name = "ca_file", .kind = ValueKind::kText, .help = "PEM certificates to trust instead of the system's."},
      {.name = "concurrency",
       .kind = ValueKind::kInteger,
       .help = "Requests at the server at once, over all workers.",
       .least = 1,
       .most = 10'000,
       .fallback = std::to_string(concurrency)},
      {.name = "rate",
       .kind = ValueKind::kRate,
       .help = "Requests in a time, over all workers, retries included; without it there is no limit."},
      {.name = "burst",
       .kind = ValueKind::kInteger,
       .help = "Requests that may go at once after a pause, within the rate.",
       .least = 1,
       .fallback = "1"},
      {.name = "timeout",
       .kind = ValueKind::kDuration,
       .help = "For one request, from its beginning to the last byte of its answer.",
       .fallback = "30s"},
      {.name = "deadline", .kind = ValueKind::kDuration, .help = "For a call with all its retries and pauses; without it there is none."},
      {.name = "connect_timeout", .kind = ValueKind::kDuration, .help = "For a connection.", .fallback = "10s"},
      {.name = "max_answer", .kind = ValueKind::kBytes, .help = "A longer answer fails.", .fallback = "16MB"},
  };
  for (Key& k : retry_keys({.failures = failures}, "resets, time-outs and the statuses 408, 425, 429 and 5xx")) out.push_back(std::move(k));
  return out;
}

arrow::Result<RemoteSettings> read_remote(const Settings& s, int64_t concurrency, int64_t failures) {
  using std::chrono::seconds;
  RemoteSettings out;
  CallPolicy& p = out.policy;
  p.concurrency = s.integer("concurrency", concurrency);
  p.rate = s.rate("rate");
  p.burst = s.integer("burst", 1);
  p.time.attempt = s.duration("timeout", seconds(30));
  if (s.has("deadline")) p.time.whole = s.duration("deadline");
  if (const arrow::Status status = read_retry_keys(s, {.failures = failures}, p.retry, p.breaker); !status.ok()) return s.at(status);
  if (const arrow::Status status = p.check(); !status.ok()) return s.at(status);
  out.request.connect_timeout = s.duration("connect_timeout", seconds(10));
  out.request.most_bytes = s.bytes("max_answer", int64_t{16} << 20);
  out.request.ca_file = s.text("ca_file");
  out.request.bearer_token = s.text("bearer_token");
  out.secrets.push_back(out.request.bearer_token);
  if (!within_header(out.request.bearer_token)) return s.error_at("bearer_token", "a token is one line of text");
  for (const auto& [name, value] : s.names("headers")) {
    if (!is_header_name(name)) return s.error_at("headers", "\"" + name + "\" is no name of a header");
    if (!within_header(value)) return s.error_at("headers", "the value of " + name + " is not one line of text");
    out.request.headers.push_back(name + ": " + value);
    if (value.size() >= 4) out.secrets.push_back(value);
    const size_t space = value.find(' ');  // "Bearer abc": the token alone is a secret too
    if (space != std::string::npos && value.size() - space > 4) out.secrets.push_back(value.substr(space + 1));
  }
  return out;
}

arrow::Result<std::unique_ptr<RemoteService>> RemoteService::open(const RemoteSettings& settings, const base::CancelToken& cancel) {
  std::unique_ptr<RemoteService> out(new RemoteService);  // its constructor is private
  out->secrets_ = settings.secrets;
  ARROW_ASSIGN_OR_RAISE(out->transport_, open_http_client(settings.policy.concurrency));
  out->calls_ = std::make_unique<RemoteCalls>(settings.policy, *out->transport_, sched::Scheduler::process().background(), cancel);
  return out;
}

void RemoteService::report(JobStatus* status, NamedCounts* counts) {
  std::lock_guard lock(mutex_);
  const CallCounts now = calls_->counts();
  if (status != nullptr && now.retries > reported_.retries) status->add_retries(now.retries - reported_.retries);
  if (status != nullptr && now.requests > reported_.requests) status->progressed();
  if (counts != nullptr) {
    const auto add = [&](const char* name, int64_t n) {
      if (n > 0) counts->add(name, n);
    };
    add("requests", now.requests - reported_.requests);
    add("retries", now.retries - reported_.retries);
    add("breaker_opened", now.breaker_opened - reported_.breaker_opened);
  }
  reported_ = now;
}

std::string RemoteService::failure(const CallResult& result) const {
  std::string out = result.status.message();
  const HttpAnswer& a = result.answer;
  if (a.outcome == HttpAnswer::Outcome::kAnswered && a.status >= 400 && !a.body.empty()) out += ": " + io::shown_value(a.body);
  return without_secrets(std::move(out), secrets_);
}

}  // namespace gristmill::job
