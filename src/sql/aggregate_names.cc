// One table: the SQL name, the engine's, how many arguments, and what is said by options. A separator and a fraction are literals.

#include "sql/aggregate_names.h"

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/bind.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

enum class Form : uint8_t {
  kPlain,     // values
  kText,      // x, separator
  kQuantile,  // x, q
  kOrdered,   // (q) within group (order by x), or of x alone without q
};

struct AggregateName {
  const char* sql;
  const char* engine;
  int arguments = 1;
  Form form = Form::kPlain;
  int ddof = -1;  // -1: none
  const char* interpolation = nullptr;
  bool unbiased = false;
};

constexpr AggregateName kAggregates[] = {{"count", "count"},
                                         {"sum", "sum"},
                                         {"avg", "mean"},
                                         {"mean", "mean"},
                                         {"min", "min"},
                                         {"max", "max"},
                                         {"first", "first"},
                                         {"last", "last"},
                                         {"any_value", "first"},
                                         {"variance", "var", 1, Form::kPlain, 1},
                                         {"var_samp", "var", 1, Form::kPlain, 1},
                                         {"var_pop", "var", 1, Form::kPlain, 0},
                                         {"stddev", "std", 1, Form::kPlain, 1},
                                         {"stddev_samp", "std", 1, Form::kPlain, 1},
                                         {"stddev_pop", "std", 1, Form::kPlain, 0},
                                         {"skewness", "skew", 1, Form::kPlain, -1, nullptr, true},
                                         {"skewness_pop", "skew"},
                                         {"kurtosis", "kurtosis", 1, Form::kPlain, -1, nullptr, true},
                                         {"kurtosis_pop", "kurtosis"},
                                         {"bool_and", "all"},
                                         {"every", "all"},
                                         {"bool_or", "any"},
                                         {"bit_and", "bit_and"},
                                         {"bit_or", "bit_or"},
                                         {"bit_xor", "bit_xor"},
                                         {"product", "product"},
                                         {"array_agg", "implode"},
                                         {"list", "implode"},
                                         {"string_agg", "string_agg", 2, Form::kText},
                                         {"group_concat", "string_agg", 2, Form::kText},
                                         {"listagg", "string_agg", 2, Form::kText},
                                         {"n_unique", "n_unique"},
                                         {"approx_count_distinct", "approx_n_unique"},
                                         {"approx_n_unique", "approx_n_unique"},
                                         {"median", "median"},
                                         {"approx_median", "approx_median"},
                                         {"quantile", "quantile", 2, Form::kQuantile, -1, "linear"},
                                         {"quantile_cont", "quantile", 2, Form::kQuantile, -1, "linear"},
                                         {"quantile_disc", "quantile", 2, Form::kQuantile, -1, "equiprobable"},
                                         {"approx_quantile", "approx_quantile", 2, Form::kQuantile},
                                         {"percentile_cont", "quantile", 1, Form::kOrdered, -1, "linear"},
                                         {"percentile_disc", "quantile", 1, Form::kOrdered, -1, "equiprobable"},
                                         {"mode", "mode", 1, Form::kOrdered},
                                         {"covar_pop", "cov", 2, Form::kPlain, 0},
                                         {"covar_samp", "cov", 2, Form::kPlain, 1},
                                         {"corr", "corr", 2},
                                         {"regr_slope", "regr_slope", 2},
                                         {"regr_intercept", "regr_intercept", 2},
                                         {"arg_min", "min_by", 2},
                                         {"min_by", "min_by", 2},
                                         {"arg_max", "max_by", 2},
                                         {"max_by", "max_by", 2}};

const AggregateName* find_name(std::string_view name) {
  const auto* at = std::find_if(std::begin(kAggregates), std::end(kAggregates), [&](const AggregateName& a) { return name == a.sql; });
  return at == std::end(kAggregates) ? nullptr : at;
}

// A number from a literal, also one that arithmetic makes (1 - 0.1).
arrow::Result<double> fraction(const NodePtr& n) {
  const arrow::Schema none({});
  const auto bound = expr::bind(expr::cast(n, arrow::float64()), none);
  if (bound.ok() && (*bound)->kind == expr::BoundKind::kConstant && (*bound)->value->is_valid) {
    return static_cast<const arrow::DoubleScalar&>(*(*bound)->value).value;
  }
  return arrow::Status::Invalid("not a number");
}

class AggregateLowering {
 public:
  AggregateLowering(const AggregateName& known, const PgQuery__FuncCall& f, const ParsedText& text) : known_(known), f_(f), text_(text) {}

