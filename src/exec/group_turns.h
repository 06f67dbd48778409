// Who works on an aggregation right now, so that a worker short of memory can wait for those whose work ends soon.
//
// Everybody who works holds memory that nobody can spill until the batch, partition or morsel at hand is done. Failing while
// another one is about to give some back would make the outcome a matter of timing; waiting for one another would never
// end. So a worker waits as long as somebody works who does not wait too, and the last one is told to help itself.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace gristmill::exec {

class Turns {
 public:
  // A stretch of work. Alone: when all others have ended, and before any other begins.
  class Scope {
   public:
    explicit Scope(Turns& turns, bool alone = false);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Turns& turns_;
    bool alone_;
  };

  // Inside a scope: waits until another one ended or freed something. False: all others wait as well.
  bool wait_for_others();
  // Something was freed.
  void progress();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int active_ = 0;
  int stuck_ = 0;
  int alone_wanted_ = 0;
  bool alone_ = false;
  int64_t generation_ = 0;
};

}  // namespace gristmill::exec
