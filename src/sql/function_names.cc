// One table: the SQL name, the engine's, and its arguments: digits are the SQL arguments by position, words in between are texts
// and numbers put in. A name may occur several times; the first row whose arguments fit is taken.

#include "sql/function_names.h"

#include <algorithm>
#include <cctype>
#include <string>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "sql/date_pattern.h"

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
    // Dates and times
    {"quarter", "dt.quarter", "*"},
    {"week", "dt.week", "*"},
    {"weekofyear", "dt.week", "*"},
    {"isoyear", "dt.iso_year", "*"},
    {"dayofweek", "dt.dow", "*"},
    {"isodow", "dt.weekday", "*"},
    {"dayofmonth", "dt.day", "*"},
    {"dayofyear", "dt.dayofyear", "*"},
    {"decade", "dt.decade", "*"},
    {"century", "dt.century", "*"},
    {"millennium", "dt.millennium", "*"},
    {"millisecond", "sql_milliseconds", "*"},
    {"microsecond", "sql_microseconds", "*"},
    {"epoch", "dt.epoch", "*"},
    {"last_day", "dt.last_day", "*"},
    {"date_diff", "dt.diff", "2 1 0"},
    {"datediff", "dt.diff", "2 1 0"},
    {"date_add", "dt.add", "*"},
    {"to_years", "make_duration", "0 year"},
    {"to_weeks", "make_duration", "0 week"},
    {"to_days", "make_duration", "0 day"},
    {"to_hours", "make_duration", "0 hour"},
    {"to_minutes", "make_duration", "0 minute"},
    {"to_seconds", "make_duration", "0 second"},
    {"to_milliseconds", "make_duration", "0 millisecond"},
    {"to_microseconds", "make_duration", "0 microsecond"},
    {"strftime", "dt.strftime", "*"},
    {"strptime", "str.strptime", "*"},
    {"try_strptime", "str.try_strptime", "*"},
    {"monthname", "dt.strftime", "0 %B"},
    {"dayname", "dt.strftime", "0 %A"},
    {"to_timestamp", "from_epoch", "0"},
    {"to_char", "dt.strftime", "*"},
    {"to_date", "str.strptime", "*"},
    // Lists, structs, maps
    {"array_length", "list.length", "0"},
    {"cardinality", "list.length", "*"},
    {"list_length", "list.length", "*"},
    {"list_extract", "sql_list_get", "*"},
    {"list_element", "sql_list_get", "*"},
    {"array_extract", "sql_list_get", "*"},
    {"list_contains", "list.contains", "*"},
    {"array_contains", "list.contains", "*"},
    {"list_has", "list.contains", "*"},
    {"list_sum", "list.sum", "*"},
    {"list_avg", "list.mean", "*"},
    {"list_min", "list.min", "*"},
    {"list_max", "list.max", "*"},
    {"list_sort", "list.sort", "*"},
    {"array_sort", "list.sort", "*"},
    {"list_distinct", "list.unique", "*"},
    {"array_distinct", "list.unique", "*"},
    {"list_reverse", "list.reverse", "*"},
    {"array_reverse", "list.reverse", "*"},
    {"list_concat", "list.concat", "*"},
    {"array_concat", "list.concat", "*"},
    {"array_cat", "list.concat", "*"},
    {"list_append", "list.append", "*"},
    {"array_append", "list.append", "*"},
    {"list_value", "list.pack", "*"},
    {"list_pack", "list.pack", "*"},
    {"array_to_string", "list.join", "*"},
    {"struct_extract", "struct.field", "*"},
    {"map", "map.pack", "*"},
    {"map_extract_value", "map.get", "*"},
    {"map_keys", "map.keys", "*"},
    {"map_values", "map.values", "*"},
    {"map_contains", "map.contains_key", "*"},
    {"map_concat", "map.merge", "*"},
    // JSON
    {"json_extract", "json.raw", "0 1"},
    {"json_extract_string", "json.extract", "*"},
    {"json_array_length", "json.array_length", "*"},
    {"json_keys", "json.keys", "*"},
    {"json_type", "json.type", "*"},
    {"json_typeof", "json.type", "*"},
    {"json_valid", "json.is_valid", "*"},
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

constexpr FunctionName kExtract[] = {{"week", "dt.week", ""},
                                     {"isoyear", "dt.iso_year", ""},
                                     {"dow", "dt.dow", ""},
                                     {"dayofweek", "dt.dow", ""},
                                     {"dayofyear", "dt.dayofyear", ""},
                                     {"decade", "dt.decade", ""},
                                     {"century", "dt.century", ""},
                                     {"millennium", "dt.millennium", ""},
                                     {"milliseconds", "sql_milliseconds", ""},
                                     {"millisecond", "sql_milliseconds", ""},
                                     {"microseconds", "sql_microseconds", ""},
                                     {"microsecond", "sql_microseconds", ""}};

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

// to_char(moment, 'YYYY-MM-DD'), to_date(text, ...), to_timestamp(text, ...).
NodePtr by_pattern(std::string_view name, const std::vector<NodePtr>& args) {
  const auto pattern = c_time_pattern(literal_text(args, 1));
  if (!pattern) return nullptr;
  const NodePtr c = expr::literal(std::string_view(*pattern));
  if (name == "to_char") return expr::call("dt.strftime", {args[0], c});
  NodePtr moment = expr::call("str.strptime", {args[0], c});
  return name == "to_date" ? expr::call("dt.date", {std::move(moment)}) : moment;
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
  if (args.size() == 2 && (name == "to_char" || name == "to_date" || name == "to_timestamp")) {
    if (NodePtr call = by_pattern(name, args)) return call;
  }
  if (name == "regexp_replace" && args.size() == 4) {
    if (NodePtr call = regexp_replace(args)) return call;
  }
  // Lists have one dimension; PostgreSQL says NULL of an empty one.
  if (name == "array_length" && args.size() == 2 && expr::equal(*args[1], *expr::literal(int64_t{1})))
    return expr::call("nullif", {expr::call("list.length", {args[0]}), expr::literal(int64_t{0})});
  if (name == "array_position" && args.size() == 2) return expr::call("add", {expr::call("list.position", args), expr::literal(int64_t{1})});
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

NodePtr json_operator(std::string_view op, const NodePtr& json, const NodePtr& step) {
  if ((op != "->" && op != "->>") || step->kind != expr::NodeKind::kLiteral || !step->value->is_valid) return nullptr;
  const std::string key = literal_text({step}, 0);
  const std::string path = step->value->type->id() == arrow::Type::INT64 ? "$[" + step->value->ToString() + "]"
                           : key.starts_with('$')                        ? key
                                                                         : "$.\"" + key + "\"";
  return expr::call(op == "->" ? "json.raw" : "json.extract", {json, expr::literal(std::string_view(path))});
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