  arrow::Result<NodePtr> lower(const ExpressionLowering& expressions) {
    for (size_t i = 0; i < f_.n_args; ++i) {
      ARROW_ASSIGN_OR_RAISE(NodePtr a, expressions.lower(*f_.args[i]));
      args_.push_back(std::move(a));
    }
    for (size_t i = 0; i < f_.n_agg_order; ++i) ARROW_RETURN_NOT_OK(add_order(*f_.agg_order[i]->sort_by, expressions));
    ARROW_RETURN_NOT_OK(arrange());
    if (known_.ddof >= 0) option("ddof", std::make_shared<arrow::Int64Scalar>(known_.ddof));
    if (known_.unbiased) option("unbiased", std::make_shared<arrow::BooleanScalar>(true));
    if (f_.agg_distinct) option("distinct", std::make_shared<arrow::BooleanScalar>(true));
    NodePtr filter;
    if (f_.agg_filter) {
      ARROW_ASSIGN_OR_RAISE(filter, expressions.lower(*f_.agg_filter));
    }
    if (std::string_view(known_.sql) == "any_value") {
      const NodePtr there = expr::call("is_not_null", {args_[0]});
      filter = filter ? expr::call("and", {filter, there}) : there;
    }
    if (!keys_.empty()) {
      option("order_by", std::make_shared<arrow::Int64Scalar>(static_cast<int64_t>(keys_.size())));
      option("descending", std::make_shared<arrow::Int64Scalar>(descending_));
      option("nulls_first", std::make_shared<arrow::Int64Scalar>(nulls_first_));
      args_.insert(args_.end(), keys_.begin(), keys_.end());
    }
    return expr::aggregate(known_.engine, std::move(args_), std::move(options_), std::move(filter));
  }

 private:
  void option(const char* name, std::shared_ptr<arrow::Scalar> value) { options_.push_back({name, std::move(value)}); }
  arrow::Status error(const std::string& message) const { return text_.error(message, f_.location); }

  arrow::Status add_order(const PgQuery__SortBy& by, const ExpressionLowering& expressions) {
    ARROW_ASSIGN_OR_RAISE(NodePtr key, expressions.lower(*by.node));
    const bool down = by.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
    const bool first = by.sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                       (by.sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && down);
    descending_ |= static_cast<int64_t>(down) << keys_.size();
    nulls_first_ |= static_cast<int64_t>(first) << keys_.size();
    keys_.push_back(std::move(key));
    return arrow::Status::OK();
  }

  // Arguments into values and options.
  arrow::Status arrange() {
    const std::string name = known_.sql;
    if (f_.agg_within_group && known_.form != Form::kOrdered) return error(name + " has no WITHIN GROUP");
    switch (known_.form) {
      case Form::kPlain:
        if (f_.agg_star ? name == "count" : args_.size() == static_cast<size_t>(known_.arguments)) return arrow::Status::OK();
        return error(name + " takes " + (known_.arguments == 1 ? "one argument" : "two arguments"));
      case Form::kText: return separator(name);
      case Form::kQuantile:
        if (args_.size() != 2) return error(name + " takes a value and a number from 0 to 1");
        return place(name, args_[1], false);
      case Form::kOrdered: return within_group(name);
    }
    return arrow::Status::OK();
  }

  arrow::Status separator(const std::string& name) {
    if (args_.size() == 1) {
      option("separator", std::make_shared<arrow::StringScalar>(","));
      return arrow::Status::OK();
    }
    const bool literal = args_.size() == 2 && args_[1]->kind == expr::NodeKind::kLiteral && args_[1]->value->is_valid &&
                         args_[1]->value->type->id() == arrow::Type::STRING_VIEW;
    if (!literal) return error(name + " takes a value and a separator, which is a text literal");
    option("separator",
           std::make_shared<arrow::StringScalar>(std::string(static_cast<const arrow::BaseBinaryScalar&>(*args_[1]->value).view())));
    args_.resize(1);
    return arrow::Status::OK();
  }

  arrow::Status place(const std::string& name, const NodePtr& q, bool descending) {
    const auto v = fraction(q);
    if (!v.ok() || !(*v >= 0 && *v <= 1)) return error("the fraction of " + name + " is a number from 0 to 1, known beforehand");
    option("q", std::make_shared<arrow::DoubleScalar>(*v));
    if (known_.interpolation) option("interpolation", std::make_shared<arrow::StringScalar>(known_.interpolation));
    if (descending) option("reverse", std::make_shared<arrow::BooleanScalar>(true));
    args_.resize(1);
    return arrow::Status::OK();
  }

  arrow::Status within_group(const std::string& name) {
    const bool mode = name == "mode";
    if (mode && !f_.agg_within_group && args_.size() == 1 && keys_.empty()) return arrow::Status::OK();
    if (!f_.agg_within_group || keys_.size() != 1 || args_.size() != (mode ? 0 : 1)) {
      return error("write " + name + (mode ? "()" : "(fraction)") + " within group (order by x)");
    }
    const NodePtr q = mode ? nullptr : args_[0];
    args_ = {std::exchange(keys_, {})[0]};
    return mode ? arrow::Status::OK() : place(name, q, descending_ != 0);
  }

  const AggregateName& known_;
  const PgQuery__FuncCall& f_;
  const ParsedText& text_;
  std::vector<NodePtr> args_, keys_;
  std::vector<expr::Option> options_;
  int64_t descending_ = 0, nulls_first_ = 0;
};

}  // namespace

bool is_aggregate_name(std::string_view name) { return find_name(name) != nullptr; }

std::vector<std::string> sql_aggregate_names() {
  std::vector<std::string> out;
  for (const AggregateName& a : kAggregates) out.emplace_back(a.sql);
  return out;
}

arrow::Result<NodePtr> lower_aggregate(const PgQuery__FuncCall& f, const std::string& name, const ExpressionLowering& expressions,
                                       const ParsedText& text) {
  return AggregateLowering(*find_name(name), f, text).lower(expressions);
}

}  // namespace gristmill::sqltext
