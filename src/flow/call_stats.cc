// Time in the system's line for a core is no waiting of a call's own, so it is taken off where the system tells it.

#include "flow/call_stats.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace gristmill::flow {
namespace {

constexpr int64_t kEnough = 3;
constexpr int64_t kEvery = 64;
constexpr int64_t kFade = 32;            // what was measured so many calls ago counts half
constexpr int64_t kClearWait = 100'000;  // ns that a call must wait to be one that waits
constexpr int kSure = 2;                 // looks; one may have come while something else stood in the way
constexpr int kRounds = 4;
constexpr const char* kOwnLine = "/proc/thread-self/schedstat";

int64_t nanoseconds(clockid_t clock) {
  timespec t{};
  return clock_gettime(clock, &t) == 0 ? int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec : -1;
}

int64_t queued_ns(const char* path) {
  FILE* file = fopen(path, "re");
  if (file == nullptr) return 0;
  long long run = 0;
  long long queued = 0;
  const bool read = fscanf(file, "%lld %lld", &run, &queued) == 2;
  fclose(file);
  return read ? queued : 0;
}

std::string time_text(int64_t ns) {
  char text[32];
  const auto t = static_cast<double>(ns);
  if (ns < 1'000'000) {
    snprintf(text, sizeof text, "%.1f us", t * 1e-3);
  } else if (ns < 1'000'000'000) {
    snprintf(text, sizeof text, "%.1f ms", t * 1e-6);
  } else {
    snprintf(text, sizeof text, "%.2f s", t * 1e-9);
  }
  return text;
}

}  // namespace

int64_t wall_ns() { return nanoseconds(CLOCK_MONOTONIC); }
int64_t thread_cpu_ns() { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }

void CallStats::record(int64_t wall, int64_t cpu) {
  const int64_t samples = samples_.fetch_add(1, std::memory_order_relaxed) + 1;
  const int64_t share = std::min(samples, kFade);
  if (samples <= kEnough) {  // the first calls find everything cold: the least of them counts
    wall_.store(samples == 1 ? wall : std::min(wall, wall_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
    cpu_.store(samples == 1 ? cpu : std::min(cpu, cpu_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
    return;
  }
  const int64_t wall_before = wall_.load(std::memory_order_relaxed);
  const int64_t cpu_before = cpu_.load(std::memory_order_relaxed);
  wall_.store(wall_before + (wall - wall_before) / share, std::memory_order_relaxed);
  cpu_.store(cpu_before + (cpu - cpu_before) / share, std::memory_order_relaxed);
}

bool CallStats::due() const {
  return samples_.load(std::memory_order_relaxed) < kEnough || calls_.load(std::memory_order_relaxed) % kEvery == 0;
}

Way CallStats::way() const {
  if (samples_.load(std::memory_order_relaxed) == 0) return verdict_.load(std::memory_order_relaxed);
  const int64_t wall = wall_.load(std::memory_order_relaxed);
  const int64_t cpu = cpu_.load(std::memory_order_relaxed);
  return wall - cpu > std::max(cpu, kClearWait) ? Way::kBlocking : Way::kCompute;
}

std::string CallStats::numbers() const {
  const int64_t samples = samples_.load(std::memory_order_relaxed);
  if (samples == 0) return "not measured yet";
  std::string text = time_text(wall_.load(std::memory_order_relaxed)) + " a call, " + time_text(cpu_.load(std::memory_order_relaxed)) +
                     " of it computing, " + std::to_string(samples) + " of " + std::to_string(calls_.load(std::memory_order_relaxed)) +
                     " calls measured";
  if (const int64_t n = failures_.load(std::memory_order_relaxed)) text += ", " + std::to_string(n) + " failed";
  if (const int64_t n = repeats_.load(std::memory_order_relaxed)) text += ", " + std::to_string(n) + " repeated";
  return text;
}

CallClock::CallClock(bool with_line) : line_(with_line ? queued_ns(kOwnLine) : -1), wall_(wall_ns()), cpu_(thread_cpu_ns()) {}

void CallClock::record(CallStats& stats) const {
  int64_t wall = wall_ns() - wall_;
  const int64_t cpu = thread_cpu_ns() - cpu_;
  if (line_ >= 0 && wall - cpu > kClearWait) wall -= queued_ns(kOwnLine) - line_;
  stats.record(std::max(wall, cpu), cpu);
}

CallProbe::CallProbe() : began_(wall_ns()), thread_(static_cast<int>(syscall(SYS_gettid))) {
  clockid_t clock = -1;
  if (pthread_getcpuclockid(pthread_self(), &clock) == 0) clock_ = clock;
  cpu_ = thread_cpu_ns() + queued_ns(("/proc/self/task/" + std::to_string(thread_) + "/schedstat").c_str());
}

Way CallProbe::look() {
  const int64_t cpu = nanoseconds(clock_);
  if (cpu < 0) return Way::kBlocking;
  const int64_t used = cpu + queued_ns(("/proc/self/task/" + std::to_string(thread_) + "/schedstat").c_str()) - cpu_;
  const int64_t wall = std::max<int64_t>(wall_ns() - began_, 1);
  ++rounds_;
  if (used * 4 < wall) return rounds_ < kSure ? Way::kUnknown : Way::kBlocking;
  if (rounds_ < kRounds) return Way::kUnknown;
  return used * 2 < wall ? Way::kBlocking : Way::kCompute;
}

}  // namespace gristmill::flow
