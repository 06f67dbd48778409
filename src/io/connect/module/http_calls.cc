// libgristmill_http.so, second table: libcurl's multi interface under epoll, so that a turn costs what has happened and not what is held.
//
// Written by other threads, under `mutex`: what arrives, what is to be cancelled, stop. Everything else belongs to the loop's thread.
//
// Names: libcurl looks a name up on a thread of its own for every call that begins before one has found it. So calls to a host that was not
// yet looked up wait for the first of them to open its socket. No exception leaves, nothing of the engine or of Arrow is used.

#include "http_calls.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http_headers.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostIdleEasies = 256;
constexpr int kEvents = 256;

struct Call {
  ~Call() { curl_slist_free_all(headers); }
  uint64_t id = 0;
  GmHttpLoop* loop = nullptr;
  std::string method, url, host, body, token, ca_file;
  bool has_body = false;
  curl_slist* headers = nullptr;
  int64_t timeout_ms = 0, connect_timeout_ms = 0, most_bytes = 0;
  Clock::time_point begun;
  CURL* easy = nullptr;  // null: waits for its host's name
  bool first_of_host = false;
  bool too_long = false;
  std::string received, content_type, retry_after, link;
  char text[CURL_ERROR_SIZE] = {};
};

struct Host {
  bool known = false;                          // its name was looked up
  bool asked = false;                          // a call is about to find out
  std::vector<std::unique_ptr<Call>> waiting;  // in order
};

}  // namespace

struct GmHttpLoop {
  CURLM* multi = nullptr;
  int epoll = -1, wake = -1;
  void (*answered)(void*, const GmHttpAnswer*) = nullptr;
  void* context = nullptr;

  std::mutex mutex;
  std::deque<std::unique_ptr<Call>> arriving;
  std::vector<uint64_t> cancelled;
  bool stopping = false;

  std::unordered_map<uint64_t, std::unique_ptr<Call>> running;
  std::unordered_map<std::string, Host> hosts;
  std::vector<CURL*> idle;
  std::optional<Clock::time_point> due;  // libcurl's timer
};

