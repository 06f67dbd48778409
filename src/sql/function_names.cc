// One table: the SQL name, the engine's, and its arguments: digits are the SQL arguments by position, words in between are texts
// and numbers put in. A name may occur several times; the first row whose arguments fit is taken.

#include "sql/function_names.h"

#include <algorithm>
#include <cctype>
#include <string>

#include <arrow/scalar.h>
#include <arrow/type.h>

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

struct FunctionName {
  const char* sql;
  const char* engine;
  const char* arguments;  // "*": as they are
};

constexpr FunctionName kNames[] = {
    // Text
    {"trim", "str.trim", "*"},
    {"ltrim", "str.trim_start", "*"},
    {"rtrim", "str.trim_end", "*"},
    {"lpad", "sql_lpad", "*"},
    {"rpad", "sql_rpad", "*"},
    {"repeat", "str.repeat", "*"},
    {"reverse", "str.reverse", "*"},
    {"initcap", "str.title", "*"},
    {"ascii", "str.code_point", "*"},
    {"unicode", "str.code_point", "*"},
    {"ord", "str.code_point", "*"},
    {"left", "str.left", "*"},
    {"right", "str.right", "*"},
    {"strpos", "sql_position", "*"},
    {"instr", "sql_position", "*"},
    {"position", "sql_position", "*"},
    {"split_part", "sql_split_part", "*"},
    {"string_split", "str.split", "*"},
    {"str_split", "str.split", "*"},
    {"string_to_array", "str.split", "*"},
    {"translate", "str.translate", "*"},
    {"levenshtein", "str.levenshtein", "*"},
    {"encode", "str.encode", "*"},
    {"decode", "str.decode", "*"},
    {"to_hex", "str.encode", "0 hex"},
    {"unhex", "str.decode", "0 hex"},
    {"from_hex", "str.decode", "0 hex"},
    {"to_base64", "str.encode", "0 base64"},
    {"base64", "str.encode", "0 base64"},
    {"from_base64", "str.decode", "0 base64"},
    {"ucase", "str.upper", "*"},
    {"lcase", "str.lower", "*"},
    {"len", "str.length", "*"},
    {"strlen", "str.octet_length", "*"},
    {"prefix", "str.starts_with", "*"},
    {"suffix", "str.ends_with", "*"},
    // Numbers
    {"log", "log10", "0"},
    {"log", "log", "1 0"},
    {"dlog10", "log10", "*"},
    {"is_infinite", "is_infinite", "*"},
    {"isinf", "is_infinite", "*"},
    {"isfinite", "is_finite", "*"},
    {"xor", "bit_xor", "*"},
    {"dsqrt", "sqrt", "*"},
    {"truncate", "trunc", "*"},
    {"greatest_common_divisor", "gcd", "*"},
    {"least_common_multiple", "lcm", "*"},
    // Regular expressions
    {"regexp_matches", "str.regex_contains", "*"},
    {"regexp_like", "str.regex_contains", "*"},
    {"regexp_full_match", "str.regex_full_match", "*"},
    {"regexp_replace", "str.regex_replace_first", "0 1 2"},
    {"regexp_extract", "str.regex_extract", "*"},
    {"regexp_substr", "str.regex_extract", "0 1"},
    {"regexp_extract_all", "str.regex_extract_all", "*"},
    {"regexp_count", "str.regex_count", "*"},
    {"regexp_split_to_array", "str.regex_split", "*"},
    {"string_split_regex", "str.regex_split", "*"},
    {"str_split_regex", "str.regex_split", "*"},
};

constexpr FunctionName kExtract[] = {{"week", "dt.week", ""}};

// The engine's argument at the front of `rest`, which loses it; false if the SQL argument is not there.
bool next_argument(std::string_view& rest, const std::vector<NodePtr>& args, std::vector<NodePtr>& out, std::vector<bool>& used) {
  const size_t end = std::min(rest.find(' '), rest.size());
  const std::string word(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (word.size() == 1 && std::isdigit(static_cast<unsigned char>(word[0]))) {
    const auto at = static_cast<size_t>(word[0] - '0');
    if (at >= args.size()) return false;
    used[at] = true;
    out.push_back(args[at]);
  } else if (word[0] == '#') {
    out.push_back(expr::literal(static_cast<int64_t>(std::stoll(word.substr(1)))));
  } else {
    out.push_back(expr::literal(std::string_view(word)));
  }
  return true;
}

// The text of a literal argument; empty otherwise.
std::string literal_text(const std::vector<NodePtr>& args, size_t i) {
  if (i >= args.size() || args[i]->kind != expr::NodeKind::kLiteral || !args[i]->value->is_valid) return {};
  return args[i]->value->type->id() == arrow::Type::STRING || args[i]->value->type->id() == arrow::Type::STRING_VIEW ? args[i]->value->ToString() : "";
}

// regexp_replace(text, pattern, replacement, flags): g all of them, i upper and lower case alike.
NodePtr regexp_replace(std::vector<NodePtr> args) {
  const std::string flags = literal_text(args, 3);
  if (flags.find_first_not_of("gi") != std::string::npos) return nullptr;
  const char* engine = flags.find('g') != std::string::npos ? "str.regex_replace" : "str.regex_replace_first";
  args.pop_back();
  if (flags.find('i') != std::string::npos) args[1] = expr::literal(std::string_view("(?i)" + literal_text(args, 1)));
  return expr::call(engine, std::move(args));
}

}  // namespace

NodePtr named_call(std::string_view name, const std::vector<NodePtr>& args) {
  if (name == "hex" && args.size() == 1) return expr::call("str.upper", {expr::call("str.encode", {args[0], expr::literal(std::string_view("hex"))})});
  if (name == "bit_length" && args.size() == 1) return expr::call("mul", {expr::call("str.octet_length", args), expr::literal(int64_t{8})});
  if (name == "regexp_replace" && args.size() == 4) {
    if (NodePtr call = regexp_replace(args)) return call;
  }
  const FunctionName* last = nullptr;
  for (const FunctionName& f : kNames) {
    if (name != f.sql) continue;
    last = &f;
    std::string_view rest = f.arguments;
    if (rest == "*") return expr::call(f.engine, args);
    std::vector<NodePtr> out;
    std::vector<bool> used(args.size(), false);
    bool fits = true;
    while (fits && !rest.empty()) fits = next_argument(rest, args, out, used);
    if (fits && std::find(used.begin(), used.end(), false) == used.end()) return expr::call(f.engine, std::move(out));
  }
  return last ? expr::call(last->engine, args) : nullptr;  // binding says what it takes
}

NodePtr regex_operator(std::string_view op, const NodePtr& text, const NodePtr& pattern) {
  if (op != "~" && op != "~*" && op != "!~" && op != "!~*") return nullptr;
  const std::string given = literal_text({pattern}, 0);
  const NodePtr regex = op.ends_with('*') && !given.empty() ? expr::literal(std::string_view("(?i)" + given)) : pattern;
  NodePtr match = expr::call("str.regex_contains", {text, regex});
  return op.starts_with('!') ? expr::call("not", {std::move(match)}) : match;
}

const char* extract_function(std::string_view part) {
  for (const FunctionName& f : kExtract) {
    if (part == f.sql) return f.engine;
  }
  return nullptr;
}

std::vector<std::string> sql_function_names() {
  std::vector<std::string> out;
  for (const FunctionName& f : kNames) out.emplace_back(f.sql);
  return out;
}

}  // namespace gristmill::sqltext
