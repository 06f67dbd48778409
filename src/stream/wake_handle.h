// Between a library that calls from its own threads and waits of the engine: armed before looking, fired when something came.
//
// The library may hold its locks while it calls, so the handle is fired elsewhere: on the timer thread. Thread safe.
#pragma once

#include <memory>
#include <mutex>

#include "base/waiting.h"
#include "sched/task.h"

namespace gristmill::stream {

class WakeHandle {
 public:
  void use(sched::Background* background) {
    std::lock_guard lock(mutex_);
    background_ = background;
  }
  // Fires when wake() is called from now on. Arm first, then look whether something is there.
  base::WaitHandlePtr arm() {
    std::lock_guard lock(mutex_);
    if (armed_ == nullptr) armed_ = std::make_shared<base::WaitHandle>();
    return armed_;
  }
  void wake() {
    base::WaitHandlePtr handle;
    sched::Background* background = nullptr;
    {
      std::lock_guard lock(mutex_);
      handle.swap(armed_);
      background = background_;
      // Under the lock, so that a background which end() was told to leave is not used any more.
      if (handle != nullptr && background != nullptr) background->after(0, [handle] { handle->fire(); });
    }
    if (handle != nullptr && background == nullptr) handle->fire();
  }
  // The background goes away.
  void end() {
    base::WaitHandlePtr handle;
    {
      std::lock_guard lock(mutex_);
      background_ = nullptr;
      handle.swap(armed_);
    }
    if (handle != nullptr) handle->fire();
  }

 private:
  std::mutex mutex_;
  base::WaitHandlePtr armed_;
  sched::Background* background_ = nullptr;
};

}  // namespace gristmill::stream
