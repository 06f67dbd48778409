// One mutex guards the W slots; flushing and spilling happen outside it, marked by flags.
//
// The slot next in line is never spilled: it leaves at once or its flush is blocked half-way. A flusher that
// comes upon a slot being spilled waits for that one write. After stop or an error the
// ring is open: nobody waits, what is delivered is dropped, and the error is told once, to whoever met it.

#include "sched/ordered_ring.h"

#include <condition_variable>
#include <utility>

#include "base/status.h"

namespace gristmill::sched {

struct OrderedRing::Impl {
  struct Entry {
    std::unique_ptr<RingSlot> slot;
    int64_t bytes = 0;      // as last asked; 0 after a spill that freed all
    bool spilling = false;  // somebody writes it, outside the lock
    bool fixed = false;     // a spill freed nothing: not asked again
  };
  struct Waiter {
    uint64_t seq;
    base::WaitHandlePtr handle;
  };
  // What must be let go or woken outside the lock.
  struct Leftover {
    std::vector<base::WaitHandlePtr> wake;
    std::vector<std::unique_ptr<RingSlot>> drop;
    ~Leftover() { release(); }
    void release() {
      for (const auto& handle : wake) handle->fire();
      wake.clear();
      drop.clear();
    }
  };

  Impl(uint64_t window, int64_t byte_cap, Flush flush) : cap(byte_cap), flush(std::move(flush)), entries(window == 0 ? 1 : window) {}

  Entry& at(uint64_t seq) { return entries[seq % entries.size()]; }
  void open_for_all(Leftover& out);
  void collect_woken(Leftover& out);
  void advance(Entry& entry, bool stop, Leftover& out);
  arrow::Result<base::WaitHandlePtr> drain(std::unique_lock<std::mutex>& lock);
  arrow::Status spill_one(std::unique_lock<std::mutex>& lock, Entry& entry, int64_t* freed);
  Entry* furthest_spillable();
  arrow::Status keep_cap(std::unique_lock<std::mutex>& lock);

