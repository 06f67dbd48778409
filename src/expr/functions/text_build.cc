// Functions that build longer text: padding, repeating, reversing, joining, title case, code points to characters and back.
//
// Lengths count code points; a result beyond 2 GiB is an error, found before anything is built.

#include <limits>

#include <arrow/scalar.h>

#include "expr/case_map.h"
#include "expr/code_points.h"
#include "expr/functions/families.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using column::Column;

constexpr int64_t kMostBytes = std::numeric_limits<int32_t>::max();

arrow::Status too_long(int64_t row, int64_t wanted) {
  return base::data_error("a text of more than 2 GiB: length " + std::to_string(wanted), std::to_string(wanted), row);
}

// `points` code points of `fill`, again and again.
void append_fill(std::string& out, std::string_view fill, int64_t points) {
  for (std::string_view rest = fill; points > 0; --points) {
    if (rest.empty()) rest = fill;
    const std::string_view p = first_point(rest);
    out += p;
    rest.remove_prefix(p.size());
  }
}

// kCut: SQL's lpad and rpad, which also shorten to the length.
template <bool kStart, bool kCut>
arrow::Result<Column> run_pad(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  const Argument<int64_t> length(call.args[1]);
  const bool given = call.args.size() == 3;
  const TextArgument fill(call.args[given ? 2 : 0]);
  return text_rows(call, [&](int64_t i, std::string& out) -> arrow::Status {
    const std::string_view s = text[i], f = given ? fill[i] : " ";
    const int64_t have = count_points(s), want = length[i];
    if (have >= want || f.empty()) {
      out = kCut ? s.substr(0, offset_of_point(s, want)) : s;
      return arrow::Status::OK();
    }
    if (want > kMostBytes / 4) return too_long(i, want);
    if (kStart) append_fill(out, f, want - have);
    out += s;
    if (!kStart) append_fill(out, f, want - have);
    return arrow::Status::OK();
  });
}

// Zeros go behind a sign.
arrow::Result<Column> run_zfill(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  const Argument<int64_t> length(call.args[1]);
  return text_rows(call, [&](int64_t i, std::string& out) -> arrow::Status {
    const std::string_view s = text[i];
    const int64_t have = count_points(s);
    if (length[i] > kMostBytes) return too_long(i, length[i]);
    const size_t sign = !s.empty() && (s[0] == '-' || s[0] == '+');
    out = s.substr(0, sign);
    if (have < length[i]) out.append(static_cast<size_t>(length[i] - have), '0');
    out += s.substr(sign);
    return arrow::Status::OK();
  });
}

arrow::Result<Column> run_repeat(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  const Argument<int64_t> times(call.args[1]);
  return text_rows(call, [&](int64_t i, std::string& out) -> arrow::Status {
    const std::string_view s = text[i];
    if (s.empty() || times[i] <= 0) return arrow::Status::OK();
    if (times[i] > kMostBytes / static_cast<int64_t>(s.size())) return too_long(i, times[i]);
    out.reserve(s.size() * static_cast<size_t>(times[i]));
    for (int64_t n = times[i]; n > 0; --n) out += s;
    return arrow::Status::OK();
  });
}

arrow::Result<Column> run_reverse(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  return text_rows(call, [&](int64_t i, std::string& out) {
    for (std::string_view s = text[i]; !s.empty();) {
      size_t at = s.size() - 1;
      while (at > 0 && continues(s[at])) --at;
      out += s.substr(at);
      s.remove_suffix(s.size() - at);
    }
  });
}

arrow::Result<Signature> bind_concat_ws(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() < 2) return wrong_count("concat_ws", 2, args.size());
  Signature s;
  s.type = arrow::utf8_view();
  s.casts.assign(args.size(), s.type);
  s.introduces_nulls = !(args[0].constant && args[0].constant->is_valid);
  return s;
}

// NULL values are passed over; a NULL separator gives NULL.
arrow::Result<Column> run_concat_ws(const KernelCall& call) {
  std::vector<TextArgument> parts;
  for (const Column& a : call.args) parts.emplace_back(a);
  return text_rows<false>(call, [&](int64_t i, std::string& out) {
    if (column::is_null_at(call.args[0], i)) return false;
    bool first = true;
    for (size_t k = 1; k < parts.size(); ++k) {
      if (column::is_null_at(call.args[k], i)) continue;
      if (!first) out += parts[0][i];
      out += parts[k][i];
      first = false;
    }
    return true;
  });
}

