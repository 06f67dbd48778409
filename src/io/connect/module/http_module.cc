// libgristmill_http.so: libcurl behind the table of http_module.h.
//
// A transfer is one easy handle in a multi handle of its own, driven by whoever reads; the body waits in a buffer of a few MiB, beyond
// which the connection is paused. Multi handles hold connections and are used again. Nothing of the engine or of Arrow is used
// here, and no exception leaves.

#include "http_module.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "http_headers.h"

namespace {

constexpr size_t kMostWaiting = size_t{4} << 20;
constexpr int kPollMilliseconds = 100;
constexpr size_t kMostIdle = 32;
constexpr long kMostRedirects = 10;

using Clock = std::chrono::steady_clock;

std::mutex idle_mutex;
std::vector<CURLM*> idle;  // with their connections

CURLM* take_multi() {
  {
    std::lock_guard lock(idle_mutex);
    if (!idle.empty()) {
      CURLM* out = idle.back();
      idle.pop_back();
      return out;
    }
  }
  return curl_multi_init();
}

void give_multi(CURLM* multi) {
  {
    std::lock_guard lock(idle_mutex);
    if (idle.size() < kMostIdle) {
      idle.push_back(multi);
      return;
    }
  }
  curl_multi_cleanup(multi);
}

}  // namespace

struct GmHttp {
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::string waiting;  // of the body
  size_t at = 0;        // what of it was read
  bool head = false;    // the head of the last answer is there
  bool done = false;
  bool paused = false;
  bool moved = false;  // the last head names another place
  CURLcode code = CURLE_OK;
  int64_t body = 0;  // bytes that came
  int64_t timeout_ms = 0;
  Clock::time_point last;  // when a byte came
  std::string tag, modified, error;
  char text[CURL_ERROR_SIZE] = {};
  GmHttpReply reply{};
};

namespace {

// "bytes 0-99/1000", "bytes */1000"
void read_range(std::string_view value, GmHttpReply& reply) {
  const size_t slash = value.find('/');
  if (!value.starts_with("bytes ") || slash == std::string_view::npos) return;
  const std::string begin(value.substr(6, slash - 6)), total(value.substr(slash + 1));
  if (!begin.empty() && begin[0] != '*') reply.range_begin = std::strtoll(begin.c_str(), nullptr, 10);
  if (!total.empty() && total[0] != '*') reply.total = std::strtoll(total.c_str(), nullptr, 10);
}

size_t on_header(char* data, size_t size, size_t n, void* context) {
  auto* t = static_cast<GmHttp*>(context);
  const std::string_view line(data, size * n);
  t->last = Clock::now();
  std::string_view value;
  if (line.starts_with("HTTP/")) {  // of a redirect's target, or the only one
    t->tag.clear();
    t->modified.clear();
    t->moved = false;
    t->reply.length = t->reply.total = t->reply.range_begin = -1;
  } else if (named(line, "etag", value)) {
    t->tag = value;
  } else if (named(line, "last-modified", value)) {
    t->modified = value;
  } else if (named(line, "location", value)) {
    t->moved = true;
  } else if (named(line, "content-length", value)) {
    t->reply.length = std::strtoll(std::string(value).c_str(), nullptr, 10);
  } else if (named(line, "content-range", value)) {
    read_range(value, t->reply);
  } else if (trimmed(line).empty()) {
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->reply.status = status;
    // 1xx come before the answer, 3xx with a Location before another.
    t->head = status >= 200 && (status < 300 || status >= 400 || !t->moved);
  }
  return size * n;
}

size_t on_body(char* data, size_t size, size_t n, void* context) {
  auto* t = static_cast<GmHttp*>(context);
  const size_t bytes = size * n;
  if (t->waiting.size() - t->at > kMostWaiting) {
    t->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  t->last = Clock::now();
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 300 && status < 400) return bytes;  // what a redirect says beside
  t->head = true;
  t->waiting.append(data, bytes);
  t->body += static_cast<int64_t>(bytes);
  return bytes;
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return true;
    default: return false;
  }
}

int failed(GmHttp* t, const char* why, bool passing) {
  t->done = true;
  t->error = why;
  t->reply.error = t->error.c_str();
  t->reply.passing = passing ? 1 : 0;
  return GM_HTTP_FAILED;
}

// One turn of the transfer; waits a tenth of a second at most.
int turn(GmHttp* t) {
  int running = 0;
  if (curl_multi_perform(t->multi, &running) != CURLM_OK) return failed(t, "the transfer cannot go on", false);
  int left = 0;
  while (const CURLMsg* m = curl_multi_info_read(t->multi, &left)) {
    if (m->msg != CURLMSG_DONE) continue;
    t->done = true;
    t->code = m->data.result;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->reply.status = status;
    t->head = t->head || status != 0;
    if (t->code != CURLE_OK) return failed(t, t->text[0] != '\0' ? t->text : curl_easy_strerror(t->code), may_pass(t->code));
    if (t->reply.length >= 0 && t->body < t->reply.length && status != 304) return failed(t, "the body ended early", true);
  }
  if (t->done) return GM_HTTP_OK;
  if (Clock::now() - t->last > std::chrono::milliseconds(t->timeout_ms)) return failed(t, "nothing came within the time-out", true);
  if (t->waiting.size() == t->at) curl_multi_poll(t->multi, nullptr, 0, kPollMilliseconds, nullptr);
  return GM_HTTP_OK;
}

