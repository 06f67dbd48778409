// A child of fork() has no thread and may have inherited a locked mutex: it makes its own. The state is never freed, as the thread may
// wait in it while the process ends.

#include "sql/parser_thread.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/status.h"

namespace gristmill::sqltext {
namespace {

constexpr size_t kStackBytes = size_t{256} << 20;  // of address space; pages are touched as needed

struct Parser {
  explicit Parser(pid_t process) : process(process) {}

  const pid_t process;
  std::mutex mutex;  // guards the rest
  std::condition_variable changed;
  bool started = false, busy = false;               // busy: somebody's work is given or running
  const std::function<void()>* work = nullptr;      // given
  const std::function<void()>* finished = nullptr;  // the one that ran last

  void serve() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return work != nullptr; });
      const auto* mine = work;
      lock.unlock();
      (*mine)();
      lock.lock();
      work = nullptr;
      finished = mine;
      changed.notify_all();
    }
  }

  arrow::Status start() {
    if (started) return arrow::Status::OK();
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    const auto body = [](void* self) -> void* {
      static_cast<Parser*>(self)->serve();
      return nullptr;
    };
    const int failed = pthread_create(&thread, &attributes, body, this);
    pthread_attr_destroy(&attributes);
    if (failed != 0) return base::internal_error("cannot start a thread to parse SQL");
    started = true;
    return arrow::Status::OK();
  }
};

std::atomic<Parser*> g_parser{nullptr};

Parser& parser_of_process() {
  Parser* known = g_parser.load(std::memory_order_acquire);
  const pid_t process = getpid();
  while (known == nullptr || known->process != process) {
    auto fresh = std::make_unique<Parser>(process);
    if (g_parser.compare_exchange_strong(known, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  }
  return *known;
}

}  // namespace

arrow::Status on_parser_thread(const std::function<void()>& work) {
  Parser& parser = parser_of_process();
  std::unique_lock lock(parser.mutex);
  ARROW_RETURN_NOT_OK(parser.start());
  parser.changed.wait(lock, [&] { return !parser.busy; });
  parser.busy = true;
  parser.work = &work;
  parser.changed.notify_all();
  parser.changed.wait(lock, [&] { return parser.finished == &work; });
  parser.finished = nullptr;
  parser.busy = false;
  parser.changed.notify_all();
  return arrow::Status::OK();
}

}  // namespace gristmill::sqltext
