// Both sides of a comparison are brought to `l * left + r * right + c`; bounds are what is left of their difference.

#include "sql/time_bounds.h"

#include <algorithm>
#include <string_view>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "expr/scalar_value.h"

namespace gristmill::sqltext {
namespace {

using expr::Node;
using expr::NodeKind;
using expr::NodePtr;

constexpr int64_t kDayNanoseconds = int64_t{86400} * 1'000'000'000;

// What one tick is in the unit in which constants are counted: nanoseconds of timestamps, 1 of whole numbers.
int64_t tick_length(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1'000'000'000;
    case arrow::TimeUnit::MILLI: return 1'000'000;
    case arrow::TimeUnit::MICRO: return 1'000;
    default: return 1;
  }
}

std::optional<int64_t> product(std::optional<int64_t> a, int64_t b) {
  int64_t out = 0;
  return a && !__builtin_mul_overflow(*a, b, &out) ? std::optional<int64_t>(out) : std::nullopt;
}

// A whole number written as a constant, a sum or a product of such.
std::optional<int64_t> whole_number_of(const Node& n) {
  switch (n.kind) {
    case NodeKind::kLiteral: {
      if (!n.value->is_valid || !arrow::is_integer(n.value->type->id())) return {};
      const auto wide = expr::integer_value(*n.value);
      return wide && *wide >= INT64_MIN && *wide <= INT64_MAX ? std::optional<int64_t>(static_cast<int64_t>(*wide)) : std::nullopt;
    }
    case NodeKind::kAlias: return whole_number_of(*n.args[0]);
    case NodeKind::kCast: return arrow::is_integer(n.type->id()) ? whole_number_of(*n.args[0]) : std::nullopt;
    case NodeKind::kCall: break;
    default: return {};
  }
  if (n.name == "neg" && n.args.size() == 1) return product(whole_number_of(*n.args[0]), -1);
  if (n.args.size() != 2) return {};
  const auto a = whole_number_of(*n.args[0]), b = whole_number_of(*n.args[1]);
  int64_t out = 0;
  if (!a || !b) return {};
  if (n.name == "mul") return product(a, *b);
  if (n.name == "add" && !__builtin_add_overflow(*a, *b, &out)) return out;
  if (n.name == "sub" && !__builtin_sub_overflow(*a, *b, &out)) return out;
  return {};
}

struct TimeSum {
  int left = 0, right = 0;
  int64_t constant = 0;
};

class BoundsReading {
 public:
  BoundsReading(const std::string& left, const std::string& right, const arrow::DataType& time)
      : left_(left), right_(right), moments_(time.id() == arrow::Type::TIMESTAMP) {
    if (moments_) tick_ = tick_length(static_cast<const arrow::TimestampType&>(time).unit());
  }

  // Narrows the bounds by the condition; false: it says something else.
  bool take(const Node& c, TimeBounds& bounds) const {
    if (c.kind != NodeKind::kCall) return false;
    if (c.name == "between" && c.args.size() == 3) {
      TimeBounds both = bounds;
      if (!compare("ge", *c.args[0], *c.args[1], both) || !compare("le", *c.args[0], *c.args[2], both)) return false;
      bounds = both;
      return true;
    }
    return c.args.size() == 2 && compare(c.name, *c.args[0], *c.args[1], bounds);
  }

 private:
  std::optional<TimeSum> sum_of(const Node& n) const {
    switch (n.kind) {
      case NodeKind::kAlias: return sum_of(*n.args[0]);
      case NodeKind::kColumn:
        if (n.name == left_) return TimeSum{1, 0, 0};
        if (n.name == right_) return TimeSum{0, 1, 0};
        return {};
      case NodeKind::kCast: return cast_of(n);
      case NodeKind::kLiteral: return literal_of(n);
      case NodeKind::kCall: return call_of(n);
      default: return {};
    }
  }

  std::optional<TimeSum> literal_of(const Node& n) const {
    if (!moments_) return constant(whole_number_of(n));
    if (!n.value->is_valid || n.value->type->id() != arrow::Type::DURATION) return {};
    return constant(product(static_cast<const arrow::DurationScalar&>(*n.value).value,
                            tick_length(static_cast<const arrow::DurationType&>(*n.value->type).unit())));
  }

