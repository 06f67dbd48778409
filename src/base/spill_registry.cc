// Invariant: between setting `asked` and clearing it the holder stays registered (remove() waits), so the
// pointer used outside the lock is alive.

#include "base/spill_registry.h"

#include <algorithm>
#include <utility>

namespace gristmill::base {
namespace {

thread_local bool spilling = false;

}  // namespace

bool SpillRegistry::inside_spill() { return spilling; }

SpillRegistry::Holder* SpillRegistry::find(Spillable* holder) {
  for (Holder& h : holders_) {
    if (h.spillable == holder) return &h;
  }
  return nullptr;
}

void SpillRegistry::add(Spillable* holder, const void* account) {
  std::lock_guard lock(mutex_);
  if (find(holder) == nullptr) holders_.push_back({holder, account});
}

void SpillRegistry::wait_until_idle(std::unique_lock<std::mutex>& lock, Spillable* holder) {
  changed_.wait(lock, [&] {
    const Holder* h = find(holder);
    return h == nullptr || h->asked == 0 || h->spiller == std::this_thread::get_id();
  });
}

void SpillRegistry::remove(Spillable* holder) {
  std::unique_lock lock(mutex_);
  wait_until_idle(lock, holder);
  std::erase_if(holders_, [&](const Holder& h) { return h.spillable == holder; });
  changed_.notify_all();
}

void SpillRegistry::remove_all(const void* account) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::none_of(holders_.begin(), holders_.end(), [&](const Holder& h) { return h.account == account && h.asked > 0; });
  });
  std::erase_if(holders_, [&](const Holder& h) { return h.account == account; });
}

arrow::Result<SpillRegistry::Outcome> SpillRegistry::spill_largest(int64_t bytes, const void* account, const void* own,
                                                                   std::vector<Spillable*>& dry) {
  std::unique_lock lock(mutex_);
  Holder* best = nullptr;
  int64_t best_bytes = 0;
  int64_t on_its_way = 0;
  for (Holder& h : holders_) {
    if (account != nullptr && h.account != account) continue;
    if (h.asked > 0) {
      on_its_way += h.asked;
    } else if (std::find(dry.begin(), dry.end(), h.spillable) == dry.end()) {
      const int64_t size = h.spillable->spillable_bytes();
      if (size > best_bytes) {
        best = &h;
        best_bytes = size;
      }
    }
  }
  if (on_its_way >= bytes || (best == nullptr && on_its_way > 0)) {
    changed_.wait(lock);
    return Outcome::kWaited;
  }
  if (best == nullptr) return Outcome::kNobody;

  Spillable* chosen = best->spillable;
  const bool foreign = best->account != own;
  best->asked = bytes - on_its_way;
  best->spiller = std::this_thread::get_id();
  const int64_t asked = best->asked;
  lock.unlock();
  spilling = true;
  arrow::Result<int64_t> freed = chosen->spill(asked);
  spilling = false;
  lock.lock();
  if (Holder* h = find(chosen)) h->asked = 0;
  changed_.notify_all();
  if (!freed.ok() && !foreign) return freed.status();
  if (freed.ok() && *freed > 0) return Outcome::kFreed;
  dry.push_back(chosen);
  return Outcome::kNothingFreed;
}

}  // namespace gristmill::base
