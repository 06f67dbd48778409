// What a list holds: its length, an entry, whether and where it holds a value, sums and extremes.
//
// Positions count from 0, from the end when negative. NULL entries are passed over by searches, sums and extremes; values are equal
// as keys are: NaN equals NaN. Sums of floats are exact and rounded once, as the aggregates' are.

#include "expr/list_argument.h"

#include <limits>

#include <arrow/scalar.h>

#include "column/exact_sum.h"
#include "expr/functions/families.h"

namespace gristmill::expr {

using arrow::Type;
using column::Column;
using column::ListRange;
using column::TypePtr;

arrow::Result<TypePtr> list_values(std::string_view function, std::span<const ArgumentInfo> args) {
  if (args[0].type->id() == Type::NA) return arrow::null();
  if (!is_list(*args[0].type)) return bad_arguments(function, "a list", args.subspan(0, 1));
  return args[0].type->field(0)->type();
}

arrow::Result<TypePtr> value_beside(std::string_view function, const TypePtr& values, const ArgumentInfo& value) {
  if (value.type->Equals(*values) || value.type->id() == Type::NA) return values;
  const TypePtr common = value.untyped_literal ? literal_type_beside(value, values, true) : common_type(values, value.type);
  if (common && common->Equals(*values)) return values;
  return base::plan_error(std::string(function) + " looks for " + column::type_text(*value.type) + " among " + column::type_text(*values),
                          "cast the value to " + column::type_text(*values));
}

namespace {

// NULL as a list of nothing.
TypePtr list_type(const ArgumentInfo& a, const TypePtr& values) { return a.type->id() == Type::NA ? arrow::list(values) : a.type; }

arrow::Result<Signature> bind_length(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("list.length", 1, args.size());
  Signature s;
  s.type = arrow::int64();
  s.casts = {args[0].type};
  if (is_map(*args[0].type)) return s;
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values("list.length", args));
  s.casts = {list_type(args[0], values)};
  return s;
}

arrow::Result<Column> run_length(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) { out = list[i].end - list[i].begin; });
}

arrow::Result<Signature> bind_get(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count("list.get", 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, list_values("list.get", args));
  if (!column::is_integer(*args[1].type) && args[1].type->id() != Type::NA) return bad_arguments("list.get", "a list and an integer", args);
  s.casts = {list_type(args[0], s.type), arrow::int64()};
  s.introduces_nulls = true;
  return s;
}

// kSql: positions from 1.
template <bool kSql>
arrow::Result<Column> run_get(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Argument<int64_t> position(call.args[1]);
  std::vector<int64_t> index(static_cast<size_t>(call.rows), column::kNullIndex);
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) {
                        const ListRange r = list[i];
                        const int64_t size = r.end - r.begin;
                        int64_t at = position[i];
                        if (kSql && at >= 0) --at;
                        if (kSql && position[i] == 0) return;
                        if (at < 0) at = at < -size ? -1 : at + size;
                        if (at >= 0 && at < size) index[static_cast<size_t>(i)] = r.begin + at;
                      }).status());
  return picked(list.entries(), index, call.pool);
}

template <Words kName, bool kPosition>
arrow::Result<Signature> bind_search(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 2) return wrong_count(kName.text, 2, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values(kName.text, args));
  ARROW_ASSIGN_OR_RAISE(TypePtr value, value_beside(kName.text, values, args[1]));
  s.casts = {list_type(args[0], values), value};
  s.type = kPosition ? arrow::int64() : arrow::boolean();
  s.introduces_nulls = kPosition;
  return s;
}

// Where the list holds the value, or -1.
struct Search {
  explicit Search(const KernelCall& call) : list(call.args[0]), entries(list.entries()), value(call.args[1]) {}
  int64_t operator()(int64_t i) const {
    const ListRange r = list[i];
    for (int64_t k = r.begin; k < r.end; ++k) {
      if (!column::is_null_at(entries, k) && column::equal_rows(entries, k, value, i)) return k - r.begin;
    }
    return -1;
  }
  ListArgument list;
  Column entries;
  const Column& value;
};

arrow::Result<Column> run_contains(const KernelCall& call) {
  const Search search(call);
  return bool_results(call, [&](int64_t i, bool& out) { out = search(i) >= 0; });
}

