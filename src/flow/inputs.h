// The items of a run: columns side by side or every combination of them, or values that are pulled one by one.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <arrow/result.h>

#include "flow/graph.h"

namespace gristmill::flow {

class Inputs {
 public:
  // What is wrong with what was given is told here; `fixed` and `mapped` are by slot, as the plan wants them.
  static arrow::Result<Inputs> make(const detail::FlowGraph& graph, const detail::FlowGiven& given);

  const std::vector<Anything>& fixed() const { return fixed_; }
  const std::vector<bool>& mapped() const { return mapped_; }
  int64_t total() const { return total_; }  // -1: nobody knows before the end
  void fill(std::vector<Anything>& values, int64_t item) const;
  // The next one of those that are pulled, into `values`; false: there is none.
  arrow::Result<bool> pull(std::vector<Anything>& values) const;

 private:
  std::vector<Anything> fixed_;
  std::vector<bool> mapped_;
  std::vector<detail::FlowColumn> columns_;
  std::vector<int64_t> strides_;  // of every combination
  int source_ = -1;
  std::function<arrow::Result<Anything>()> next_;
  int64_t total_ = 1;
  bool product_ = false;
};

}  // namespace gristmill::flow