// Letters and digits. Beyond ASCII everything but spaces, punctuation, pictures and signs of the Latin and general blocks.
bool in_word(std::string_view p) {
  const uint32_t c = read_point(p);
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  return c != 0xD7 && c != 0xF7 && (c < 0x2000 || c > 0x206F) && (c < 0x2190 || c > 0x2BFF) && (c < 0x3000 || c > 0x3020) &&
         (c < 0x1F000 || c > 0x1FAFF);
}

arrow::Result<Column> run_title(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(Column upper, map_case(call.args[0], true, call.rows, call.selection, call.pool));
  ARROW_ASSIGN_OR_RAISE(Column lower, map_case(call.args[0], false, call.rows, call.selection, call.pool));
  const TextArgument text(call.args[0]), up(upper), down(lower);
  return text_rows(call, [&](int64_t i, std::string& out) {  // code point by code point the same places in all three
    std::string_view s = text[i], u = up[i], d = down[i];
    bool inside = false;
    while (!s.empty() && !u.empty() && !d.empty()) {
      const std::string_view point = first_point(s), big = first_point(u), small = first_point(d);
      out += inside ? small : big;
      inside = in_word(point);
      s.remove_prefix(point.size()), u.remove_prefix(big.size()), d.remove_prefix(small.size());
    }
  });
}

arrow::Result<Column> run_code_point(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) { out = text[i].empty() ? 0 : read_point(first_point(text[i])); });
}

arrow::Result<Column> run_chr(const KernelCall& call) {
  const Argument<int64_t> code(call.args[0]);
  return text_rows(call, [&](int64_t i, std::string& out) -> arrow::Status {
    const int64_t c = code[i];
    if (c <= 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
      return base::data_error("chr(" + std::to_string(c) + "): there is no such character", std::to_string(c), i);
    write_point(static_cast<uint32_t>(c), out);
    return arrow::Status::OK();
  });
}

Function build(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run,
               NullRule nulls = NullRule::kPropagate) {
  return {name, "text", summary, example, nulls, true, bind, run};
}

}  // namespace

std::vector<Function> text_build_functions() {
  return {
      build("str.pad_start", "filled at the start with blanks, or a text given, to so many code points; longer text stays",
            "lit('7').str.pad_start(3, '0') -> '007'", bind_as<"str.pad_start", "ti?t>t!">, run_pad<true, false>),
      build("str.pad_end", "filled at the end with blanks, or a text given, to so many code points; longer text stays",
            "lit('ab').str.pad_end(4, '.') -> 'ab..'", bind_as<"str.pad_end", "ti?t>t!">, run_pad<false, false>),
      build("sql_lpad", "SQL's lpad: as str.pad_start, longer text is cut to the length", "call('sql_lpad', 'hello', 2) -> 'he'",
            bind_as<"lpad", "ti?t>t!">, run_pad<true, true>),
      build("sql_rpad", "SQL's rpad: as str.pad_end, longer text is cut to the length", "call('sql_rpad', 'ab', 4, 'xy') -> 'abxy'",
            bind_as<"rpad", "ti?t>t!">, run_pad<false, true>),
      build("str.zfill", "filled with zeros, behind a sign, to so many code points", "lit('-5').str.zfill(4) -> '-005'",
            bind_as<"str.zfill", "ti>t!">, run_zfill),
      build("str.repeat", "the text so many times; empty for zero and less; more than 2 GiB is an error",
            "lit('ab').str.repeat(2) -> 'abab'", bind_as<"str.repeat", "ti>t!">, run_repeat),
      build("str.reverse", "the code points from the last to the first", "lit('abc').str.reverse() -> 'cba'", bind_as<"str.reverse", "t>t">,
            run_reverse),
      build("str.title", "each word's first letter in upper case, the others in lower case; words are letters and digits",
            "lit('hello wORLD').str.title() -> 'Hello World'", bind_as<"str.title", "t>t">, run_title),
      build("str.code_point", "the number of the first code point; 0 of empty text", "lit('A').str.code_point() -> 65",
            bind_as<"str.code_point", "t>i">, run_code_point),
      build("chr", "the character of a code point; one that does not exist, and 0, are errors", "call('chr', 228) -> 'ä'",
            bind_as<"chr", "i>t!">, run_chr),
      build("concat_ws", "the values as text with the first one between them; NULLs are passed over, a NULL separator gives NULL",
            "concat_ws('-', 'a', None, 1) -> 'a-1'", bind_concat_ws, run_concat_ws, NullRule::kOwn),
  };
}

}  // namespace gristmill::expr
