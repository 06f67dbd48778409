// A run that cannot stop because it waits for a pipe is ended by the alarm that the first signal sets.

#include "cli/signals.h"

#include <unistd.h>
#include <csignal>

#include "base/status.h"

namespace gristmill::cli {
namespace {

constexpr unsigned kPatienceSeconds = 3;
volatile std::sig_atomic_t caught = 0;
volatile std::sig_atomic_t counted = 0;

void leave(int number) {
  constexpr char kClear[] = "\r\x1b[K";
  if (isatty(STDERR_FILENO)) (void)!write(STDERR_FILENO, kClear, sizeof kClear - 1);
  _exit(128 + number);
}

void on_alarm(int) { leave(caught); }

void on_signal(int number) {
  if (caught != 0) leave(caught);
  caught = number;
  alarm(kPatienceSeconds);
}

void on_interrupt(int number) { caught = number; }

void on_counted(int number) {
  caught = number;
  counted = counted + 1;
  if (counted > 2) leave(number);
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_signals() {
  handle(SIGPIPE, SIG_IGN);
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  handle(SIGALRM, on_alarm);
}

void keep_shell_on_interrupt() { handle(SIGINT, on_interrupt); }
void count_signals() {
  handle(SIGINT, on_counted);
  handle(SIGTERM, on_counted);
}

int signals_counted() { return counted; }

void forget_signal() { caught = 0; }

int caught_signal() { return caught; }

arrow::Status interrupted() { return caught != 0 ? base::cancelled_error("interrupted") : arrow::Status::OK(); }

}  // namespace gristmill::cli
