// Regular expressions in RE2's dialect, through two of Arrow's kernels: does it match, and replace.
//
// Everything else is read off a replacement that puts bytes around each match which no UTF-8 text holds: 0xFF begins one, 0xFE ends
// it. So matches are RE2's everywhere, empty ones included. Only selected rows without NULL are copied for the kernels.

#include <cstring>

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/data.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/scalar.h>

#include "expr/arrow_call.h"
#include "expr/code_points.h"
#include "expr/functions/families.h"
#include "expr/row_kernel.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;

constexpr char kBegin = '\xFF', kEnd = '\xFE';
constexpr int kMostGroups = 9;  // \0 to \9 in a replacement

struct RegexState final : FunctionState {
  std::string pattern;
  std::string replacement;
  int64_t limit = -1;  // replacements; -1: all
};

const RegexState& state_of(const KernelCall& call) { return static_cast<const RegexState&>(*call.state); }

// The texts of the rows that count, one after another.
struct Chosen {
  std::vector<int64_t> rows;
  std::shared_ptr<arrow::Array> texts;
};

arrow::Result<Chosen> chosen_texts(const KernelCall& call) {
  Chosen out;
  const TextArgument text(call.args[0]);
  int64_t bytes = 0;
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) {
                        out.rows.push_back(i);
                        bytes += static_cast<int64_t>(text[i].size());
                      }).status());
  arrow::LargeStringBuilder builder(call.pool);
  ARROW_RETURN_NOT_OK(builder.Reserve(static_cast<int64_t>(out.rows.size())));
  ARROW_RETURN_NOT_OK(builder.ReserveData(bytes));
  for (int64_t i : out.rows) builder.UnsafeAppend(text[i]);
  ARROW_ASSIGN_OR_RAISE(out.texts, builder.Finish());
  return out;
}

arrow::Result<std::shared_ptr<arrow::LargeStringArray>> replaced(const std::shared_ptr<arrow::Array>& texts, const RegexState& how,
                                                                 arrow::MemoryPool* pool) {
  const arrow::compute::ReplaceSubstringOptions options(how.pattern, how.replacement, how.limit);
  ARROW_ASSIGN_OR_RAISE(auto out, call_arrow("replace_substring_regex", {texts}, &options, pool));
  return std::static_pointer_cast<arrow::LargeStringArray>(out.make_array());
}

// With a limit Arrow stops at the end of a text, so an empty text never matches; without one it does.
class Replacement {
 public:
  static arrow::Result<Replacement> make(const KernelCall& call, const Chosen& chosen) {
    Replacement out;
    const RegexState& how = state_of(call);
    ARROW_ASSIGN_OR_RAISE(out.texts_, replaced(chosen.texts, how, call.pool));
    if (how.limit < 0) return out;
    RegexState all = how;
    all.limit = -1;
    arrow::LargeStringBuilder builder(call.pool);
    ARROW_RETURN_NOT_OK(builder.Append(""));
    ARROW_ASSIGN_OR_RAISE(auto empty, builder.Finish());
    ARROW_ASSIGN_OR_RAISE(auto once, replaced(empty, all, call.pool));
    out.of_empty_ = once->GetString(0);
    out.source_ = std::static_pointer_cast<arrow::LargeStringArray>(chosen.texts);
    return out;
  }
  std::string_view operator[](size_t k) const {
    const auto at = static_cast<int64_t>(k);
    return source_ && source_->value_length(at) == 0 ? std::string_view(of_empty_) : texts_->GetView(at);
  }

 private:
  std::shared_ptr<arrow::LargeStringArray> texts_, source_;
  std::string of_empty_;
};

// Calls f(row, replaced text) for the rows that count; what it returns as each_row takes it.
template <typename Make, typename F>
arrow::Result<Column> over_replacement(const KernelCall& call, Make make, F f) {
  ARROW_ASSIGN_OR_RAISE(Chosen chosen, chosen_texts(call));
  ARROW_ASSIGN_OR_RAISE(Replacement texts, Replacement::make(call, chosen));
  size_t next = 0;
  return make(call, [&](int64_t i, auto& out) { return f(texts[next++], out); });
}

constexpr auto kTexts = [](const KernelCall& call, auto f) { return text_rows(call, f); };
constexpr auto kNumbers = [](const KernelCall& call, auto f) { return number_rows<int64_t>(call, f); };
constexpr auto kLists = [](const KernelCall& call, auto f) { return text_list_rows(call, f); };

