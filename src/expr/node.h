// The expression tree as a user wrote it: names, literals, calls. Immutable, shared, serialisable.
//
// Everything computed is a kCall of a registered function ("add", "eq", "and", "case", "str.contains"), so a new
// function needs no new node kind. "case" has arguments [when1, then1, ..., else?]; "is_in" [x, v1, v2, ...].
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

namespace gristmill::expr {

enum class NodeKind : uint8_t {
  kColumn,     // name; "*" never occurs here (faces expand it)
  kLiteral,    // value; `untyped` literals take the narrowest type that fits the other side
  kCall,       // name, args, options
  kCast,       // args[0], type; lenient = try_cast
  kAggregate,  // name, args (none for count()), options, filter
  kAlias,      // args[0], name
  kWindow,     // name, options, filter, window; args: see window.h
};

struct Node;
class UserFunction;  // user_function.h
struct Window;  // window.h
using NodePtr = std::shared_ptr<const Node>;

struct Option {
  std::string name;
  std::shared_ptr<arrow::Scalar> value;
};

struct Node {
  NodeKind kind = NodeKind::kColumn;
  std::string name;
  std::vector<NodePtr> args;
  std::shared_ptr<arrow::Scalar> value;
  std::shared_ptr<arrow::DataType> type;
  std::vector<Option> options;
  NodePtr filter;
  std::shared_ptr<const UserFunction> user;  // kCall: a user's function instead of a registered one
  std::shared_ptr<const Window> window;
  bool untyped = false;
  bool lenient = false;
};

NodePtr column(std::string name);
NodePtr literal(std::shared_ptr<arrow::Scalar> value, bool untyped = true);
NodePtr literal(int64_t v);
NodePtr literal(double v);
NodePtr literal(bool v);
NodePtr literal(std::string_view v);
NodePtr null_literal();
NodePtr call(std::string function, std::vector<NodePtr> args, std::vector<Option> options = {});
NodePtr cast(NodePtr x, std::shared_ptr<arrow::DataType> to, bool lenient = false);
NodePtr aggregate(std::string function, std::vector<NodePtr> args, std::vector<Option> options = {}, NodePtr filter = nullptr);
NodePtr alias(NodePtr x, std::string name);

// As explain() prints it: `(fare > 10) and zone is not null`.
std::string text(const Node& n);
bool equal(const Node& a, const Node& b);
// semantics.md 6: the alias, else the leftmost column, else the function's name.
std::string output_name(const Node& n);
bool contains_aggregate(const Node& n);
void collect_columns(const Node& n, std::vector<std::string>& names);  // in order of appearance, unique
// Rebuilds the tree with `f` applied to each node bottom-up; unchanged parts stay shared.
NodePtr rewrite(const NodePtr& n, const std::function<NodePtr(const NodePtr&)>& f);
// `a and b and c` -> {a, b, c}; and back (nullptr for none).
std::vector<NodePtr> conjuncts(const NodePtr& predicate);
NodePtr conjunction(const std::vector<NodePtr>& parts);

// JSON, versioned by the plan around it; literals keep their exact Arrow type and bits.
std::string to_json(const Node& n);

}  // namespace gristmill::expr
