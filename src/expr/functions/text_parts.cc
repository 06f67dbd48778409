// Functions that find or cut parts of text: positions, counts, ends, prefixes, fields between separators.
//
// Positions count code points, from 0 in frames and from 1 in the functions named sql_*.

#include <algorithm>

#include "expr/code_points.h"
#include "expr/find_text.h"
#include "expr/functions/families.h"
#include "expr/row_kernel.h"

namespace gristmill::expr {
namespace {

using column::Column;

constexpr size_t kNone = std::string_view::npos;

arrow::Result<Column> run_find(const KernelCall& call) {
  const TextArgument text(call.args[0]), part(call.args[1]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) {
    const size_t at = find_text(text[i], part[i]);
    if (at != kNone) out = count_points(text[i].substr(0, at));
    return at != kNone;
  });
}

arrow::Result<Column> run_sql_position(const KernelCall& call) {
  const TextArgument text(call.args[0]), part(call.args[1]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) {
    const size_t at = find_text(text[i], part[i]);
    out = at == kNone ? 0 : count_points(text[i].substr(0, at)) + 1;
  });
}

arrow::Result<Column> run_count(const KernelCall& call) {
  const TextArgument text(call.args[0]), part(call.args[1]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) {
    std::string_view s = text[i];
    const std::string_view p = part[i];
    for (size_t at = p.empty() ? kNone : find_text(s, p); at != kNone; at = find_text(s, p)) {
      ++out;
      s.remove_prefix(at + p.size());
    }
  });
}

// cut(text, row) -> the part of the text that stays; it keeps referring to the same bytes.
template <typename Cut>
arrow::Result<Column> cut_rows(const KernelCall& call, Cut cut) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(call.rows, call.pool));
  const TextArgument text(call.args[0]);
  const int32_t first = out.adopt(text.data);
  const auto* views = column::values_of<column::View16>(text.data);
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) {
                        const std::string_view whole = text[i], part = cut(whole, i);
                        out.set_part(i, views[text.constant ? 0 : i], first, part, part.data() - whole.data());
                      }).status());
  return Column::flat(out.finish(call.type));
}

// A negative number leaves so many away at the other end.
template <bool kLeft>
arrow::Result<Column> run_side(const KernelCall& call) {
  const Argument<int64_t> number(call.args[1]);
  return cut_rows(call, [&](std::string_view s, int64_t i) {
    const int64_t n = number[i];
    if (kLeft && n >= 0) return s.substr(0, offset_of_point(s, n));
    const int64_t points = count_points(s);
    if (kLeft) return s.substr(0, n < -points ? 0 : offset_of_point(s, points + n));
    if (n >= 0) return s.substr(n >= points ? 0 : offset_of_point(s, points - n));
    return s.substr(n < -points ? s.size() : offset_of_point(s, -n));
  });
}

template <bool kPrefix>
arrow::Result<Column> run_strip(const KernelCall& call) {
  const TextArgument part(call.args[1]);
  return cut_rows(call, [&](std::string_view s, int64_t i) {
    const std::string_view p = part[i];
    if (kPrefix) return s.starts_with(p) ? s.substr(p.size()) : s;
    return s.ends_with(p) ? s.substr(0, s.size() - p.size()) : s;
  });
}

// Field `n` from 0 (negative: from the end) of s; empty beyond.
std::string_view field_of(std::string_view s, std::string_view separator, int64_t n) {
  const auto missing = s.substr(0, 0);
  if (separator.empty()) return n == 0 || n == -1 ? s : missing;
  if (n >= 0) {
    for (;; --n) {
      const size_t at = find_text(s, separator);
      if (n == 0) return s.substr(0, at);
      if (at == kNone) return missing;
      s.remove_prefix(at + separator.size());
    }
  }
  int64_t fields = 1;  // from the end the fields are the same ones, so they are counted first
  for (std::string_view rest = s; n != 0;) {
    const size_t at = find_text(rest, separator);
    if (at == kNone) break;
    rest.remove_prefix(at + separator.size());
    ++fields;
  }
  return -n > fields ? missing : field_of(s, separator, fields + n);
}

template <bool kSql>
arrow::Result<Column> run_split_part(const KernelCall& call) {
  const TextArgument separator(call.args[1]);
  const Argument<int64_t> field(call.args[2]);
  if (kSql) {
    ARROW_RETURN_NOT_OK(blame(
        call, [&](int64_t i) { return field[i] == 0; }, [](int64_t) { return Complaint{"split_part counts fields from 1, got 0", "0"}; }));
  }
  return cut_rows(call, [&](std::string_view s, int64_t i) {
    return field_of(s, separator[i], kSql && field[i] > 0 ? field[i] - 1 : field[i]);
  });
}

