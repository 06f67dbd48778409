// The cursor rests behind the last line, so that whatever ends the process abruptly leaves a screen one can type on.
//
// A narrower terminal wraps the lines that are there: the rows to go up are counted at the present width. Each drawing is one write.

#include "job/live/terminal_view.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "frame/text_width.h"
#include "job/live/sampler.h"
#include "job/live/view_text.h"
#include "sched/background_thread.h"

namespace gristmill::job {
namespace {

std::string_view variable(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view value = variable(name);
    if (value.empty()) continue;
    std::string lower(value);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(c | 0x20); });
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return false;
}

int64_t cells_of(const std::string& line) {
  std::string plain;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      while (i < line.size() && line[i] != 'm') ++i;
    } else {
      plain += line[i];
    }
  }
  return frame::text_width(plain);
}

// `text` made one harmless line.
std::string one_line(const std::string& text) { return frame::printable(text, int64_t{1} << 40); }

}  // namespace

Look look_of(int fd) {
  Look look;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    look.width = size.ws_col;
    look.height = size.ws_row > 0 ? size.ws_row : look.height;
  }
  look.colours = moves_its_cursor(fd) && variable("NO_COLOR").empty();
  look.unicode = utf8_locale();
  return look;
}

bool moves_its_cursor(int fd) {
  const std::string_view terminal = variable("TERM");
  return isatty(fd) && !terminal.empty() && terminal != "dumb";
}

TerminalView::TerminalView(const TerminalViewOptions& options, const JobStatus& status)
    : options_(options),
      status_(status),
      live_(options.mode == TerminalViewOptions::Mode::kLive ||
            (options.mode == TerminalViewOptions::Mode::kAuto && moves_its_cursor(options.fd))) {}

std::unique_ptr<TerminalView> TerminalView::start(const TerminalViewOptions& options, const JobStatus& status) {
  std::unique_ptr<TerminalView> view(new TerminalView(options, status));
  view->thread_ = sched::start_thread("gm-live", [v = view.get()] { v->draw_on(); });
  if (!view->thread_) return nullptr;
  return view;
}

TerminalView::~TerminalView() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_) thread_->join();
  if (!drawn_.empty()) write(erased());
}

void TerminalView::note(const std::string& line) {
  std::lock_guard lock(mutex_);
  if (write(erased() + one_line(line) + (live_ ? "\r\n" : "\n"))) drawn_.clear();
}

void TerminalView::draw_on() {
  Sampler sampler(status_);
  sampler.take();
  std::unique_lock lock(mutex_);
  auto pause = live_ ? options_.first : options_.plain_interval;
  while (!changed_.wait_for(lock, pause, [&] { return stop_; })) {
    pause = live_ ? options_.interval : options_.plain_interval;
    lock.unlock();
    const Sample sample = sampler.take();
    lock.lock();
    if (stop_ || broken_) return;
    if (live_) {
      draw(view_lines(sample, look_of(options_.fd)));
    } else {
      write(plain_line(sample) + "\n");
    }
  }
}

// Back to the first cell of what is drawn, and everything from there on gone.
std::string TerminalView::erased() const {
  if (drawn_.empty()) return "";
  const int64_t width = std::max(look_of(options_.fd).width, 1);
  int64_t rows = 0;
  for (const int64_t cells : drawn_) rows += std::max<int64_t>((cells + width - 1) / width, 1);
  return (rows > 1 ? "\r\x1b[" + std::to_string(rows - 1) + "A" : "\r") + "\x1b[J";
}

void TerminalView::draw(const std::vector<std::string>& lines) {
  pollfd ready{options_.fd, POLLOUT, 0};
  if (poll(&ready, 1, 0) < 1) return;  // stopped; the next drawing is as good
  std::string text = erased();
  std::vector<int64_t> cells;
  for (size_t i = 0; i < lines.size(); ++i) {
    text += (i > 0 ? "\r\n" : "") + lines[i];
    cells.push_back(cells_of(lines[i]));
  }
  if (write(text)) drawn_ = std::move(cells);
}

bool TerminalView::write(const std::string& text) {
  size_t done = 0;
  while (done < text.size() && !broken_) {
    const ssize_t n = ::write(options_.fd, text.data() + done, text.size() - done);
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd ready{options_.fd, POLLOUT, 0};
      if (poll(&ready, 1, 1000) < 1) broken_ = true;
    } else if (errno != EINTR) {
      broken_ = true;
    }
  }
  return !broken_;
}

}  // namespace gristmill::job
