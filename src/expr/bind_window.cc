// Binding window expressions: types of functions, frames as numbers in the units they are counted in.
//
// Aggregates bind as they do elsewhere (bind_aggregate.cc). What a frame's distance means depends on the order key: units of an
// integer or decimal, nanoseconds of a time, a double of a float.

#include <algorithm>
#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "base/status.h"
#include "expr/promotion.h"
#include "expr/registry.h"
#include "expr/user_function.h"
#include "expr/window.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::TypePtr;

constexpr int64_t kDay = int64_t{86400} * 1'000'000'000;
constexpr std::string_view kAggregates[] = {"sum", "mean", "min", "max", "count", "first", "last", "var", "std"};

struct Parts {
  std::vector<NodePtr> args, partition, order;
};
Parts parts_of(const Node& n) {
  const auto arguments = n.args.begin() + n.window->arguments, keys = arguments + n.window->partitions;
  return {{n.args.begin(), arguments}, {arguments, keys}, {keys, n.args.end()}};
}

arrow::Status check_key(const Node& e, const TypePtr& type, const char* where) {
  const auto p = column::physical_of(*type);
  if (p.ok() && *p != column::Physical::kNested) return arrow::Status::OK();
  return base::plan_error(std::string("cannot ") + where + " " + text(e) + ": its type is " + column::type_text(*type));
}

// A whole number that does not depend on the rows.
arrow::Result<int64_t> whole(const NodePtr& e, const arrow::Schema& input, const std::string& what) {
  ARROW_ASSIGN_OR_RAISE(const BoundPtr b, bind(e, input));
  if (b->kind == BoundKind::kConstant && b->value->is_valid && column::is_integer(*b->type)) {
    ARROW_ASSIGN_OR_RAISE(const auto wide, b->value->CastTo(arrow::int64()));
    return static_cast<const arrow::Int64Scalar&>(*wide).value;
  }
  return base::plan_error(what + " is a whole number that is the same for every row, not " + text(*e));
}

class WindowBinder {
 public:
  WindowBinder(const NodePtr& node, const arrow::Schema& input)
      : node_(*node), window_(*node->window), parts_(parts_of(*node)), input_(input) {}

  arrow::Result<BoundWindow> bind_all() {
    out_.function = node_.name;
    for (const Option& o : node_.options) ARROW_RETURN_NOT_OK(option(o));
    for (const NodePtr& k : parts_.partition) {
      ARROW_ASSIGN_OR_RAISE(BoundPtr b, bind(k, input_));
      ARROW_RETURN_NOT_OK(check_key(*k, b->type, "partition by"));
      out_.partition.push_back(std::move(b));
    }
    for (size_t i = 0; i < parts_.order.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(BoundPtr b, bind(parts_.order[i], input_));
      ARROW_RETURN_NOT_OK(check_key(*parts_.order[i], b->type, "order by"));
      out_.order.push_back({std::move(b), window_.order[i].descending, window_.order[i].nulls_first});
    }
    if (node_.user) {
      ARROW_RETURN_NOT_OK(batches());
      return std::move(out_);
    }
    ARROW_RETURN_NOT_OK(is_window_function(node_.name) ? function() : aggregate());
    ARROW_RETURN_NOT_OK(frame());
    return std::move(out_);
  }

 private:
  arrow::Status option(const Option& o) {
    if (o.name == "ignore_nulls") {
      if (o.value->is_valid && o.value->type->id() == Type::BOOL)
        out_.ignore_nulls = static_cast<const arrow::BooleanScalar&>(*o.value).value;
      static constexpr std::string_view kIgnoring[] = {"lag", "lead", "first_value", "last_value", "nth_value"};
      if (out_.ignore_nulls && std::find(std::begin(kIgnoring), std::end(kIgnoring), node_.name) == std::end(kIgnoring))
        return base::plan_error(node_.name + "() does not take IGNORE NULLS");
    } else if (o.name == "ddof") {
      ARROW_ASSIGN_OR_RAISE(const auto wide, o.value->CastTo(arrow::int64()));
      out_.ddof = static_cast<const arrow::Int64Scalar&>(*wide).value;
    } else if (o.name == "min_periods") {
      ARROW_ASSIGN_OR_RAISE(const auto wide, o.value->CastTo(arrow::int64()));
      out_.min_periods = std::max<int64_t>(1, static_cast<const arrow::Int64Scalar&>(*wide).value);
    }
    return arrow::Status::OK();
  }

