// Whether an address is this machine's own is decided by what the name resolved to, before anything is bound.

#include "job/live/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "base/status.h"

namespace gristmill::job {
namespace {

bool is_loopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127;
  return mapped || IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

arrow::Status describe(int fd, ListenSocket* out) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) !=
          0) {
    return base::io_error("the address of a listening socket cannot be read");
  }
  out->port = std::atoi(port);
  out->address = (address.ss_family == AF_INET6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + port;
  return arrow::Status::OK();
}

// An error number, 0 when it listens.
int try_listen(const addrinfo& at, Descriptor* out) {
  Descriptor fd(socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol));
  if (fd.get() < 0) return errno;
  const int on = 1, off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (at.ai_family == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0 || listen(fd.get(), 128) != 0) return errno;
  *out = std::move(fd);
  return 0;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& o) noexcept {
  if (this == &o) return *this;
  reset();
  fd_ = o.release();
  return *this;
}

int Descriptor::release() { return std::exchange(fd_, -1); }

void Descriptor::reset() {
  if (const int fd = release(); fd >= 0) close(fd);
}

arrow::Result<ListenSocket> listen_on(const std::string& host, int port, bool exposed) {
  const std::string where = (host.empty() ? "every address" : "\"" + host + "\"") + ", port " + std::to_string(port);
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const int failed = getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &wanted, &found); failed != 0)
    return base::plan_error("cannot listen on " + where + ": " + gai_strerror(failed), "--listen takes HOST:PORT, e.g. 127.0.0.1:9090");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  int problem = EADDRNOTAVAIL;
  ListenSocket out;
  for (const int family : {AF_INET6, AF_INET}) {  // one IPv6 socket on every address takes IPv4 as well
    for (const addrinfo* at = found; at; at = at->ai_next) {
      if (at->ai_family != family) continue;
      if (!exposed && !is_loopback(*at->ai_addr)) {
        return base::plan_error("listening on " + where + " lets other machines read the job's status",
                                "set GRISTMILL_LISTEN_TOKEN to a secret of at least 16 characters, which readers then send as a bearer "
                                "token, or listen on localhost");
      }
      problem = try_listen(*at, &out.fd);
      if (problem != 0) continue;
      ARROW_RETURN_NOT_OK(describe(out.fd.get(), &out));
      return out;
    }
  }
  return base::io_error("cannot listen on " + where + ": " + std::strerror(problem), {},
                        problem == EADDRINUSE ? "another process listens there; port 0 takes a free one" : "");
}

arrow::Result<HostPort> parse_host_port(std::string_view text) {
  const auto wrong = [&] {
    return base::plan_error("\"" + std::string(text) + "\" is no address to listen on",
                            "use HOST:PORT, e.g. 127.0.0.1:9090, [::1]:9090 or :9090");
  };
  HostPort out;
  const size_t colon = text.rfind(':');
  std::string_view port = text;
  if (colon == std::string_view::npos) {
    out.host = "127.0.0.1";
  } else {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
      host = host.substr(1, host.size() - 2);
    } else if (host.find_first_of(":[]") != std::string_view::npos) {
      return wrong();
    }
    out.host = host;
  }
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (failed != std::errc() || end != port.data() + port.size() || port.empty() || out.port < 0 || out.port > 65535) return wrong();
  return out;
}

}  // namespace gristmill::job
