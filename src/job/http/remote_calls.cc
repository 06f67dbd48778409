// A call is a small state machine; every move of it is made under the one mutex, everything that calls out (the transport, a timer, `done`)
// happens after it, from a list of acts.
//
// A timer or an answer that comes for a call which has moved on (cancelled, answered) carries an older turn number and is ignored.

#include "job/http/remote_calls.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "job/policy/token_bucket.h"

namespace gristmill::job {
namespace {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;
using Outcome = HttpAnswer::Outcome;

constexpr int kMostRedirects = 10;

bool may_pass(int status) {
  if (status == 408 || status == 425 || status == 429) return true;
  return status >= 500 && status != 501 && status != 505;
}

// The service itself is in trouble, rather than this one request.
bool in_trouble(const HttpAnswer& a) {
  if (a.outcome != Outcome::kAnswered) return a.outcome == Outcome::kBroken || a.outcome == Outcome::kTimedOut;
  return a.status == 408 || (a.status >= 500 && a.status != 501 && a.status != 505);
}

bool is_redirect(const HttpAnswer& a) {
  return a.outcome == Outcome::kAnswered && !a.redirect.empty() &&
         (a.status == 301 || a.status == 302 || a.status == 303 || a.status == 307 || a.status == 308);
}

}  // namespace

arrow::Status CallPolicy::check() const {
  if (concurrency < 1 || concurrency > 100'000) return base::plan_error("concurrency must lie between 1 and 100000");
  if (time.attempt.count() <= 0) return base::plan_error("a time-out must be longer than no time");
  ARROW_RETURN_NOT_OK(retry.check());
  return breaker.check();
}

std::string failure_text(const HttpRequest& request, const HttpAnswer& answer) {
  const std::string place = " from " + shown_url(request.url);
  if (answer.outcome != Outcome::kAnswered) return answer.error + place;
  if (is_redirect(answer))
    return "HTTP status " + std::to_string(answer.status) + place + " names another place, " + shown_url(answer.redirect);
  return "HTTP status " + std::to_string(answer.status) + place;
}

std::string without_secrets(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.empty()) continue;
    for (size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) text.replace(at, secret.size(), "***");
  }
  return text;
}

struct RemoteCalls::Impl : std::enable_shared_from_this<RemoteCalls::Impl> {
  struct Call {
    uint64_t id = 0;
    HttpRequest request;
    Done done;
    Retries retries;
    Time begun{};  // of the first request; the breaker's pauses move it on
    bool sent = false;
    bool placed = false;     // holds one of the places
    bool has_token = false;  // of the rate, not used yet
    CircuitBreaker::Permit permit;
    bool has_permit = false;
    uint64_t turn = 0;
    uint64_t number = 0;  // of the request under way, for the transport; 0: none
    int redirects = 0;
    CallResult result;
  };
  using CallPtr = std::shared_ptr<Call>;

  // What is to be done once the mutex is free.
  struct Act {
    CallPtr call;
    enum { kSend, kWait, kAnswer } what = kSend;
    nanoseconds wait{0};  // kWait: until then; kSend: the time-out
    uint64_t turn = 0;
  };
  using Acts = std::vector<Act>;

  Impl(CallPolicy p, Transport& t, sched::Background& b, base::CancelToken c)
      : policy(std::move(p)),
        transport(t),
        background(b),
        cancel(std::move(c)),
        bucket(policy.rate, policy.burst, b.clock()),
        breaker(policy.breaker, b.clock()) {}

  Time now() const { return background.clock().now(); }

  // `busy` was counted up with the acts.
  void perform(Acts acts) {
    for (Act& act : acts) {
      switch (act.what) {
        case Act::kSend: send(act); break;
        case Act::kWait: {
          const auto micros = std::chrono::ceil<std::chrono::microseconds>(act.wait).count();
          background.after(micros, [weak = weak_from_this(), call = act.call, turn = act.turn] {
            if (auto self = weak.lock()) self->woken(call, turn);
          });
          break;
        }
        case Act::kAnswer: act.call->done(std::move(act.call->result)); break;
      }
    }
    std::lock_guard lock(mutex);
    if (--busy == 0) idle.notify_all();
  }

  void send(const Act& act) {
    const uint64_t number =
        transport.start(act.call->request, act.wait, [weak = weak_from_this(), call = act.call, turn = act.turn](HttpAnswer answer) {
          if (auto self = weak.lock()) self->answered(call, turn, std::move(answer));
        });
    bool late = false;
    {
      std::lock_guard lock(mutex);
      if (act.call->turn == act.turn) {
        act.call->number = number;
      } else {
        late = over;  // it was answered already, or is cancelled
      }
    }
    if (late) transport.cancel(number);
  }