  arrow::Status arguments(size_t least, size_t most) const {
    const size_t n = parts_.args.size();
    if (n >= least && n <= most) return arrow::Status::OK();
    const std::string wanted = least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
    return base::plan_error(node_.name + "() takes " + wanted + (most == 1 ? " argument, got " : " arguments, got ") + std::to_string(n));
  }

  // Those of the aggregate itself.
  std::vector<Option> options() const {
    std::vector<Option> out;
    for (const Option& o : node_.options) {
      if (o.name != "min_periods" && o.name != "ignore_nulls") out.push_back(o);
    }
    return out;
  }

  arrow::Status aggregate() {
    if (std::find(std::begin(kAggregates), std::end(kAggregates), node_.name) == std::end(kAggregates)) {
      auto known = window_function_names();
      known.insert(known.end(), std::begin(kAggregates), std::end(kAggregates));
      return base::plan_error(node_.name + "() is not supported as a window function" + base::suggest_name(node_.name, known));
    }
    // An argument that may fail is computed where the filter lets the row in only, as without a window.
    std::vector<NodePtr> args = parts_.args;
    for (NodePtr& a : args) {
      if (!node_.filter) break;
      ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(a, input_));
      if (fails) a = call("case", {node_.filter, a});
    }
    ARROW_ASSIGN_OR_RAISE(BoundAggregate a, bind_aggregate(expr::aggregate(node_.name, args, options(), node_.filter), input_));
    out_.args = std::move(a.args);
    out_.filter = std::move(a.filter);
    out_.type = std::move(a.type);
    out_.fallible = node_.name == "sum" && !column::is_float(*out_.type);
    return arrow::Status::OK();
  }

  arrow::Status function() {
    if (node_.filter) return base::plan_error(node_.name + "() does not take a filter: only aggregates do");
    const std::string& f = node_.name;
    out_.type = arrow::int64();
    if (f == "lag" || f == "lead") return neighbour();
    if (f == "first_value" || f == "last_value" || f == "nth_value") return nth();
    if (f == "ntile") {
      ARROW_RETURN_NOT_OK(arguments(1, 1));
      ARROW_ASSIGN_OR_RAISE(out_.number, whole(parts_.args[0], input_, "the number of ntile's buckets"));
      if (out_.number <= 0) return base::plan_error("ntile() needs at least one bucket, got " + std::to_string(out_.number));
      return arrow::Status::OK();
    }
    if (f == "percent_rank" || f == "cume_dist" || f == "rank_average") out_.type = arrow::float64();
    return arguments(0, 0);
  }

  // A user's function over batches.
  arrow::Status batches() {
    std::vector<ArgumentInfo> infos;
    for (const NodePtr& a : parts_.args) {
      ARROW_ASSIGN_OR_RAISE(BoundPtr x, bind(a, input_));
      infos.push_back({x->type, x->kind == BoundKind::kConstant ? x->value : nullptr, false});
      out_.args.push_back(std::move(x));
    }
    ARROW_ASSIGN_OR_RAISE(const Signature s, bind_user_function(node_.user, infos));
    for (size_t i = 0; i < s.casts.size(); ++i) {
      if (!s.casts[i] || s.casts[i]->Equals(*out_.args[i]->type)) continue;
      ARROW_ASSIGN_OR_RAISE(out_.args[i], bind_cast(out_.args[i], s.casts[i]));
    }
    out_.type = s.type;
    out_.user = node_.user;
    out_.fallible = true;
    return arrow::Status::OK();
  }

  arrow::Status neighbour() {
    ARROW_RETURN_NOT_OK(arguments(1, 3));
    out_.number = 1;
    if (parts_.args.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(out_.number, whole(parts_.args[1], input_, "the offset of " + node_.name));
    }
    if (out_.number == INT64_MIN) return base::plan_error("the offset of " + node_.name + " is out of range");
    if (node_.name == "lead") out_.number = -out_.number;
    ARROW_ASSIGN_OR_RAISE(BoundPtr x, bind(parts_.args[0], input_));
    out_.type = x->type;
    if (parts_.args.size() < 3) {
      out_.args = {std::move(x)};
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(out_.type, type_of(call("coalesce", {parts_.args[0], parts_.args[2]}), input_));
    ARROW_ASSIGN_OR_RAISE(BoundPtr otherwise, bind(parts_.args[2], input_));
    ARROW_ASSIGN_OR_RAISE(x, bind_cast(std::move(x), out_.type));
    const bool nothing = otherwise->kind == BoundKind::kConstant && !otherwise->value->is_valid;
    out_.args = {std::move(x)};
    if (nothing) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(otherwise, bind_cast(std::move(otherwise), out_.type));
    out_.args.push_back(std::move(otherwise));
    return arrow::Status::OK();
  }

  arrow::Status nth() {
    const bool counted = node_.name == "nth_value";
    ARROW_RETURN_NOT_OK(arguments(counted ? 2 : 1, counted ? 2 : 1));
    ARROW_ASSIGN_OR_RAISE(BoundPtr x, bind(parts_.args[0], input_));
    out_.number = 1;
    if (counted) {
      ARROW_ASSIGN_OR_RAISE(out_.number, whole(parts_.args[1], input_, "the row of nth_value"));
      if (out_.number <= 0) return base::plan_error("nth_value() counts from 1, got " + std::to_string(out_.number));
    }
    out_.type = x->type;
    out_.args = {std::move(x)};
    return arrow::Status::OK();
  }

  arrow::Status frame() {
    const Frame& f = window_.frame;
    if (f.mode == FrameMode::kDefault) {
      out_.mode = FrameMode::kRange;
      out_.start = {};
      out_.end.edge = out_.order.empty() ? FrameEdge::kUnboundedFollowing : FrameEdge::kCurrentRow;
      return arrow::Status::OK();
    }
    out_.mode = f.mode;
    out_.exclude = f.exclude;
    if (f.start.edge == FrameEdge::kUnboundedFollowing) return base::plan_error("a frame cannot start with UNBOUNDED FOLLOWING");
    if (f.end.edge == FrameEdge::kUnboundedPreceding) return base::plan_error("a frame cannot end with UNBOUNDED PRECEDING");
    if (f.mode == FrameMode::kGroups && out_.order.empty()) return base::plan_error("GROUPS frames need ORDER BY");
    ARROW_RETURN_NOT_OK(edge(f.start, out_.start, "start"));
    ARROW_RETURN_NOT_OK(edge(f.end, out_.end, "end"));
    if (f.start.edge > f.end.edge) return base::plan_error("a frame cannot start after its end: " + frame_text(f));
    return arrow::Status::OK();
  }

  arrow::Status edge(const FrameBound& b, BoundEdge& out, const char* which) {
    out.edge = b.edge;
    out.open = b.open;
    if (b.edge != FrameEdge::kPreceding && b.edge != FrameEdge::kFollowing) return arrow::Status::OK();
    const std::string what = std::string("the frame's ") + which;
    if (out_.mode == FrameMode::kRange) return distance(b, out, what);
    if (!b.number || !b.number->is_valid || !column::is_integer(*b.number->type))
      return base::plan_error(what + " counts " + (out_.mode == FrameMode::kRows ? "rows" : "groups") + ": it needs a whole number");
    ARROW_ASSIGN_OR_RAISE(const auto wide, b.number->CastTo(arrow::int64()));
    out.rows = static_cast<const arrow::Int64Scalar&>(*wide).value;
    return out.rows < 0 ? negative(what) : arrow::Status::OK();
  }

  static arrow::Status negative(const std::string& what) { return base::plan_error(what + " must not be negative"); }

  arrow::Status distance(const FrameBound& b, BoundEdge& out, const std::string& what) {
    if (out_.order.size() != 1) return base::plan_error("a RANGE frame with a distance needs exactly one ORDER BY key");
    const arrow::DataType& key = *out_.order[0].expr->type;
    const bool time = key.id() == Type::DATE32 || key.id() == Type::DATE64 || key.id() == Type::TIMESTAMP || key.id() == Type::TIME32 ||
                      key.id() == Type::TIME64 || key.id() == Type::DURATION;
    if (b.number && !b.number->is_valid) return base::plan_error(what + " must not be NULL");
    if (time) return time_distance(b, key, out, what);
    if (!b.number) return base::plan_error(what + " is an interval, but " + out_.order[0].expr->label + " is " + column::type_text(key));
    if (!column::is_numeric(key) || !(column::is_numeric(*b.number->type)))
      return base::plan_error("a RANGE frame with a distance needs a number or a time to order by, not " + column::type_text(key));
    if (column::is_float(key)) {
      if (column::is_decimal(*b.number->type)) {
        out.real = static_cast<const arrow::Decimal128Scalar&>(*b.number).value.ToDouble(decimal_scale(*b.number->type));
      } else {
        ARROW_ASSIGN_OR_RAISE(const auto real, b.number->CastTo(arrow::float64()));
        out.real = static_cast<const arrow::DoubleScalar&>(*real).value;
      }
      if (!(out.real >= 0) || std::isinf(out.real)) return base::plan_error(what + " must be a finite number that is not negative");
      return arrow::Status::OK();
    }
    const int scale = column::is_decimal(key) ? decimal_scale(key) : 0;
    if (!scaled(*b.number, scale, out.distance)) {
      return base::plan_error(what + " must be " +
                              (scale == 0 ? "a whole number" : "a number of at most " + std::to_string(scale) + " decimals") + ", as " +
                              out_.order[0].expr->label + " is " + column::type_text(key));
    }
    return out.distance < 0 ? negative(what) : arrow::Status::OK();
  }

  // number * 10^scale, when that is a whole number.
  static bool scaled(const arrow::Scalar& number, int scale, __int128& out) {
    __int128 ten = 1;
    for (int i = 0; i < scale; ++i) ten *= 10;
    if (column::is_float(*number.type)) {
      const auto wide = number.CastTo(arrow::float64());
      if (!wide.ok()) return false;
      const double v = static_cast<const arrow::DoubleScalar&>(**wide).value * static_cast<double>(ten);
      constexpr double kMost = 9007199254740992.0;
      if (v != std::floor(v) || !(std::abs(v) <= kMost)) return false;
      out = static_cast<__int128>(v);
      return true;
    }
    __int128 value = 0;
    int own = 0;
    if (column::is_decimal(*number.type)) {
      const auto& d = static_cast<const arrow::Decimal128Scalar&>(number).value;
      value = static_cast<__int128>(static_cast<unsigned __int128>(static_cast<uint64_t>(d.high_bits())) << 64 | d.low_bits());
      own = decimal_scale(*number.type);
    } else if (number.type->id() == Type::UINT64) {
      value = static_cast<const arrow::UInt64Scalar&>(number).value;
    } else {
      const auto wide = number.CastTo(arrow::int64());
      if (!wide.ok()) return false;
      value = static_cast<const arrow::Int64Scalar&>(**wide).value;
    }
    for (; own > scale; --own) {
      if (value % 10 != 0) return false;
      value /= 10;
    }
    for (; own < scale; ++own) {
      if (__builtin_mul_overflow(value, static_cast<__int128>(10), &value)) return false;
    }
    out = value;
    return true;
  }

  arrow::Status time_distance(const FrameBound& b, const arrow::DataType& key, BoundEdge& out, const std::string& what) {
    if (b.number) {
      if (key.id() == Type::DATE32 && column::is_integer(*b.number->type)) {  // days
        ARROW_ASSIGN_OR_RAISE(const auto wide, b.number->CastTo(arrow::int64()));
        out.distance = static_cast<__int128>(static_cast<const arrow::Int64Scalar&>(*wide).value) * kDay;
        return out.distance < 0 ? negative(what) : arrow::Status::OK();
      }
      if (b.number->type->id() != Type::DURATION)
        return base::plan_error(what + " must be an interval, as " + out_.order[0].expr->label + " is " + column::type_text(key));
      static constexpr int64_t kNanos[] = {1'000'000'000, 1'000'000, 1000, 1};
      const auto unit = static_cast<const arrow::DurationType&>(*b.number->type).unit();
      out.distance = static_cast<__int128>(static_cast<const arrow::DurationScalar&>(*b.number).value) * kNanos[static_cast<int>(unit)];
      return out.distance < 0 ? negative(what) : arrow::Status::OK();
    }
    const FrameInterval& i = b.interval;
    if (i.months < 0 || i.days < 0 || i.nanoseconds < 0) return negative(what);
    const bool dated = key.id() == Type::DATE32 || key.id() == Type::DATE64 || key.id() == Type::TIMESTAMP;
    if (i.months != 0 && !dated) return base::plan_error(what + " has months, but " + out_.order[0].expr->label + " has no calendar");
    constexpr int64_t kMostMonths = 12 * 300'000;
    if (i.months > kMostMonths) return base::plan_error(what + " is out of range");
    out.months = i.months;
    out.distance = static_cast<__int128>(i.days) * kDay + i.nanoseconds;
    return arrow::Status::OK();
  }

  const Node& node_;
  const Window& window_;
  const Parts parts_;
  const arrow::Schema& input_;
  BoundWindow out_;
};

}  // namespace

arrow::Result<BoundWindow> bind_window(const NodePtr& window, const arrow::Schema& input) {
  if (window->kind == NodeKind::kAlias) return bind_window(window->args[0], input);
  if (window->kind != NodeKind::kWindow) return base::plan_error(text(*window) + " is not a window function");
  return WindowBinder(window, input).bind_all();
}

}  // namespace gristmill::expr
