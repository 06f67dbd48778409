// The view on a terminal (a pseudo one), on a pipe, and where nobody reads.

#include "job/live/terminal_view.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "job/live/listen_socket.h"

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;

// A variable of the environment, put back at the end.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    if (before) before_ = before;
    value ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Variable() { had_ ? setenv(name_, before_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  bool had_;
  std::string before_;
};

// What a terminal shows: enough of one for what the view sends.
class Screen {
 public:
  explicit Screen(size_t width) : width_(width), rows_(1) {}
  void put(const std::string& text) {
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\r') {
        column_ = 0;
      } else if (c == '\n') {
        if (++row_ == rows_.size()) rows_.emplace_back();
      } else if (c == '\x1b') {
        std::string number;
        for (i += 2; text[i] >= '0' && text[i] <= '9'; ++i) number += text[i];
        if (text[i] == 'A') row_ -= std::min<size_t>(row_, std::stoul(number));
        if (text[i] == 'J') erase_below();
      } else {
        if (column_ == width_) column_ = 0, ++row_, rows_.resize(std::max(rows_.size(), row_ + 1));
        rows_[row_].resize(std::max(rows_[row_].size(), column_), ' ');
        rows_[row_].replace(column_, 1, 1, c);
        ++column_;
      }
    }
  }
  std::vector<std::string> rows() const { return rows_; }

 private:
  void erase_below() {
    rows_.resize(row_ + 1);
    rows_[row_].resize(std::min(rows_[row_].size(), column_));
  }
  size_t width_, row_ = 0, column_ = 0;
  std::vector<std::string> rows_;
};

struct Terminal {
  Descriptor master, slave;
  std::string text;
  Variable term{"TERM", "xterm"}, no_color{"NO_COLOR", "1"}, all{"LC_ALL", "C"};

  explicit Terminal(unsigned short columns = 100, unsigned short rows = 40) {
    int m = -1, s = -1;
    EXPECT_EQ(openpty(&m, &s, nullptr, nullptr, nullptr), 0);
    master = Descriptor(m), slave = Descriptor(s);
    termios raw{};
    tcgetattr(s, &raw);
    cfmakeraw(&raw);
    tcsetattr(s, TCSANOW, &raw);
    fcntl(m, F_SETFL, O_NONBLOCK);
    resize(columns, rows);
  }
  void resize(unsigned short columns, unsigned short rows) const {
    const winsize size{rows, columns, 0, 0};
    ioctl(master.get(), TIOCSWINSZ, &size);
  }
  bool read_until(const std::function<bool(const std::string&)>& done, int ms = 10'000) {
    const auto end = std::chrono::steady_clock::now() + milliseconds(ms);
    while (!done(text)) {
      if (std::chrono::steady_clock::now() > end) return false;
      pollfd ready{master.get(), POLLIN, 0};
      poll(&ready, 1, 50);
      char bytes[4096];
      const ssize_t n = read(master.get(), bytes, sizeof bytes);
      if (n > 0) text.append(bytes, static_cast<size_t>(n));
    }
    return true;
  }
  bool read_until(const std::string& part) {
    return read_until([&](const std::string& t) { return t.find(part) != std::string::npos; });
  }
  std::vector<std::string> shown(size_t width = 100) const {
    Screen screen(width);
    screen.put(text);
    return screen.rows();
  }
};

TerminalViewOptions quick(int fd) {
  return {.fd = fd, .first = milliseconds(5), .interval = milliseconds(10), .plain_interval = milliseconds(20)};
}

void begin(JobStatus& status) {
  status.lay_out({.name = "orders", .steps = {{"csv", StepKind::kSource}, {"out", StepKind::kSink}}, .group_of_worker = {0}});
  status.set_phase(JobPhase::kRunning);
}

TEST(TerminalView, RedrawsInPlaceAndLeavesNothing) {
  Terminal terminal;
  JobStatus status;
  begin(status);
  auto view = TerminalView::start(quick(terminal.slave.get()), status);
  ASSERT_TRUE(view);
  ASSERT_TRUE(terminal.read_until("orders  running"));
  for (int i = 0; i < 3; ++i) {
    status.step(0).add({.rows_out = 111});
    ASSERT_TRUE(terminal.read_until(" " + std::to_string(111 * (i + 1)) + " rows ")) << terminal.text;
  }
  std::vector<std::string> rows = terminal.shown();
  EXPECT_EQ(rows[0].substr(0, 15), "orders  running");
  int titles = 0;
  for (const std::string& row : rows) titles += row.find("orders") != std::string::npos;
  EXPECT_EQ(titles, 1) << "drawn over, not below";
  view.reset();
  terminal.read_until([](const std::string&) { return false; }, 100);
  EXPECT_EQ(terminal.shown(), std::vector<std::string>{""});
  EXPECT_EQ(terminal.text.find("\x1b[3"), std::string::npos) << "NO_COLOR";
}

