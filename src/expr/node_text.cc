// The text of an expression as explain() and error messages show it: operators infix, everything else as calls.
//
// Operands that are operators themselves stand in parentheses, except in chains of one associative operator.

#include <algorithm>
#include <cctype>
#include <charconv>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/binary_text.h"
#include "column/types.h"
#include "expr/aggregates.h"
#include "expr/node.h"
#include "expr/window.h"

namespace gristmill::expr {
namespace {

struct Operator {
  std::string_view function;
  std::string_view symbol;
  bool chains;  // a op b op c needs no parentheses
};

constexpr Operator kOperators[] = {
    {"add", "+", true},
    {"sub", "-", false},
    {"mul", "*", true},
    {"div", "/", false},
    {"sql_div", "/", false},
    {"mod", "%", false},
    {"sql_mod", "%", false},
    {"floor_div", "//", false},
    {"eq", "=", false},
    {"ne", "!=", false},
    {"lt", "<", false},
    {"le", "<=", false},
    {"gt", ">", false},
    {"ge", ">=", false},
    {"and", "and", true},
    {"or", "or", true},
    {"concat", "||", true},
    {"is_distinct_from", "is distinct from", false},
    {"is_not_distinct_from", "is not distinct from", false},
};

const Operator* operator_of(const Node& n) {
  if (n.kind != NodeKind::kCall || n.args.size() != 2) return nullptr;
  for (const Operator& o : kOperators) {
    if (o.function == n.name) return &o;
  }
  return nullptr;
}

std::string quoted(std::string_view s, char quote) {
  std::string out(1, quote);
  for (char c : s) out.append(c == quote ? 2 : 1, c);
  return out + quote;
}

std::string name_text(const std::string& name) {
  const bool plain = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c >= 0x80; });
  return plain ? name : quoted(name, '"');
}

std::string scalar_text(const arrow::Scalar& s) {
  if (!s.is_valid) return "null";
  const arrow::Type::type id = s.type->id();
  if (arrow::is_base_binary_like(id) || arrow::is_binary_view_like(id)) {
    const std::string_view bytes = static_cast<const arrow::BaseBinaryScalar&>(s).view();
    const bool text = arrow::is_string(id) || id == arrow::Type::STRING_VIEW;
    return quoted(text ? std::string(bytes) : column::binary_text(bytes), '\'');
  }
  if (id == arrow::Type::DOUBLE) {
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<const arrow::DoubleScalar&>(s).value);
    std::string out(digits, end.ptr);
    const bool integral = out.find_first_not_of("-0123456789") == std::string::npos;
    return integral ? out + ".0" : out;
  }
  return s.ToString();
}

std::string operand(const Node& n, const Operator* around) {
  const Operator* mine = operator_of(n);
  if (!mine || (around && mine == around && around->chains)) return text(n);
  return "(" + text(n) + ")";
}

std::string list_text(const Node& n, size_t from) {
  std::string out;
  for (size_t i = from; i < n.args.size(); ++i) out += (i > from ? ", " : "") + text(*n.args[i]);
  for (const Option& o : n.options) out += (out.empty() ? "" : ", ") + o.name + "=" + scalar_text(*o.value);
  return out;
}

std::string case_text(const Node& n) {
  std::string out = "case";
  size_t i = 0;
  for (; i + 1 < n.args.size(); i += 2) out += " when " + text(*n.args[i]) + " then " + text(*n.args[i + 1]);
  if (i < n.args.size()) out += " else " + text(*n.args[i]);
  return out + " end";
}

std::string call_text(const Node& n) {
  if (const Operator* o = operator_of(n)) {
    return operand(*n.args[0], o) + " " + std::string(o->symbol) + " " + operand(*n.args[1], o);
  }
  if (n.args.size() == 1) {
    const std::string x = operand(*n.args[0], nullptr);
    if (n.name == "is_null") return x + " is null";
    if (n.name == "is_not_null") return x + " is not null";
    if (n.name == "not") return "not " + x;
    if (n.name == "neg") return "-" + x;
  }
  if (n.name == "case") return case_text(n);
  if (n.name == "is_in" && !n.args.empty()) return operand(*n.args[0], nullptr) + " in (" + list_text(n, 1) + ")";
  if (n.name == "between" && n.args.size() == 3) {
    return operand(*n.args[0], nullptr) + " between " + operand(*n.args[1], nullptr) + " and " + operand(*n.args[2], nullptr);
  }
  return n.name + "(" + list_text(n, 0) + ")";
}

std::string aggregate_text(const Node& n) {
  const size_t values = value_arguments(n);
  std::string inside;
  for (size_t i = 0; i < values; ++i) inside += (i > 0 ? ", " : "") + text(*n.args[i]);
  for (const Option& o : n.options) {
    if (o.name == "distinct" || o.name == "order_by" || o.name == "descending" || o.name == "nulls_first") continue;
    inside += (inside.empty() ? "" : ", ") + o.name + "=" + scalar_text(*o.value);
  }
  for (size_t i = values; i < n.args.size(); ++i) {
    const auto bit = [&](const char* mask) { return (int_option(n.options, mask, 0) >> (i - values) & 1) != 0; };
    inside += (i == values ? " order by " : ", ") + text(*n.args[i]) + (bit("descending") ? " desc" : "") +
              (bit("nulls_first") ? " nulls first" : "");
  }
  return n.name + (flag_option(n.options, "distinct") ? "(distinct " : "(") + inside + ")" +
         (n.filter ? " filter (where " + text(*n.filter) + ")" : "");
}

std::string window_text(const Node& n) {
  const Window& w = *n.window;
  const auto arguments = static_cast<size_t>(w.arguments), keys = arguments + static_cast<size_t>(w.partitions);
  std::string out = n.name + "(", inside;
  for (size_t i = 0; i < arguments; ++i) out += (i ? ", " : "") + text(*n.args[i]);
  bool first = arguments == 0, ignore = false;
  for (const Option& o : n.options) {
    if (o.name == "ignore_nulls") {
      ignore = true;
      continue;
    }
    out += (first ? "" : ", ") + o.name + "=" + scalar_text(*o.value);
    first = false;
  }
  out += ignore ? ") ignore nulls" : ")";
  if (n.filter) out += " filter (where " + text(*n.filter) + ")";
  for (size_t i = arguments; i < keys; ++i) inside += (i == arguments ? "partition by " : ", ") + text(*n.args[i]);
  for (size_t i = keys; i < n.args.size(); ++i) {
    const WindowOrder& o = w.order[i - keys];
    inside += (i == keys ? (inside.empty() ? "order by " : " order by ") : ", ") + text(*n.args[i]) + (o.descending ? " desc" : "") +
              (o.nulls_first ? " nulls first" : "");
  }
  if (n.user) return out;
  const std::string frame = frame_text(w.frame);
  return out + " over (" + inside + (inside.empty() || frame.empty() ? "" : " ") + frame + ")";
}

}  // namespace

std::string text(const Node& n) {
  switch (n.kind) {
    case NodeKind::kColumn: return name_text(n.name);
    case NodeKind::kLiteral: return scalar_text(*n.value);
    case NodeKind::kCall: return call_text(n);
    case NodeKind::kCast:
      return std::string(n.lenient ? "try_cast(" : "cast(") + text(*n.args[0]) + " as " + column::type_text(*n.type) + ")";
    case NodeKind::kAggregate: return aggregate_text(n);
    case NodeKind::kAlias: return text(*n.args[0]) + " as " + name_text(n.name);
    case NodeKind::kWindow: return window_text(n);
  }
  return {};
}

}  // namespace gristmill::expr
