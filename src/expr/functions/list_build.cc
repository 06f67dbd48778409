// Lists from lists and values: slices, sorted, without repetitions, reversed, joined, packed.
//
// Every result names entries of what is there by index; only then they are copied, once.

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include <arrow/scalar.h>

#include "column/bits.h"
#include "expr/cast.h"
#include "expr/functions/families.h"
#include "expr/list_argument.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;
using column::ListRange;
using column::TypePtr;

arrow::Result<Signature> bind_same(std::string_view name, std::span<const ArgumentInfo> args, size_t least, size_t most) {
  if (args.size() < least || args.size() > most) return wrong_count(name, least, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values(name, args));
  s.type = arrow::list(values);
  s.casts = {args[0].type->id() == Type::NA ? s.type : args[0].type};
  return s;
}

arrow::Result<Signature> bind_slice(std::span<const ArgumentInfo> args, std::span<const Option>) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_same("list.slice", args, 2, 3));
  for (const ArgumentInfo& a : args.subspan(1)) {
    if (!column::is_integer(*a.type) && a.type->id() != Type::NA) return bad_arguments("list.slice", "a list and integers", args);
    s.casts.push_back(arrow::int64());
  }
  return s;
}

arrow::Result<Column> run_slice(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Argument<int64_t> start(call.args[1]);
  const bool bounded = call.args.size() == 3;
  const Argument<int64_t> length(call.args[bounded ? 2 : 1]);
  return list_of_picked(call, list.entries(), [&](int64_t i, std::vector<int64_t>& out) {
    const ListRange r = list[i];
    const int64_t size = r.end - r.begin;
    const int64_t from = start[i] < 0 ? std::max<int64_t>(start[i] < -size ? 0 : size + start[i], 0) : std::min(start[i], size);
    const int64_t most = bounded ? std::clamp<int64_t>(length[i], 0, size - from) : size - from;
    for (int64_t k = 0; k < most; ++k) out.push_back(r.begin + from + k);
  });
}

struct SortState final : FunctionState {
  bool descending = false;
};

arrow::Result<Signature> bind_sort(std::span<const ArgumentInfo> args, std::span<const Option>) {
  ARROW_ASSIGN_OR_RAISE(Signature s, bind_same("list.sort", args, 1, 2));
  auto state = std::make_shared<SortState>();
  if (args.size() == 2) {
    if (!args[1].constant || !args[1].constant->is_valid || args[1].type->id() != Type::BOOL)
      return base::plan_error("list.sort takes a list and a constant bool: whether it is descending");
    state->descending = static_cast<const arrow::BooleanScalar&>(*args[1].constant).value;
    s.casts.push_back(nullptr);
  }
  s.state = std::move(state);
  return s;
}

// Stable; NULLs last both ways.
arrow::Result<Column> run_sort(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  const bool descending = static_cast<const SortState&>(*call.state).descending;
  return list_of_picked(call, entries, [&](int64_t i, std::vector<int64_t>& out) {
    const ListRange r = list[i];
    const auto first = static_cast<std::ptrdiff_t>(out.size());
    for (int64_t k = r.begin; k < r.end; ++k) out.push_back(k);
    std::stable_sort(out.begin() + first, out.end(), [&](int64_t a, int64_t b) {
      const bool no_a = column::is_null_at(entries, a), no_b = column::is_null_at(entries, b);
      if (no_a || no_b) return no_b && !no_a;
      const int order = column::compare_rows(entries, a, entries, b);
      return descending ? order > 0 : order < 0;
    });
  });
}

arrow::Result<Signature> bind_unique(std::span<const ArgumentInfo> args, std::span<const Option>) { return bind_same("list.unique", args, 1, 1); }

// The first of each value, in the order of the list.
arrow::Result<Column> run_unique(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  std::vector<uint64_t> hashes(static_cast<size_t>(entries.values->length));
  const Column keys[] = {entries};
  column::hash_rows(keys, entries.values->length, column::Selection(), hashes.data());
  std::unordered_multimap<uint64_t, int64_t> seen;
  return list_of_picked(call, entries, [&](int64_t i, std::vector<int64_t>& out) {
    seen.clear();
    for (int64_t k = list[i].begin; k < list[i].end; ++k) {
      const auto [from, to] = seen.equal_range(hashes[static_cast<size_t>(k)]);
      if (std::any_of(from, to, [&](const auto& other) { return column::equal_rows(entries, k, entries, other.second); })) continue;
      seen.emplace(hashes[static_cast<size_t>(k)], k);
      out.push_back(k);
    }
  });
}

