// The builders of gristmill/expr.h: each makes one node. Nothing is checked here; binding does that.

#include "gristmill/expr.h"

#include <arrow/scalar.h>

#include "expr/node.h"

namespace gristmill {
namespace {

Expr make(std::string function, std::vector<expr::NodePtr> args) { return Expr(expr::call(std::move(function), std::move(args))); }

Expr unary(const char* function, const Expr& a) { return make(function, {a.node()}); }
Expr binary(const char* function, const Expr& a, const Expr& b) { return make(function, {a.node(), b.node()}); }

std::vector<expr::NodePtr> nodes_of(const std::vector<Expr>& exprs) {
  std::vector<expr::NodePtr> out;
  out.reserve(exprs.size());
  for (const Expr& e : exprs) out.push_back(e.node());
  return out;
}

Expr aggregate(const char* function, const Expr& a, std::vector<expr::Option> options = {}) {
  return Expr(expr::aggregate(function, {a.node()}, std::move(options)));
}

Expr aggregate_of(const char* function, const Expr& a, const Expr& b, std::vector<expr::Option> options = {}) {
  return Expr(expr::aggregate(function, {a.node(), b.node()}, std::move(options)));
}

expr::Option number_option(const char* name, double v) { return {name, std::make_shared<arrow::DoubleScalar>(v)}; }
expr::Option mask_option(const char* name, int64_t v) { return {name, std::make_shared<arrow::Int64Scalar>(v)}; }

// Every aggregate inside, changed; without one, binding names the missing function.
template <typename Change>
Expr change_aggregates(const Expr& e, Change&& change) {
  return Expr(expr::rewrite(e.node(), [&](const expr::NodePtr& n) -> expr::NodePtr {
    if (n->kind != expr::NodeKind::kAggregate) return n;
    auto copy = std::make_shared<expr::Node>(*n);
    change(*copy);
    return copy;
  }));
}

// Those that are true; a missing one is false.
std::vector<expr::Option> flags(std::initializer_list<std::pair<const char*, bool>> given) {
  std::vector<expr::Option> out;
  for (const auto& [name, on] : given) {
    if (on) out.push_back({name, std::make_shared<arrow::BooleanScalar>(true)});
  }
  return out;
}
std::vector<expr::Option> ddof_option(int ddof) { return {{"ddof", std::make_shared<arrow::Int64Scalar>(ddof)}}; }

}  // namespace

Expr::Expr(bool v) : node_(expr::literal(v)) {}
Expr::Expr(Integer v) : node_(expr::literal(v.value)) {}
Expr::Expr(double v) : node_(expr::literal(v)) {}
Expr::Expr(const char* v) : node_(expr::literal(std::string_view(v))) {}
Expr::Expr(std::string_view v) : node_(expr::literal(v)) {}
Expr::Expr(const std::string& v) : node_(expr::literal(std::string_view(v))) {}
Expr::Expr(std::shared_ptr<const expr::Node> node) : node_(std::move(node)) {}

Expr Expr::alias(std::string name) const { return Expr(expr::alias(node_, std::move(name))); }
Expr Expr::name_suffix(std::string suffix) const { return binary("name.suffix", *this, Expr(suffix)); }
Expr Expr::name_prefix(std::string prefix) const { return binary("name.prefix", *this, Expr(prefix)); }
Expr Expr::cast(std::shared_ptr<arrow::DataType> type) const { return Expr(expr::cast(node_, std::move(type))); }
Expr Expr::try_cast(std::shared_ptr<arrow::DataType> type) const { return Expr(expr::cast(node_, std::move(type), true)); }

Expr Expr::is_null() const { return unary("is_null", *this); }
Expr Expr::is_not_null() const { return unary("is_not_null", *this); }
Expr Expr::is_nan() const { return unary("is_nan", *this); }
Expr Expr::fill_null(Expr value) const { return binary("fill_null", *this, value); }
Expr Expr::is_in(std::vector<Expr> values) const {
  std::vector<expr::NodePtr> args = nodes_of(values);
  args.insert(args.begin(), node_);
  return make("is_in", std::move(args));
}
Expr Expr::between(Expr low, Expr high) const { return make("between", {node_, low.node_, high.node_}); }
Expr Expr::floor_div(Expr divisor) const { return binary("floor_div", *this, divisor); }
Expr Expr::pow(Expr exponent) const { return binary("pow", *this, exponent); }
Expr Expr::abs() const { return unary("abs", *this); }
Expr Expr::sqrt() const { return unary("sqrt", *this); }
Expr Expr::ln() const { return unary("ln", *this); }
Expr Expr::exp() const { return unary("exp", *this); }
Expr Expr::floor() const { return unary("floor", *this); }
Expr Expr::ceil() const { return unary("ceil", *this); }
Expr Expr::round(int digits) const { return make("round", {node_, expr::literal(static_cast<int64_t>(digits))}); }
Expr Expr::trunc(int digits) const { return make("trunc", {node_, expr::literal(static_cast<int64_t>(digits))}); }
Expr Expr::clip(Expr low, Expr high) const { return make("clip", {node_, low.node_, high.node_}); }
Expr Expr::hash() const { return unary("hash", *this); }
Expr Expr::to_json() const { return unary("to_json", *this); }

Expr Expr::sum() const { return aggregate("sum", *this); }
Expr Expr::mean() const { return aggregate("mean", *this); }
Expr Expr::min() const { return aggregate("min", *this); }
Expr Expr::max() const { return aggregate("max", *this); }
Expr Expr::count() const { return aggregate("count", *this); }
Expr Expr::first() const { return aggregate("first", *this); }
Expr Expr::last() const { return aggregate("last", *this); }
Expr Expr::var(int ddof) const { return aggregate("var", *this, ddof_option(ddof)); }
Expr Expr::std(int ddof) const { return aggregate("std", *this, ddof_option(ddof)); }
Expr Expr::skew(bool bias) const { return aggregate("skew", *this, flags({{"unbiased", !bias}})); }
Expr Expr::kurtosis(bool fisher, bool bias) const {
  return aggregate("kurtosis", *this, flags({{"pearson", !fisher}, {"unbiased", !bias}}));
}

Expr Expr::all() const { return aggregate("all", *this); }
Expr Expr::any() const { return aggregate("any", *this); }
Expr Expr::bit_and() const { return aggregate("bit_and", *this); }
Expr Expr::bit_or() const { return aggregate("bit_or", *this); }
Expr Expr::bit_xor() const { return aggregate("bit_xor", *this); }
Expr Expr::product() const { return aggregate("product", *this); }
Expr Expr::n_unique() const { return aggregate("n_unique", *this); }
Expr Expr::median() const { return aggregate("median", *this); }
Expr Expr::quantile(double q, std::string interpolation) const {
  return aggregate("quantile", *this,
                   {number_option("q", q), {"interpolation", std::make_shared<arrow::StringScalar>(std::move(interpolation))}});
}
Expr Expr::mode() const { return aggregate("mode", *this); }
Expr Expr::implode() const { return aggregate("implode", *this); }
Expr Expr::min_by(Expr by) const { return aggregate_of("min_by", *this, by); }
Expr Expr::max_by(Expr by) const { return aggregate_of("max_by", *this, by); }
Expr Expr::approx_n_unique() const { return aggregate("approx_n_unique", *this); }
Expr Expr::approx_median() const { return aggregate("approx_median", *this); }
Expr Expr::approx_quantile(double q) const { return aggregate("approx_quantile", *this, {number_option("q", q)}); }

Expr Expr::distinct() const {
  if (!expr::contains_aggregate(*node_)) return unary("distinct", *this);
  return change_aggregates(*this, [](expr::Node& n) { n.options.push_back({"distinct", std::make_shared<arrow::BooleanScalar>(true)}); });
}

Expr Expr::order_by(std::vector<Expr> keys, std::vector<bool> descending) const {
  if (!expr::contains_aggregate(*node_)) return unary("order_by", *this);
  int64_t mask = 0;
  for (size_t i = 0; i < descending.size() && i < keys.size(); ++i) mask |= static_cast<int64_t>(descending[i]) << i;
  return change_aggregates(*this, [&](expr::Node& n) {
    for (const Expr& k : keys) n.args.push_back(k.node());
    n.options.push_back(mask_option("order_by", static_cast<int64_t>(keys.size())));
    if (mask != 0) n.options.push_back(mask_option("descending", mask));
  });
}

// Every aggregate inside gets the predicate; without one, binding names the missing function.
Expr Expr::filter(Expr predicate) const {
  if (!expr::contains_aggregate(*node_)) return binary("filter", *this, predicate);
  return Expr(expr::rewrite(node_, [&](const expr::NodePtr& n) -> expr::NodePtr {
    if (n->kind != expr::NodeKind::kAggregate) return n;
    expr::NodePtr both = n->filter ? expr::call("and", {n->filter, predicate.node_}) : predicate.node_;
    return expr::aggregate(n->name, n->args, n->options, std::move(both));
  }));
}

std::string Expr::to_string() const { return expr::text(*node_); }

Expr col(std::string name) { return Expr(expr::column(std::move(name))); }
Expr lit(Expr value) { return value; }
Expr lit(std::shared_ptr<arrow::Scalar> v) { return Expr(expr::literal(std::move(v), false)); }
Expr null() { return Expr(expr::null_literal()); }
Expr count() { return Expr(expr::aggregate("count", {})); }
Expr cov(Expr a, Expr b, int ddof) { return aggregate_of("cov", a, b, ddof_option(ddof)); }
Expr corr(Expr a, Expr b) { return aggregate_of("corr", a, b); }
Expr regr_slope(Expr y, Expr x) { return aggregate_of("regr_slope", y, x); }
Expr regr_intercept(Expr y, Expr x) { return aggregate_of("regr_intercept", y, x); }
Expr coalesce(std::vector<Expr> values) { return make("coalesce", nodes_of(values)); }
Expr call(std::string function, std::vector<Expr> args) { return make(std::move(function), nodes_of(args)); }
Expr concat_ws(Expr separator, std::vector<Expr> values) {
  values.insert(values.begin(), std::move(separator));
  return make("concat_ws", nodes_of(values));
}
Expr pack_list(std::vector<Expr> values) { return make("list.pack", nodes_of(values)); }
Expr pack_struct(std::vector<std::pair<std::string, Expr>> fields) {
  std::vector<expr::NodePtr> args;
  for (const auto& [name, value] : fields) {
    args.push_back(expr::literal(std::string_view(name)));
    args.push_back(value.node());
  }
  return make("struct.pack", std::move(args));
}
Expr pack_map(Expr keys, Expr values) { return binary("map.pack", keys, values); }
Expr make_date(Expr year, Expr month, Expr day) { return make("make_date", {year.node(), month.node(), day.node()}); }
Expr make_duration(Expr amount, std::string unit) { return binary("make_duration", amount, Expr(unit)); }

Expr operator+(Expr a, Expr b) { return binary("add", a, b); }
Expr operator-(Expr a, Expr b) { return binary("sub", a, b); }
Expr operator*(Expr a, Expr b) { return binary("mul", a, b); }
Expr operator/(Expr a, Expr b) { return binary("div", a, b); }
Expr operator%(Expr a, Expr b) { return binary("mod", a, b); }
Expr operator-(Expr a) { return unary("neg", a); }
Expr operator==(Expr a, Expr b) { return binary("eq", a, b); }
Expr operator!=(Expr a, Expr b) { return binary("ne", a, b); }
Expr operator<(Expr a, Expr b) { return binary("lt", a, b); }
Expr operator<=(Expr a, Expr b) { return binary("le", a, b); }
Expr operator>(Expr a, Expr b) { return binary("gt", a, b); }
Expr operator>=(Expr a, Expr b) { return binary("ge", a, b); }
Expr operator&(Expr a, Expr b) { return binary("and", a, b); }
Expr operator|(Expr a, Expr b) { return binary("or", a, b); }
Expr operator!(Expr a) { return unary("not", a); }

When when(Expr condition) {
  When w;
  w.parts_.push_back(std::move(condition));
  return w;
}
Then When::then(Expr value) && {
  Then t;
  t.parts_ = std::move(parts_);
  t.parts_.push_back(std::move(value));
  return t;
}
When Then::when(Expr condition) && {
  When w;
  w.parts_ = std::move(parts_);
  w.parts_.push_back(std::move(condition));
  return w;
}
Expr Then::otherwise(Expr value) && {
  parts_.push_back(std::move(value));
  return make("case", nodes_of(parts_));
}
Then::operator Expr() const { return make("case", nodes_of(parts_)); }

}  // namespace gristmill
