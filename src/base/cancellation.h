// One flag a query polls at every morsel and batch: set by the user, Ctrl-C or a time-out.
//
// Thread safe. Copies share the state. Waiters (a parked worker, an I/O wait) subscribe
// so that cancelling wakes them at once.
#pragma once

#include <arrow/status.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

namespace gristmill::base {

class CancelToken {
 public:
  CancelToken();

  void cancel(arrow::Status why) const;  // the first reason is kept
  bool cancelled() const noexcept;
  arrow::Status check() const;  // OK, or the reason

  // Cancels by itself with a time-out error at `deadline` (checked by check() and by the scheduler's timer).
  void set_deadline(std::chrono::steady_clock::time_point deadline) const;
  std::optional<std::chrono::steady_clock::time_point> deadline() const;

  // `wake` runs once on cancellation (at once if it already happened). Returns an id for unsubscribe.
  // unsubscribe waits for its wake if that runs just now on another thread: hold no lock the wake takes.
  uint64_t subscribe(std::function<void()> wake) const;
  void unsubscribe(uint64_t id) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace gristmill::base
