// Building window expressions, and the questions asked of them unbound.

#include "expr/window.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::expr {
namespace {

constexpr std::string_view kFunctions[] = {"row_number", "rank", "rank_max", "rank_average", "dense_rank", "percent_rank", "cume_dist",
                                           "ntile",      "lag",  "lead",     "first_value",  "last_value", "nth_value"};

struct Unit {
  std::string_view name;
  int64_t months, days, nanoseconds;
};
constexpr int64_t kSecond = 1'000'000'000;
constexpr Unit kUnits[] = {{"ns", 0, 0, 1},
                           {"us", 0, 0, 1000},
                           {"ms", 0, 0, 1'000'000},
                           {"s", 0, 0, kSecond},
                           {"m", 0, 0, 60 * kSecond},
                           {"h", 0, 0, 3600 * kSecond},
                           {"d", 0, 1, 0},
                           {"w", 0, 7, 0},
                           {"mo", 1, 0, 0},
                           {"q", 3, 0, 0},
                           {"y", 12, 0, 0}};

bool add_times(int64_t& sum, int64_t n, int64_t each) {
  int64_t part = 0;
  return !__builtin_mul_overflow(n, each, &part) && !__builtin_add_overflow(sum, part, &sum);
}

bool equal(const FrameBound& a, const FrameBound& b) {
  if (a.edge != b.edge || a.interval != b.interval || a.open != b.open || !a.number != !b.number) return false;
  return !a.number || (a.number->type->Equals(*b.number->type) && a.number->Equals(*b.number));
}

std::string interval_text(const FrameInterval& i) {
  std::string out;
  const auto part = [&](int64_t n, const char* unit) {
    if (n != 0) out += std::to_string(n) + unit;
  };
  part(i.months, "mo");
  part(i.days, "d");
  part(i.nanoseconds / kSecond, "s");
  part(i.nanoseconds % kSecond, "ns");
  return "interval '" + (out.empty() ? "0s" : out) + "'";
}

std::string bound_text(const FrameBound& b) {
  const auto distance = [&] { return b.number ? b.number->ToString() : interval_text(b.interval); };
  switch (b.edge) {
    case FrameEdge::kUnboundedPreceding: return "unbounded preceding";
    case FrameEdge::kPreceding: return distance() + (b.open ? " preceding exclusive" : " preceding");
    case FrameEdge::kCurrentRow: return "current row";
    case FrameEdge::kFollowing: return distance() + " following";
    case FrameEdge::kUnboundedFollowing: return "unbounded following";
  }
  return {};
}

}  // namespace

std::optional<FrameInterval> parse_frame_interval(std::string_view text) {
  FrameInterval out;
  if (text.empty()) return {};
  while (!text.empty()) {
    int64_t n = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), n);
    if (read.ec != std::errc() || n < 0) return {};
    text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
    size_t letters = 0;
    while (letters < text.size() && (text[letters] < '0' || text[letters] > '9')) ++letters;
    const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& u) { return u.name == text.substr(0, letters); });
    if (unit == std::end(kUnits)) return {};
    text.remove_prefix(letters);
    if (!add_times(out.months, n, unit->months) || !add_times(out.days, n, unit->days) || !add_times(out.nanoseconds, n, unit->nanoseconds))
      return {};
  }
  return out;
}

NodePtr window(std::string function, std::vector<NodePtr> args, std::vector<Option> options, Over how, NodePtr filter, bool closed) {
  auto w = std::make_shared<Window>();
  w->arguments = static_cast<int>(args.size());
  w->partitions = static_cast<int>(how.partition.size());
  w->closed = closed;
  if (how.frame) w->frame = *how.frame;
  auto n = std::make_shared<Node>();
  n->kind = NodeKind::kWindow;
  n->name = std::move(function);
  n->args = std::move(args);
  n->args.insert(n->args.end(), how.partition.begin(), how.partition.end());
  for (WindowOrder& o : how.order) {
    n->args.push_back(std::move(o.expr));
    w->order.push_back({nullptr, o.descending, o.nulls_first});
  }
  n->options = std::move(options);
  n->filter = std::move(filter);
  n->window = std::move(w);
  return n;
}

arrow::Result<NodePtr> over(const NodePtr& e, const Over& how) {
  bool found = false;
  const auto place = [&](const NodePtr& n) -> NodePtr {
    const bool open = n->kind == NodeKind::kWindow && !n->window->closed;
    if (n->kind != NodeKind::kAggregate && !open) return n;
    found = true;
    if (!open) return window(n->name, n->args, n->options, how, n->filter);
    const Window& own = *n->window;
    const auto arguments = n->args.begin() + own.arguments;
    Over mine{how.partition, how.order, how.frame};
    if (!own.order.empty()) {
      mine.order = own.order;
      for (size_t i = 0; i < own.order.size(); ++i) mine.order[i].expr = arguments[own.partitions + static_cast<std::ptrdiff_t>(i)];
    }
    if (own.frame.mode != FrameMode::kDefault) mine.frame = own.frame;
    return window(n->name, {n->args.begin(), arguments}, n->options, std::move(mine), n->filter);
  };
  NodePtr out = rewrite(e, place);
  if (!found) {
    return base::plan_error("over() needs an aggregate or a window function, " + text(*e) + " has none",
                            "as in sum().over(\"g\") or row_number().over(\"g\")");
  }
  return out;
}

bool contains_window(const Node& n) {
  return n.kind == NodeKind::kWindow || std::any_of(n.args.begin(), n.args.end(), [](const NodePtr& a) { return contains_window(*a); }) ||
         (n.filter && contains_window(*n.filter));
}

bool is_window_function(std::string_view name) {
  return std::find(std::begin(kFunctions), std::end(kFunctions), name) != std::end(kFunctions);
}

std::vector<std::string> window_function_names() { return {std::begin(kFunctions), std::end(kFunctions)}; }

std::string frame_text(const Frame& f) {
  static constexpr const char* kModes[] = {"", "rows", "range", "groups"};
  static constexpr const char* kExcludes[] = {"", " exclude current row", " exclude group", " exclude ties"};
  if (f.mode == FrameMode::kDefault) return {};
  return std::string(kModes[static_cast<int>(f.mode)]) + " between " + bound_text(f.start) + " and " + bound_text(f.end) +
         kExcludes[static_cast<int>(f.exclude)];
}

bool equal(const Frame& a, const Frame& b) {
  if (a.mode != b.mode || a.exclude != b.exclude) return false;
  return a.mode == FrameMode::kDefault || (equal(a.start, b.start) && equal(a.end, b.end));
}

bool equal(const Window& a, const Window& b) {
  if (a.arguments != b.arguments || a.partitions != b.partitions || a.closed != b.closed || !equal(a.frame, b.frame)) return false;
  return std::equal(a.order.begin(), a.order.end(), b.order.begin(), b.order.end(), [](const WindowOrder& x, const WindowOrder& y) {
    return x.descending == y.descending && x.nulls_first == y.nulls_first;
  });
}

}  // namespace gristmill::expr
