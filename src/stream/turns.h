// Whose turn it is among the feeds of a run: a source that always has rows must not keep another one from being read.
//
// The scheduler lets the first task that can move do so, and a source that is never empty can always move; so can one whose clock ticks
// faster than its ticks are worked on. So each feed counts its chunks and ticks, and one that is ahead of another by so many pauses until
// that one has caught up, has nothing to give, or has ended. Who waits for what is not known here (a feed may stand before a join whose
// table is still being built), so whoever pauses looks now and then: where no other feed has given a chunk for so many looks, it may give
// one more, then two, four, ... as long as those behind it do not move. It waits much longer while a chunk of theirs is on its way: where
// a slow sink is what holds it up, more of others would only take its room. Nobody is held up for good, and nobody gets far ahead of one
// that is only slow.
//
// Only the order between sources depends on this, which is nobody's promise. Thread safe; calls nothing while it is locked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/waiting.h"
#include "sched/task.h"

namespace gristmill::stream {

class Turns : public std::enable_shared_from_this<Turns> {
 public:
  explicit Turns(sched::Background& background) : background_(background) {}

  // A feed's place; before the run. `at_work`: whether a chunk of it is on its way; from any thread, under the lock.
  size_t add(std::function<bool()> at_work = [] { return false; });

  // Before a chunk is asked for. Null: go on; else fires when it is worth asking again.
  base::WaitHandlePtr pause(size_t feed);
  void claimed(size_t feed);  // it gave a chunk
  void ticked(size_t feed);   // it gave a tick, which says nothing about rows
  void waits(size_t feed);    // it has nothing
  void ready(size_t feed);    // it may have something again
  void ended(size_t feed);

 private:
  enum class State : uint8_t { kReady, kWaiting, kEnded };
  using Handles = std::vector<base::WaitHandlePtr>;
  struct Place {
    State state = State::kReady;
    int64_t chunks = 0;
    int64_t grace = 0;  // chunks that others may give before they look again: it does not move
    int64_t moves = 0;
    Handles paused;  // of every worker that asked for its next chunk
    uint64_t pauses = 0;
    int64_t seen = 0;            // in a pause: what others had moved at the last look,
    int still = 0, at_work = 0;  // and for how many looks that has been the same, without and with a chunk on its way
    std::function<bool()> works;
  };
  static int64_t lead(const Place& p);  // how far others may be ahead of it
  // By how many chunks a feed is ahead of another that could give some; less than 1: by none.
  static int64_t ahead(const Place& place, const Place& other) {
    return &other == &place || other.state != State::kReady ? 0 : place.chunks - other.chunks;
  }
  Handles let_go();
  void set_state(size_t feed, State state);
  void wake(Place& p);
  void catch_up(Place& p, int64_t behind);
  int64_t moves_of_others(const Place& p) const;
  void look_later(size_t feed, uint64_t pause);
  void look(size_t feed, uint64_t pause);

  sched::Background& background_;
  std::mutex mutex_;
  std::vector<Place> places_;
};

}  // namespace gristmill::stream
