// The window methods of gristmill/expr.h and gristmill/window.h as nodes. Nothing is checked here; a mistake becomes a call that
// binding names.

#include "gristmill/window.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/types.h"
#include "expr/window.h"
#include "gristmill/frame.h"

namespace gristmill {
namespace {

using expr::FrameEdge;
using expr::NodePtr;

std::vector<expr::Option> ignoring(bool nulls) {
  if (!nulls) return {};
  return {{"ignore_nulls", std::make_shared<arrow::BooleanScalar>(true)}};
}

expr::FrameBound counted(const std::optional<int64_t>& n, FrameEdge open) {
  if (!n) return {open, nullptr, {}};
  if (*n == 0) return {FrameEdge::kCurrentRow, nullptr, {}};
  const int64_t distance = *n == INT64_MIN ? INT64_MAX : *n < 0 ? -*n : *n;
  return {*n < 0 ? FrameEdge::kPreceding : FrameEdge::kFollowing, std::make_shared<arrow::Int64Scalar>(distance), {}};
}

// A number, a duration or an interval as text, negative for before; what is none of these is left for binding to refuse.
expr::FrameBound measured(const std::optional<Expr>& e, FrameEdge open) {
  if (!e) return {open, nullptr, {}};
  const expr::Node& n = *e->node();
  const bool literal = n.kind == expr::NodeKind::kLiteral;
  if (!literal || !n.value->is_valid) return {FrameEdge::kPreceding, std::make_shared<arrow::NullScalar>(), {}};
  expr::FrameBound out{FrameEdge::kFollowing, n.value, {}};
  if (column::is_viewed(*n.value->type) || n.value->type->id() == arrow::Type::STRING) {
    std::string_view text = static_cast<const arrow::BaseBinaryScalar&>(*n.value).view();
    if (text.starts_with('-')) {
      out.edge = FrameEdge::kPreceding;
      text.remove_prefix(1);
    }
    if (const auto interval = expr::parse_frame_interval(text)) {
      out.number = nullptr;
      out.interval = *interval;
    }
    return out;
  }
  const auto negate = [&](auto v, auto make) {
    if (v < 0) {
      out.edge = FrameEdge::kPreceding;
      out.number = make(-v);
    }
    if (v == 0) out.edge = FrameEdge::kCurrentRow;
  };
  switch (n.value->type->id()) {
    case arrow::Type::INT64:
      negate(static_cast<const arrow::Int64Scalar&>(*n.value).value, [](int64_t v) { return std::make_shared<arrow::Int64Scalar>(v); });
      break;
    case arrow::Type::DOUBLE:
      negate(static_cast<const arrow::DoubleScalar&>(*n.value).value, [](double v) { return std::make_shared<arrow::DoubleScalar>(v); });
      break;
    case arrow::Type::DURATION:
      negate(static_cast<const arrow::DurationScalar&>(*n.value).value,
             [&](int64_t v) { return std::make_shared<arrow::DurationScalar>(v, n.value->type); });
      break;
    default: break;
  }
  return out;
}

WindowFrame frame_of(expr::FrameMode mode, expr::FrameBound start, expr::FrameBound end) {
  auto f = std::make_shared<expr::Frame>();
  f->mode = mode;
  f->start = std::move(start);
  f->end = std::move(end);
  return WindowFrame(std::move(f));
}

Expr window(const char* function, std::vector<NodePtr> args, std::vector<expr::Option> options = {}, std::optional<expr::Frame> frame = {},
            std::vector<expr::WindowOrder> order = {}) {
  return Expr(expr::window(function, std::move(args), std::move(options), {{}, std::move(order), std::move(frame)}, nullptr, false));
}

NodePtr whole(int64_t n) { return expr::literal(n); }

Expr neighbour(const char* function, const Expr& x, int64_t n, const std::optional<Expr>& fill, bool ignore_nulls) {
  std::vector<NodePtr> args = {x.node(), whole(n)};
  if (fill) args.push_back(fill->node());
  return window(function, std::move(args), ignoring(ignore_nulls));
}

expr::Frame running() { return rows_between(std::nullopt, 0).frame(); }

Expr where_not_null(const Expr& x, const Expr& value) { return Expr(expr::call("case", {x.is_not_null().node(), value.node()})); }

Expr running(const char* function, const Expr& x) { return where_not_null(x, window(function, {x.node()}, {}, running())); }

Expr rolling(const char* function, const Expr& x, int64_t rows, std::optional<int64_t> min_periods,
             std::vector<expr::Option> options = {}) {
  options.push_back({"min_periods", std::make_shared<arrow::Int64Scalar>(min_periods.value_or(rows))});
  return window(function, {x.node()}, std::move(options), rows_between(rows < 1 ? INT64_MIN : 1 - rows, 0).frame());
}

Expr rolling_by(const char* function, const Expr& x, const Expr& by, const Expr& distance, std::vector<expr::Option> options = {}) {
  expr::Frame f = range_between(distance, std::nullopt).frame();
  if (f.start.edge == FrameEdge::kFollowing) f.start.edge = FrameEdge::kPreceding;
  f.start.open = true;
  f.end = {FrameEdge::kCurrentRow, nullptr, {}};
  return window(function, {x.node()}, std::move(options), std::move(f), {{by.node(), false, false}});
}

Expr placed(const Expr& e, const std::vector<Expr>& partition_by, const std::vector<SortKey>& order_by, const WindowFrame* frame) {
  expr::Over how;
  for (const Expr& p : partition_by) how.partition.push_back(p.node());
  for (const SortKey& k : order_by) how.order.push_back({k.expr.node(), k.descending, k.nulls_first});
  if (frame) how.frame = frame->frame();
  auto out = expr::over(e.node(), how);
  return Expr(out.ok() ? *out : expr::call("over", {e.node()}));  // no such function: binding says what over() is for
}

std::vector<Expr> columns(std::initializer_list<const char*> names) {
  std::vector<Expr> out;
  for (const char* name : names) out.push_back(col(name));
  return out;
}

std::vector<expr::Option> ddof_option(int ddof) { return {{"ddof", std::make_shared<arrow::Int64Scalar>(ddof)}}; }

}  // namespace

WindowFrame WindowFrame::exclude(Exclude what) const {
  auto f = std::make_shared<expr::Frame>(*frame_);
  f->exclude = static_cast<expr::FrameExclude>(what);
  return WindowFrame(std::move(f));
}

WindowFrame rows_between(std::optional<int64_t> start, std::optional<int64_t> end) {
  return frame_of(expr::FrameMode::kRows, counted(start, FrameEdge::kUnboundedPreceding), counted(end, FrameEdge::kUnboundedFollowing));
}
WindowFrame groups_between(std::optional<int64_t> start, std::optional<int64_t> end) {
  return frame_of(expr::FrameMode::kGroups, counted(start, FrameEdge::kUnboundedPreceding), counted(end, FrameEdge::kUnboundedFollowing));
}
WindowFrame range_between(std::optional<Expr> start, std::optional<Expr> end) {
  return frame_of(expr::FrameMode::kRange, measured(start, FrameEdge::kUnboundedPreceding), measured(end, FrameEdge::kUnboundedFollowing));
}

Expr Expr::over(std::vector<Expr> partition_by) const { return placed(*this, partition_by, {}, nullptr); }
Expr Expr::over(std::vector<Expr> partition_by, std::vector<SortKey> order_by) const {
  return placed(*this, partition_by, order_by, nullptr);
}
Expr Expr::over(std::vector<Expr> partition_by, std::vector<SortKey> order_by, WindowFrame frame) const {
  return placed(*this, partition_by, order_by, &frame);
}
Expr Expr::over(std::initializer_list<const char*> partition_by) const { return over(columns(partition_by)); }
Expr Expr::over(std::initializer_list<const char*> partition_by, std::vector<SortKey> order_by) const {
  return over(columns(partition_by), std::move(order_by));
}
Expr Expr::over(std::initializer_list<const char*> partition_by, std::vector<SortKey> order_by, WindowFrame frame) const {
  return over(columns(partition_by), std::move(order_by), std::move(frame));
}

Expr Expr::shift(int64_t n, std::optional<Expr> fill) const { return neighbour("lag", *this, n, fill, false); }
Expr Expr::lag(int64_t n, std::optional<Expr> fill, bool ignore_nulls) const { return neighbour("lag", *this, n, fill, ignore_nulls); }
Expr Expr::lead(int64_t n, std::optional<Expr> fill, bool ignore_nulls) const { return neighbour("lead", *this, n, fill, ignore_nulls); }
Expr Expr::first_value(bool ignore_nulls) const { return window("first_value", {node_}, ignoring(ignore_nulls)); }
Expr Expr::last_value(bool ignore_nulls) const { return window("last_value", {node_}, ignoring(ignore_nulls)); }
Expr Expr::nth_value(int64_t n, bool ignore_nulls) const { return window("nth_value", {node_, whole(n)}, ignoring(ignore_nulls)); }

Expr Expr::rank(std::string method, bool descending) const {
  const char* function = method == "average"   ? "rank_average"
                         : method == "min"     ? "rank"
                         : method == "max"     ? "rank_max"
                         : method == "dense"   ? "dense_rank"
                         : method == "ordinal" ? "row_number"
                                               : nullptr;
  if (!function) return Expr(expr::call("rank with method " + method, {node_}));
  return where_not_null(*this, window(function, {}, {}, {}, {{node_, descending, false}}));
}

Expr Expr::diff(int64_t n) const { return *this - shift(n); }
Expr Expr::pct_change(int64_t n) const { return *this / shift(n) - Expr(1); }
Expr Expr::cum_sum() const { return running("sum", *this); }
Expr Expr::cum_min() const { return running("min", *this); }
Expr Expr::cum_max() const { return running("max", *this); }
Expr Expr::cum_count() const { return window("count", {node_}, {}, gristmill::running()); }
Expr Expr::rolling_sum(int64_t n, std::optional<int64_t> least) const { return rolling("sum", *this, n, least); }
Expr Expr::rolling_mean(int64_t n, std::optional<int64_t> least) const { return rolling("mean", *this, n, least); }
Expr Expr::rolling_min(int64_t n, std::optional<int64_t> least) const { return rolling("min", *this, n, least); }
Expr Expr::rolling_max(int64_t n, std::optional<int64_t> least) const { return rolling("max", *this, n, least); }
Expr Expr::rolling_std(int64_t n, std::optional<int64_t> least, int ddof) const {
  return rolling("std", *this, n, least, ddof_option(ddof));
}
Expr Expr::rolling_var(int64_t n, std::optional<int64_t> least, int ddof) const {
  return rolling("var", *this, n, least, ddof_option(ddof));
}
Expr Expr::rolling_sum_by(Expr by, Expr distance) const { return rolling_by("sum", *this, by, distance); }
Expr Expr::rolling_mean_by(Expr by, Expr distance) const { return rolling_by("mean", *this, by, distance); }
Expr Expr::rolling_min_by(Expr by, Expr distance) const { return rolling_by("min", *this, by, distance); }
Expr Expr::rolling_max_by(Expr by, Expr distance) const { return rolling_by("max", *this, by, distance); }
Expr Expr::rolling_std_by(Expr by, Expr distance, int ddof) const { return rolling_by("std", *this, by, distance, ddof_option(ddof)); }

Expr Expr::forward_fill(std::optional<int64_t> limit) const {
  const auto start = limit ? std::optional<int64_t>(-*limit) : std::nullopt;
  return window("last_value", {node_}, ignoring(true), rows_between(start, 0).frame());
}
Expr Expr::backward_fill(std::optional<int64_t> limit) const {
  return window("first_value", {node_}, ignoring(true), rows_between(0, limit).frame());
}

Expr row_number() { return window("row_number", {}); }
Expr rank() { return window("rank", {}); }
Expr dense_rank() { return window("dense_rank", {}); }
Expr percent_rank() { return window("percent_rank", {}); }
Expr cume_dist() { return window("cume_dist", {}); }
Expr ntile(int64_t buckets) { return window("ntile", {whole(buckets)}); }

}  // namespace gristmill
