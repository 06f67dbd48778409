// Builders of expression trees and the questions asked of any tree. Nodes are never changed once shared.

#include "expr/node.h"

#include <algorithm>

#include <arrow/compare.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/types.h"
#include "expr/window.h"

namespace gristmill::expr {
namespace {

std::shared_ptr<Node> make(NodeKind kind) {
  auto n = std::make_shared<Node>();
  n->kind = kind;
  return n;
}

bool same_scalar(const std::shared_ptr<arrow::Scalar>& a, const std::shared_ptr<arrow::Scalar>& b) {
  if (!a || !b) return a == b;
  const auto exact = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
  return a->type->Equals(*b->type) && a->Equals(*b, exact);
}

bool same_options(const std::vector<Option>& a, const std::vector<Option>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Option& x, const Option& y) { return x.name == y.name && same_scalar(x.value, y.value); });
}

const std::string* leftmost_column(const Node& n) {
  if (n.kind == NodeKind::kColumn) return &n.name;
  const size_t named_by = n.window ? static_cast<size_t>(n.window->arguments) : n.args.size();  // not by the keys of a window
  for (size_t i = 0; i < named_by; ++i) {
    if (const std::string* name = leftmost_column(*n.args[i])) return name;
  }
  return nullptr;
}

}  // namespace

NodePtr column(std::string name) {
  auto n = make(NodeKind::kColumn);
  n->name = std::move(name);
  return n;
}

NodePtr literal(std::shared_ptr<arrow::Scalar> value, bool untyped) {
  auto n = make(NodeKind::kLiteral);
  n->value = std::move(value);
  n->untyped = untyped;
  return n;
}

NodePtr literal(int64_t v) { return literal(std::make_shared<arrow::Int64Scalar>(v)); }
NodePtr literal(double v) { return literal(std::make_shared<arrow::DoubleScalar>(v)); }
NodePtr literal(bool v) { return literal(std::make_shared<arrow::BooleanScalar>(v)); }
NodePtr literal(std::string_view v) { return literal(std::make_shared<arrow::StringViewScalar>(std::string(v))); }
NodePtr null_literal() { return literal(std::make_shared<arrow::NullScalar>()); }

NodePtr call(std::string function, std::vector<NodePtr> args, std::vector<Option> options) {
  auto n = make(NodeKind::kCall);
  n->name = std::move(function);
  n->args = std::move(args);
  n->options = std::move(options);
  return n;
}

NodePtr cast(NodePtr x, std::shared_ptr<arrow::DataType> to, bool lenient) {
  auto n = make(NodeKind::kCast);
  n->args.push_back(std::move(x));
  n->type = std::move(to);
  n->lenient = lenient;
  return n;
}

NodePtr aggregate(std::string function, std::vector<NodePtr> args, std::vector<Option> options, NodePtr filter) {
  auto n = make(NodeKind::kAggregate);
  n->name = std::move(function);
  n->args = std::move(args);
  n->options = std::move(options);
  n->filter = std::move(filter);
  return n;
}

NodePtr alias(NodePtr x, std::string name) {
  auto n = make(NodeKind::kAlias);
  n->args.push_back(std::move(x));
  n->name = std::move(name);
  return n;
}

bool equal(const Node& a, const Node& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.name != b.name || a.user != b.user || a.untyped != b.untyped || a.lenient != b.lenient) return false;
  if (a.args.size() != b.args.size() || !a.filter != !b.filter || !a.type != !b.type) return false;
  if (a.type && !a.type->Equals(*b.type)) return false;
  if (!a.window != !b.window || (a.window && !equal(*a.window, *b.window))) return false;
  if (!same_scalar(a.value, b.value) || !same_options(a.options, b.options)) return false;
  for (size_t i = 0; i < a.args.size(); ++i) {
    if (!equal(*a.args[i], *b.args[i])) return false;
  }
  return !a.filter || equal(*a.filter, *b.filter);
}

std::string output_name(const Node& n) {
  if (n.kind == NodeKind::kAlias) return n.name;
  if (n.kind == NodeKind::kCast) return output_name(*n.args[0]);
  if (const std::string* column = leftmost_column(n)) return *column;
  return n.kind == NodeKind::kLiteral ? "literal" : n.name;
}

bool contains_aggregate(const Node& n) {
  return n.kind == NodeKind::kAggregate ||
         std::any_of(n.args.begin(), n.args.end(), [](const NodePtr& a) { return contains_aggregate(*a); });
}

void collect_columns(const Node& n, std::vector<std::string>& names) {
  if (n.kind == NodeKind::kColumn && std::find(names.begin(), names.end(), n.name) == names.end()) names.push_back(n.name);
  for (const NodePtr& a : n.args) collect_columns(*a, names);
  if (n.filter) collect_columns(*n.filter, names);
}

NodePtr rewrite(const NodePtr& n, const std::function<NodePtr(const NodePtr&)>& f) {
  std::vector<NodePtr> args;
  args.reserve(n->args.size());
  bool changed = false;
  for (const NodePtr& a : n->args) {
    args.push_back(rewrite(a, f));
    changed |= args.back() != a;
  }
  NodePtr filter = n->filter ? rewrite(n->filter, f) : nullptr;
  changed |= filter != n->filter;
  if (!changed) return f(n);
  auto copy = std::make_shared<Node>(*n);
  copy->args = std::move(args);
  copy->filter = std::move(filter);
  return f(copy);
}

std::vector<NodePtr> conjuncts(const NodePtr& predicate) {
  std::vector<NodePtr> parts;
  if (!predicate) return parts;
  if (predicate->kind != NodeKind::kCall || predicate->name != "and") return {predicate};
  for (const NodePtr& a : predicate->args) {
    for (NodePtr& part : conjuncts(a)) parts.push_back(std::move(part));
  }
  return parts;
}

NodePtr conjunction(const std::vector<NodePtr>& parts) {
  NodePtr all;
  for (const NodePtr& p : parts) all = all ? call("and", {all, p}) : p;
  return all;
}

}  // namespace gristmill::expr
