// Coroutines that wait without a thread: the async functions of a flow (flow.h).
//
//   Task<std::string> fetch(std::string url) {
//     Promise<std::string> answer;  // any interface with callbacks
//     client.get(url, [answer](arrow::Result<std::string> got) { answer.set(std::move(got)); });
//     arrow::Result<std::string> page = co_await answer;
//     co_await sleep_for(std::chrono::milliseconds(10));
//     co_return page;  // a value, a Status or a Result
//   }
//
// All coroutines of a process run on one thread, the event loop, one at a time from one co_await to the next: among each other they need
// no locks, and they must not block. A Task begins when it is awaited; `co_await task` gives an arrow::Result. One that is cancelled (a
// time-out, the end of its run) ends where it waits: it is destroyed, and the destructors of its variables run. A lambda that is a
// coroutine must live as long as its Task: what it captures is not copied into it.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <arrow/result.h>
#include <arrow/status.h>

namespace gristmill {

namespace detail {

// `work` runs on the event loop, soon. From any thread.
void on_loop(std::function<void()> work);
// The exception that is being handled, as a Status.
arrow::Status exception_status() noexcept;

class Sleep {
 public:
  explicit Sleep(std::chrono::nanoseconds time) : time_(time) {}
  Sleep(const Sleep&) = delete;
  Sleep& operator=(const Sleep&) = delete;
  ~Sleep();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter);
  void await_resume() noexcept {}

 private:
  const std::chrono::nanoseconds time_;
  std::chrono::steady_clock::time_point when_{};
  uint64_t timer_ = 0;  // 0: none
};

}  // namespace detail

// co_await sleep_for(...): other coroutines run meanwhile; 0 lets those go first that are ready.
inline detail::Sleep sleep_for(std::chrono::nanoseconds time) { return detail::Sleep(time); }

// An answer that comes later, from any thread. Copies share it; the first answer counts; one coroutine may await it.
template <typename T>
class Promise {
  struct State {
    std::mutex mutex;
    std::optional<arrow::Result<T>> answer;
    std::coroutine_handle<> waiter;
  };
  class Awaiter {
   public:
    explicit Awaiter(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() {
      std::lock_guard lock(state_->mutex);
      state_->waiter = nullptr;
    }
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      std::lock_guard lock(state_->mutex);
      if (state_->answer) return false;
      state_->waiter = waiter;
      return true;
    }
    arrow::Result<T> await_resume() {
      std::lock_guard lock(state_->mutex);
      return std::move(*state_->answer);
    }

   private:
    const std::shared_ptr<State> state_;
  };

 public:
  void set(arrow::Result<T> answer) const {
    {
      std::lock_guard lock(state_->mutex);
      if (state_->answer) return;
      state_->answer = std::move(answer);
      if (!state_->waiter) return;
    }
    detail::on_loop([state = state_] {
      std::coroutine_handle<> waiter;
      {
        std::lock_guard lock(state->mutex);
        waiter = std::exchange(state->waiter, nullptr);
      }
      if (waiter) waiter.resume();
    });
  }
  Awaiter operator co_await() const { return Awaiter(state_); }

 private:
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

template <typename T>
class [[nodiscard]] Task {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  // Who waits goes on at once, on the same thread; a started task tells that it is through.
  struct Final {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle ended) noexcept {
      if (ended.promise().waiter) return ended.promise().waiter;
      if (const std::function<void()> through = std::move(ended.promise().through)) through();
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  struct promise_type {
    Task get_return_object() { return Task(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    Final final_suspend() const noexcept { return {}; }
    void return_value(arrow::Result<T> value) { answer = std::move(value); }
    void unhandled_exception() { answer = detail::exception_status(); }

    arrow::Result<T> answer = arrow::Status::UnknownError("the coroutine is not through");
    std::coroutine_handle<> waiter;
    std::function<void()> through;
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
    handle_.promise().waiter = waiter;
    return handle_;
  }
  arrow::Result<T> await_resume() { return std::move(handle_.promise().answer); }

  // For who is no coroutine, on the event loop's thread: begins it; `through` is called when answer() is there, and must not destroy the
  // task.
  void start(std::function<void()> through) {
    handle_.promise().through = std::move(through);
    handle_.resume();
  }
  arrow::Result<T>& answer() { return handle_.promise().answer; }

 private:
  explicit Task(Handle handle) : handle_(handle) {}
  Handle handle_;
};

}  // namespace gristmill
