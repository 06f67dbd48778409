// Functions that make text or measure it. Lengths and positions count code points.
//
// Parts of a text refer to the bytes they were cut from; only new text is written. Null and unselected rows are skipped.

#include <cstring>

#include <arrow/type.h>

#include "expr/case_map.h"
#include "expr/functions/families.h"
#include "expr/kernel.h"
#include "expr/promotion.h"
#include "expr/scalar_value.h"
#include "expr/text_out.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::TypePtr;

bool text_or_null(const ArgumentInfo& a) { return column::is_text(*a.type) || a.type->id() == Type::NA; }

// All arguments text, the result of type `result`.
arrow::Result<Signature> all_text(std::string_view name, std::span<const ArgumentInfo> args, size_t count, TypePtr result) {
  if (args.size() != count) return wrong_count(name, count, args.size());
  for (const ArgumentInfo& a : args) {
    if (!text_or_null(a)) return bad_arguments(name, "text", args);
  }
  Signature s;
  s.type = std::move(result);
  s.casts.assign(count, arrow::utf8_view());
  return s;
}

arrow::Result<Signature> bind_map(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return all_text("upper, lower", args, 1, arrow::utf8_view());
}

template <bool kUpper>
arrow::Result<Column> run_map(const KernelCall& call) {
  return map_case(call.args[0], kUpper, call.rows, call.selection, call.pool);
}

// f(row) for selected rows whose arguments are all there, until one fails.
template <typename F>
arrow::Status for_texts(const KernelCall& call, F&& f) {
  arrow::Status status;
  const AllValid valid(call);
  for_selected(call, [&](int64_t i) {
    if (status.ok() && valid(i)) status = f(i);
  });
  return status;
}

// cut(text, row) -> the part of the text that stays.
template <typename Cut>
arrow::Result<Column> cut_rows(const KernelCall& call, Cut cut) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(call.rows, call.pool));
  const TextArgument text(call.args[0]);
  const int32_t first = out.adopt(text.data);
  const auto* views = column::values_of<column::View16>(text.data);
  ARROW_RETURN_NOT_OK(for_texts(call, [&](int64_t i) {
    const std::string_view whole = text[i], part = cut(whole, i);
    out.set_part(i, views[text.constant ? 0 : i], first, part, part.data() - whole.data());
    return arrow::Status::OK();
  }));
  return Column::flat(out.finish(call.type));
}

enum class Side { kBoth, kStart, kEnd };

arrow::Result<Signature> bind_trim(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return all_text("trim", args, args.size() == 2 ? 2 : 1, arrow::utf8_view());
}

size_t code_point_size(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

// The first code point of s, cut to what is there.
std::string_view front(std::string_view s) { return s.substr(0, code_point_size(static_cast<unsigned char>(s[0]))); }
std::string_view back(std::string_view s) {
  size_t at = s.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
  return s.substr(at);
}

template <Side kSide>
std::string_view trim(std::string_view s, std::string_view characters) {
  const auto goes = [characters](std::string_view point) {
    for (std::string_view rest = characters; !rest.empty(); rest.remove_prefix(front(rest).size())) {
      if (front(rest) == point) return true;
    }
    return false;
  };
  if (kSide != Side::kEnd) {
    while (!s.empty() && goes(front(s))) s.remove_prefix(front(s).size());
  }
  if (kSide != Side::kStart) {
    while (!s.empty() && goes(back(s))) s.remove_suffix(back(s).size());
  }
  return s;
}

template <Side kSide>
arrow::Result<Column> run_trim(const KernelCall& call) {
  static constexpr std::string_view kBlanks = " \t\n\v\f\r";
  if (call.args.size() == 1) return cut_rows(call, [](std::string_view s, int64_t) { return trim<kSide>(s, kBlanks); });
  const TextArgument characters(call.args[1]);
  return cut_rows(call, [&](std::string_view s, int64_t i) { return trim<kSide>(s, characters[i]); });
}

arrow::Result<Signature> bind_length(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return all_text("length", args, 1, arrow::int64());
}

arrow::Result<Signature> bind_octet_length(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("octet_length", 1, args.size());
  if (!column::is_viewed(*args[0].type) && !text_or_null(args[0])) return bad_arguments("octet_length", "text or bytes", args);
  Signature s;
  s.type = arrow::int64();
  if (args[0].type->id() == Type::NA) s.casts = {arrow::utf8_view()};
  return s;
}

// Bytes 10xxxxxx, eight at once.
int64_t continuations(uint64_t w) { return __builtin_popcountll(w & ~(w << 1) & 0x8080808080808080ULL); }

int64_t code_points(std::string_view s) {
  auto n = static_cast<int64_t>(s.size());
  size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    uint64_t w;
    std::memcpy(&w, s.data() + i, 8);
    n -= continuations(w);
  }
  for (; i < s.size(); ++i) n -= (static_cast<unsigned char>(s[i]) & 0xC0) == 0x80;
  return n;
}

