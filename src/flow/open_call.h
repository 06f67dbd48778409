// A call that waits, on the event loop or on a thread of the pool: started once, answered once, ended early when nobody wants it.
//
// Invariant: `CallCount` is one up for each call until it is gone: no code of the user runs for it, nothing of it holds the user's values
// or function.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flow/event_loop.h"
#include "flow/node.h"
#include "flow/observer.h"
#include "sched/async_window.h"

namespace gristmill::flow {

// How many calls are open; who started them waits until there are none.
class CallCount {
 public:
  void enter();
  void leave();
  void wait_for_none();

  // One up as long as it lives.
  class Held {
   public:
    explicit Held(std::shared_ptr<CallCount> count) : count_(std::move(count)) { count_->enter(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { count_->leave(); }

   private:
    const std::shared_ptr<CallCount> count_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int64_t open_ = 0;
};

// What is called: a function with arguments, or a generator for its next values.
struct CallWork {
  NodePtr node;
  std::vector<Anything> args;
  FlowCall told;
  std::shared_ptr<detail::FlowSource> source = nullptr;
  int64_t most = 0;                              // values of the source
  std::shared_ptr<Observer> observer = nullptr;  // who is told of it, as a call of `name`
  std::string name = {};
};

arrow::Result<Anything> called(const CallWork& work);  // here and now, of a function that is no coroutine

class OpenCall : public std::enable_shared_from_this<OpenCall> {
 public:
  OpenCall(CallWork work, std::shared_ptr<CallCount> count);

  // `probe`: it is looked at from outside, and `news` called when it is clear what it does.
  void start(sched::AsyncDone done, bool probe, std::function<void()> news);
  // Nobody wants the answer. A coroutine is destroyed, a function is told; from any thread, also before start().
  void cancel();

 private:
  void start_coroutine();  // on the loop
  void end_coroutine();
  void tell_begin();
  void tell_end();
  void run_plain(bool probe, const std::function<void()>& news);
  void watch(std::shared_ptr<CallProbe> probe, std::function<void()> news);
  void arm(std::chrono::nanoseconds timeout);
  void disarm();
  void answer(arrow::Result<Anything> value);

  void forget();  // the user's values

  const CallCount::Held held_;  // the last to go
  const NodePtr node_;
  CallWork work_;
  const std::shared_ptr<std::atomic<bool>> ended_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> running_{false};

  std::mutex mutex_;  // of the two below
  sched::AsyncDone done_;
  std::optional<EventLoop::Timer> timer_;

  int64_t began_ = 0;  // of the thread that runs it

  // The loop's thread only.
  std::optional<Task<Anything>> task_;
};

}  // namespace gristmill::flow