namespace {

std::string host_of(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return url.substr(begin, url.find_first_of("/?#", begin) - begin);
}

size_t on_header(char* data, size_t size, size_t n, void* context) try {
  auto& call = *static_cast<Call*>(context);
  const std::string_view line(data, size * n);
  std::string_view value;
  if (line.starts_with("HTTP/")) {  // 1xx come before the answer
    call.content_type.clear();
    call.retry_after.clear();
    call.link.clear();
  } else if (named(line, "content-type", value)) {
    call.content_type = value;
  } else if (named(line, "retry-after", value)) {
    call.retry_after = value;
  } else if (named(line, "link", value)) {
    call.link += (call.link.empty() ? "" : ", ") + std::string(value);
  }
  return size * n;
} catch (...) {
  return 0;
}

size_t on_body(char* data, size_t size, size_t n, void* context) try {
  auto& call = *static_cast<Call*>(context);
  const size_t bytes = size * n;
  if (call.received.size() + bytes > static_cast<size_t>(call.most_bytes)) {
    call.too_long = true;
    return 0;
  }
  call.received.append(data, bytes);
  return bytes;
} catch (...) {
  return 0;
}

curl_socket_t on_open_socket(void* context, curlsocktype, curl_sockaddr* address) {
  auto& call = *static_cast<Call*>(context);
  const auto host = call.loop->hosts.find(call.host);
  if (host != call.loop->hosts.end()) host->second.known = true;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int on_socket(CURL*, curl_socket_t socket, int what, void* context, void* known) {
  auto& loop = *static_cast<GmHttpLoop*>(context);
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(loop.epoll, EPOLL_CTL_DEL, socket, nullptr);  // fails when it is closed already, which is as well
    return 0;
  }
  epoll_event event{};
  event.events = ((what & CURL_POLL_IN) ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0u);
  event.data.fd = socket;
  const int operation = known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(loop.epoll, operation, socket, &event) != 0) {
    epoll_ctl(loop.epoll, operation == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
  }
  curl_multi_assign(loop.multi, socket, &loop);
  return 0;
}

int on_timer(CURLM*, long milliseconds, void* context) {
  auto& loop = *static_cast<GmHttpLoop*>(context);
  loop.due = milliseconds < 0 ? std::nullopt : std::optional(Clock::now() + std::chrono::milliseconds(milliseconds));
  return 0;
}

// Seconds, or a moment.
int64_t retry_after_of(const Call& call) {
  const std::string& text = call.retry_after;
  if (text.empty()) return -1;
  if (text.find_first_not_of("0123456789") == std::string::npos) return text.size() > 9 ? -1 : std::stoll(text) * 1000;
  const time_t moment = curl_getdate(text.c_str(), nullptr);
  return moment == -1 ? -1 : std::max<int64_t>(0, static_cast<int64_t>(moment) - static_cast<int64_t>(time(nullptr))) * 1000;
}

void give_answer(const Call& call, GmHttpLoop& loop, int outcome, long status, const char* redirect, const char* error) {
  const GmHttpAnswer answer = {
      call.id,           outcome,  status, call.received.data(), call.received.size(), retry_after_of(call), call.content_type.c_str(),
      call.link.c_str(), redirect, error};
  loop.answered(loop.context, &answer);
}

int outcome_of(const Call& call, CURLcode code) {
  switch (code) {
    case CURLE_OK: return GM_HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT: return GM_HTTP_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_BAD_CONTENT_ENCODING: return GM_HTTP_BROKEN;
    default: return call.too_long ? GM_HTTP_TOO_LONG : GM_HTTP_REFUSED;
  }
}

void set_options(Call& call) {
  CURL* e = call.easy;
  curl_easy_setopt(e, CURLOPT_PRIVATE, &call);
  curl_easy_setopt(e, CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);  // a record's value may be ".."
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.connect_timeout_ms));
  curl_easy_setopt(e, CURLOPT_USERAGENT, "gristmill/0.1.0");
  curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call.text);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, &call);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, &call);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, &call);
  if (call.headers != nullptr) curl_easy_setopt(e, CURLOPT_HTTPHEADER, call.headers);
  if (!call.ca_file.empty()) curl_easy_setopt(e, CURLOPT_CAINFO, call.ca_file.c_str());
  if (!call.token.empty()) {
    curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, call.token.c_str());
  }
  if (call.has_body || call.method == "POST") {
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, call.body.data());
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
  }
  if (call.method == "HEAD") {
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
  } else if (call.method != (call.has_body ? "POST" : "GET") && call.method != "POST") {
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call.method.c_str());
  }
}

void drop_easy(GmHttpLoop& loop, Call& call) {
  if (call.easy == nullptr) return;
  curl_multi_remove_handle(loop.multi, call.easy);
  if (loop.idle.size() < kMostIdleEasies) {
    curl_easy_reset(call.easy);
    loop.idle.push_back(call.easy);
  } else {
    curl_easy_cleanup(call.easy);
  }
  call.easy = nullptr;
}

// Begins the call, or answers it.
void begin(GmHttpLoop& loop, std::unique_ptr<Call> call) {
  const int64_t waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - call->begun).count();
  if (waited >= call->timeout_ms) {
    give_answer(*call, loop, GM_HTTP_TIMED_OUT, 0, "", "nothing came within the time-out");
    return;
  }
  if (!loop.idle.empty()) {
    call->easy = loop.idle.back();
    loop.idle.pop_back();
  } else {
    call->easy = curl_easy_init();
  }
  if (call->easy == nullptr) {
    give_answer(*call, loop, GM_HTTP_BROKEN, 0, "", "no memory for a request");
    return;
  }
  set_options(*call);
  curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, static_cast<long>(call->timeout_ms - waited));
  Call& placed = *loop.running.emplace(call->id, std::move(call)).first->second;
  if (curl_multi_add_handle(loop.multi, placed.easy) != CURLM_OK) {
    give_answer(placed, loop, GM_HTTP_REFUSED, 0, "", "the request cannot begin");
    curl_easy_cleanup(placed.easy);
    placed.easy = nullptr;
    loop.running.erase(placed.id);
  }
}

// Lets those go that wait for a host's name: all when it is known, else one to find out.
void release(GmHttpLoop& loop, const std::string& name) {
  while (true) {
    const auto found = loop.hosts.find(name);
    if (found == loop.hosts.end() || found->second.waiting.empty()) return;
    Host& host = found->second;
    if (!host.known && host.asked) return;
    auto call = std::move(host.waiting.front());
    host.waiting.erase(host.waiting.begin());
    if (!host.known) {
      host.asked = true;
      call->first_of_host = true;
    }
    const uint64_t id = call->id;
    const bool first = call->first_of_host;
    begin(loop, std::move(call));
    if (first && !loop.running.contains(id)) loop.hosts[name].asked = false;
  }
}

