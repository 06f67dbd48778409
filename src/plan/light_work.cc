#include "plan/light_work.h"

#include <algorithm>
#include <string_view>

#include <arrow/type.h>
#include <arrow/type_traits.h>

namespace gristmill::plan {
namespace {

constexpr int64_t kOfText = 4;     // a comparison of texts, in additions
constexpr int64_t kOfCopying = 2;  // a value that a filter copies

struct Known {
  std::string_view function;
  int64_t cost;
};
constexpr Known kLight[] = {{"add", 1}, {"sub", 1}, {"mul", 1}, {"div", 1}, {"mod", 2},  {"sql_mod", 2}, {"floor_div", 2}, {"neg", 1},
                            {"abs", 1}, {"eq", 1},  {"ne", 1},  {"lt", 1},  {"le", 1},   {"gt", 1},      {"ge", 1},        {"and", 1},
                            {"or", 1},  {"not", 1}, {"is_null", 1},         {"is_not_null", 1}};

bool is_number(const arrow::DataType& type) { return arrow::is_primitive(type.id()); }
bool is_text(const arrow::DataType& type) { return arrow::is_base_binary_like(type.id()) || arrow::is_binary_view_like(type.id()); }

std::optional<int64_t> cost_of(const expr::Node& call) {
  const auto* const known = std::find_if(std::begin(kLight), std::end(kLight), [&](const Known& k) { return k.function == call.name; });
  return call.user || known == std::end(kLight) ? std::nullopt : std::optional(known->cost);
}

// A row's additions, those of the arguments included.
std::optional<int64_t> of_row(const expr::Node& n, const arrow::Schema& input) {
  const auto with_arguments = [&](std::optional<int64_t> sum) {
    for (size_t a = 0; sum && a < n.args.size(); ++a) {
      const auto below = of_row(*n.args[a], input);
      sum = below ? std::optional(*sum + *below) : std::nullopt;
    }
    return sum;
  };
  switch (n.kind) {
    case expr::NodeKind::kColumn: {
      const auto field = input.GetFieldByName(n.name);
      if (!field || !(is_number(*field->type()) || is_text(*field->type()))) return std::nullopt;
      return is_text(*field->type()) ? kOfText : 0;
    }
    case expr::NodeKind::kLiteral: return 0;
    case expr::NodeKind::kAlias: return with_arguments(0);
    case expr::NodeKind::kCast: {
      const auto sum = is_number(*n.type) ? with_arguments(1) : std::nullopt;
      return sum && *sum <= kOfText ? sum : std::nullopt;  // 1 + kOfText and more: a text is read as a number
    }
    case expr::NodeKind::kCall: return with_arguments(cost_of(n));
    default: return std::nullopt;
  }
}

struct Work {
  int64_t rows = 0;
  int64_t sum = 0;  // one a row for handing it on
};

// The work below, and so much more a row.
std::optional<Work> and_then(std::optional<Work> below, std::optional<int64_t> row) {
  if (!below || !row) return std::nullopt;
  return Work{below->rows, below->sum + below->rows * *row};
}

std::optional<int64_t> of_filter(const expr::Node& predicate, const arrow::Schema& input, int64_t columns) {
  const auto row = of_row(predicate, input);
  return row ? std::optional(*row + kOfCopying * columns) : std::nullopt;
}

std::optional<Work> work_of(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kScan: {
      const TableEstimate known = p.source->estimate();
      if (p.source->kind() != "memory" || !known.rows) return std::nullopt;
      const Work all{*known.rows, *known.rows};
      return p.predicate ? and_then(all, of_filter(*p.predicate, *p.source->schema(), static_cast<int64_t>(p.columns.size()))) : all;
    }
    case PlanKind::kFilter: {
      const arrow::Schema& input = *p.inputs[0]->schema;
      return and_then(work_of(*p.inputs[0]), of_filter(*p.predicate, input, input.num_fields()));
    }
    case PlanKind::kLimit: return work_of(*p.inputs[0]);
    case PlanKind::kProject: {
      std::optional<int64_t> row = 0;
      for (const NamedExpr& e : p.exprs) {
        if (e.expr->kind == expr::NodeKind::kColumn) continue;  // passed on as it is
        const auto one = of_row(*e.expr, *p.inputs[0]->schema);
        row = row && one ? std::optional(*row + *one) : std::nullopt;
      }
      return and_then(work_of(*p.inputs[0]), row);
    }
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<int64_t> light_work(const Plan& plan) {
  const auto work = work_of(plan);
  return work ? std::optional(work->sum) : std::nullopt;
}

}  // namespace gristmill::plan
