// Shows a running job on a terminal, redrawn in place, or as a line now and then where there is no terminal.
//
//   auto view = TerminalView::start({}, status);   // null where the system gives no thread
//   view->note("a line that stays above the view");
//   view.reset();                                  // the view is gone from the screen; what comes next begins at column 0
//
// Drawn by a thread of its own; a terminal that takes no output (stopped by Ctrl-S) is not waited for. The size is asked for at each
// drawing, so a resize needs no signal. `status` outlives the view.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "job/job_status.h"
#include "job/live/styled_line.h"

namespace gristmill::job {

struct TerminalViewOptions {
  enum class Mode : unsigned char { kAuto, kLive, kPlain };
  int fd = 2;
  Mode mode = Mode::kAuto;               // live when `fd` is a terminal that can move its cursor
  std::chrono::milliseconds first{300};  // a run that ends before shows nothing
  std::chrono::milliseconds interval{250};
  std::chrono::milliseconds plain_interval{5000};
};

// Of the terminal behind `fd`, by its size and the environment (NO_COLOR, TERM, LC_ALL, LC_CTYPE, LANG).
Look look_of(int fd);
bool moves_its_cursor(int fd);  // a terminal, and TERM neither dumb nor empty

class TerminalView {
 public:
  static std::unique_ptr<TerminalView> start(const TerminalViewOptions& options, const JobStatus& status);
  ~TerminalView();
  TerminalView(const TerminalView&) = delete;
  TerminalView& operator=(const TerminalView&) = delete;

  void note(const std::string& line);

 private:
  TerminalView(const TerminalViewOptions& options, const JobStatus& status);
  void draw_on();
  void draw(const std::vector<std::string>& lines);
  std::string erased() const;
  bool write(const std::string& text);

  const TerminalViewOptions options_;
  const JobStatus& status_;
  const bool live_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::vector<int64_t> drawn_;  // cells of the lines on the screen
  bool broken_ = false;         // nobody reads any more
  std::optional<std::thread> thread_;
};

}  // namespace gristmill::job
