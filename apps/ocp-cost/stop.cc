// A thread waits for the signals, so nothing runs inside a handler.

#include "stop.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace ocp {

namespace {

std::atomic<int> caught{0};

}  // namespace

void stop_on_signals(const gristmill::Cancellation& cancel) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  std::thread([wanted, cancel] {
    for (int number = 0; sigwait(&wanted, &number) == 0;) {
      if (caught.exchange(number) != 0) _exit(128 + number);
      cancel.cancel();
    }
  }).detach();
}

int stop_signal() { return caught; }

}  // namespace ocp
