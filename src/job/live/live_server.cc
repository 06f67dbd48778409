// Everything but the constructor runs on the server's thread, so the sampler and the history need no lock.

#include "job/live/live_server.h"

#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "job/live/listen_socket.h"
#include "job/live/live_json.h"
#include "job/live/page.h"
#include "job/live/prometheus.h"
#include "job/live/sampler.h"

namespace gristmill::job {
namespace {

constexpr size_t kHistory = 600;
constexpr size_t kLeastToken = 16;

// "localhost:9090" and the like: the names by which this machine calls itself.
bool names_this_machine(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    host = host.substr(0, host.find(']') + 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  const bool number = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return host == "localhost" || host == "[::1]" || (number && host.substr(0, 4) == "127.");
}

HttpReply text_reply(int status, std::string text) { return {.status = status, .body = std::move(text) + "\n"}; }

}  // namespace

bool equal_in_constant_time(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other);
  }
  return difference == 0;
}

struct LiveServer::Pages {
  Pages(std::string token_, const JobStatus& status_) : token(std::move(token_)), status(status_), sampler(status) {
    latest = sampler.take();
  }

  void tick();
  HttpReply answer(const ServedRequest& request);
  HttpReply health() const;
  HttpReply readiness() const;
  bool may_read(const ServedRequest& request) const;
  std::string history_json() const;

  struct Past {
    double unix_seconds = 0, rows_in = 0, rows_out = 0, memory = 0, resident = 0, ring = 0;
    std::vector<double> cores, groups;
  };
  const std::string token;
  const JobStatus& status;
  Sampler sampler;
  Sample latest;
  std::deque<Past> history;
};

void LiveServer::Pages::tick() {
  latest = sampler.take();
  if (latest.now.phase == JobPhase::kStarting) return;
  Past past{.unix_seconds = static_cast<double>(latest.now.unix_micros) / 1e6,
            .rows_in = latest.rows_in_rate,
            .rows_out = latest.rows_out_rate,
            .memory = static_cast<double>(latest.now.gauges.memory_used),
            .resident = static_cast<double>(latest.resident_bytes),
            .ring = static_cast<double>(latest.now.gauges.ring_slots_used),
            .cores = {},
            .groups = {}};
  for (const Sample::Core& core : latest.cores) past.cores.push_back(core.use);
  for (const Sample::Group& group : latest.groups) past.groups.push_back(group.load);
  history.push_back(std::move(past));
  if (history.size() > kHistory) history.pop_front();
}

HttpReply LiveServer::Pages::health() const {
  const Snapshot now = status.snapshot();
  if (now.phase == JobPhase::kFailed) return text_reply(503, "failed");
  if (const std::string why = now.stalled(); !why.empty()) return text_reply(503, "stalled: " + why);
  return text_reply(200, "ok");
}

// Ready: it takes rows. Not while it starts, ends or has ended.
HttpReply LiveServer::Pages::readiness() const {
  const JobPhase phase = status.phase();
  return text_reply(phase == JobPhase::kRunning ? 200 : 503, std::string(phase_name(phase)));
}

bool LiveServer::Pages::may_read(const ServedRequest& request) const {
  const std::string* given = request.header("authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (!given || given->size() < kScheme.size()) return false;
  std::string scheme = given->substr(0, kScheme.size());
  std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return static_cast<char>(c | 0x20); });
  return scheme == kScheme && equal_in_constant_time(given->substr(kScheme.size()), token);
}

std::string LiveServer::Pages::history_json() const {
  JsonText out;
  out.begin_list();
  for (const Past& past : history) {
    out.begin_object().member("unix_seconds", past.unix_seconds).member("rows_in", past.rows_in).member("rows_out", past.rows_out);
    out.member("memory", past.memory).member("resident", past.resident).member("ring", past.ring).key("cores").begin_list();
    for (const double use : past.cores) out.value(use);
    out.end_list().key("groups").begin_list();
    for (const double load : past.groups) out.value(load);
    out.end_list().end_object();
  }
  return out.end_list().text();
}

HttpReply LiveServer::Pages::answer(const ServedRequest& request) {
  const std::string* host = request.header("host");
  if (token.empty() && host && !names_this_machine(*host)) return text_reply(421, "this page is served to its own machine only");
  if (request.path == "/healthz") return health();
  if (request.path == "/readyz") return readiness();
  if (request.path == "/") {
    return {.type = "text/html; charset=utf-8",
            .body = kPageHtml,
            .headers = {{"Content-Security-Policy",
                         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
                         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
                        {"Referrer-Policy", "no-referrer"}}};
  }
  if (request.path == "/page.js") return {.type = "text/javascript; charset=utf-8", .body = kPageScript};
  if (request.path == "/page.css") return {.type = "text/css; charset=utf-8", .body = kPageStyle};
  const bool known = request.path == "/metrics" || request.path == "/status.json" || request.path == "/history.json";
  if (!token.empty() && !may_read(request)) {
    HttpReply out = text_reply(401, "a bearer token is needed");
    out.headers = {{"WWW-Authenticate", "Bearer realm=\"gristmill\""}};
    return out;
  }
  if (!known) return text_reply(404, "there are /, /healthz, /readyz, /metrics, /status.json and /history.json");
  if (request.path == "/history.json") return {.type = "application/json", .body = history_json()};
  const Sample sample = sampler.take();
  if (request.path == "/status.json") return {.type = "application/json", .body = status_json(sample)};
  return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = prometheus_text(sample)};
}

arrow::Result<LiveOptions> live_options(const std::string& listen, const char* token) {
  LiveOptions out;
  ARROW_ASSIGN_OR_RAISE(const HostPort at, parse_host_port(listen));
  out.http.host = at.host;
  out.http.port = at.port;
  if (token) out.token = token;
  if (!out.token.empty() && out.token.size() < kLeastToken)
    return base::plan_error("the token for readers of the job's status has fewer than 16 characters",
                            "make one with: openssl rand -hex 16");
  out.http.exposed = !out.token.empty();
  return out;
}

LiveServer::LiveServer() = default;
LiveServer::~LiveServer() = default;

arrow::Result<std::unique_ptr<LiveServer>> LiveServer::start(LiveOptions options, const JobStatus& status) {
  std::unique_ptr<LiveServer> out(new LiveServer());
  options.http.exposed = !options.token.empty();
  out->pages_ = std::make_unique<Pages>(std::move(options.token), status);
  Pages* pages = out->pages_.get();
  ARROW_ASSIGN_OR_RAISE(out->server_, HttpServer::start(
                                          options.http, [pages](const ServedRequest& request) { return pages->answer(request); },
                                          [pages] { pages->tick(); }));
  return out;
}

int LiveServer::port() const { return server_->port(); }

std::string LiveServer::url() const { return "http://" + server_->address() + "/"; }

}  // namespace gristmill::job
