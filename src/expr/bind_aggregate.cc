// The argument casts and result types of aggregates: one row of the table an aggregate.
//
// Sums and means see int64, uint64, float64, decimal or duration only, var and std float64 only.

#include <arrow/type.h>

#include <algorithm>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::TypePtr;

// The type the engine sums a value in; nullptr: it has no sum.
TypePtr summed_as(const TypePtr& t) {
  if (t->id() == Type::NA || t->id() == Type::BOOL) return arrow::int64();
  if (t->id() == Type::UINT64) return t;
  if (column::is_integer(*t)) return arrow::int64();
  if (column::is_float(*t)) return arrow::float64();
  if (column::is_decimal(*t) || t->id() == Type::DURATION) return t;
  return nullptr;
}

TypePtr sum_type(const TypePtr& t) {
  if (column::is_decimal(*t)) return arrow::decimal128(kMaxDigits, decimal_scale(*t));
  return column::is_integer(*t) ? arrow::int64() : t;
}

bool ordered(const arrow::DataType& t) {
  const auto p = column::physical_of(t);
  return p.ok() && *p != column::Physical::kNested;
}

struct Aggregate {
  const char* name;
  int arguments;                          // -1: none or one
  TypePtr (*argument)(const TypePtr& t);  // what the argument is cast to; nullptr: refused
  TypePtr (*result)(const TypePtr& argument);
  const char* takes;
};

TypePtr same(const TypePtr& t) { return t; }
TypePtr if_ordered(const TypePtr& t) { return ordered(*t) ? t : nullptr; }
TypePtr if_number(const TypePtr& t) { return t->id() == Type::DURATION ? nullptr : summed_as(t); }
// Deviations are of float64 values: each is rounded once by its cast, the rest is exact.
TypePtr if_number_float64(const TypePtr& t) { return if_number(t) ? arrow::float64() : nullptr; }
TypePtr float64_of(const TypePtr&) { return arrow::float64(); }
TypePtr int64_of(const TypePtr&) { return arrow::int64(); }

constexpr Aggregate kAggregates[] = {
    {"count", -1, same, int64_of, "one value or none"},
    {"first", 1, same, same, "one value"},
    {"last", 1, same, same, "one value"},
    {"max", 1, if_ordered, same, "values that have an order"},
    {"mean", 1, if_number, float64_of, "numbers"},
    {"min", 1, if_ordered, same, "values that have an order"},
    {"std", 1, if_number_float64, float64_of, "numbers"},
    {"sum", 1, summed_as, sum_type, "numbers"},
    {"var", 1, if_number_float64, float64_of, "numbers"},
};

arrow::Result<const Aggregate*> find_aggregate(const std::string& name) {
  std::vector<std::string> known;
  for (const Aggregate& a : kAggregates) {
    if (a.name == name) return &a;
    known.emplace_back(a.name);
  }
  return base::plan_error("no aggregate \"" + name + "\"" + base::suggest_name(name, known));
}

}  // namespace

arrow::Result<BoundAggregate> bind_aggregate(const NodePtr& aggregate, const arrow::Schema& input) {
  if (aggregate->kind == NodeKind::kAlias) return bind_aggregate(aggregate->args[0], input);
  if (aggregate->kind != NodeKind::kAggregate) return base::plan_error(text(*aggregate) + " is not an aggregate");
  ARROW_ASSIGN_OR_RAISE(const Aggregate* entry, find_aggregate(aggregate->name));
  BoundAggregate out;
  out.function = aggregate->name;
  out.options = aggregate->options;
  const int given = static_cast<int>(aggregate->args.size());
  if (given > 1 || (entry->arguments == 1 && given != 1)) return wrong_count(aggregate->name, 1, aggregate->args.size());
  for (const NodePtr& a : aggregate->args) {
    ARROW_ASSIGN_OR_RAISE(BoundPtr x, bind(a, input));
    const TypePtr to = entry->argument(x->type);
    if (!to)
      return base::plan_error(aggregate->name + " takes " + entry->takes + ", got " + column::type_text(*x->type) + " in " +
                              text(*aggregate));
    ARROW_ASSIGN_OR_RAISE(x, bind_cast(std::move(x), to));
    out.args.push_back(std::move(x));
  }
  out.type = entry->result(out.args.empty() ? arrow::null() : out.args[0]->type);
  if (aggregate->filter) {
    ARROW_ASSIGN_OR_RAISE(out.filter, bind(aggregate->filter, input));
    if (out.filter->type->id() != Type::BOOL) {
      return base::plan_error("a filter of an aggregate is a bool, " + text(*aggregate->filter) + " is " +
                              column::type_text(*out.filter->type));
    }
  }
  return out;
}

}  // namespace gristmill::expr
