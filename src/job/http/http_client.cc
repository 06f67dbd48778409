// The module's loop (io/connect/module/http_calls.h) behind Transport.
//
// What waits for an answer is kept here by number, so a request that the loop no longer takes is answered by whoever made it.

#include "job/http/http_client.h"

#include <sys/resource.h>

#include <algorithm>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "io/connect/load_module.h"
#include "io/connect/module/http_calls.h"
#include "sched/background_thread.h"

namespace gristmill::job {
namespace {

arrow::Result<const GmHttpCallsTable*> module_table() {
  static std::mutex mutex;
  static const GmHttpCallsTable* table = nullptr;  // the module stays open, so the first answer holds
  std::lock_guard lock(mutex);
  if (table != nullptr) return table;
  ARROW_ASSIGN_OR_RAISE(void* entry, io::load_module("libgristmill_http.so", GM_HTTP_CALLS_ENTRY));
  const GmHttpCallsTable* found = reinterpret_cast<GmHttpCallsEntry>(entry)();
  if (found->abi != GM_HTTP_CALLS_ABI) return base::io_error("libgristmill_http.so belongs to another version of the engine");
  return table = found;
}

int64_t milliseconds(std::chrono::nanoseconds t) { return std::chrono::ceil<std::chrono::milliseconds>(t).count(); }

HttpAnswer::Outcome outcome_of(int outcome) {
  switch (outcome) {
    case GM_HTTP_ANSWERED: return HttpAnswer::Outcome::kAnswered;
    case GM_HTTP_BROKEN: return HttpAnswer::Outcome::kBroken;
    case GM_HTTP_TIMED_OUT: return HttpAnswer::Outcome::kTimedOut;
    case GM_HTTP_TOO_LONG: return HttpAnswer::Outcome::kTooLong;
    case GM_HTTP_REFUSED: return HttpAnswer::Outcome::kRefused;
    default: return HttpAnswer::Outcome::kCancelled;
  }
}

class HttpClient final : public Transport {
 public:
  explicit HttpClient(const GmHttpCallsTable* table) : table_(table) {}
  ~HttpClient() override {
    if (loop_ == nullptr) return;
    table_->stop(loop_);
    if (thread_) thread_->join();
    table_->close(loop_);
  }

  arrow::Status open(int64_t most_connections) {
    constexpr int64_t kOthers = 64;  // files, logs, other sockets
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        most_connections + kOthers > static_cast<int64_t>(limit.rlim_cur)) {
      return base::io_error(std::to_string(most_connections) + " connections at once are more than this process may open (" +
                                std::to_string(limit.rlim_cur) + " files)",
                            {}, "raise it with ulimit -n, or lower the concurrency");
    }
    loop_ = table_->open(most_connections, &HttpClient::answered, this);
    if (loop_ == nullptr)
      return base::io_error("no memory or no file descriptors for HTTP requests", {}, "ulimit -n says how many there may be");
    thread_ = sched::start_thread("gm-http", [this] { table_->run(loop_); });
    if (!thread_) return base::io_error("the system gives no thread for HTTP requests");
    return arrow::Status::OK();
  }

  uint64_t start(const HttpRequest& request, std::chrono::nanoseconds timeout, Done done) override {
    std::vector<const char*> headers;
    for (const std::string& h : request.headers) headers.push_back(h.c_str());
    headers.push_back(nullptr);
    uint64_t id = 0;
    {
      std::lock_guard lock(mutex_);
      id = ++last_id_;
      waiting_.emplace(id, std::move(done));
    }
    const GmHttpCall call = {id,
                             request.method.c_str(),
                             request.url.c_str(),
                             headers.data(),
                             request.body ? request.body->data() : nullptr,
                             request.body ? request.body->size() : 0,
                             request.bearer_token.c_str(),
                             request.ca_file.c_str(),
                             std::max<int64_t>(milliseconds(timeout), 1),
                             milliseconds(request.connect_timeout),
                             request.most_bytes};
    if (table_->start(loop_, &call) != 0) return id;
    // Nobody will answer it: the loop has ended, for want of memory or because this client goes.
    if (auto left = take(id)) {
      HttpAnswer answer;
      answer.error = "the HTTP client has stopped";
      left(std::move(answer));
    }
    return id;
  }

  void cancel(uint64_t number) override { table_->cancel(loop_, number); }

 private:
  Done take(uint64_t id) {
    std::lock_guard lock(mutex_);
    const auto at = waiting_.find(id);
    if (at == waiting_.end()) return {};
    Done done = std::move(at->second);
    waiting_.erase(at);
    return done;
  }

  static void answered(void* context, const GmHttpAnswer* a) {
    auto& self = *static_cast<HttpClient*>(context);
    const Done done = self.take(a->id);
    if (!done) return;
    HttpAnswer answer;
    answer.outcome = outcome_of(a->outcome);
    answer.status = static_cast<int>(a->status);
    answer.body.assign(a->body, a->body_bytes);
    answer.content_type = a->content_type;
    answer.link = a->link;
    answer.redirect = a->redirect;
    answer.error = a->error;
    if (a->retry_after_ms >= 0) answer.retry_after = std::chrono::milliseconds(a->retry_after_ms);
    done(std::move(answer));
  }

  const GmHttpCallsTable* const table_;
  GmHttpLoop* loop_ = nullptr;
  std::optional<std::thread> thread_;
  std::mutex mutex_;
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, Done> waiting_;
};

}  // namespace

arrow::Result<std::unique_ptr<Transport>> open_http_client(int64_t most_connections) {
  ARROW_ASSIGN_OR_RAISE(const GmHttpCallsTable* table, module_table());
  auto client = std::make_unique<HttpClient>(table);
  ARROW_RETURN_NOT_OK(client->open(most_connections));
  return client;
}

std::string shown_url(const std::string& url) { return url.substr(0, url.find_first_of("?#")); }

std::string origin_of(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) return {};
  return url.substr(0, url.find_first_of("/?#", scheme + 3));
}

arrow::Status check_http_url(const std::string& url) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return base::plan_error("\"" + shown_url(url) + "\" is no address of an HTTP server", "it begins with http:// or https://");
  }
  const std::string origin = origin_of(url);
  const std::string host = origin.substr(origin.find("://") + 3);
  if (host.empty()) return base::plan_error("no host in \"" + shown_url(url) + "\"");
  if (host.find('@') != std::string::npos) {
    return base::plan_error("a URL holds no user and password", "bearer_token or headers give what the server wants to see");
  }
  return arrow::Status::OK();
}

void append_url_encoded(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain =
        (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
}

}  // namespace gristmill::job