void set_options(GmHttp* t, const GmHttpRequest& r) {
  CURL* e = t->easy;
  curl_easy_setopt(e, CURLOPT_URL, r.url);
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(e, CURLOPT_MAXREDIRS, kMostRedirects);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(r.connect_timeout_ms));
  curl_easy_setopt(e, CURLOPT_USERAGENT, "gristmill/0.1.0");
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->text);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 256L << 10);
  if (*r.ca_file != '\0') curl_easy_setopt(e, CURLOPT_CAINFO, r.ca_file);
  if (r.range_from >= 0) {
    const std::string range = std::to_string(r.range_from) + "-" + (r.range_to >= 0 ? std::to_string(r.range_to) : "");
    curl_easy_setopt(e, CURLOPT_RANGE, range.c_str());
  }
  if (*r.bearer_token != '\0') {  // by libcurl's own option, so it is not sent on to another host
    curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, r.bearer_token);
  }
}

void close_transfer(GmHttp* t) {
  if (t->easy != nullptr && t->multi != nullptr) curl_multi_remove_handle(t->multi, t->easy);
  if (t->easy != nullptr) curl_easy_cleanup(t->easy);
  if (t->multi != nullptr) give_multi(t->multi);
  delete t;
}

GmHttp* open_transfer(const GmHttpRequest* request, int* outcome) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  *outcome = GM_HTTP_FAILED;
  auto* t = new (std::nothrow) GmHttp;
  if (t == nullptr || started != CURLE_OK) {
    delete t;
    return nullptr;
  }
  t->reply = {0, -1, -1, -1, "", "", "", 0};
  t->multi = take_multi();
  t->easy = curl_easy_init();
  if (t->multi == nullptr || t->easy == nullptr) {
    close_transfer(t);
    return nullptr;
  }
  t->timeout_ms = std::max<int64_t>(request->timeout_ms, 1) + std::max<int64_t>(request->connect_timeout_ms, 0);
  t->last = Clock::now();
  set_options(t, *request);
  if (curl_multi_add_handle(t->multi, t->easy) != CURLM_OK) {
    failed(t, "the transfer cannot begin", false);
    return t;
  }
  *outcome = GM_HTTP_OK;
  while (!t->head && !t->done && *outcome == GM_HTTP_OK) *outcome = turn(t);
  t->timeout_ms = std::max<int64_t>(request->timeout_ms, 1);
  return t;
}

const GmHttpReply* reply_of(GmHttp* t) {
  t->reply.tag = t->tag.c_str();
  t->reply.modified = t->modified.c_str();
  return &t->reply;
}

int read_body(GmHttp* t, void* out, int64_t bytes, int64_t* got) {
  *got = 0;
  // After a pause the clock begins anew: the reader was slow, not the server.
  if (t->waiting.size() == t->at) t->last = std::max(t->last, Clock::now() - std::chrono::milliseconds(kPollMilliseconds));
  while (t->waiting.size() == t->at) {
    if (t->done) return t->reply.error[0] == '\0' ? GM_HTTP_OK : GM_HTTP_FAILED;
    t->waiting.clear();
    t->at = 0;
    if (t->paused) {
      t->paused = false;
      curl_easy_pause(t->easy, CURLPAUSE_CONT);
    }
    if (turn(t) != GM_HTTP_OK && t->waiting.size() == t->at) return GM_HTTP_FAILED;
  }
  const size_t n = std::min(static_cast<size_t>(bytes), t->waiting.size() - t->at);
  std::memcpy(out, t->waiting.data() + t->at, n);
  t->at += n;
  *got = static_cast<int64_t>(n);
  return GM_HTTP_OK;
}

// Functions whose exceptions (of memory) must not cross the border.
GmHttp* open_checked(const GmHttpRequest* request, int* outcome) {
  try {
    return open_transfer(request, outcome);
  } catch (...) {
    *outcome = GM_HTTP_FAILED;
    return nullptr;
  }
}

int read_checked(GmHttp* t, void* out, int64_t bytes, int64_t* got) {
  try {
    return read_body(t, out, bytes, got);
  } catch (...) {
    return GM_HTTP_FAILED;
  }
}

constexpr GmHttpTable kTable = {GM_HTTP_ABI, open_checked, reply_of, read_checked, close_transfer};

}  // namespace

extern "C" __attribute__((visibility("default"))) const GmHttpTable* gristmill_http() { return &kTable; }
