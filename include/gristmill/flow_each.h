// Functions that give several values for an item, each of which goes on as an item of its own (flow.h).
//
//   Each<std::string> words(const std::string& text) { return split(text, ' '); }  // all at once: a std::vector<std::string>
//
//   Each<std::string> lines(const std::string& path) {  // one by one, pulled as there is room; no value is the end
//     auto file = std::make_shared<std::ifstream>(path);
//     return Each<std::string>::from([file]() -> arrow::Result<std::optional<std::string>> {
//       std::string line;
//       if (!std::getline(*file, line)) return std::nullopt;
//       return line;
//     });
//   }
//
//   AsyncEach<Page> pages(std::string url) {  // a coroutine, pulled as there is room
//     for (int n = 1;; ++n) {
//       arrow::Result<Page> page = co_await fetch(url, n);
//       if (page.ok() && page->empty()) co_return;
//       co_yield page;  // a value, or a status, which ends it
//     }
//   }
//
// What a failing one gave before stays; the failure stands where the next value would.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "gristmill/task.h"

namespace gristmill {

template <typename T>
class Each {
 public:
  using Next = std::function<arrow::Result<std::optional<T>>()>;

  Each(std::vector<T> values)  // NOLINT(google-explicit-constructor): so that a function may return a vector
      : at_once_(true), next_([values = std::move(values), at = size_t{0}]() mutable -> arrow::Result<std::optional<T>> {
          if (at == values.size()) return std::nullopt;
          return std::optional<T>(std::move(values[at++]));
        }) {}
  // Called by one thread at a time, and no more after it gave nothing or an error.
  static Each from(Next next) { return Each(std::move(next), false); }

  bool at_once() const { return at_once_; }
  Next& next() { return next_; }

 private:
  Each(Next next, bool at_once) : at_once_(at_once), next_(std::move(next)) {}
  bool at_once_;
  Next next_;
};

template <typename T>
class [[nodiscard]] AsyncEach {
 public:
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  // Who waits for a value goes on, on the same thread.
  struct Back {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle here) const noexcept { return std::exchange(here.promise().waiter, nullptr); }
    void await_resume() const noexcept {}
  };
  struct promise_type {
    AsyncEach get_return_object() { return AsyncEach(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    Back final_suspend() const noexcept { return {}; }
    Back yield_value(arrow::Result<T> value) {
      given = std::move(value);
      return {};
    }
    void return_void() const noexcept {}
    void unhandled_exception() { given = arrow::Result<T>(detail::exception_status()); }

    std::optional<arrow::Result<T>> given;
    std::coroutine_handle<> waiter;
  };
  class Next {
   public:
    explicit Next(Handle from) : from_(from) {}
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) {
      from_.promise().given.reset();
      from_.promise().waiter = waiter;
      return from_;
    }
    arrow::Result<std::optional<T>> await_resume() {
      std::optional<arrow::Result<T>> given = std::move(from_.promise().given);
      if (!given) return std::nullopt;
      if (!given->ok()) return given->status();
      return std::optional<T>(std::move(**given));
    }

   private:
    Handle from_;
  };

  AsyncEach(AsyncEach&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  AsyncEach& operator=(AsyncEach&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~AsyncEach() { end(); }

  // For coroutines, one at a time, and no more after it gave nothing or an error: co_await each.next().
  Next next() { return Next(handle_); }
  // Where it waits, or before its next value: the destructors of its variables run.
  void end() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

 private:
  explicit AsyncEach(Handle handle) : handle_(handle) {}
  Handle handle_;
};

namespace detail {

using Anything = std::shared_ptr<const void>;

// Some values of a generator, in order; after an error or the end there are no more.
struct FlowSip {
  std::vector<Anything> values;
  arrow::Status error;
  bool end = false;
};

// What a generator gives, while it gives it: one of the two. `end` is for coroutines, on the event loop.
struct FlowSource {
  bool at_once = false;  // taking some takes no time
  std::function<FlowSip(int64_t most)> plain = {};
  std::function<Task<Anything>(int64_t most)> coroutine = {};  // of a FlowSip
  std::function<void()> end = {};
};

// Values that are long in coming go on without those that come after them.
class SipTime {
 public:
  bool over() const { return std::chrono::steady_clock::now() - began_ > std::chrono::microseconds(200); }

 private:
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// Whether there may be more.
template <typename T>
bool sip_one(FlowSip& sip, arrow::Result<std::optional<T>> value) {
  if (!value.ok()) {
    sip.error = value.status();
  } else if (!*value) {
    sip.end = true;
  } else {
    sip.values.push_back(std::make_shared<T>(std::move(**value)));
    return true;
  }
  return false;
}

template <typename T>
FlowSip sip_of(Each<T>& each, int64_t most) {
  FlowSip sip;
  const SipTime time;
  try {
    while (sip_one<T>(sip, each.next()()) && static_cast<int64_t>(sip.values.size()) < most && (each.at_once() || !time.over())) {
    }
  } catch (...) {
    sip.error = exception_status();
  }
  return sip;
}

// `holder` has the generator (`each`) and all it refers to. If this ends where it waits, so does the generator, which would go on with it.
template <typename T, typename Holder>
Task<Anything> sip_later(std::shared_ptr<Holder> holder, int64_t most) {
  struct Guard {
    std::shared_ptr<Holder> holder;
    bool through = false;
    ~Guard() {
      if (!through) holder->each->end();
    }
  };
  Guard guard{holder};
  const auto sip = std::make_shared<FlowSip>();
  const SipTime time;
  for (;;) {
    arrow::Result<std::optional<T>> value = co_await holder->each->next();
    if (!sip_one<T>(*sip, std::move(value)) || static_cast<int64_t>(sip->values.size()) >= most || time.over()) break;
  }
  guard.through = true;
  co_return Anything(sip);
}

inline Task<Anything> sip_now(std::function<FlowSip(int64_t most)> plain, int64_t most) {
  co_return Anything(std::make_shared<FlowSip>(plain(most)));
}

}  // namespace detail
}  // namespace gristmill