// Binding -------------------------------------------------------------------------------------------------------

arrow::Status bad_pattern(const std::string& name, const std::string& pattern, const arrow::Status& why) {
  return base::plan_error(name + ": bad regular expression \"" + pattern + "\": " + why.message());
}

// The constant text of an argument; no value for NULL.
arrow::Result<std::optional<std::string>> constant_text(const std::string& name, const ArgumentInfo& a, const char* what) {
  if (a.type->id() == Type::NA) return std::nullopt;
  if (!a.constant) return base::plan_error(name + " takes a constant " + what);
  return text_value(*a.constant);
}

// Tries the pattern on one empty text: what is wrong with it is known before the query runs.
arrow::Status check(const std::string& name, const RegexState& state) {
  arrow::LargeStringBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Append(""));
  ARROW_ASSIGN_OR_RAISE(auto empty, builder.Finish());
  auto tried = replaced(empty, state, arrow::default_memory_pool());
  return tried.ok() ? arrow::Status::OK() : bad_pattern(name, state.pattern, tried.status());
}

// `replacement`: what each match becomes.
arrow::Result<Signature> bind_regex(const char* name, const char* pattern, std::span<const ArgumentInfo> args, std::string replacement,
                                    int64_t limit) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_pattern(name, pattern, args));
  ARROW_ASSIGN_OR_RAISE(auto regex, constant_text(name, args[1], "pattern"));
  auto state = std::make_shared<RegexState>();
  state->pattern = regex.value_or("");
  state->replacement = std::move(replacement);
  state->limit = limit;
  ARROW_RETURN_NOT_OK(check(name, *state));
  s.state = std::move(state);
  return s;
}

arrow::Result<Signature> bind_contains(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return bind_regex("str.regex_contains", "tt>o", args, "", -1);
}

arrow::Result<Signature> bind_full_match(std::span<const ArgumentInfo> args, std::span<const Option>) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_regex("str.regex_full_match", "tt>o", args, "", -1));
  auto whole = std::make_shared<RegexState>(static_cast<const RegexState&>(*s.state));
  whole->pattern = "\\A(?:" + whole->pattern + ")\\z";
  s.state = std::move(whole);
  return s;
}

template <bool kAll>
arrow::Result<Signature> bind_replace(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kAll ? "str.regex_replace" : "str.regex_replace_first";
  if (args.size() != 3) return wrong_count(name, 3, args.size());
  ARROW_ASSIGN_OR_RAISE(auto by, constant_text(name, args[2], "replacement"));
  return bind_regex(name, "ttt>t", args, by.value_or(""), kAll ? -1 : 1);
}

arrow::Result<int64_t> group_of(const std::string& name, std::span<const ArgumentInfo> args) {
  if (args.size() < 3 || args[2].type->id() == Type::NA) return 0;
  const auto group = args[2].constant ? integer_value(*args[2].constant) : std::nullopt;
  if (!group || *group < 0 || *group > kMostGroups) return base::plan_error(name + " takes a constant group number from 0 to 9");
  return static_cast<int64_t>(*group);
}

template <bool kAll>
arrow::Result<Signature> bind_extract(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kAll ? "str.regex_extract_all" : "str.regex_extract";
  ARROW_ASSIGN_OR_RAISE(int64_t group, group_of(name, args));
  const std::string marked = std::string(1, kBegin) + "\\" + std::to_string(group) + kEnd;
  return bind_regex(name, kAll ? "tt?i>l" : "tt?i>t~", args, marked, kAll ? -1 : 1);
}

arrow::Result<Signature> bind_find(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return bind_regex("str.regex_find", "tt>i~", args, std::string(1, kBegin), 1);
}
arrow::Result<Signature> bind_count(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return bind_regex("str.regex_count", "tt>i", args, std::string(1, kBegin), -1);
}
arrow::Result<Signature> bind_split(std::span<const ArgumentInfo> args, std::span<const Option>) {
  return bind_regex("str.regex_split", "tt>l", args, std::string(1, kBegin), -1);
}

// Running -------------------------------------------------------------------------------------------------------

