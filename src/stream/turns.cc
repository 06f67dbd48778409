#include "stream/turns.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace gristmill::stream {
namespace {

constexpr int64_t kLeast = 16, kMost = 4096;  // chunks
// A busy machine lets nobody move for 50 ms; a slow sink keeps a chunk for seconds. Looked at in parts: one timer that fires before anybody
// could move proves nothing.
constexpr int64_t kLookMicros = 5'000;
constexpr int kLooks = 10, kLooksAtWork = 1000;

void fire_all(const std::vector<base::WaitHandlePtr>& handles) {
  for (const auto& handle : handles) handle->fire();
}

}  // namespace

size_t Turns::add(std::function<bool()> at_work) {
  places_.emplace_back().works = std::move(at_work);
  return places_.size() - 1;
}

int64_t Turns::lead(const Place& p) { return std::max(kLeast, p.grace); }

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
    if (!pausing && std::none_of(places_.begin(), places_.end(), [&](const Place& q) { return ahead(p, q) >= lead(q); })) return nullptr;
    p.paused.push_back(handle);
    if (!pausing) {
      begun = ++p.pauses;
      p.seen = moves_of_others(p);
      p.still = p.at_work = 0;
    }
  }
  if (begun > 0) look_later(feed, begun);
  return handle;
}

// Under the lock. While any other feed moves those behind it may just have no worker.
int64_t Turns::moves_of_others(const Place& p) const {
  int64_t out = -p.moves;
  for (const Place& q : places_) out += q.moves;
  return out;
}

void Turns::look_later(size_t feed, uint64_t pause) {
  background_.after(kLookMicros, [weak = weak_from_this(), feed, pause] {
    if (const auto self = weak.lock()) self->look(feed, pause);
  });
}

void Turns::look(size_t feed, uint64_t pause) {
  Handles go;
  {
    std::lock_guard lock(mutex_);
    Place& p = places_[feed];
    if (p.paused.empty() || p.pauses != pause) return;
    const int64_t moves = moves_of_others(p);
    const bool at_work = std::any_of(places_.begin(), places_.end(), [&](const Place& q) { return ahead(p, q) >= 1 && q.works(); });
    if (std::exchange(p.seen, moves) != moves) {
      p.still = p.at_work = 0;
    } else {
      p.still = at_work ? 0 : p.still + 1;
      p.at_work += at_work;
    }
    if (p.still >= kLooks || p.at_work >= kLooksAtWork) {
      for (Place& q : places_) {
        if (ahead(p, q) < 1) continue;
        q.grace = std::clamp<int64_t>(q.grace * 2, 1, kMost);
        q.chunks = std::max(q.chunks, p.chunks - (lead(q) - q.grace));
      }
      go.swap(p.paused);
    }
  }
  if (go.empty()) return look_later(feed, pause);
  fire_all(go);
}

void Turns::claimed(size_t feed) {
  Handles go;
  {
    std::lock_guard lock(mutex_);
    Place& p = places_[feed];
    wake(p);
    if (std::exchange(p.grace, 0) > 0) catch_up(p, kLeast);
    ++p.chunks;
    ++p.moves;
    go = let_go();
  }
  fire_all(go);
}

void Turns::ticked(size_t feed) {
  Handles go;
  {
    std::lock_guard lock(mutex_);
    Place& p = places_[feed];
    if (p.state == State::kWaiting) catch_up(p, 0);
    ++p.chunks;
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
  catch_up(p, 0);
  p.state = State::kReady;
}

// Under the lock: it is not further than that behind the others.
void Turns::catch_up(Place& p, int64_t behind) {
  int64_t least = INT64_MAX;
  for (const Place& q : places_) {
    if (&q != &p && q.state == State::kReady) least = std::min(least, q.chunks);
  }
  if (least != INT64_MAX) p.chunks = std::max(p.chunks, least - behind);
}

}  // namespace gristmill::stream
