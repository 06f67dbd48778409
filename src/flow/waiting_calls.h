// The calls of one step that wait: through an async window of the scheduler, bounded by number, bytes and rate.
//
// Requests stand in line until the window, the rate and, as long as nobody knows what the function does, the one call that shows it
// let them in. Answers are taken by whoever of the run's workers comes.
//
// Invariant: each request comes back exactly once, from take() or in offer()'s list of calls that had better be computed, or the
// line was discarded. Thread safe. `news` is called, without a lock, when offer() or take() may have something to do again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flow/open_call.h"
#include "flow/rate_limit.h"
#include "flow/request.h"
#include "sched/async_window.h"

namespace gristmill::flow {

struct Finished {
  Request request;
  arrow::Result<Anything> value = Anything();
};

class WaitingCalls : public std::enable_shared_from_this<WaitingCalls> {
 public:
  WaitingCalls(const Step& step, const base::CancelToken& cancel, std::shared_ptr<CallCount> count, std::shared_ptr<Observer> observer,
               std::function<void()> news);

  void add(Request request);
  // Starts what may start. `compute` gets those that need not wait, as it turned out. Whether anything was started.
  bool offer(std::vector<Request>& compute);
  std::optional<Finished> take();
  void cancel_dead();  // calls nobody wants the answer of are ended
  void discard();      // all calls are ended, and nothing starts once this has returned

 private:
  struct Open {
    Request request;
    std::shared_ptr<OpenCall> call;
  };
  enum class Turn : uint8_t { kStarted, kLater, kNothing };
  Turn offer_one(std::unique_lock<std::mutex>& lock, std::vector<Request>& compute);
  std::optional<RateLimit::State::Start> enter_rate();
  void tell_when(const base::WaitHandlePtr& handle);

  NodePtr node_;  // until it is discarded
  const std::string name_;
  const std::shared_ptr<CallCount> count_;
  std::shared_ptr<Observer> observer_;
  const std::function<void()> news_;
  sched::AsyncWindow window_;

  std::mutex mutex_;
  std::deque<Request> line_;
  std::map<uint64_t, Open> open_;
  uint64_t next_number_ = 0;
  int probes_ = 0;  // open calls of a function nobody knows
  bool offering_ = false;
  std::condition_variable offered_;
  bool taking_ = false;
  bool rate_timer_ = false;
  bool discarded_ = false;
  base::WaitHandlePtr room_;   // fires when the window may have room
  base::WaitHandlePtr ready_;  // fires when the window has an answer
};

}  // namespace gristmill::flow