  const int64_t cap;
  const Flush flush;
  mutable std::mutex mutex;
  std::condition_variable spilled;
  std::vector<Entry> entries;
  std::vector<Waiter> waiters;
  uint64_t flushed = 0;
  int64_t in_use = 0;
  int64_t waiting_bytes = 0;
  bool flushing = false;  // the flusher holds the slot in line itself
  bool blocked = false;   // the slot in line was refused; resume() tries it again
  bool stopped = false;
};

void OrderedRing::Impl::open_for_all(Leftover& out) {
  stopped = true;
  blocked = false;
  for (auto& waiter : waiters) out.wake.push_back(std::move(waiter.handle));
  waiters.clear();
  for (Entry& entry : entries) {
    if (entry.spilling) continue;  // the spiller drops it
    if (entry.slot) out.drop.push_back(std::move(entry.slot));
    entry = Entry{};
  }
  in_use = 0;
  waiting_bytes = 0;
}

void OrderedRing::Impl::collect_woken(Leftover& out) {
  std::erase_if(waiters, [&](Waiter& waiter) {
    if (waiter.seq >= flushed + entries.size()) return false;
    out.wake.push_back(std::move(waiter.handle));
    return true;
  });
}

arrow::Result<base::WaitHandlePtr> OrderedRing::Impl::drain(std::unique_lock<std::mutex>& lock) {
  while (!flushing && !blocked && !stopped && at(flushed).slot) {
    Entry& entry = at(flushed);
    flushing = true;
    spilled.wait(lock, [&] { return !entry.spilling; });
    Leftover out;
    std::unique_ptr<RingSlot> slot = std::move(entry.slot);
    if (slot && !stopped) {
      const uint64_t seq = flushed;
      lock.unlock();
      arrow::Result<Flushed> result = flush(seq, *slot);
      lock.lock();
      if (!result.ok()) {
        flushing = false;
        open_for_all(out);
        lock.unlock();
        return result.status();
      }
      if (result->wait && !stopped) {
        flushing = false;
        blocked = true;
        entry.slot = std::move(slot);
        return std::move(result->wait);
      }
      if (!stopped) advance(entry, result->stop, out);
    }
    flushing = false;
    lock.unlock();
    slot.reset();
    out.release();
    lock.lock();
  }
  return nullptr;
}

void OrderedRing::Impl::advance(Entry& entry, bool stop, Leftover& out) {
  in_use -= 1;
  waiting_bytes -= entry.bytes;
  entry = Entry{};
  flushed += 1;
  if (stop) {
    open_for_all(out);
  } else {
    collect_woken(out);
  }
}

OrderedRing::Impl::Entry* OrderedRing::Impl::furthest_spillable() {
  for (uint64_t seq = flushed + entries.size(); --seq > flushed;) {
    Entry& entry = at(seq);
    if (entry.slot && !entry.spilling && !entry.fixed && entry.bytes > 0) return &entry;
  }
  return nullptr;
}

arrow::Status OrderedRing::Impl::spill_one(std::unique_lock<std::mutex>& lock, Entry& entry, int64_t* freed) {
  entry.spilling = true;
  RingSlot* slot = entry.slot.get();
  lock.unlock();
  const arrow::Status status = slot->spill();
  const int64_t now = slot->bytes();
  lock.lock();
  entry.spilling = false;
  *freed = entry.bytes > now ? entry.bytes - now : 0;
  entry.fixed = *freed == 0;
  std::unique_ptr<RingSlot> dropped;
  if (stopped) {
    dropped = std::move(entry.slot);
    entry = Entry{};
  } else {
    waiting_bytes += now - entry.bytes;
    entry.bytes = now;
  }
  spilled.notify_all();
  if (dropped) {
    lock.unlock();
    dropped.reset();
    lock.lock();
  }
  return status;
}

arrow::Status OrderedRing::Impl::keep_cap(std::unique_lock<std::mutex>& lock) {
  while (!stopped && waiting_bytes > cap) {
    Entry* entry = furthest_spillable();
    if (entry == nullptr) break;
    int64_t freed = 0;
    ARROW_RETURN_NOT_OK(spill_one(lock, *entry, &freed));
  }
  return arrow::Status::OK();
}

OrderedRing::OrderedRing(uint64_t window, int64_t byte_cap, Flush flush)
    : impl_(std::make_shared<Impl>(window, byte_cap, std::move(flush))) {}

base::WaitHandlePtr OrderedRing::wait_for_room(uint64_t seq) {
  Impl& s = *impl_;
  std::lock_guard lock(s.mutex);
  if (s.stopped || seq < s.flushed + s.entries.size()) return nullptr;
  auto handle = std::make_shared<base::WaitHandle>();
  s.waiters.push_back({seq, handle});
  return handle;
}

arrow::Result<base::WaitHandlePtr> OrderedRing::deliver(uint64_t seq, std::unique_ptr<RingSlot> slot) {
  Impl& s = *impl_;
  const int64_t bytes = slot->bytes();
  std::unique_lock lock(s.mutex);
  if (s.stopped) {
    lock.unlock();
    return nullptr;  // the slot goes with the argument
  }
  if (seq < s.flushed || seq >= s.flushed + s.entries.size() || s.at(seq).slot) {
    return base::internal_error("morsel " + std::to_string(seq) + " was delivered twice or outside the ring's window");
  }
  Impl::Entry& entry = s.at(seq);
  entry.slot = std::move(slot);
  entry.bytes = bytes;
  s.in_use += 1;
  s.waiting_bytes += bytes;
  ARROW_ASSIGN_OR_RAISE(base::WaitHandlePtr wait, s.drain(lock));
  const arrow::Status kept = s.keep_cap(lock);
  if (!kept.ok()) {
    Impl::Leftover out;
    s.open_for_all(out);
    lock.unlock();
    return kept;
  }
  return wait;
}

arrow::Result<base::WaitHandlePtr> OrderedRing::resume() {
  std::unique_lock lock(impl_->mutex);
  impl_->blocked = false;
  return impl_->drain(lock);
}

uint64_t OrderedRing::flushed() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->flushed;
}

bool OrderedRing::stopped() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->stopped;
}

int64_t OrderedRing::slots_in_use() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->in_use;
}

int64_t OrderedRing::waiting_bytes() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->waiting_bytes;
}

arrow::Result<int64_t> OrderedRing::spill(int64_t bytes) {
  std::unique_lock lock(impl_->mutex);
  int64_t total = 0;
  while (total < bytes && !impl_->stopped) {
    Impl::Entry* entry = impl_->furthest_spillable();
    if (entry == nullptr) break;
    int64_t freed = 0;
    ARROW_RETURN_NOT_OK(impl_->spill_one(lock, *entry, &freed));
    total += freed;
  }
  return total;
}

}  // namespace gristmill::sched
