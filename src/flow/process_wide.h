// The one object of a kind that a process has: made when first asked for, destroyed at exit, forgotten in the child of a fork (its threads
// are not there, so it must not be destroyed) and made anew.
#pragma once

#include <pthread.h>

#include <memory>
#include <mutex>

namespace gristmill::flow {

template <typename T>
class ProcessWide {
 public:
  static T& get() {
    static ProcessWide holder;
    std::lock_guard lock(holder.mutex_);
    if (!holder.made_) holder.made_ = std::make_unique<T>();
    return *holder.made_;
  }

 private:
  ProcessWide() {
    self_ = this;
    pthread_atfork([] { self_->mutex_.lock(); }, [] { self_->mutex_.unlock(); },
                   [] {
                     (void)self_->made_.release();
                     self_->mutex_.unlock();
                   });
  }

  static inline ProcessWide* self_ = nullptr;
  std::mutex mutex_;
  std::unique_ptr<T> made_;
};

}  // namespace gristmill::flow