void end_call(GmHttpLoop& loop, std::unordered_map<uint64_t, std::unique_ptr<Call>>::iterator at, int outcome, long status,
              const char* redirect, const char* error) {
  const std::unique_ptr<Call> call = std::move(at->second);
  loop.running.erase(at);
  const std::string moved = redirect;  // libcurl's, gone with its handle
  drop_easy(loop, *call);
  if (call->first_of_host) loop.hosts[call->host].asked = false;
  give_answer(*call, loop, outcome, status, moved.c_str(), error);
  if (call->first_of_host) release(loop, call->host);
}

void take_finished(GmHttpLoop& loop) {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(loop.multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    char* kept = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &kept);
    Call& call = *reinterpret_cast<Call*>(kept);
    const auto at = loop.running.find(call.id);
    if (at == loop.running.end()) continue;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    char* redirect = nullptr;
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &redirect);
    const int outcome = outcome_of(call, code);
    std::string error;
    if (outcome == GM_HTTP_TIMED_OUT) {
      error = "nothing came within the time-out";
    } else if (outcome == GM_HTTP_TOO_LONG) {
      error = "the answer is longer than " + std::to_string(call.most_bytes) + " bytes";
    } else if (outcome != GM_HTTP_ANSWERED) {
      error = call.text[0] != '\0' ? call.text : curl_easy_strerror(code);
    }
    end_call(loop, at, outcome, status, redirect != nullptr ? redirect : "", error.c_str());
  }
}

void cancel_call(GmHttpLoop& loop, uint64_t id) {
  const auto at = loop.running.find(id);
  if (at != loop.running.end()) return end_call(loop, at, GM_HTTP_CANCELLED, 0, "", "the request was cancelled");
  for (auto& [name, host] : loop.hosts) {
    const auto waiting = std::find_if(host.waiting.begin(), host.waiting.end(), [&](const auto& c) { return c->id == id; });
    if (waiting == host.waiting.end()) continue;
    const std::unique_ptr<Call> call = std::move(*waiting);
    host.waiting.erase(waiting);
    return give_answer(*call, loop, GM_HTTP_CANCELLED, 0, "", "the request was cancelled");
  }
}

void end_all(GmHttpLoop& loop, const char* why) {
  std::vector<std::unique_ptr<Call>> left;
  {
    std::lock_guard lock(loop.mutex);
    loop.stopping = true;
    for (auto& call : loop.arriving) left.push_back(std::move(call));
    loop.arriving.clear();
  }
  for (auto& [name, host] : loop.hosts) {
    for (auto& call : host.waiting) left.push_back(std::move(call));
    host.waiting.clear();
  }
  for (auto& [id, call] : loop.running) {
    drop_easy(loop, *call);
    left.push_back(std::move(call));
  }
  loop.running.clear();
  for (const auto& call : left) give_answer(*call, loop, GM_HTTP_CANCELLED, 0, "", why);
}

// What other threads asked for. False: stop.
bool take_requests(GmHttpLoop& loop) {
  std::deque<std::unique_ptr<Call>> arriving;
  std::vector<uint64_t> cancelled;
  {
    std::lock_guard lock(loop.mutex);
    if (loop.stopping) return false;
    arriving.swap(loop.arriving);
    cancelled.swap(loop.cancelled);
  }
  for (auto& call : arriving) {
    Host& host = loop.hosts[call->host];
    if (host.known) {
      begin(loop, std::move(call));
      continue;
    }
    const std::string name = call->host;
    host.waiting.push_back(std::move(call));
    release(loop, name);
  }
  for (const uint64_t id : cancelled) cancel_call(loop, id);
  return true;
}

