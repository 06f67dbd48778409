// Which branches of a pipeline must have ended before a morsel of another may run (pipeline.h: BranchGate).
//
// A branch has ended when every morsel of it was processed. Nothing here decides a result, only when work starts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/waiting.h"
#include "exec/pipeline.h"

namespace gristmill::exec {

class BranchGates {
 public:
  // `sizes`: morsels of each branch, -1 while unknown.
  void open(const Segment& segment, const std::vector<int64_t>& sizes);
  // Null: the branch may run, now and ever after. Otherwise fires when that may have changed, at once if `given_up`.
  base::WaitHandlePtr wait_for(int branch, const std::function<bool()>& given_up);
  void processed(int branch);
  void ended(int branch, int64_t morsels);  // the size of a branch that was not known
  void wake();                              // for those who may have given up

 private:
  bool ready(int branch) const;
  std::vector<base::WaitHandlePtr> take_waiting();

  std::mutex mutex_;
  bool any_ = false;                    // set once in open()
  std::vector<std::vector<int>> before_;  // per branch
  std::vector<int64_t> sizes_, done_;
  std::vector<base::WaitHandlePtr> waiting_;
};

}  // namespace gristmill::exec
