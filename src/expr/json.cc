// Writing and reading expression nodes; types and scalars are in json_scalar.cc.

#include "expr/json.h"

#include <simdjson.h>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/window_json.h"

namespace gristmill::expr {
namespace {

using simdjson::dom::element;

arrow::Status malformed(const std::string& what) { return base::plan_error("cannot read the expression: " + what); }

std::string list_to_json(const std::vector<NodePtr>& nodes) {
  std::string out = "[";
  for (const NodePtr& n : nodes) out += (out.size() > 1 ? "," : "") + to_json(*n);
  return out + "]";
}

std::string call_to_json(const Node& n, const char* key) {
  std::string out = std::string("{\"") + key + "\":" + json_string(n.name) + ",\"args\":" + list_to_json(n.args);
  if (!n.options.empty()) {
    out += ",\"options\":[";
    for (size_t i = 0; i < n.options.size(); ++i) {
      out += (i ? "," : "") + std::string("{\"name\":") + json_string(n.options[i].name) +
             ",\"value\":" + scalar_to_json(*n.options[i].value) + "}";
    }
    out += "]";
  }
  if (n.filter) out += ",\"filter\":" + to_json(*n.filter);
  if (n.window) out += ",\"window\":" + window_to_json(*n.window);
  return out + "}";
}

arrow::Result<std::string> text_at(const element& e, const char* key) {
  std::string_view s;
  if (e[key].get(s)) return malformed(std::string("\"") + key + "\" must be a string");
  return std::string(s);
}

bool flag_at(const element& e, const char* key) {
  bool b = false;
  return !e[key].get(b) && b;
}

bool has(const element& e, const char* key) {
  element found;
  return !e[key].get(found);
}

arrow::Result<NodePtr> node_at(const element& e, const char* key) {
  element inner;
  if (e[key].get(inner)) return malformed(std::string("\"") + key + "\" is missing");
  return from_json(inner);
}

arrow::Status read_options(const element& e, std::vector<Option>& options) {
  simdjson::dom::array list;
  if (e["options"].get(list)) return arrow::Status::OK();
  for (const element& o : list) {
    Option option;
    ARROW_ASSIGN_OR_RAISE(option.name, text_at(o, "name"));
    element value;
    if (o["value"].get(value)) return malformed("an option without value");
    ARROW_ASSIGN_OR_RAISE(option.value, scalar_from_json(value));
    options.push_back(std::move(option));
  }
  return arrow::Status::OK();
}

arrow::Result<NodePtr> read_call(const element& e, NodeKind kind, const char* key) {
  auto n = std::make_shared<Node>();
  n->kind = kind;
  ARROW_ASSIGN_OR_RAISE(n->name, text_at(e, key));
  simdjson::dom::array args;
  if (e["args"].get(args)) return malformed("\"args\" must be a list");
  for (const element& a : args) {
    ARROW_ASSIGN_OR_RAISE(NodePtr arg, from_json(a));
    n->args.push_back(std::move(arg));
  }
  ARROW_RETURN_NOT_OK(read_options(e, n->options));
  if (has(e, "filter")) {
    ARROW_ASSIGN_OR_RAISE(n->filter, node_at(e, "filter"));
  }
  if (kind == NodeKind::kWindow) {
    element inner;
    if (e["window"].get(inner)) return malformed("a window function without window");
    ARROW_ASSIGN_OR_RAISE(n->window, window_from_json(inner, n->args.size()));
  }
  return n;
}

arrow::Result<NodePtr> read_cast(const element& e) {
  auto n = std::make_shared<Node>();
  n->kind = NodeKind::kCast;
  ARROW_ASSIGN_OR_RAISE(NodePtr x, node_at(e, "cast"));
  n->args.push_back(std::move(x));
  element to;
  if (e["to"].get(to)) return malformed("a cast without type");
  ARROW_ASSIGN_OR_RAISE(n->type, type_from_json(to));
  n->lenient = flag_at(e, "lenient");
  ARROW_RETURN_NOT_OK(read_options(e, n->options));
  return n;
}

}  // namespace

std::string to_json(const Node& n) {
  switch (n.kind) {
    case NodeKind::kColumn: return "{\"col\":" + json_string(n.name) + "}";
    case NodeKind::kLiteral: return "{\"lit\":" + scalar_to_json(*n.value) + (n.untyped ? ",\"untyped\":true}" : "}");
    case NodeKind::kCall: return call_to_json(n, "call");
    case NodeKind::kAggregate: return call_to_json(n, "agg");
    case NodeKind::kWindow: return call_to_json(n, "win");
    case NodeKind::kAlias: return "{\"alias\":" + json_string(n.name) + ",\"of\":" + to_json(*n.args[0]) + "}";
    case NodeKind::kCast: {
      std::string out = "{\"cast\":" + to_json(*n.args[0]) + ",\"to\":" + type_to_json(*n.type) + (n.lenient ? ",\"lenient\":true" : "");
      for (const Option& o : n.options) {
        out += (&o == &n.options[0] ? ",\"options\":[{\"name\":" : ",{\"name\":") + json_string(o.name) +
               ",\"value\":" + scalar_to_json(*o.value) + "}";
      }
      return out + (n.options.empty() ? "}" : "]}");
    }
  }
  return "null";
}

arrow::Result<NodePtr> from_json(const element& e) {
  if (!e.is_object()) return malformed("expected an object");
  if (has(e, "col")) {
    ARROW_ASSIGN_OR_RAISE(std::string name, text_at(e, "col"));
    return column(std::move(name));
  }
  if (has(e, "lit")) {
    element value;
    if (e["lit"].get(value)) return malformed("a literal without value");
    ARROW_ASSIGN_OR_RAISE(auto scalar, scalar_from_json(value));
    return literal(std::move(scalar), flag_at(e, "untyped"));
  }
  if (has(e, "call")) return read_call(e, NodeKind::kCall, "call");
  if (has(e, "agg")) return read_call(e, NodeKind::kAggregate, "agg");
  if (has(e, "win")) return read_call(e, NodeKind::kWindow, "win");
  if (has(e, "cast")) return read_cast(e);
  if (has(e, "alias")) {
    ARROW_ASSIGN_OR_RAISE(std::string name, text_at(e, "alias"));
    ARROW_ASSIGN_OR_RAISE(NodePtr x, node_at(e, "of"));
    return alias(std::move(x), std::move(name));
  }
  return malformed("expected one of col, lit, call, cast, agg, win, alias");
}

arrow::Result<NodePtr> from_json(std::string_view text) {
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root)) return malformed(simdjson::error_message(error));
  return from_json(root);
}

}  // namespace gristmill::expr
