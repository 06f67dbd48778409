// Whose turn it is among the feeds of a run: a source that always has rows must not keep another one from being read.
//
// The scheduler lets the first task that can move do so, and a source that is never empty can always move. So each feed counts its chunks,
// and one that is ahead of another by so many pauses until that one has caught up, has nothing to give, or has ended. Who waits for what
// is not known here (a feed may stand before a join whose table is still being built), so a pause also ends by the clock: the feed that
// was waited for and did not move is owed nothing then, and waited for less often until it moves. Nobody is ever held up for good.
//
// Only the order between sources depends on this, which is nobody's promise. Thread safe; calls nothing while it is locked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/waiting.h"
#include "sched/task.h"

namespace gristmill::stream {

class Turns : public std::enable_shared_from_this<Turns> {
 public:
  explicit Turns(sched::Background& background) : background_(background) {}

  // A feed's place; before the run.
  size_t add();

  // Before a chunk is asked for. Null: go on; else fires when it is worth asking again.
  base::WaitHandlePtr pause(size_t feed);
  void claimed(size_t feed);  // it gave a chunk
  void waits(size_t feed);    // it has nothing
  void ready(size_t feed);    // it may have something again
  void ended(size_t feed);

 private:
  enum class State : uint8_t { kReady, kWaiting, kEnded };
  using Handles = std::vector<base::WaitHandlePtr>;
  struct Place {
    State state = State::kReady;
    int64_t chunks = 0;
    int64_t lead = 0;  // how far others may be ahead of it
    Handles paused;    // of every worker that asked for its next chunk
    uint64_t pauses = 0;
  };
  // By how many chunks a feed is ahead of another that could give some; less than 1: by none.
  static int64_t ahead(const Place& place, const Place& other) {
    return &other == &place || other.state != State::kReady ? 0 : place.chunks - other.chunks;
  }
  Handles let_go();
  void set_state(size_t feed, State state);
  void wake(Place& p);
  void pause_over(size_t feed, uint64_t pause);

  sched::Background& background_;
  std::mutex mutex_;
  std::vector<Place> places_;
};

}  // namespace gristmill::stream