  void woken(const CallPtr& call, uint64_t turn) {
    Acts acts;
    {
      std::lock_guard lock(mutex);
      if (over || call->turn != turn) return;
      if (call->placed) {
        advance(call, acts);
      } else {  // back from its pause between attempts
        ready.push_front(call);
      }
      fill(acts);
      busy += 1;
    }
    perform(std::move(acts));
  }

  // Places for those who wait.
  void fill(Acts& acts) {
    while (!ready.empty() && in_place < policy.concurrency) {
      CallPtr call = std::move(ready.front());
      ready.pop_front();
      call->placed = true;
      in_place += 1;
      advance(call, acts);
    }
  }

  void leave(Call& call) {
    if (!call.placed) return;
    call.placed = false;
    in_place -= 1;
  }

  // A call in its place: past the breaker, past the rate, out.
  void advance(const CallPtr& call, Acts& acts) {
    call->turn += 1;
    if (!call->has_permit || !breaker.holds(call->permit)) {
      call->permit = breaker.ask();
      call->has_permit = call->permit.allowed;
      if (call->permit.hopeless) {
        call->result.hopeless = true;
        call->result.status = base::io_error("the service has not come back: " + last_trouble);
        finish(call, acts);
        return;
      }
      if (!call->permit.allowed) {
        const nanoseconds pause = std::max<nanoseconds>(call->permit.ask_in, std::chrono::milliseconds(1));
        if (call->sent) call->begun += pause;
        call->has_token = false;  // its moment passes; used later it would come together with others
        acts.push_back({call, Act::kWait, pause, call->turn});
        return;
      }
    }
    if (!call->has_token) {
      call->has_token = true;
      const nanoseconds pause = bucket.take(1);
      if (pause.count() > 0) {
        acts.push_back({call, Act::kWait, pause, call->turn});
        return;
      }
    }
    const Time moment = now();
    if (!call->sent) call->begun = moment;
    call->sent = true;
    const nanoseconds left = policy.time.for_attempt(call->begun, moment);
    if (left.count() == 0) {
      breaker.dropped(call->permit);
      call->has_permit = false;
      call->result.status = base::io_error(call->result.attempts == 0 ? "no time is left for the call"
                                                                      : failure_text(call->request, call->result.answer) + after(*call));
      finish(call, acts);
      return;
    }
    call->has_token = false;
    call->result.attempts += 1;
    counts.requests += 1;
    in_flight += 1;
    counts.most_in_flight = std::max(counts.most_in_flight, in_flight);
    call->number = 0;
    acts.push_back({call, Act::kSend, left, call->turn});
  }

  static std::string after(const Call& call) {
    return call.retries.failed() > 1 ? ", after " + std::to_string(call.retries.failed()) + " attempts" : "";
  }

  void answered(const CallPtr& call, uint64_t turn, HttpAnswer answer) {
    Acts acts;
    {
      std::lock_guard lock(mutex);
      if (over || call->turn != turn) return;
      call->turn += 1;
      call->number = 0;
      in_flight -= 1;
      judge(call, std::move(answer), acts);
      fill(acts);
      busy += 1;
    }
    perform(std::move(acts));
  }

  void judge(const CallPtr& call, HttpAnswer answer, Acts& acts) {
    const bool trouble = in_trouble(answer);
    if (trouble) last_trouble = failure_text(call->request, answer);
    if (answer.outcome == Outcome::kAnswered && !trouble) {
      breaker.succeeded(call->permit);
    } else if (trouble) {
      breaker.failed(call->permit);
    } else {
      breaker.dropped(call->permit);
    }
    call->has_permit = false;
    counts.breaker_opened = breaker.times_opened();
    CallResult& result = call->result;
    result.answer = std::move(answer);
    const HttpAnswer& a = result.answer;
    // What was sent and not refused may have been taken.
    const bool refused = a.outcome == Outcome::kAnswered && a.status >= 300 && a.status < 500 && a.status != 408;
    if (!refused && a.outcome != Outcome::kRefused) result.untouched = false;

    if (a.outcome == Outcome::kAnswered && a.status >= 200 && a.status < 300) {
      result.status = arrow::Status::OK();
      return finish(call, acts);
    }
    if (is_redirect(a) && follow(*call)) {
      // It keeps its place and needs a token of its own.
      return advance(call, acts);
    }
    const bool passing =
        a.outcome == Outcome::kBroken || a.outcome == Outcome::kTimedOut || (a.outcome == Outcome::kAnswered && may_pass(a.status));
    if (passing) {
      const auto pause = call->retries.next(a.retry_after);
      if (pause && policy.time.allows_pause(call->begun, now(), *pause)) {
        counts.retries += 1;
        leave(*call);
        acts.push_back({call, Act::kWait, std::max<nanoseconds>(*pause, std::chrono::microseconds(1)), call->turn});
        return;
      }
    }
    if (a.outcome == Outcome::kCancelled) {
      result.hopeless = true;
      result.status = base::cancelled_error("the request was cancelled");
    } else {
      // How often an answer that is final took depends on chance: it is said of what was given up only.
      result.status = base::io_error(failure_text(call->request, a) + (passing ? after(*call) : ""));
    }
    finish(call, acts);
  }

