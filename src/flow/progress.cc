// The line is shown by the event loop's timer; the end of the last run takes it away, under the same lock, so nothing is shown after it.

#include "flow/progress.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "flow/call_stats.h"

namespace gristmill {
namespace {

constexpr int kBar = 24;

std::string grouped_number(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace

FlowProgress::State::State(Show show, std::chrono::milliseconds after, std::chrono::milliseconds every)
    : show_(std::move(show)), after_(after), every_(std::max(every, std::chrono::milliseconds(1))) {}

void FlowProgress::State::begin(int64_t items) {
  if (items < 0) {
    unknown = true;
  } else {
    total += items;
  }
  std::lock_guard lock(mutex_);
  if (++runs_ > 1) return;
  began_ = flow::wall_ns();
  if (show_) arm(after_);
}

void FlowProgress::State::through(bool was_failed) {
  if (was_failed) failed.fetch_add(1, std::memory_order_relaxed);
  done.fetch_add(1, std::memory_order_relaxed);
}

void FlowProgress::State::end() {
  std::optional<flow::EventLoop::Timer> timer;
  {
    std::lock_guard lock(mutex_);
    if (--runs_ > 0) return;
    before_ += flow::wall_ns() - began_.exchange(0);
    ++turn_;
    timer.swap(timer_);
    if (shown_) show("");
    shown_ = false;
  }
  if (timer) flow::EventLoop::process().drop(*timer);
}

std::string FlowProgress::State::text() const {
  const int64_t all = unknown ? -1 : total.load();
  const int64_t now = done.load();
  std::string line = grouped_number(now);
  if (all >= 0) line += " of " + grouped_number(all);
  line += " items";
  if (all > 0) {
    const auto filled = static_cast<size_t>(std::min<int64_t>((now * kBar + all / 2) / all, kBar));
    line = "[" + std::string(filled, '#') + std::string(kBar - filled, '.') + "] " + line;
  }
  if (const int64_t n = failed.load(); n > 0) line += ", " + grouped_number(n) + " failed";
  const int64_t began = began_;
  const int64_t spent = before_ + (began > 0 ? flow::wall_ns() - began : 0);
  char seconds[32];
  snprintf(seconds, sizeof seconds, ", %.1f s", static_cast<double>(spent) * 1e-9);
  return line + seconds;
}

void FlowProgress::State::arm(std::chrono::milliseconds pause) {
  timer_ = flow::EventLoop::process().at(flow::EventLoop::Clock::now() + pause, [weak = weak_from_this(), turn = turn_] {
    if (const auto self = weak.lock()) self->show_again(turn);
  });
}

void FlowProgress::State::show_again(int64_t turn) {
  std::lock_guard lock(mutex_);
  if (turn != turn_) return;
  show(text());
  shown_ = true;
  arm(every_);
}

void FlowProgress::State::show(const std::string& line) {
  try {
    show_(line);
  } catch (...) {
    return;  // a display that fails never fails the run
  }
}

FlowProgress::FlowProgress() : FlowProgress(nullptr) {}

FlowProgress::FlowProgress(Show show, std::chrono::milliseconds after, std::chrono::milliseconds every)
    : state_(std::make_shared<State>(std::move(show), after, every)) {}

FlowProgress FlowProgress::terminal() {
  if (isatty(STDERR_FILENO) == 0) return FlowProgress();
  return FlowProgress([](const std::string& line) {
    fprintf(stderr, "\r\x1b[K%s", line.c_str());
    fflush(stderr);
  });
}

int64_t FlowProgress::done() const { return state_->done; }
int64_t FlowProgress::failed() const { return state_->failed; }
int64_t FlowProgress::total() const { return state_->unknown ? -1 : state_->total.load(); }
std::string FlowProgress::text() const { return state_->text(); }

}  // namespace gristmill