// Bytes behind the end of an inline text are zero.
int64_t inline_code_points(const column::View16& v) {
  uint64_t head, tail;
  std::memcpy(&head, &v, 8);
  std::memcpy(&tail, reinterpret_cast<const char*>(&v) + 8, 8);
  return v.size - continuations(head >> 32) - continuations(tail);
}

arrow::Result<Column> run_length(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<int64_t>(call));
  const TextArgument text(call.args[0]);
  const auto* views = column::values_of<column::View16>(text.data);
  const AllValid valid(call);
  if (call.selection && !call.selection->all()) std::memset(out.values, 0, static_cast<size_t>(call.rows) * sizeof(int64_t));
  for_selected(call, [&](int64_t i) {
    out.values[i] = !valid(i) ? 0 : views[i].is_inline() ? inline_code_points(views[i]) : code_points(text[i]);
  });
  return finish_output(call, std::move(out.buffer));
}

arrow::Result<Column> run_octet_length(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<int64_t>(call));
  const auto* views = column::values_of<column::View16>(*call.args[0].values);
  for (int64_t i = 0; i < call.rows; ++i) out.values[i] = views[i].size;
  return finish_output(call, std::move(out.buffer));
}

// Substrings ----------------------------------------------------------------------------------------------------

template <bool kSql>
arrow::Result<Signature> bind_substring(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2 && args.size() != 3) return wrong_count("substring", 3, args.size());
  if (!text_or_null(args[0])) return bad_arguments("substring", "text and integers", args);
  for (const ArgumentInfo& a : args.subspan(1)) {
    if (!column::is_integer(*a.type) && a.type->id() != Type::NA) return bad_arguments("substring", "text and integers", args);
  }
  Signature s;
  s.type = arrow::utf8_view();
  s.casts.assign(args.size(), arrow::int64());
  s.casts[0] = s.type;
  const auto length = args.size() == 3 && args[2].constant ? integer_value(*args[2].constant) : std::nullopt;
  s.fallible = kSql && args.size() == 3 && !(length && *length >= 0);
  return s;
}

// Code points [from, to) of s; both may lie outside.
std::string_view slice_points(std::string_view s, int64_t from, int64_t to) {
  size_t at = 0;
  for (int64_t i = 0; i < from && at < s.size(); ++i) at += code_point_size(static_cast<unsigned char>(s[at]));
  at = std::min(at, s.size());
  size_t end = at;
  for (int64_t i = std::max<int64_t>(from, 0); i < to && end < s.size(); ++i) end += code_point_size(static_cast<unsigned char>(s[end]));
  return s.substr(at, std::min(end, s.size()) - at);
}

int64_t saturated_sum(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_add_overflow(a, b, &r) ? (b < 0 ? INT64_MIN : INT64_MAX) : r;
}

template <bool kSql>
arrow::Result<Column> run_substring(const KernelCall& call) {
  const Argument<int64_t> start(call.args[1]);
  const bool bounded = call.args.size() == 3;
  const Argument<int64_t> length(call.args[bounded ? 2 : 1]);
  if (kSql && bounded) {
    ARROW_RETURN_NOT_OK(blame(
        call, [&](int64_t i) { return length[i] < 0; },
        [&](int64_t i) {
          return Complaint{"the length of a substring is negative: " + std::to_string(length[i]), std::to_string(length[i])};
        }));
  }
  return cut_rows(call, [&](std::string_view s, int64_t i) {
    int64_t from = kSql ? saturated_sum(start[i], -1) : start[i];
    if (!kSql && from < 0) from = std::max<int64_t>(saturated_sum(code_points(s), from), 0);  // from the end
    const int64_t to = bounded ? saturated_sum(from, std::max<int64_t>(length[i], 0)) : INT64_MAX;
    return slice_points(s, from, to);
  });
}

