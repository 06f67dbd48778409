// Handles fire outside the lock: a wake may lead straight back here.

#include "exec/branch_gates.h"

#include <algorithm>
#include <utility>

namespace gristmill::exec {

void BranchGates::open(const Segment& segment, const std::vector<int64_t>& sizes) {
  const auto& branches = segment.branches;
  before_.assign(branches.size(), {});
  sizes_ = sizes;
  done_.assign(branches.size(), 0);
  for (size_t b = 0; b < branches.size(); ++b) {
    if (!branches[b].after) continue;
    any_ = true;
    for (size_t f = 0; f < branches.size(); ++f) {
      const auto& feeds = branches[f].feeds;
      if (std::find(feeds.begin(), feeds.end(), branches[b].after) != feeds.end()) before_[b].push_back(static_cast<int>(f));
    }
  }
}

base::WaitHandlePtr BranchGates::wait_for(int branch, const std::function<bool()>& given_up) {
  if (!any_ || before_[static_cast<size_t>(branch)].empty()) return nullptr;
  std::lock_guard lock(mutex_);
  if (ready(branch)) return nullptr;
  auto handle = std::make_shared<base::WaitHandle>();
  if (given_up()) {
    handle->fire();
  } else {
    waiting_.push_back(handle);
  }
  return handle;
}

bool BranchGates::ready(int branch) const {
  const auto& before = before_[static_cast<size_t>(branch)];
  return std::all_of(before.begin(), before.end(), [this](int f) {
    const size_t at = static_cast<size_t>(f);
    return sizes_[at] >= 0 && done_[at] == sizes_[at];
  });
}

void BranchGates::processed(int branch) {
  if (!any_) return;
  std::vector<base::WaitHandlePtr> fire;
  {
    std::lock_guard lock(mutex_);
    const size_t at = static_cast<size_t>(branch);
    if (++done_[at] == sizes_[at]) fire = take_waiting();
  }
  for (const auto& w : fire) w->fire();
}

void BranchGates::ended(int branch, int64_t morsels) {
  if (!any_) return;
  std::vector<base::WaitHandlePtr> fire;
  {
    std::lock_guard lock(mutex_);
    sizes_[static_cast<size_t>(branch)] = morsels;
    fire = take_waiting();
  }
  for (const auto& w : fire) w->fire();
}

void BranchGates::wake() {
  if (!any_) return;
  std::vector<base::WaitHandlePtr> fire;
  {
    std::lock_guard lock(mutex_);
    fire = take_waiting();
  }
  for (const auto& w : fire) w->fire();
}

std::vector<base::WaitHandlePtr> BranchGates::take_waiting() { return std::exchange(waiting_, {}); }

}  // namespace gristmill::exec