arrow::Result<Column> run_contains(const KernelCall& call) {
  ARROW_ASSIGN_OR_RAISE(Chosen chosen, chosen_texts(call));
  const arrow::compute::MatchSubstringOptions options(state_of(call).pattern);
  ARROW_ASSIGN_OR_RAISE(auto found, call_arrow("match_substring_regex", {chosen.texts}, &options, call.pool));
  ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(call.rows, call.pool));
  const arrow::ArrayData& matches = *found.array();
  for (size_t k = 0; k < chosen.rows.size(); ++k) {
    const int64_t i = chosen.rows[k];
    const bool match = column::bit_at(matches.buffers[1]->data(), matches.offset + static_cast<int64_t>(k));
    bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(match << (i & 7));
  }
  return finish_output(call, std::move(bits));
}

arrow::Result<Column> run_replace(const KernelCall& call) {
  return over_replacement(call, kTexts, [](std::string_view s, std::string& out) { out = s; });
}

// Takes the marked text at the front of s off; false if there is none.
bool next_match(std::string_view& s, std::string_view& match) {
  const size_t from = s.find(kBegin);
  if (from == std::string_view::npos) return false;
  const size_t to = s.find(kEnd, from);
  match = s.substr(from + 1, to - from - 1);
  s.remove_prefix(to + 1);
  return true;
}

arrow::Result<Column> run_extract(const KernelCall& call) {
  return over_replacement(call, kTexts, [](std::string_view s, std::string& out) {
    std::string_view match;
    const bool found = next_match(s, match);
    if (found) out = match;
    return found;
  });
}

arrow::Result<Column> run_extract_all(const KernelCall& call) {
  return over_replacement(call, kLists, [](std::string_view s, TextList& out) {
    for (std::string_view match; next_match(s, match);) out.add(match);
  });
}

arrow::Result<Column> run_find(const KernelCall& call) {
  return over_replacement(call, kNumbers, [](std::string_view s, int64_t& out) {
    const size_t at = s.find(kBegin);
    if (at != std::string_view::npos) out = count_points(s.substr(0, at));
    return at != std::string_view::npos;
  });
}

arrow::Result<Column> run_count(const KernelCall& call) {
  return over_replacement(call, kNumbers, [](std::string_view s, int64_t& out) {
    for (char c : s) out += c == kBegin;
  });
}

arrow::Result<Column> run_split(const KernelCall& call) {
  return over_replacement(call, kLists, [](std::string_view s, TextList& out) {
    for (size_t at = s.find(kBegin); at != std::string_view::npos; at = s.find(kBegin)) {
      out.add(s.substr(0, at));
      s.remove_prefix(at + 1);
    }
    out.add(s);
  });
}

Function regex(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "regex", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> regex_functions() {
  return {
      regex("str.regex_contains", "whether the pattern matches somewhere; patterns are constants in RE2's dialect",
            "lit('abc').str.regex_contains('b.$') -> true", bind_contains, run_contains),
      regex("str.regex_full_match", "whether the pattern matches the whole text", "lit('abc').str.regex_full_match('a.') -> false",
            bind_full_match, run_contains),
      regex("str.regex_replace", "every match replaced; \\1 to \\9 in the replacement are groups, \\0 the match",
            "lit('a1b22').str.regex_replace('[0-9]+', '<\\\\0>') -> 'a<1>b<22>'", bind_replace<true>, run_replace),
      regex("str.regex_replace_first", "the first match replaced", "lit('a1b22').str.regex_replace_first('[0-9]+', '#') -> 'a#b22'",
            bind_replace<false>, run_replace),
      regex("str.regex_extract", "a group (0: all) of the first match; empty for a group that took no part, NULL without a match",
            "lit('a=1').str.regex_extract('(.)=(.)', 2) -> '1'", bind_extract<false>, run_extract),
      regex("str.regex_extract_all", "a group (0: all) of every match, as a list", "lit('a1b22').str.regex_extract_all('[0-9]+') -> ['1', '22']",
            bind_extract<true>, run_extract_all),
      regex("str.regex_find", "where the first match begins, from 0; NULL without a match", "lit('ab1').str.regex_find('[0-9]') -> 2", bind_find,
            run_find),
      regex("str.regex_count", "the number of matches", "lit('a1b22').str.regex_count('[0-9]') -> 3", bind_count, run_count),
      regex("str.regex_split", "the texts between matches, as a list", "lit('a1b22c').str.regex_split('[0-9]+') -> ['a', 'b', 'c']", bind_split,
            run_split),
  };
}

}  // namespace gristmill::expr