arrow::Result<Signature> bind_reverse(std::span<const ArgumentInfo> args, std::span<const Option>) { return bind_same("list.reverse", args, 1, 1); }

arrow::Result<Column> run_reverse(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  return list_of_picked(call, list.entries(), [&](int64_t i, std::vector<int64_t>& out) {
    for (int64_t k = list[i].end; k > list[i].begin; --k) out.push_back(k - 1);
  });
}

// Several lists and values --------------------------------------------------------------------------------------

// The entries of all columns one after another, and where each column's begin.
struct Joined {
  Column all;
  std::vector<int64_t> begin;
};

arrow::Result<Joined> joined(const std::vector<Column>& parts, const std::vector<int64_t>& lengths, arrow::MemoryPool* pool) {
  Joined out;
  int64_t at = 0;
  for (int64_t n : lengths) {
    out.begin.push_back(at);
    at += n;
  }
  ARROW_ASSIGN_OR_RAISE(out.all, column::concat(parts, lengths, pool));
  return out;
}

arrow::Result<Signature> bind_concat(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.empty()) return wrong_count("list.concat", 2, 0);
  TypePtr values = arrow::null();
  for (const ArgumentInfo& a : args) {
    ARROW_ASSIGN_OR_RAISE(TypePtr v, list_values("list.concat", std::span(&a, 1)));
    if (values->id() == Type::NA) values = v;
    if (v->id() != Type::NA && !v->Equals(*values)) return bad_arguments("list.concat", "lists of one type", args);
  }
  Signature s;
  s.type = arrow::list(values);
  for (const ArgumentInfo& a : args) s.casts.push_back(a.type->id() == Type::NA ? s.type : a.type);
  return s;
}

arrow::Result<Column> run_concat(const KernelCall& call) {
  std::vector<ListArgument> lists;
  std::vector<Column> entries;
  std::vector<int64_t> lengths;
  for (const Column& a : call.args) {
    lists.emplace_back(a);
    entries.push_back(lists.back().entries());
    lengths.push_back(entries.back().values->length);
  }
  ARROW_ASSIGN_OR_RAISE(Joined parts, joined(entries, lengths, call.pool));
  return list_of_picked(call, parts.all, [&](int64_t i, std::vector<int64_t>& out) {
    for (size_t p = 0; p < lists.size(); ++p) {
      for (int64_t k = lists[p][i].begin; k < lists[p][i].end; ++k) out.push_back(parts.begin[p] + k);
    }
  });
}

arrow::Result<Signature> bind_append(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("list.append", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values("list.append", args));
  ARROW_ASSIGN_OR_RAISE(TypePtr value, value_beside("list.append", values, args[1]));
  s.type = arrow::list(values);
  s.casts = {args[0].type->id() == Type::NA ? s.type : args[0].type, value};
  s.introduces_nulls = true;
  return s;
}

// A NULL value becomes a NULL entry; a NULL list stays NULL.
arrow::Result<Column> run_append(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  ARROW_ASSIGN_OR_RAISE(Column values, column::flatten(call.args[1], call.rows, call.pool));
  ARROW_ASSIGN_OR_RAISE(Joined parts, joined({list.entries(), values}, {list.data.child_data[0]->length, call.rows}, call.pool));
  KernelCall lists = call;
  lists.args = call.args.subspan(0, 1);
  ARROW_ASSIGN_OR_RAISE(Column out, list_of_picked(lists, parts.all, [&](int64_t i, std::vector<int64_t>& index) {
                          for (int64_t k = list[i].begin; k < list[i].end; ++k) index.push_back(k);
                          index.push_back(parts.begin[1] + i);
                        }));
  column::Mask valid = column::validity_mask(call.args[0], call.rows);
  ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(call.rows, call.pool));
  for (int64_t i = 0; i < call.rows; ++i) column::write_bit(bits->mutable_data(), i, valid.get(i));
  return with_validity(out.values, std::move(bits));
}

arrow::Result<Signature> bind_pack(std::span<const ArgumentInfo> args, std::span<const Option>) {
  Signature s;
  if (args.empty()) {
    s.type = arrow::list(arrow::null());
    return s;
  }
  ARROW_ASSIGN_OR_RAISE(TypePtr values, common_type_of(args, false, "list.pack"));
  s.type = arrow::list(values);
  s.casts.assign(args.size(), values);
  return s;
}

