// Asked anew each time: windows change.

#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace gristmill::cli {
namespace {

constexpr int kLeast = 9;  // less is a terminal that does not know

}  // namespace

int64_t terminal_columns(int64_t otherwise) {
  winsize w{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= kLeast ? w.ws_col : otherwise;
}

}  // namespace gristmill::cli