arrow::Result<Column> run_split(const KernelCall& call) {
  const TextArgument text(call.args[0]), separator(call.args[1]);
  return text_list_rows(call, [&](int64_t i, TextList& out) {
    std::string_view s = text[i];
    const std::string_view p = separator[i];
    if (p.empty()) {
      for (; !s.empty(); s.remove_prefix(first_point(s).size())) out.add(first_point(s));
      return;
    }
    for (size_t at = find_text(s, p); at != kNone; at = find_text(s, p)) {
      out.add(s.substr(0, at));
      s.remove_prefix(at + p.size());
    }
    out.add(s);
  });
}

arrow::Result<Column> run_translate(const KernelCall& call) {
  const TextArgument text(call.args[0]), from(call.args[1]), to(call.args[2]);
  return text_rows(call, [&](int64_t i, std::string& out) {
    for (std::string_view s = text[i]; !s.empty(); s.remove_prefix(first_point(s).size())) {
      const std::string_view point = first_point(s);
      std::string_view old = from[i], made = to[i];
      for (; !old.empty() && first_point(old) != point; old.remove_prefix(first_point(old).size())) {
        if (!made.empty()) made.remove_prefix(first_point(made).size());
      }
      if (old.empty())
        out += point;
      else if (!made.empty())
        out += first_point(made);
    }
  });
}

// One row of the table of distances at a time.
int64_t edit_distance(std::string_view a, std::string_view b, std::vector<uint32_t>& left, std::vector<int64_t>& row) {
  left.clear();
  for (std::string_view s = a; !s.empty(); s.remove_prefix(first_point(s).size())) left.push_back(read_point(first_point(s)));
  row.resize(left.size() + 1);
  for (size_t k = 0; k <= left.size(); ++k) row[k] = static_cast<int64_t>(k);
  for (std::string_view s = b; !s.empty(); s.remove_prefix(first_point(s).size())) {
    const uint32_t c = read_point(first_point(s));
    int64_t diagonal = row[0]++;
    for (size_t k = 1; k <= left.size(); ++k) {
      const int64_t above = row[k];
      row[k] = std::min({above + 1, row[k - 1] + 1, diagonal + (left[k - 1] != c)});
      diagonal = above;
    }
  }
  return row.back();
}

arrow::Result<Column> run_levenshtein(const KernelCall& call) {
  const TextArgument a(call.args[0]), b(call.args[1]);
  std::vector<uint32_t> left;
  std::vector<int64_t> row;
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) { out = edit_distance(a[i], b[i], left, row); });
}

Function part(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "text", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> text_part_functions() {
  return {
      part("str.find", "where the text first holds the other one, from 0; NULL where it does not", "lit('abc').str.find('c') -> 2",
           bind_as<"str.find", "tt>i~">, run_find),
      part("sql_position", "SQL's strpos: where the text first holds the other one, from 1; 0 where it does not",
           "call('sql_position', 'abc', 'c') -> 3", bind_as<"strpos", "tt>i">, run_sql_position),
      part("str.count", "how often the text holds the other one, without overlaps; 0 for empty text",
           "lit('banana').str.count('an') -> 2", bind_as<"str.count", "tt>i">, run_count),
      part("str.left", "the first code points; a negative number: all but so many at the end", "lit('hello').str.left(2) -> 'he'",
           bind_as<"str.left", "ti>t">, run_side<true>),
      part("str.right", "the last code points; a negative number: all but so many at the start", "lit('hello').str.right(2) -> 'lo'",
           bind_as<"str.right", "ti>t">, run_side<false>),
      part("str.strip_prefix", "without the prefix where it is there", "lit('abc').str.strip_prefix('ab') -> 'c'",
           bind_as<"str.strip_prefix", "tt>t">, run_strip<true>),
      part("str.strip_suffix", "without the suffix where it is there", "lit('abc').str.strip_suffix('bc') -> 'a'",
           bind_as<"str.strip_suffix", "tt>t">, run_strip<false>),
      part("str.split_part", "a field between separators, from 0 (negative: from the end); empty beyond the last",
           "lit('a,b,c').str.split_part(',', 1) -> 'b'", bind_as<"str.split_part", "tti>t">, run_split_part<false>),
      part("sql_split_part", "SQL's split_part: fields from 1 (negative: from the end); 0 is an error",
           "call('sql_split_part', 'a,b,c', ',', 1) -> 'a'", bind_as<"split_part", "tti>t!">, run_split_part<true>),
      part("str.split", "the fields between separators as a list; an empty separator gives the code points",
           "lit('a,b').str.split(',') -> ['a', 'b']", bind_as<"str.split", "tt>l">, run_split),
      part("str.translate", "each character that the second text holds replaced by the one at its place in the third, or left out",
           "call('str.translate', 'abc', 'ac', 'x') -> 'xb'", bind_as<"str.translate", "ttt>t">, run_translate),
      part("str.levenshtein", "how many code points must be changed, added or left out to make the other text",
           "lit('kitten').str.levenshtein('sitting') -> 3", bind_as<"str.levenshtein", "tt>i">, run_levenshtein),
  };
}

}  // namespace gristmill::expr