arrow::Result<Column> run_pack(const KernelCall& call) {
  std::vector<Column> values;
  if (call.args.empty()) {
    ARROW_ASSIGN_OR_RAISE(Column none, column::null_column(arrow::null(), call.pool));
    return list_of_picked(call, none, [](int64_t, std::vector<int64_t>&) {});
  }
  for (const Column& a : call.args) {
    ARROW_ASSIGN_OR_RAISE(Column flat, column::flatten(a, call.rows, call.pool));
    values.push_back(std::move(flat));
  }
  ARROW_ASSIGN_OR_RAISE(Joined parts, joined(values, std::vector<int64_t>(values.size(), call.rows), call.pool));
  KernelCall never_null = call;
  never_null.args = {};
  return list_of_picked(never_null, parts.all, [&](int64_t i, std::vector<int64_t>& out) {
    for (int64_t begin : parts.begin) out.push_back(begin + i);
  });
}

// Text ----------------------------------------------------------------------------------------------------------

struct JoinState final : FunctionState {
  Signature cast;  // of the entries to text; no type if they are text
};

arrow::Result<Signature> bind_join(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("list.join", 2, args.size());
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values("list.join", args));
  if (!column::is_text(*args[1].type) && args[1].type->id() != Type::NA) return bad_arguments("list.join", "a list and text", args);
  auto state = std::make_shared<JoinState>();
  Signature s;
  if (!column::is_text(*values)) {
    ARROW_ASSIGN_OR_RAISE(state->cast, prepare_cast(values, arrow::utf8_view(), false, false));
    s.fallible = state->cast.fallible;
  }
  s.state = std::move(state);
  s.type = arrow::utf8_view();
  s.casts = {args[0].type->id() == Type::NA ? arrow::list(values) : args[0].type, s.type};
  return s;
}

arrow::Result<Column> run_join(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  Column entries = list.entries();
  const Column nulls = entries;
  const Signature& cast = static_cast<const JoinState&>(*call.state).cast;
  if (cast.type && entries.values->length > 0) {
    const Column args[] = {entries};
    const KernelCall inner{args, entries.values->length, nullptr, cast.state.get(), cast.type, call.pool};
    ARROW_ASSIGN_OR_RAISE(entries, cast_function(false).run(inner));
  }
  const TextArgument texts(entries), separator(call.args[1]);
  return text_rows(call, [&](int64_t i, std::string& out) {
    bool first = true;
    for (int64_t k = list[i].begin; k < list[i].end; ++k) {
      if (column::is_null_at(nulls, k)) continue;
      if (!first) out += separator[i];
      out += texts[k];
      first = false;
    }
  });
}

Function list(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run,
              NullRule nulls = NullRule::kPropagate) {
  return {name, "list", summary, example, nulls, true, bind, run};
}

}  // namespace

std::vector<Function> list_build_functions() {
  return {
      list("list.slice", "the entries from a position (negative: from the end), all or so many", "list_(1, 2, 3).list.slice(1, 2) -> [2, 3]",
           bind_slice, run_slice),
      list("list.sort", "the entries in order, ascending unless told; NULLs last", "list_(2, None, 1).list.sort() -> [1, 2, null]", bind_sort,
           run_sort),
      list("list.unique", "the first of each value, in the list's order; NULLs are alike", "list_(2, 1, 2).list.unique() -> [2, 1]", bind_unique,
           run_unique),
      list("list.reverse", "the entries from the last to the first", "list_(1, 2).list.reverse() -> [2, 1]", bind_reverse, run_reverse),
      list("list.concat", "the entries of several lists; NULL if one is NULL", "list_(1).list.concat(list_(2, 3)) -> [1, 2, 3]", bind_concat,
           run_concat),
      list("list.append", "the list with a value at its end; NULL becomes an entry", "list_(1).list.append(None) -> [1, null]", bind_append,
           run_append, NullRule::kOwn),
      list("list.pack", "a list of the values of a row", "pack_list(1, None, 3) -> [1, null, 3]", bind_pack, run_pack, NullRule::kOwn),
      list("list.join", "the entries as one text with another between them; NULL entries are passed over",
           "list_('a', 'b').list.join('-') -> 'a-b'", bind_join, run_join),
  };
}

}  // namespace gristmill::expr
