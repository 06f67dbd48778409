#include "stream/turns.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace gristmill::stream {
namespace {

constexpr int64_t kLeast = 16, kMost = 4096;  // chunks
constexpr int64_t kLongestMicros = 50'000;    // a busy machine lets nobody move for so long

void fire_all(const std::vector<base::WaitHandlePtr>& handles) {
  for (const auto& handle : handles) handle->fire();
}

}  // namespace

size_t Turns::add() {
  places_.push_back({State::kReady, 0, kLeast, {}, 0});
  return places_.size() - 1;
}

// Under the lock: the handles of those that nobody is behind any more.
Turns::Handles Turns::let_go() {
  Handles out;
  for (Place& p : places_) {
    if (p.paused.empty() || std::any_of(places_.begin(), places_.end(), [&](const Place& q) { return ahead(p, q) >= 1; })) continue;
    std::move(p.paused.begin(), p.paused.end(), std::back_inserter(out));
    p.paused.clear();
  }
  return out;
}

base::WaitHandlePtr Turns::pause(size_t feed) {
  auto handle = std::make_shared<base::WaitHandle>();
  uint64_t begun = 0;
  {
    std::lock_guard lock(mutex_);
    Place& p = places_[feed];
    const bool pausing = !p.paused.empty();
    if (!pausing && std::none_of(places_.begin(), places_.end(), [&](const Place& q) { return ahead(p, q) >= q.lead; })) return nullptr;
    p.paused.push_back(handle);
    if (!pausing) begun = ++p.pauses;
  }
  if (begun > 0) {
    background_.after(kLongestMicros, [weak = weak_from_this(), feed, begun] {
      if (const auto self = weak.lock()) self->pause_over(feed, begun);
    });
  }
  return handle;
}

// By the clock: whoever it waited for did not come so far.
void Turns::pause_over(size_t feed, uint64_t pause) {
  Handles go;
  {
    std::lock_guard lock(mutex_);
    Place& p = places_[feed];
    if (p.paused.empty() || p.pauses != pause) return;
    for (Place& q : places_) {
      if (ahead(p, q) < 1) continue;
      q.chunks = p.chunks;
      q.lead = std::min(q.lead * 2, kMost);
    }
    go = let_go();
  }
  fire_all(go);
}

void Turns::claimed(size_t feed) {
  Handles go;
  {
    std::lock_guard lock(mutex_);
    wake(places_[feed]);
    ++places_[feed].chunks;
    places_[feed].lead = kLeast;
    go = let_go();
  }
  fire_all(go);
}

void Turns::set_state(size_t feed, State state) {
  Handles go;
  {
    std::lock_guard lock(mutex_);
    if (places_[feed].state == State::kEnded) return;
    places_[feed].state = state;
    go = let_go();
  }
  fire_all(go);
}

void Turns::waits(size_t feed) { set_state(feed, State::kWaiting); }
void Turns::ended(size_t feed) { set_state(feed, State::kEnded); }

void Turns::ready(size_t feed) {
  std::lock_guard lock(mutex_);
  wake(places_[feed]);
}

// Under the lock. What it did not take while it had nothing is not owed to it.
void Turns::wake(Place& p) {
  if (p.state != State::kWaiting) return;
  int64_t least = INT64_MAX;
  for (const Place& q : places_) {
    if (&q != &p && q.state == State::kReady) least = std::min(least, q.chunks);
  }
  if (least != INT64_MAX) p.chunks = std::max(p.chunks, least);
  p.state = State::kReady;
}

}  // namespace gristmill::stream