  std::optional<TimeSum> cast_of(const Node& n) const {
    if (!moments_) return constant(whole_number_of(n));
    if (n.type->id() != arrow::Type::DURATION) return {};
    return constant(product(whole_number_of(*n.args[0]), tick_length(static_cast<const arrow::DurationType&>(*n.type).unit())));
  }

  std::optional<TimeSum> call_of(const Node& n) const {
    if (n.name == "dt.add" && n.args.size() == 3) return moved(n);
    if (n.name == "neg" && n.args.size() == 1) return together(TimeSum{}, sum_of(*n.args[0]), -1);
    if (n.name == "add" && n.args.size() == 2) return together(sum_of(*n.args[0]), sum_of(*n.args[1]), 1);
    if (n.name == "sub" && n.args.size() == 2) return together(sum_of(*n.args[0]), sum_of(*n.args[1]), -1);
    return moments_ ? std::nullopt : constant(whole_number_of(n));
  }

  std::optional<TimeSum> moved(const Node& n) const {
    const Node& unit = *n.args[2];
    if (!moments_ || unit.kind != NodeKind::kLiteral || !unit.value->is_valid) return {};
    const std::optional<std::string> name = expr::text_value(*unit.value);
    const int64_t length = name == "day" ? kDayNanoseconds : name == "microsecond" ? 1'000 : 0;  // a month has no length
    if (length == 0) return {};
    return together(sum_of(*n.args[0]), constant(product(whole_number_of(*n.args[1]), length)), 1);
  }

  static std::optional<TimeSum> constant(std::optional<int64_t> c) { return c ? std::optional<TimeSum>(TimeSum{0, 0, *c}) : std::nullopt; }

  static std::optional<TimeSum> together(const std::optional<TimeSum>& a, const std::optional<TimeSum>& b, int sign) {
    if (!a || !b) return {};
    TimeSum out{a->left + sign * b->left, a->right + sign * b->right, 0};
    const auto by = product(b->constant, sign);
    if (!by || __builtin_add_overflow(a->constant, *by, &out.constant)) return {};
    return out;
  }

  // a op b, brought to right - left >= or <= ticks.
  bool compare(std::string_view op, const Node& a, const Node& b, TimeBounds& bounds) const {
    if (op != "lt" && op != "le" && op != "gt" && op != "ge" && op != "eq") return false;
    const auto s = together(sum_of(a), sum_of(b), -1);
    if (!s || s->left != -s->right || (s->left != 1 && s->left != -1)) return false;
    bool below = op == "lt" || op == "le";
    const bool open = op == "lt" || op == "gt";
    int64_t limit = s->constant;
    if (s->right > 0) {
      const auto negated = product(limit, -1);
      if (!negated) return false;
      limit = *negated;
    } else {
      below = !below;
    }
    const int64_t down = limit / tick_ - (limit % tick_ < 0), up = down + (limit % tick_ != 0);
    if (op == "eq") {
      bounds.at_least(up);
      bounds.at_most(down);
    } else if (below) {
      bounds.at_most(open ? up - 1 : down);
    } else {
      bounds.at_least(open ? down + 1 : up);
    }
    return true;
  }

  const std::string &left_, &right_;
  const bool moments_;
  int64_t tick_ = 1;
};

}  // namespace

void TimeBounds::at_least(int64_t ticks) { lower = lower ? std::max(*lower, ticks) : ticks; }
void TimeBounds::at_most(int64_t ticks) { upper = upper ? std::min(*upper, ticks) : ticks; }

TimeBounds take_time_bounds(std::vector<NodePtr>& conditions, const std::string& left, const std::string& right,
                            const arrow::DataType& time) {
  const BoundsReading reading(left, right, time);
  TimeBounds out;
  std::erase_if(conditions, [&](const NodePtr& c) { return reading.take(*c, out); });
  return out;
}

std::string length_text(int64_t ticks, const arrow::DataType& time) {
  std::string out = std::to_string(ticks);
  if (time.id() != arrow::Type::TIMESTAMP) return out;
  switch (static_cast<const arrow::TimestampType&>(time).unit()) {
    case arrow::TimeUnit::SECOND: return out + "s";
    case arrow::TimeUnit::MILLI: return out + "ms";
    case arrow::TimeUnit::MICRO: return out + "us";
    default: return out + "ns";
  }
}

}  // namespace gristmill::sqltext
