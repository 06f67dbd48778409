// The constants of `x in (...)`, prepared once.
//
// Few values are compared one after another; many integers go to a bitmap or a hash set, many texts to a hash set.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "column/kernels.h"
#include "expr/bind.h"
#include "expr/registry.h"

namespace gristmill::expr {

class MemberSet final : public FunctionState {
 public:
  // nullptr unless all of args[1..] are constants. Arguments are of one type.
  static std::shared_ptr<const MemberSet> of_constants(std::span<const BoundPtr> args);

  bool holds_null() const { return null_; }
  // Rows of a flat column, among the valid ones, whose value is in the set.
  column::Mask find(const column::Column& x, const column::Mask& valid, int64_t rows) const;

 private:
  column::Mask compare_all(const column::Column& x, int64_t rows) const;
  template <typename T>
  column::Mask find_integers(const column::Column& x, const column::Mask& valid, int64_t rows) const;

  column::Physical physical_ = column::Physical::kNull;
  bool null_ = false;
  std::vector<column::Column> constants_;  // without null
  std::unordered_set<std::string> texts_;
  std::unordered_set<std::string_view> views_;
  std::unordered_set<int64_t> integers_;
  int64_t lowest_ = 0;
  std::vector<bool> dense_;  // lowest_ + i is a member; empty when the range is wide
};

}  // namespace gristmill::expr