TEST(TerminalView, NotesStayAboveTheView) {
  Terminal terminal;
  JobStatus status;
  begin(status);
  auto view = TerminalView::start(quick(terminal.slave.get()), status);
  ASSERT_TRUE(terminal.read_until("orders"));
  view->note("row 12 of a.csv was rejected");
  view->note("evil\x1b[2J");
  ASSERT_TRUE(terminal.read_until([](const std::string& t) {
    const size_t note = t.find("evil");
    return note != std::string::npos && t.find("orders", note) != std::string::npos;
  }));
  const std::vector<std::string> rows = terminal.shown();
  ASSERT_GT(rows.size(), 2u);
  EXPECT_EQ(rows[0], "row 12 of a.csv was rejected");
  EXPECT_EQ(rows[1], "evil\\x1b[2J");
  EXPECT_EQ(rows[2].substr(0, 6), "orders");
}

TEST(TerminalView, FollowsTheSizeOfTheWindow) {
  Terminal terminal(100, 40);
  JobStatus status;
  begin(status);
  const auto view = TerminalView::start(quick(terminal.slave.get()), status);
  ASSERT_TRUE(terminal.read_until("rows out"));
  terminal.resize(100, 3);
  const size_t before = terminal.text.size();
  ASSERT_TRUE(terminal.read_until([&](const std::string& t) {
    return t.find("orders", before) != std::string::npos && t.rfind("\x1b[1A\x1b[J") != std::string::npos;
  })) << "two lines in a window of three";
}

TEST(TerminalView, WithoutATerminalThereAreLines) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Descriptor in(ends[0]), out(ends[1]);
  JobStatus status;
  begin(status);
  auto view = TerminalView::start(quick(out.get()), status);
  std::string text;
  char bytes[4096];
  while (std::count(text.begin(), text.end(), '\n') < 3) {
    const ssize_t n = read(in.get(), bytes, sizeof bytes);
    ASSERT_GT(n, 0);
    text.append(bytes, static_cast<size_t>(n));
  }
  EXPECT_EQ(text.substr(0, text.find('\n')), "orders: running 0:00, in 0 rows (0/s), out 0 rows (0/s)");
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  view->note("a note");
  view.reset();
  out.reset();
  for (ssize_t n = read(in.get(), bytes, sizeof bytes); n > 0; n = read(in.get(), bytes, sizeof bytes))
    text.append(bytes, static_cast<size_t>(n));
  EXPECT_NE(text.find("\na note\n"), std::string::npos);
}

TEST(TerminalView, ADumbTerminalGetsLines) {
  Terminal terminal;
  {
    const Variable dumb("TERM", "dumb");
    EXPECT_FALSE(moves_its_cursor(terminal.slave.get()));
    EXPECT_FALSE(look_of(terminal.slave.get()).colours);
  }
  EXPECT_TRUE(moves_its_cursor(terminal.slave.get()));
  EXPECT_FALSE(look_of(terminal.slave.get()).colours) << "NO_COLOR";
  const Variable wanted("NO_COLOR", nullptr), utf8("LC_ALL", "en_US.UTF-8");
  const Look look = look_of(terminal.slave.get());
  EXPECT_TRUE(look.colours);
  EXPECT_TRUE(look.unicode);
  EXPECT_EQ(look.width, 100);
  EXPECT_EQ(look.height, 40);
}

TEST(TerminalView, AStoppedTerminalHoldsNobodyUp) {
  Terminal terminal;
  JobStatus status;
  begin(status);
  auto view = TerminalView::start(quick(terminal.slave.get()), status);
  ASSERT_TRUE(terminal.read_until("orders"));
  std::this_thread::sleep_for(milliseconds(200));  // nobody reads: the terminal's buffer fills
  for (int i = 0; i < 50; ++i) status.step(0).add({.rows_out = 1});
  fcntl(terminal.slave.get(), F_SETFL, O_NONBLOCK);
  const auto start = std::chrono::steady_clock::now();
  std::thread reader([&] { terminal.read_until([](const std::string&) { return false; }, 300); });
  view.reset();
  reader.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(3000));
}

TEST(TerminalView, AReaderThatWentAwayIsNoProblem) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Descriptor in(ends[0]), out(ends[1]);
  in.reset();
  JobStatus status;
  begin(status);
  auto view = TerminalView::start(quick(out.get()), status);
  std::this_thread::sleep_for(milliseconds(60));
  view.reset();
}

}  // namespace
}  // namespace gristmill::job
