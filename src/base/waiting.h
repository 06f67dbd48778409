// What a source, a sink or an async call answers when it cannot go on: a handle that
// says when to come back. Nobody in a pipeline ever sleeps on one; the worker goes away.
//
// Thread safe. `fire` may come before or after `on_ready`; the callback runs exactly once,
// on the thread that fires (or subscribes late), and must be short.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

namespace gristmill::base {

class WaitHandle {
 public:
  void on_ready(std::function<void()> wake);
  void fire();
  bool ready() const;

 private:
  mutable std::mutex mutex_;
  bool fired_ = false;
  std::function<void()> wake_;
};

using WaitHandlePtr = std::shared_ptr<WaitHandle>;

}  // namespace gristmill::base
