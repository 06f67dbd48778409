// An HTTP/1.1 server of one thread under epoll, for tests in which thousands of requests wait at once. What it does is in the path:
//
//   /echo/...         method, path and body      /status/N          that status, with Retry-After: 3
//   /slow/MS          answers after MS           /together/N/ID     answers ID when N such requests are there
//   /long/N           N bytes                    /moved             302 to /echo/
//   /reset /nothing /short                       a reset, a closed connection, a body that ends early
//   /drip             a byte each 50 ms, for ever
//   everything else   what the handler says, else 404
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gristmill::job {

class SmallHttpServer {
 public:
  struct Reply {
    int status = 200;
    std::string body = {};
    std::string headers = {};  // lines
    std::chrono::milliseconds after{0};
    enum { kWhole, kReset, kShort } kind = kWhole;
  };
  using Handler = std::function<Reply(const std::string& method, const std::string& path, const std::string& body)>;

  explicit SmallHttpServer(Handler handler = {}) : handler_(std::move(handler)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 4096) != 0) std::abort();
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    watch(listener_);
    watch(wake_);
    thread_ = std::thread([this] { run(); });
  }
  ~SmallHttpServer() {
    stop_ = true;
    const uint64_t one = 1;
    [[maybe_unused]] auto put = write(wake_, &one, sizeof one);
    thread_.join();
    for (const auto& [fd, c] : open_) close(fd);
    for (const int fd : {listener_, wake_, epoll_}) close(fd);
  }
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  int connections() const { return accepted_; }
  int most_at_once() const { return most_; }
  std::string last_header(const std::string& name) {
    std::lock_guard lock(mutex_);
    return headers_[name];
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    std::string in;
    uint64_t number = 0;
    bool dripping = false;
  };
  struct Later {
    int fd;
    uint64_t number;
    std::string text;
  };

  void watch(int fd) {
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
  }
  void drop(int fd, bool reset = false) {
    if (reset) {
      const linger hard{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    open_.erase(fd);
    close(fd);
  }
  static std::string answer(int status, const std::string& body, const std::string& more = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Type: text/plain\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  void put(int fd, const std::string& text) {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (n > 0) done += static_cast<size_t>(n);
      if (n <= 0 && errno != EAGAIN) return;
      if (n <= 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void serve(int fd, const std::string& method, const std::string& path, const std::string& body) {
    const uint64_t number = open_[fd].number;
    const auto argument = [&](size_t n) { return std::stoll(path.substr(n)); };
    if (path.starts_with("/echo/")) return put(fd, answer(200, method + " " + path + " " + body, "Link: <http://next/>; rel=\"next\"\r\n"));
    if (path.starts_with("/status/")) return put(fd, answer(static_cast<int>(argument(8)), "", "Retry-After: 3\r\n"));
    if (path.starts_with("/long/")) return put(fd, answer(200, std::string(static_cast<size_t>(argument(6)), 'x')));
    if (path == "/moved") return put(fd, answer(302, "", "Location: /echo/\r\n"));
    if (path.starts_with("/slow/")) {
      later_.emplace(Clock::now() + std::chrono::milliseconds(argument(6)), Later{fd, number, answer(200, "")});
      return;
    }
    if (path.starts_with("/together/")) {
      const size_t slash = path.find('/', 10);
      together_.push_back({fd, number, answer(200, path.substr(slash + 1))});
      if (std::ssize(together_) < argument(10)) return;
      for (Later& l : together_) later_.emplace(Clock::now(), std::move(l));
      together_.clear();
      return;
    }
    if (path == "/reset") return drop(fd, true);
    if (path == "/nothing") return drop(fd);
    if (path == "/short") {
      put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
      return drop(fd);
    }
    if (path == "/drip") {
      open_[fd].dripping = true;
      return put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    }
    if (!handler_) return put(fd, answer(404, ""));
    const Reply reply = handler_(method, path, body);
    if (reply.kind == Reply::kReset) return drop(fd, true);
    std::string text = answer(reply.status, reply.body, reply.headers);
    if (reply.kind == Reply::kShort) {
      put(fd, text.substr(0, text.size() - reply.body.size() / 2 - 1));
      return drop(fd);
    }
    if (reply.after.count() == 0) return put(fd, text);
    later_.emplace(Clock::now() + reply.after, Later{fd, number, std::move(text)});
  }

  // One request out of what has come, if it is whole.
  bool take_request(int fd) {
    std::string& in = open_[fd].in;
    const size_t head = in.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    std::map<std::string, std::string> headers;
    for (size_t at = in.find("\r\n") + 2; at < head + 2;) {
      const size_t end = in.find("\r\n", at), colon = in.find(": ", at);
      headers[in.substr(at, colon - at)] = in.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    const size_t length = headers.contains("Content-Length") ? std::stoul(headers["Content-Length"]) : 0;
    if (in.size() < head + 4 + length) return false;
    const size_t space = in.find(' ');
    const std::string method = in.substr(0, space), path = in.substr(space + 1, in.find(' ', space + 1) - space - 1);
    const std::string body = in.substr(head + 4, length);
    in.erase(0, head + 4 + length);
    {
      std::lock_guard lock(mutex_);
      headers_ = std::move(headers);
    }
    serve(fd, method, path, body);
    return open_.contains(fd);
  }

  void receive(int fd) {
    char room[65536];
    const ssize_t n = recv(fd, room, sizeof room, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return drop(fd);
    if (n > 0) open_[fd].in.append(room, static_cast<size_t>(n));
    while (open_.contains(fd) && take_request(fd)) {
    }
  }

  void accept_all() {
    int fd;
    while ((fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      open_[fd] = {.number = static_cast<uint64_t>(++accepted_)};
      most_ = std::max(most_.load(), static_cast<int>(open_.size()));
      watch(fd);
    }
  }

  void run() {
    epoll_event events[256];
    while (!stop_) {
      const int n = epoll_wait(epoll_, events, 256, 5);
      for (int i = 0; i < n; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener_) accept_all();
        if (fd != listener_ && fd != wake_ && open_.contains(fd)) receive(fd);
      }
      while (!later_.empty() && later_.begin()->first <= Clock::now()) {
        const Later l = std::move(later_.begin()->second);
        later_.erase(later_.begin());
        if (open_.contains(l.fd) && open_[l.fd].number == l.number) put(l.fd, l.text);
      }
      if (Clock::now() - dripped_ > std::chrono::milliseconds(50)) {
        dripped_ = Clock::now();
        for (const auto& [fd, c] : open_) {
          if (c.dripping) put(fd, "x");
        }
      }
    }
  }

  const Handler handler_;
  int listener_ = -1, wake_ = -1, epoll_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> accepted_{0}, most_{0};
  std::mutex mutex_;
  std::map<std::string, std::string> headers_;
  std::map<int, Connection> open_;
  std::multimap<Clock::time_point, Later> later_;
  std::vector<Later> together_;
  Clock::time_point dripped_{};
  std::thread thread_;
};

}  // namespace gristmill::job
