#include "expr/membership.h"

#include <algorithm>

#include "column/bits.h"
#include "expr/kernel.h"
#include "expr/mask_ops.h"

namespace gristmill::expr {
namespace {

constexpr size_t kCompareUpTo = 8;
constexpr uint64_t kDenseUpTo = 1 << 20;

using column::Mask;
using column::Physical;

bool is_word(Physical p) { return p >= Physical::kInt8 && p <= Physical::kUInt64; }

int64_t word_at(const arrow::ArrayData& d, Physical p) {
  return column::visit_number(p, [&]<typename T>() -> int64_t {
    return static_cast<int64_t>(Argument<T>(column::Column::constant(std::make_shared<arrow::ArrayData>(d)))[0]);
  });
}

}  // namespace

std::shared_ptr<const MemberSet> MemberSet::of_constants(std::span<const BoundPtr> args) {
  auto set = std::make_shared<MemberSet>();
  set->physical_ = column::physical_unchecked(*args[0]->type);
  for (const BoundPtr& a : args.subspan(1)) {
    if (a->kind != BoundKind::kConstant) return nullptr;
    if (!a->value || column::is_null_at(a->constant, 0)) {
      set->null_ = true;
    } else {
      set->constants_.push_back(a->constant);
    }
  }
  if (set->constants_.size() <= kCompareUpTo) return set;
  if (set->physical_ == Physical::kView) {
    for (const auto& c : set->constants_) set->texts_.emplace(column::view_at(*c.values, 0));
    for (const std::string& s : set->texts_) set->views_.insert(s);
  } else if (is_word(set->physical_)) {
    for (const auto& c : set->constants_) set->integers_.insert(word_at(*c.values, set->physical_));
    const auto [low, high] = std::minmax_element(set->integers_.begin(), set->integers_.end());
    const uint64_t range = static_cast<uint64_t>(*high) - static_cast<uint64_t>(*low);
    if (range < kDenseUpTo) {
      set->lowest_ = *low;
      set->dense_.resize(range + 1);
      for (int64_t v : set->integers_) set->dense_[static_cast<uint64_t>(v) - static_cast<uint64_t>(*low)] = true;
    }
  }
  return set;
}

Mask MemberSet::compare_all(const column::Column& x, int64_t rows) const {
  Mask out(rows, false);
  for (const auto& c : constants_) {
    auto same = column::compare(column::CompareOp::kEq, x, c, rows);
    if (same.ok()) or_into(out, *same);  // equal, flat types: nothing to go wrong
  }
  return out;
}

template <typename T>
Mask MemberSet::find_integers(const column::Column& x, const Mask& valid, int64_t rows) const {
  const T* values = column::values_of<T>(*x.values);
  Mask out(rows, false);
  column::for_each_set(valid.words.data(), words_of(valid), [&](int64_t i) {
    const auto v = static_cast<int64_t>(values[i]);
    const uint64_t at = static_cast<uint64_t>(v) - static_cast<uint64_t>(lowest_);
    if (dense_.empty() ? integers_.contains(v) : at < dense_.size() && dense_[at]) out.set(i);
  });
  return out;
}

Mask MemberSet::find(const column::Column& x, const Mask& valid, int64_t rows) const {
  if (!integers_.empty()) {
    return column::visit_number(physical_, [&]<typename T>() -> Mask {
      if constexpr (std::is_integral_v<T> && sizeof(T) <= 8) return find_integers<T>(x, valid, rows);
      return compare_all(x, rows);
    });
  }
  if (!views_.empty()) {
    Mask out(rows, false);
    column::for_each_set(valid.words.data(), words_of(valid), [&](int64_t i) {
      if (views_.contains(column::view_at(*x.values, i))) out.set(i);
    });
    return out;
  }
  return compare_all(x, rows);
}

}  // namespace gristmill::expr
