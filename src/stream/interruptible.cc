#include "stream/interruptible.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "sched/background_thread.h"

namespace gristmill::stream {

arrow::Status interruptible(const std::function<arrow::Status()>& interrupt, const base::CancelToken& cancel,
                            const std::function<arrow::Status()>& work) {
  constexpr std::chrono::milliseconds kAsk{50};
  if (!interrupt) return work();
  std::mutex mutex;
  std::condition_variable over;
  std::optional<arrow::Status> outcome;
  auto thread = sched::start_thread("gristmill-start", [&] {
    arrow::Status done = work();
    std::lock_guard lock(mutex);
    outcome = std::move(done);
    over.notify_all();
  });
  if (!thread) return work();
  std::unique_lock lock(mutex);
  while (!over.wait_for(lock, kAsk, [&] { return outcome.has_value(); })) {
    lock.unlock();
    if (arrow::Status wish = interrupt(); !wish.ok()) cancel.cancel(std::move(wish));
    lock.lock();
  }
  lock.unlock();
  thread->join();
  return *outcome;
}

}  // namespace gristmill::stream