// New text ------------------------------------------------------------------------------------------------------

arrow::Result<Signature> bind_replace(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return all_text("replace", args, 3, arrow::utf8_view());
}

arrow::Result<Column> run_replace(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(call.rows, call.pool));
  const TextArgument text(call.args[0]), from(call.args[1]), to(call.args[2]);
  const int32_t first = out.adopt(text.data);
  const auto* views = column::values_of<column::View16>(text.data);
  std::string made;
  ARROW_RETURN_NOT_OK(for_texts(call, [&](int64_t i) {
    const std::string_view s = text[i], old = from[i];
    size_t found = old.empty() ? std::string_view::npos : s.find(old);
    if (found == std::string_view::npos) {
      out.set_part(i, views[text.constant ? 0 : i], first, s, 0);
      return arrow::Status::OK();
    }
    made.clear();
    size_t at = 0;
    for (; found != std::string_view::npos; found = s.find(old, at)) {
      made.append(s, at, found - at).append(to[i]);
      at = found + old.size();
    }
    made.append(s, at);
    return out.set(i, made);
  }));
  return Column::flat(out.finish(call.type));
}

arrow::Result<Signature> bind_concat(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("concat", 2, 0);
  bool bytes = true;
  for (const ArgumentInfo& a : args) bytes &= a.type->id() == Type::BINARY_VIEW;
  Signature s;
  s.type = bytes ? arrow::binary_view() : arrow::utf8_view();
  s.casts.assign(args.size(), s.type);
  return s;
}

arrow::Result<Column> run_concat(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(call.rows, call.pool));
  std::vector<TextArgument> parts;
  for (const Column& a : call.args) parts.emplace_back(a);
  ARROW_RETURN_NOT_OK(for_texts(call, [&](int64_t i) -> arrow::Status {
    size_t size = 0;
    for (const TextArgument& p : parts) size += p[i].size();
    ARROW_ASSIGN_OR_RAISE(char* at, out.reserve(static_cast<int64_t>(size)));
    for (const TextArgument& p : parts) {
      const std::string_view s = p[i];
      std::memcpy(at, s.data(), s.size());
      at += s.size();
    }
    out.set_written(i, static_cast<int64_t>(size));
    return arrow::Status::OK();
  }));
  return Column::flat(out.finish(call.type));
}

Function text(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "string", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> string_functions() {
  return {
      text("str.upper", "the text in upper case", "lit('ab').str.upper() -> 'AB'", bind_map, run_map<true>),
      text("str.lower", "the text in lower case", "lit('AB').str.lower() -> 'ab'", bind_map, run_map<false>),
      text("str.trim", "without blanks, or the characters given, at both ends", "lit(' a ').str.trim() -> 'a'", bind_trim,
           run_trim<Side::kBoth>),
      text("str.trim_start", "without blanks, or the characters given, at the start", "call('str.trim_start', ' a ') -> 'a '", bind_trim,
           run_trim<Side::kStart>),
      text("str.trim_end", "without blanks, or the characters given, at the end", "call('str.trim_end', ' a ') -> ' a'", bind_trim,
           run_trim<Side::kEnd>),
      text("str.length", "the number of code points", "lit('äb').str.length() -> 2", bind_length, run_length),
      text("str.octet_length", "the number of bytes of text or binary", "lit('äb').str.octet_length() -> 3", bind_octet_length,
           run_octet_length),
      text("str.substring", "code points from a start counted from 0 (negative: from the end), all or so many",
           "lit('hello').str.substring(1, 3) -> 'ell'", bind_substring<false>, run_substring<false>),
      text("sql_substring", "SQL's substring: positions from 1; a negative length is an error",
           "call('sql_substring', 'hello', 2, 3) -> 'ell'", bind_substring<true>, run_substring<true>),
      text("str.replace", "every occurrence of the second text replaced by the third", "lit('aba').str.replace('a', 'x') -> 'xbx'",
           bind_replace, run_replace),
      text("str.concat", "the texts one after another; other values as their text; NULL if one is NULL", "lit('a').str.concat('b') -> 'ab'",
           bind_concat, run_concat),
      text("concat", "as str.concat: SQL's ||", "call('concat', 'a', 1) -> 'a1'", bind_concat, run_concat),
  };
}

}  // namespace gristmill::expr