  // Within one server only: headers and tokens go to nobody else. A POST is not repeated elsewhere.
  static bool follow(Call& call) {
    const HttpAnswer& a = call.result.answer;
    if (call.request.method != "GET" && call.request.method != "HEAD") return false;
    if (call.redirects == kMostRedirects || origin_of(a.redirect) != origin_of(call.request.url)) return false;
    call.redirects += 1;
    call.request.url = a.redirect;
    return true;
  }

  void finish(const CallPtr& call, Acts& acts) {
    call->turn += 1;
    leave(*call);
    calls.erase(call->id);
    acts.push_back({call, Act::kAnswer, {}, call->turn});
  }

  void end_all(const arrow::Status& why) {
    std::vector<CallPtr> left;
    std::vector<uint64_t> numbers;
    {
      std::lock_guard lock(mutex);
      if (over) return;
      over = true;
      for (auto& [id, call] : calls) {
        call->turn += 1;
        if (call->number != 0) numbers.push_back(call->number);
        call->result.status = why;
        call->result.hopeless = true;
        if (call->sent) call->result.untouched = false;
        left.push_back(call);
      }
      calls.clear();
      ready.clear();
    }
    for (const uint64_t number : numbers) transport.cancel(number);
    std::sort(left.begin(), left.end(), [](const CallPtr& a, const CallPtr& b) { return a->id < b->id; });
    for (const CallPtr& call : left) call->done(std::move(call->result));
  }

  const CallPolicy policy;
  Transport& transport;
  sched::Background& background;
  const base::CancelToken cancel;
  uint64_t cancel_id = 0;
  TokenBucket bucket;
  CircuitBreaker breaker;

  mutable std::mutex mutex;
  bool over = false;
  uint64_t last_id = 0;
  std::unordered_map<uint64_t, CallPtr> calls;  // not answered
  std::deque<CallPtr> ready;                    // wait for a place
  int64_t in_place = 0;
  int64_t in_flight = 0;
  int64_t busy = 0;  // threads that perform acts: they use the transport
  std::condition_variable idle;
  std::string last_trouble;
  CallCounts counts;
};

RemoteCalls::RemoteCalls(CallPolicy policy, Transport& transport, sched::Background& background, base::CancelToken cancel)
    : impl_(std::make_shared<Impl>(std::move(policy), transport, background, std::move(cancel))) {
  impl_->cancel_id = impl_->cancel.subscribe([weak = std::weak_ptr(impl_)] {
    if (auto impl = weak.lock()) {
      const arrow::Status why = impl->cancel.check();
      impl->end_all(why.ok() ? base::cancelled_error() : why);
    }
  });
}

RemoteCalls::~RemoteCalls() {
  impl_->cancel.unsubscribe(impl_->cancel_id);
  impl_->end_all(base::cancelled_error("the request was cancelled"));
  std::unique_lock lock(impl_->mutex);
  impl_->idle.wait(lock, [this] { return impl_->busy == 0; });
}

void RemoteCalls::call(HttpRequest request, uint64_t ordinal, Done done) {
  Impl& s = *impl_;
  auto call = std::make_shared<Impl::Call>(Impl::Call{
      .request = std::move(request), .done = std::move(done), .retries = Retries(s.policy.retry, seed_of_call(s.policy.seed, ordinal))});
  Impl::Acts acts;
  bool refused = false;
  {
    std::lock_guard lock(s.mutex);
    refused = s.over;
    if (!refused) {
      call->id = ++s.last_id;
      s.calls.emplace(call->id, call);
      s.ready.push_back(call);
      s.fill(acts);
      s.busy += 1;
    }
  }
  if (refused) {
    call->result.hopeless = true;
    const arrow::Status why = s.cancel.check();
    call->result.status = why.ok() ? base::cancelled_error() : why;
    call->done(std::move(call->result));
    return;
  }
  s.perform(std::move(acts));
}

CallCounts RemoteCalls::counts() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->counts;
}

}  // namespace gristmill::job
