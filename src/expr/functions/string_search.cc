// Looking for text within text: contains, starts_with, ends_with, like.
//
// Constant patterns are prepared at bind time. Only selected rows are looked at, so a filter's later conjuncts pay for what
// the earlier ones left.

#include <cstring>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/case_map.h"
#include "expr/find_text.h"
#include "expr/functions/families.h"
#include "expr/kernel.h"
#include "expr/like.h"
#include "expr/promotion.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using column::Column;
using column::View16;

struct LikeState final : FunctionState {
  explicit LikeState(std::string_view p) : pattern(p) {}
  LikePattern pattern;
};

arrow::Result<Signature> bind_search(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("the search", 2, args.size());
  for (const ArgumentInfo& a : args) {
    if (!column::is_viewed(*a.type) && a.type->id() != arrow::Type::NA) return bad_arguments("the search", "text", args);
  }
  Signature s;
  s.type = arrow::boolean();
  const bool bytes = args[0].type->id() == arrow::Type::BINARY_VIEW;
  s.casts.assign(2, bytes ? arrow::binary_view() : arrow::utf8_view());
  return s;
}

arrow::Result<Signature> bind_like(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_search(args, options));
  if (args[1].constant && args[1].constant->is_valid) s.state = std::make_shared<LikeState>(*text_value(*args[1].constant));
  return s;
}

// The pattern's lower case is compared with the text's.
arrow::Result<Signature> bind_ilike(std::span<const ArgumentInfo> args, std::span<const Option> options) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_search(args, options));
  if (args[1].constant && args[1].constant->is_valid && column::is_text(*args[1].type)) {
    ARROW_ASSIGN_OR_RAISE(Column one, column::constant_of(*args[1].constant, arrow::default_memory_pool()));
    ARROW_ASSIGN_OR_RAISE(Column lower, map_case(one, false, 1, nullptr, arrow::default_memory_pool()));
    s.state = std::make_shared<LikeState>(column::view_at(*lower.values, 0));
  }
  s.casts.assign(2, arrow::utf8_view());
  return s;
}

template <typename Test>
arrow::Result<Column> test_texts(const KernelCall& call, Test test) {
  const TextArgument text(call.args[0]), other(call.args[1]);
  const column::ValidityBits valid = column::validity_of(text.data);
  if (!text.constant && other.constant) {
    const std::string_view part = other[0];
    return bool_rows(call, [&, part](int64_t i) { return valid.valid(i) && test(text[i], part); });
  }
  const AllValid all(call);
  return bool_rows(call, [&](int64_t i) { return all(i) && test(text[i], other[i]); });
}

// The first four bytes of a text lie in its view, inline or as prefix: short prefixes need nothing else.
arrow::Result<Column> run_short_prefix(const KernelCall& call, std::string_view prefix) {
  uint32_t want = 0;
  std::memcpy(&want, prefix.data(), prefix.size());
  const uint32_t mask = prefix.size() == 4 ? ~uint32_t{0} : (uint32_t{1} << (8 * prefix.size())) - 1;
  const auto size = static_cast<uint32_t>(prefix.size());
  const View16* views = column::values_of<View16>(*call.args[0].values);
  return bool_rows(call, [=](int64_t i) {
    uint32_t head;
    std::memcpy(&head, views[i].inlined, 4);
    return (views[i].size >= size) & ((head & mask) == want);
  });
}

arrow::Result<Column> run_contains(const KernelCall& call) {
  return test_texts(call, [](std::string_view s, std::string_view p) { return holds_text(s, p); });
}

arrow::Result<Column> run_starts_with(const KernelCall& call) {
  if (!call.args[0].is_constant() && call.args[1].is_constant()) {
    const std::string_view prefix = TextArgument(call.args[1])[0];
    if (prefix.size() <= 4) return run_short_prefix(call, prefix);
  }
  return test_texts(call, [](std::string_view s, std::string_view p) { return s.starts_with(p); });
}

arrow::Result<Column> run_ends_with(const KernelCall& call) {
  return test_texts(call, [](std::string_view s, std::string_view p) { return s.ends_with(p); });
}

arrow::Result<Column> run_like(const KernelCall& call) {
  const auto* state = static_cast<const LikeState*>(call.state);
  if (!state) return test_texts(call, [](std::string_view s, std::string_view p) { return LikePattern(p).matches(s); });
  const LikePattern& pattern = state->pattern;
  if (call.args[0].is_constant()) return test_texts(call, [&](std::string_view s, std::string_view) { return pattern.matches(s); });
  const std::string_view text = pattern.text();
  switch (pattern.kind()) {
    case LikePattern::Kind::kContains:
      return test_texts(call, [text](std::string_view s, std::string_view) { return holds_text(s, text); });
    case LikePattern::Kind::kPrefix:
      if (text.size() <= 4) return run_short_prefix(call, text);
      return test_texts(call, [text](std::string_view s, std::string_view) { return s.starts_with(text); });
    default: return test_texts(call, [&](std::string_view s, std::string_view) { return pattern.matches(s); });
  }
}

arrow::Result<Column> run_ilike(const KernelCall& call) {
  std::vector<Column> lower;
  for (const Column& a : call.args) {
    const bool constant = a.is_constant();
    ARROW_ASSIGN_OR_RAISE(Column c, map_case(a, false, constant ? 1 : call.rows, constant ? nullptr : call.selection, call.pool));
    if (!constant) {
      c.values = std::make_shared<arrow::ArrayData>(*c.values);
      if (const column::ValidityBits v = column::validity_of(*a.values); v.bits) {
        ARROW_ASSIGN_OR_RAISE(c.values->buffers[0], column::copy_bits(v.bits, v.offset, call.rows, call.pool));
        c.values->SetNullCount(arrow::kUnknownNullCount);
      }
    }
    lower.push_back(constant ? Column::constant(c.values) : std::move(c));
  }
  KernelCall same = call;
  same.args = lower;
  return run_like(same);
}

Function search(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "string_search", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> string_search_functions() {
  return {
      search("str.contains", "whether the text holds the other one, byte for byte", "lit('abc').str.contains('b') -> true", bind_search,
             run_contains),
      search("str.starts_with", "whether the text begins with the other one", "lit('abc').str.starts_with('ab') -> true", bind_search,
             run_starts_with),
      search("str.ends_with", "whether the text ends with the other one", "lit('abc').str.ends_with('bc') -> true", bind_search,
             run_ends_with),
      search("str.like", "whether the whole text matches: % any text, _ one character, backslash escapes",
             "lit('abc').str.like('a%') -> true", bind_like, run_like),
      search("str.ilike", "as str.like, upper and lower case being alike", "call('str.ilike', 'ABC', 'a%') -> true", bind_ilike, run_ilike),
  };
}

}  // namespace gristmill::expr
