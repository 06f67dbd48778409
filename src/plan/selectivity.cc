// Guesses from the ranges of columns, which sources know from their metadata, else fixed ones.
//
// Conjuncts are rarely independent: the strongest counts whole, each further one by the next root of it. Those that bound one
// column from both sides are one range.

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/statistics.h"
#include "plan/value_ranges.h"

namespace gristmill::plan {
namespace {

using expr::Node;
using expr::NodeKind;
using expr::NodePtr;

constexpr double kUnknown = 0.25, kEqual = 0.05, kText = 0.1, kNull = 0.05, kCompared = 1.0 / 3, kLeast = 1e-7;

struct Source {
  const Plan* scan = nullptr;
  int field = -1;
};

// The field of a table that a column of `p` is.
Source trace(const Plan& p, const std::string& column) {
  switch (p.kind) {
    case PlanKind::kScan: return {&p, p.source->schema()->GetFieldIndex(column)};
    case PlanKind::kProject:
      for (const NamedExpr& e : p.exprs) {
        if (e.name == column) return is_column(e) ? trace(*p.inputs[0], e.expr->name) : Source{};
      }
      return {};
    case PlanKind::kAggregate:
      for (const NamedExpr& e : p.exprs) {
        if (e.name == column) return is_column(e) ? trace(*p.inputs[0], e.expr->name) : Source{};
      }
      return {};
    case PlanKind::kJoin: {
      const int at = p.schema->GetFieldIndex(column), left = p.inputs[0]->schema->num_fields();
      if (at < 0) return {};
      const int c = p.join_output[static_cast<size_t>(at)];
      const Plan& side = *p.inputs[c < left ? 0 : 1];
      return trace(side, side.schema->field(c < left ? c : c - left)->name());
    }
    case PlanKind::kFilter:
    case PlanKind::kSort:
    case PlanKind::kLimit: return trace(*p.inputs[0], column);
    case PlanKind::kWindow: return p.inputs[0]->schema->GetFieldIndex(column) >= 0 ? trace(*p.inputs[0], column) : Source{};
    default: return {};
  }
}

std::optional<std::pair<double, double>> range_of(const Source& s) {
  const auto* ranges = s.field < 0 ? nullptr : dynamic_cast<const ValueRanges*>(s.scan->source.get());
  return ranges ? ranges->value_range(s.field) : std::nullopt;
}

std::optional<std::pair<double, double>> range_of(const Plan& p, const std::string& column) { return range_of(trace(p, column)); }

std::optional<double> number_of(const Node& e) {
  if (e.kind != NodeKind::kLiteral || !e.value->is_valid) return {};
  switch (e.value->type->id()) {
    case arrow::Type::INT64: return static_cast<double>(static_cast<const arrow::Int64Scalar&>(*e.value).value);
    case arrow::Type::INT32: return static_cast<double>(static_cast<const arrow::Int32Scalar&>(*e.value).value);
    case arrow::Type::DOUBLE: return static_cast<const arrow::DoubleScalar&>(*e.value).value;
    case arrow::Type::DATE32: return static_cast<double>(static_cast<const arrow::Date32Scalar&>(*e.value).value);
    case arrow::Type::TIMESTAMP: return static_cast<double>(static_cast<const arrow::TimestampScalar&>(*e.value).value);
    case arrow::Type::DECIMAL128: {
      const auto& d = static_cast<const arrow::Decimal128Scalar&>(*e.value);
      return d.value.ToDouble(static_cast<const arrow::Decimal128Type&>(*d.type).scale());
    }
    default: return {};
  }
}

// Days against microseconds and the like: the range says nothing of such a literal.
bool same_units(const Plan& p, const std::string& column, const Node& literal) {
  const Source s = trace(p, column);
  if (s.field < 0) return false;
  const auto type = column::canonical_type(s.scan->source->schema()->field(s.field)->type());
  const auto is_time = [](const arrow::DataType& t) { return arrow::is_temporal(t.id()); };
  return is_time(*type) || is_time(*literal.value->type) ? type->Equals(*literal.value->type) : true;
}

class Guess {
 public:
  explicit Guess(const Plan& input) : input_(input) {}

  double all(const std::vector<NodePtr>& conjuncts) {
    std::map<std::string, std::pair<double, double>> bounds;  // of a column's range, as parts of it
    std::vector<double> parts;
    for (const NodePtr& c : conjuncts) {
      if (!narrow(*c, bounds)) parts.push_back(one(*c));
    }
    for (const auto& [column, b] : bounds) parts.push_back(std::max(b.second - b.first, least(column)));
    std::sort(parts.begin(), parts.end());
    double out = 1, power = 1;
    for (const double p : parts) {
      out *= std::pow(p, power);
      power /= 2;
    }
    return std::clamp(out, kLeast, 1.0);
  }

