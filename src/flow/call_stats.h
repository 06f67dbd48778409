// What the calls of one function were measured to cost, and which way the next ones should go for it.
//
// A way never changes a result, only where a call runs. Thread safe without a lock: a lost sample changes nothing that counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace gristmill::flow {

enum class Way : uint8_t { kUnknown, kCompute, kBlocking, kAsync };

class CallStats {
 public:
  void count(int64_t calls) { calls_.fetch_add(calls, std::memory_order_relaxed); }
  void failed() { failures_.fetch_add(1, std::memory_order_relaxed); }
  void repeated() { repeats_.fetch_add(1, std::memory_order_relaxed); }
  void record(int64_t wall_ns, int64_t cpu_ns);  // of a call that was counted
  // Seen from outside while a call was still running.
  void set_verdict(Way way) { verdict_.store(way, std::memory_order_relaxed); }
  // Whether the next call should be measured: the first ones, later one in 64.
  bool due() const;
  Way way() const;
  int64_t wall_ns() const { return wall_.load(std::memory_order_relaxed); }
  std::string numbers() const;  // "1.2 ms a call, 20 us of it computing, 3 of 100 calls measured"

 private:
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> samples_{0};
  std::atomic<int64_t> failures_{0};
  std::atomic<int64_t> repeats_{0};
  std::atomic<int64_t> wall_{0};  // means of late samples
  std::atomic<int64_t> cpu_{0};
  std::atomic<Way> verdict_{Way::kUnknown};
};

// The two clocks of a call on this thread; record() is for when it is over.
class CallClock {
 public:
  // with_line: also the time in the system's line for a core, which costs some 10 us to ask.
  explicit CallClock(bool with_line);
  void record(CallStats& stats) const;

 private:
  const int64_t line_;  // asked before the clocks, being slow
  const int64_t wall_;
  const int64_t cpu_;
};

// A call on some thread as others see it.
class CallProbe {
 public:
  CallProbe();  // of this thread, now
  // Whether what it does is clear by now: it computes, it waits, or kUnknown: look again.
  Way look();

 private:
  const int64_t began_;
  const int thread_;  // the system's number
  int clock_ = -1;
  int64_t cpu_ = 0;
  int rounds_ = 0;
};

int64_t wall_ns();
int64_t thread_cpu_ns();

}  // namespace gristmill::flow
