// The wake is taken out under the lock and run outside it, so it may touch the handle again.

#include "base/waiting.h"

#include <utility>

namespace gristmill::base {

void WaitHandle::on_ready(std::function<void()> wake) {
  {
    std::lock_guard lock(mutex_);
    if (!fired_) {
      if (wake_) {  // several waiters: one after the other
        wake_ = [first = std::move(wake_), second = std::move(wake)] {
          first();
          second();
        };
      } else {
        wake_ = std::move(wake);
      }
      return;
    }
  }
  wake();
}

void WaitHandle::fire() {
  std::function<void()> wake;
  {
    std::lock_guard lock(mutex_);
    if (fired_) return;
    fired_ = true;
    wake = std::exchange(wake_, nullptr);
  }
  if (wake) wake();
}

bool WaitHandle::ready() const {
  std::lock_guard lock(mutex_);
  return fired_;
}

}  // namespace gristmill::base
