#include "job/transform.h"

namespace gristmill::job {

void NamedCounts::add(const std::string& name, int64_t n) {
  std::lock_guard lock(mutex_);
  counts_[name] += n;
}

std::map<std::string, int64_t> NamedCounts::all() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace gristmill::job
