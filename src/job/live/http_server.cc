// The loop sleeps in poll() until a socket, the nearest deadline, the next tick or the destructor wakes it.
//
// When the process has no descriptors left, accepting pauses for a second instead of failing again and again.

#include "job/live/http_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>

#include "base/status.h"
#include "job/live/http_connection.h"
#include "job/live/listen_socket.h"
#include "sched/background_thread.h"

namespace gristmill::job {

struct HttpServer::Loop {
  using Clock = std::chrono::steady_clock;
  static constexpr auto kPause = std::chrono::seconds(1);

  Loop(const HttpServerOptions& o, Handler h, std::function<void()> t) : options(o), handler(std::move(h)), tick(std::move(t)) {}

  void run();
  bool serve_once();
  int wait_time(Clock::time_point now) const;
  void accept_all(Clock::time_point now);
  void make_room();

  const HttpServerOptions options;
  const Handler handler;
  const std::function<void()> tick;
  ListenSocket listener;
  Descriptor wake;
  std::optional<std::thread> thread;

  // Of the server's thread.
  std::vector<std::unique_ptr<HttpConnection>> connections;
  Clock::time_point next_tick;
  Clock::time_point accept_from;  // not before
};

void HttpServer::Loop::run() {
  next_tick = Clock::now() + options.tick_time;
  accept_from = Clock::now();
  while (serve_once()) {
  }
}

// False when the server is to stop.
bool HttpServer::Loop::serve_once() {
  Clock::time_point now = Clock::now();
  std::vector<pollfd> fds = {{wake.get(), POLLIN, 0}, {now < accept_from ? -1 : listener.fd.get(), POLLIN, 0}};
  for (const auto& c : connections) fds.push_back({c->fd(), c->wanted_events(), 0});
  if (poll(fds.data(), fds.size(), wait_time(now)) < 0 && errno != EINTR) return false;
  if (fds[0].revents != 0) return false;
  now = Clock::now();
  if (now >= next_tick) {
    if (tick) tick();
    next_tick = now + options.tick_time;
  }
  for (size_t i = 0; i < connections.size(); ++i) {
    HttpConnection& c = *connections[i];
    if (fds[i + 2].revents != 0) c.on_events(fds[i + 2].revents, now);
    if (!c.over() && now >= c.deadline()) c.on_deadline(now);
  }
  std::erase_if(connections, [](const auto& c) { return c->over(); });
  if (fds[1].revents != 0) accept_all(now);
  return true;
}

int HttpServer::Loop::wait_time(Clock::time_point now) const {
  Clock::time_point until = next_tick;
  for (const auto& c : connections) until = std::min(until, c->deadline());
  if (now < accept_from) until = std::min(until, accept_from);
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, 60'000));
}

void HttpServer::Loop::accept_all(Clock::time_point now) {
  for (size_t i = 0; i < options.connections; ++i) {
    const int fd = accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) accept_from = now + kPause;
      return;  // none left, or one that went away meanwhile
    }
    make_room();
    connections.push_back(std::make_unique<HttpConnection>(Descriptor(fd), options, handler, now));
  }
}

void HttpServer::Loop::make_room() {
  if (connections.size() < options.connections) return;
  connections.erase(
      std::min_element(connections.begin(), connections.end(), [](const auto& a, const auto& b) { return a->deadline() < b->deadline(); }));
}

HttpServer::HttpServer() = default;

HttpServer::~HttpServer() {
  if (!loop_ || !loop_->thread) return;
  const uint64_t one = 1;
  while (write(loop_->wake.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  loop_->thread->join();
}

arrow::Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options, Handler handler,
                                                             std::function<void()> tick) {
  std::unique_ptr<HttpServer> server(new HttpServer());
  server->loop_ = std::make_unique<Loop>(options, std::move(handler), std::move(tick));
  Loop& loop = *server->loop_;
  ARROW_ASSIGN_OR_RAISE(loop.listener, listen_on(options.host, options.port, options.exposed));
  loop.wake = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (loop.wake.get() < 0) return base::io_error("no descriptor for the status page");
  loop.thread = sched::start_thread("gm-status", [l = &loop] { l->run(); });
  if (!loop.thread) return base::io_error("the system gives no thread for the status page");
  return server;
}

int HttpServer::port() const { return loop_->listener.port; }

std::string HttpServer::address() const { return loop_->listener.address; }

}  // namespace gristmill::job