arrow::Result<Column> run_position(const KernelCall& call) {
  const Search search(call);
  return number_rows<int64_t>(call, [&](int64_t i, int64_t& out) {
    out = search(i);
    return out >= 0;
  });
}

arrow::Result<Signature> bind_has_null(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("list.has_null", 1, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values("list.has_null", args));
  s.casts = {list_type(args[0], values)};
  s.type = arrow::boolean();
  return s;
}

arrow::Result<Column> run_has_null(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  return bool_results(call, [&](int64_t i, bool& out) {
    const ListRange r = list[i];
    out = false;
    for (int64_t k = r.begin; k < r.end && !out; ++k) out = column::is_null_at(entries, k);
  });
}

// Sums and extremes ---------------------------------------------------------------------------------------------

template <bool kMean>
arrow::Result<Signature> bind_sum(std::span<const ArgumentInfo> args, std::span<const Option>) {
  const char* name = kMean ? "list.mean" : "list.sum";
  if (args.size() != 1) return wrong_count(name, 1, args.size());
  ARROW_ASSIGN_OR_RAISE(TypePtr values, list_values(name, args));
  if (!column::is_numeric(*values) && values->id() != Type::NA) return bad_arguments(name, "a list of numbers", args);
  Signature s;
  const bool whole = column::is_integer(*values) || values->id() == Type::NA;
  s.type = kMean || column::is_float(*values) ? arrow::float64()
           : whole                            ? arrow::int64()
                                              : arrow::decimal128(kMaxDigits, decimal_scale(*values));
  s.casts = {list_type(args[0], values)};
  s.fallible = !kMean && !column::is_float(*values);
  s.introduces_nulls = true;
  return s;
}

template <typename T, typename Add>
int64_t add_entries(const ListArgument& list, const Column& entries, int64_t row, Add add) {
  const ListRange r = list[row];
  const Argument<T> values(entries);
  int64_t count = 0;
  for (int64_t k = r.begin; k < r.end; ++k) {
    if (column::is_null_at(entries, k)) continue;
    add(static_cast<T>(values[k]));
    ++count;
  }
  return count;
}

template <bool kMean, typename T>
arrow::Result<Column> sum_floats(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  return number_rows<double>(call, [&](int64_t i, double& out) {
    column::WideSum sum;
    const int64_t n = add_entries<T>(list, entries, i, [&](T v) { sum.add(static_cast<double>(v)); });
    if (n > 0) out = kMean ? sum.value_over(n) : sum.value();
    return n > 0;
  });
}

template <typename T>
arrow::Result<Column> mean_whole(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  const TypePtr& type = entries.type();
  const double scale = column::is_decimal(*type) ? std::pow(10.0, decimal_scale(*type)) : 1.0;
  return number_rows<double>(call, [&](int64_t i, double& out) {
    column::WideSum sum;
    const int64_t n = add_entries<T>(list, entries, i, [&](T v) { sum.add_scaled(static_cast<__int128>(v), 0); });
    if (n > 0) out = sum.value_over(n) / scale;
    return n > 0;
  });
}

template <typename T, typename Out>
arrow::Result<Column> sum_whole(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  const __int128 limit = sizeof(Out) == 16 ? static_cast<__int128>(1e19) * static_cast<__int128>(1e19) : INT64_MAX;  // 38 digits
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_zeroed(call.rows * static_cast<int64_t>(sizeof(Out)), call.pool));
  auto* out = reinterpret_cast<Stored<Out>*>(values->mutable_data());
  arrow::Status status;
  ARROW_ASSIGN_OR_RAISE(auto valid, each_row(call, [&](int64_t i) {
                          __int128 sum = 0;
                          bool over = false;
                          const int64_t n = add_entries<T>(
                              list, entries, i, [&](T v) { over |= __builtin_add_overflow(sum, static_cast<__int128>(v), &sum); });
                          const bool fits = !over && (sizeof(Out) == 16 ? sum < limit && sum > -limit : sum == static_cast<int64_t>(sum));
                          if (!fits && status.ok())
                            status = base::data_error("overflow: the sum of " + row_text(call, 0, i), row_text(call, 0, i), i);
                          out[i] = static_cast<Out>(sum);
                          return n > 0;
                        }));
  ARROW_RETURN_NOT_OK(status);
  return with_validity(column::make_array(call.type, call.rows, nullptr, 0, std::move(values)), std::move(valid));
}