void turn(GmHttpLoop& loop) {
  int wait = -1;
  if (loop.due) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*loop.due - Clock::now()).count();
    wait = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
  }
  epoll_event events[kEvents];
  const int n = epoll_wait(loop.epoll, events, kEvents, wait);
  int running = 0;
  for (int i = 0; i < n; ++i) {
    if (events[i].data.fd == loop.wake) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(loop.wake, &count, sizeof count);
      continue;
    }
    const uint32_t e = events[i].events;
    const int flags = ((e & (EPOLLIN | EPOLLHUP)) ? CURL_CSELECT_IN : 0) | ((e & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
                      ((e & EPOLLERR) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(loop.multi, events[i].data.fd, flags, &running);
  }
  if (loop.due && Clock::now() >= *loop.due) {
    loop.due.reset();
    curl_multi_socket_action(loop.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  take_finished(loop);
  for (auto& [name, host] : loop.hosts) {
    if (host.known) release(loop, name);
  }
}

void run_loop(GmHttpLoop* loop) {
  try {
    while (take_requests(*loop)) turn(*loop);
    end_all(*loop, "the request was cancelled");
  } catch (...) {
    end_all(*loop, "no memory for requests");
  }
}

void close_loop(GmHttpLoop* loop) {
  for (auto& [id, call] : loop->running) {
    curl_multi_remove_handle(loop->multi, call->easy);
    curl_easy_cleanup(call->easy);
  }
  for (CURL* easy : loop->idle) curl_easy_cleanup(easy);
  if (loop->multi != nullptr) curl_multi_cleanup(loop->multi);
  if (loop->epoll >= 0) close(loop->epoll);
  if (loop->wake >= 0) close(loop->wake);
  delete loop;
}

GmHttpLoop* open_loop(int64_t most_connections, void (*answered)(void*, const GmHttpAnswer*), void* context) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return nullptr;
  auto* loop = new (std::nothrow) GmHttpLoop;
  if (loop == nullptr) return nullptr;
  loop->answered = answered;
  loop->context = context;
  loop->multi = curl_multi_init();
  loop->epoll = epoll_create1(EPOLL_CLOEXEC);
  loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = loop->wake;
  if (loop->multi == nullptr || loop->epoll < 0 || loop->wake < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
    close_loop(loop);
    return nullptr;
  }
  const long most = static_cast<long>(std::max<int64_t>(most_connections, 1));
  curl_multi_setopt(loop->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
  curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, most);
  curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
  curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
  return loop;
}

void wake_up(GmHttpLoop* loop) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(loop->wake, &one, sizeof one);
}

int start_call(GmHttpLoop* loop, const GmHttpCall* told) try {
  auto call = std::make_unique<Call>();
  call->id = told->id;
  call->loop = loop;
  call->method = told->method;
  call->url = told->url;
  call->host = host_of(call->url);
  call->has_body = told->body != nullptr;
  if (call->has_body) call->body.assign(told->body, told->body_bytes);
  call->token = told->bearer_token;
  call->ca_file = told->ca_file;
  call->timeout_ms = std::max<int64_t>(told->timeout_ms, 1);
  call->connect_timeout_ms = std::max<int64_t>(told->connect_timeout_ms, 1);
  call->most_bytes = told->most_bytes;
  call->begun = Clock::now();
  for (const char* const* h = told->headers; h != nullptr && *h != nullptr; ++h) {
    curl_slist* more = curl_slist_append(call->headers, *h);
    if (more == nullptr) return 0;
    call->headers = more;
  }
  if (call->has_body) {  // else libcurl asks first whether a long body is welcome, and waits a second for the answer
    curl_slist* more = curl_slist_append(call->headers, "Expect:");
    if (more == nullptr) return 0;
    call->headers = more;
  }
  {
    std::lock_guard lock(loop->mutex);
    if (loop->stopping) return 0;
    loop->arriving.push_back(std::move(call));
  }
  wake_up(loop);
  return 1;
} catch (...) {
  return 0;
}

void cancel_started(GmHttpLoop* loop, uint64_t id) {
  try {
    std::lock_guard lock(loop->mutex);
    loop->cancelled.push_back(id);
  } catch (...) {
    return;  // it ends by its own time-out
  }
  wake_up(loop);
}

void stop_loop(GmHttpLoop* loop) {
  {
    std::lock_guard lock(loop->mutex);
    loop->stopping = true;
  }
  wake_up(loop);
}

constexpr GmHttpCallsTable kTable = {GM_HTTP_CALLS_ABI, open_loop, run_loop, start_call, cancel_started, stop_loop, close_loop};

}  // namespace

extern "C" __attribute__((visibility("default"))) const GmHttpCallsTable* gristmill_http_calls() { return &kTable; }
