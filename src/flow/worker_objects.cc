// A thread's own list is all it looks at; the lock is for keeping and forgetting. What a flow that is gone left in the list is found by its
// weak pointer, which also keeps the address from being taken for another's.

#include <algorithm>
#include <utility>
#include <vector>

#include "gristmill/flow_worker.h"

namespace gristmill::detail {
namespace {

struct KnownObject {
  const WorkerObjects* owner;
  std::weak_ptr<WorkerObjects> alive;
  void* object;
};

struct KnownObjects {
  ~KnownObjects() {
    for (const KnownObject& known : list) {
      if (const auto owner = known.alive.lock()) owner->forget(this);
    }
  }
  std::vector<KnownObject> list;
};

thread_local KnownObjects known_here;

}  // namespace

void* WorkerObjects::mine() const {
  for (const KnownObject& known : known_here.list) {
    if (known.owner == this && !known.alive.expired()) return known.object;
  }
  return nullptr;
}

void WorkerObjects::keep(std::shared_ptr<void> object) {
  auto& list = known_here.list;
  std::erase_if(list, [](const KnownObject& known) { return known.alive.expired(); });
  list.push_back({this, weak_from_this(), object.get()});
  std::lock_guard lock(mutex_);
  objects_[&known_here] = std::move(object);
}

void WorkerObjects::forget(const void* thread) {
  std::shared_ptr<void> object;  // goes outside the lock
  std::lock_guard lock(mutex_);
  const auto it = objects_.find(thread);
  if (it == objects_.end()) return;
  object = std::move(it->second);
  objects_.erase(it);
}

}  // namespace gristmill::detail