template <bool kMean>
arrow::Result<Column> run_sum(const KernelCall& call) {
  const TypePtr values = call.args[0].type()->field(0)->type();
  if (values->id() == Type::NA) return column::null_column(call.type, call.pool);
  return column::visit_number(column::physical_unchecked(*values), [&]<typename T>() -> arrow::Result<Column> {
    if constexpr (std::is_floating_point_v<T>)
      return sum_floats<kMean, T>(call);
    else if constexpr (kMean)
      return mean_whole<T>(call);
    else
      return sum_whole<T, std::conditional_t<sizeof(T) == 16, __int128, int64_t>>(call);
  });
}

arrow::Result<Signature> bind_extreme(std::span<const ArgumentInfo> args, std::span<const Option>) {
  if (args.size() != 1) return wrong_count("list.min, list.max", 1, args.size());
  Signature s;
  ARROW_ASSIGN_OR_RAISE(s.type, list_values("list.min, list.max", args));
  s.casts = {list_type(args[0], s.type)};
  s.introduces_nulls = true;
  return s;
}

template <bool kMax>
arrow::Result<Column> run_extreme(const KernelCall& call) {
  const ListArgument list(call.args[0]);
  const Column entries = list.entries();
  std::vector<int64_t> index(static_cast<size_t>(call.rows), column::kNullIndex);
  ARROW_RETURN_NOT_OK(each_row(call, [&](int64_t i) {
                        int64_t& best = index[static_cast<size_t>(i)];
                        for (int64_t k = list[i].begin; k < list[i].end; ++k) {
                          if (column::is_null_at(entries, k)) continue;
                          if (best < 0 || (column::compare_rows(entries, k, entries, best) > 0) == kMax) {
                            if (best < 0 || column::compare_rows(entries, k, entries, best) != 0) best = k;
                          }
                        }
                      }).status());
  return picked(entries, index, call.pool);
}

Function list(const char* name, const char* summary, const char* example, decltype(Function::bind) bind, decltype(Function::run) run) {
  return {name, "list", summary, example, NullRule::kPropagate, true, bind, run};
}

}  // namespace

std::vector<Function> list_functions() {
  return {
      list("list.length", "the number of entries of a list or map", "list_(1, 2, None).list.length() -> 3", bind_length, run_length),
      list("list.get", "the entry at a position from 0, from the end when negative; NULL beyond", "list_(1, 2).list.get(-1) -> 2", bind_get,
           run_get<false>),
      list("sql_list_get", "SQL's list[n]: positions from 1, from the end when negative; NULL beyond and at 0",
           "call('sql_list_get', list_(1, 2), 1) -> 1", bind_get, run_get<true>),
      list("list.contains", "whether an entry equals the value", "list_(1, 2).list.contains(2) -> true", bind_search<"list.contains", false>,
           run_contains),
      list("list.has_null", "whether an entry is NULL", "list_(1, None).list.has_null() -> true", bind_has_null, run_has_null),
      list("list.position", "where the first entry equals the value, from 0; NULL where none does", "list_(1, 2).list.position(2) -> 1",
           bind_search<"list.position", true>, run_position),
      list("list.sum", "the sum of the entries that are not NULL; NULL of none; integers beyond int64 are an error",
           "list_(1, 2, None).list.sum() -> 3", bind_sum<false>, run_sum<false>),
      list("list.mean", "the mean of the entries that are not NULL as float64; NULL of none", "list_(1, 2).list.mean() -> 1.5", bind_sum<true>,
           run_sum<true>),
      list("list.min", "the least entry that is not NULL; NULL of none", "list_(2, 1, None).list.min() -> 1", bind_extreme, run_extreme<false>),
      list("list.max", "the greatest entry that is not NULL, NaN above all; NULL of none", "list_(2, 1).list.max() -> 2", bind_extreme,
           run_extreme<true>),
  };
}

}  // namespace gristmill::expr
