// A client that can do what a browser never would: send half a request, read nothing, open a hundred connections.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include "job/live/listen_socket.h"

namespace gristmill::job {

class Client {
 public:
  explicit Client(int port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  bool connected() const { return connected_; }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void send_no_more() { shutdown(fd_.get(), SHUT_WR); }
  // One answer, by its Content-Length (`head`: without a body); what there is when the server closes or `ms` pass.
  std::string answer(bool head = false, int ms = 10'000) {
    while (true) {
      const size_t end = in_.find("\r\n\r\n");
      if (end != std::string::npos) {
        const size_t at = in_.find("Content-Length: ");
        const size_t length = head || at > end ? 0 : std::stoul(in_.substr(at + 16));
        if (in_.size() >= end + 4 + length) {
          std::string out = in_.substr(0, end + 4 + length);
          in_.erase(0, out.size());
          return out;
        }
      }
      if (!receive(ms)) return std::exchange(in_, {});
    }
  }
  // True when the server closes within `ms`; what it sent before is thrown away.
  bool closed_within(int ms) {
    while (receive(ms)) {
    }
    return ended_;
  }

 private:
  bool receive(int ms) {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (poll(&ready, 1, ms) != 1) return false;
    char bytes[65536];
    const ssize_t n = recv(fd_.get(), bytes, sizeof bytes, 0);
    ended_ = n <= 0;
    if (n > 0) in_.append(bytes, static_cast<size_t>(n));
    return n > 0;
  }
  Descriptor fd_;
  bool connected_ = false;
  bool ended_ = false;
  std::string in_;
};

}  // namespace gristmill::job
