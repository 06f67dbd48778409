// Counting under one mutex; a generation tells waiters from those who come later.

#include "exec/group_turns.h"

namespace gristmill::exec {

Turns::Scope::Scope(Turns& turns, bool alone) : turns_(turns), alone_(alone) {
  std::unique_lock lock(turns_.mutex_);
  if (alone) {
    ++turns_.alone_wanted_;
    turns_.changed_.wait(lock, [&] { return turns_.active_ == 0; });
    --turns_.alone_wanted_;
    turns_.alone_ = true;
  } else {
    turns_.changed_.wait(lock, [&] { return !turns_.alone_ && turns_.alone_wanted_ == 0; });
  }
  ++turns_.active_;
}

Turns::Scope::~Scope() {
  const std::lock_guard lock(turns_.mutex_);
  --turns_.active_;
  if (alone_) turns_.alone_ = false;
  ++turns_.generation_;
  turns_.changed_.notify_all();
}

bool Turns::wait_for_others() {
  std::unique_lock lock(mutex_);
  if (stuck_ + 1 >= active_) return false;
  ++stuck_;
  const int64_t since = generation_;
  changed_.wait(lock, [&] { return generation_ != since; });
  --stuck_;
  return true;
}

void Turns::progress() {
  const std::lock_guard lock(mutex_);
  ++generation_;
  changed_.notify_all();
}

}  // namespace gristmill::exec
