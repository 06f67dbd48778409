// Threads for calls that wait: one for each that is open, up to a maximum, kept for a while and taken again last in, first out.
//
// They are apart from the engine's workers, so that calls that wait take no core from those that compute. Thread safe; jobs beyond the
// maximum wait in line, in order. Joined at exit, made anew in the child of a fork.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace gristmill::flow {

class BlockingPool {
 public:
  static constexpr int kMostThreads = 1024;

  static BlockingPool& process();
  ~BlockingPool();

  void submit(std::function<void()> job);
  int threads() const;

 private:
  struct Seat {
    std::condition_variable wake;
    bool called = false;
    std::thread thread;
  };
  using Place = std::list<Seat>::iterator;
  void work(Place seat);
  bool sleep(std::unique_lock<std::mutex>& lock, Place seat);
  bool grow();  // under the lock

  mutable std::mutex mutex_;
  std::deque<std::function<void()>> jobs_;
  std::vector<Place> idle_;
  std::list<Seat> seats_;
  std::list<Seat> ended_;  // to be joined
  bool stop_ = false;
};

}  // namespace gristmill::flow