 private:
  double least(const std::string& column) const {
    const auto d = distinct_values(input_, column);
    return d ? 1 / std::max(*d, 1.0) : kLeast;
  }

  // column op literal, either way round: the column, the operator as if it stood first, and the number.
  bool comparison(const Node& e, std::string& column, std::string& op, double& number) const {
    if (e.kind != NodeKind::kCall || e.args.size() != 2) return false;
    for (const size_t first : {size_t{0}, size_t{1}}) {
      const auto v = number_of(*e.args[1 - first]);
      if (!is_column(*e.args[first]) || !v || !same_units(input_, e.args[first]->name, *e.args[1 - first])) continue;
      column = e.args[first]->name;
      number = *v;
      op = e.name;
      if (first == 1 && op.size() == 2 && (op[0] == 'l' || op[0] == 'g')) op[0] = op[0] == 'l' ? 'g' : 'l';
      return true;
    }
    return false;
  }

  bool narrow(const Node& e, std::map<std::string, std::pair<double, double>>& bounds) const {
    std::string column, op;
    double v = 0, high = 0;
    if (e.kind == NodeKind::kCall && e.name == "between" && is_column(*e.args[0])) {
      const auto from = number_of(*e.args[1]), to = number_of(*e.args[2]);
      if (!from || !to || !same_units(input_, e.args[0]->name, *e.args[1])) return false;
      column = e.args[0]->name;
      v = *from;
      high = *to;
    } else if (!comparison(e, column, op, v)) {
      return false;
    }
    const bool below = op == "lt" || op == "le", above = op == "gt" || op == "ge";
    if (!op.empty() && !below && !above) return false;
    const auto range = range_of(input_, column);
    if (!range || !(range->second > range->first)) return false;
    const auto part = [&](double x) { return std::clamp((x - range->first) / (range->second - range->first), 0.0, 1.0); };
    auto& b = bounds.emplace(column, std::pair{0.0, 1.0}).first->second;
    if (!below) b.first = std::max(b.first, part(v));
    if (!above) b.second = std::min(b.second, part(op.empty() ? high : v));
    return true;
  }

  double equal_to(const Node& e) const {
    if (!is_column(e)) return kText;
    const auto d = distinct_values(input_, e.name);
    const auto range = range_of(input_, e.name);
    if (!d) return kText;
    return range ? 1 / std::max(*d, 1.0) : std::max(1 / std::max(*d, 1.0), kEqual);
  }

  double one(const Node& e) {
    if (e.kind == NodeKind::kLiteral) return kUnknown;
    if (e.kind != NodeKind::kCall || e.args.empty()) return kUnknown;
    const auto literal = [&](size_t i) { return e.args[i]->kind == NodeKind::kLiteral; };
    if (e.name == "and" || e.name == "or") {
      const double a = selectivity(e.args[0], input_), b = selectivity(e.args[1], input_);
      return e.name == "and" ? a * b : a + b - a * b;
    }
    if (e.name == "not") return std::max(1 - selectivity(e.args[0], input_), kNull);
    if (e.name == "eq") {
      if (literal(1)) return equal_to(*e.args[0]);
      if (literal(0)) return equal_to(*e.args[1]);
      return std::min(equal_to(*e.args[0]), equal_to(*e.args[1]));
    }
    if (e.name == "ne") return literal(0) || literal(1) ? 1 - kEqual : 1 - kText;
    if (e.name == "is_in") return std::min(1.0, static_cast<double>(e.args.size() - 1) * equal_to(*e.args[0]));
    if (e.name == "is_null") return kNull;
    if (e.name == "is_not_null") return 1 - kNull;
    if (e.name.starts_with("str.")) return kText;
    const bool compares = e.name == "lt" || e.name == "le" || e.name == "gt" || e.name == "ge";
    return compares && !literal(0) && !literal(1) ? kCompared : kUnknown;
  }

  const Plan& input_;
};

}  // namespace

double selectivity(const NodePtr& predicate, const Plan& input) { return Guess(input).all(expr::conjuncts(predicate)); }

std::optional<double> distinct_values(const Plan& plan, const std::string& column) {
  const Source s = trace(plan, column);
  if (s.field < 0) {
    const RowEstimate rows = estimate_rows(plan);
    if (!rows.likely) return {};
    return static_cast<double>(*rows.likely);
  }
  const auto rows = s.scan->source->estimate().rows;
  const auto range = range_of(s);
  const auto type = s.scan->source->schema()->field(s.field)->type()->id();
  const bool whole = arrow::is_integer(type) || type == arrow::Type::DATE32;
  std::optional<double> out;
  if (rows) out = static_cast<double>(std::max<int64_t>(*rows, 1));
  if (range && whole) out = std::min(out.value_or(range->second - range->first + 1), range->second - range->first + 1);
  return out;
}

}  // namespace gristmill::plan
