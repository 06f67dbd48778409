// A listening TCP socket, and what may be listened on.
#pragma once

#include <string>
#include <string_view>

#include <arrow/result.h>

namespace gristmill::job {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& o) noexcept : fd_(o.release()) {}
  Descriptor& operator=(Descriptor&& o) noexcept;
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  int release();
  void reset();

 private:
  int fd_;
};

struct ListenSocket {
  Descriptor fd;  // does not block
  int port = 0;
  std::string address;  // "127.0.0.1:9090", "[::1]:9090"
};

// The first address of `host` (empty: all of the machine) that can be bound. One that others can reach is a plan error unless `exposed`.
arrow::Result<ListenSocket> listen_on(const std::string& host, int port, bool exposed);

struct HostPort {
  std::string host;
  int port = 0;
};
// "9090" and "localhost:9090" (this machine), "[::1]:9090", ":9090" and "0.0.0.0:9090" (every address). A plan error for anything else.
arrow::Result<HostPort> parse_host_port(std::string_view text);

}  // namespace gristmill::job
