// Row counts bottom-up. Bounds come from exact source counts only.

#include "plan/statistics.h"

#include <algorithm>
#include <limits>

#include "expr/node.h"

namespace gristmill::plan {
namespace {

constexpr double kSemiKeeps = 0.25, kSemiKeepsLeast = 1e-4;

std::optional<int64_t> at_most(std::optional<int64_t> rows, int64_t bound) { return rows ? std::min(*rows, bound) : bound; }

RowEstimate filtered(RowEstimate e, double kept) {
  if (e.likely) e.likely = static_cast<int64_t>(static_cast<double>(*e.likely) * kept);
  return e;
}

RowEstimate limited(RowEstimate e, int64_t bound) { return {at_most(e.most, bound), at_most(e.likely, bound)}; }

std::optional<int64_t> sum(std::optional<int64_t> a, std::optional<int64_t> b) {
  if (!a || !b || *a > std::numeric_limits<int64_t>::max() - *b) return {};
  return *a + *b;
}

std::optional<int64_t> product(std::optional<int64_t> a, std::optional<int64_t> b) {
  int64_t out = 0;
  if (!a || !b || __builtin_mul_overflow(*a, *b, &out)) return {};
  return out;
}

RowEstimate scan_rows(const Plan& p) {
  const TableEstimate known = p.source->estimate();
  RowEstimate e{known.exact_rows ? known.rows : std::nullopt, known.rows};
  if (p.predicate) e = filtered(e, selectivity(p.predicate, p));
  return p.scan_limit ? limited(e, *p.scan_limit) : e;
}

// The part of the left rows that a semi join keeps: as many of the left side's keys as there can be on the right.
double semi_keeps(const Plan& p, const RowEstimate& right) {
  double kept = 1;
  for (size_t i = 0; i < p.left_keys.size(); ++i) {
    if (p.left_keys[i]->kind != expr::NodeKind::kColumn || p.right_keys[i]->kind != expr::NodeKind::kColumn) continue;
    const auto l = distinct_values(*p.inputs[0], p.left_keys[i]->name), r = distinct_values(*p.inputs[1], p.right_keys[i]->name);
    if (!l || !r || !right.likely) continue;
    kept = std::min(kept, std::min(*r, static_cast<double>(*right.likely)) / std::max(*l, 1.0));
  }
  return std::clamp(kept, kSemiKeepsLeast, kSemiKeeps);
}

RowEstimate join_rows(const Plan& p) {
  const RowEstimate left = estimate_rows(*p.inputs[0]);
  if (p.join == JoinKind::kSemi) return filtered(left, semi_keeps(p, estimate_rows(*p.inputs[1])));
  if (p.join == JoinKind::kAnti) return filtered(left, kSemiKeeps);
  const RowEstimate right = estimate_rows(*p.inputs[1]);
  if (p.join == JoinKind::kAsof) return left;
  if (p.left_keys.empty()) return {product(left.most, right.most), product(left.likely, right.likely)};
  RowEstimate e;
  if (!left.likely || !right.likely) return e;
  e.likely = std::max(*left.likely, *right.likely);  // as if one side's keys were unique
  if (p.join != JoinKind::kInner) return e;
  double keys = 1;
  for (size_t i = 0; i < p.left_keys.size(); ++i) {
    std::optional<double> l, r;
    if (p.left_keys[i]->kind == expr::NodeKind::kColumn) l = distinct_values(*p.inputs[0], p.left_keys[i]->name);
    if (p.right_keys[i]->kind == expr::NodeKind::kColumn) r = distinct_values(*p.inputs[1], p.right_keys[i]->name);
    if (!l || !r) return e;
    keys *= std::min(*l, *r);
  }
  if (p.left_keys.size() > 1) return e;
  const double rows = static_cast<double>(*left.likely) * static_cast<double>(*right.likely) / std::max(keys, 1.0);
  e.likely = static_cast<int64_t>(std::min(rows, 9e18));
  return e;
}

// As many groups as there are different keys, rows allowing; of keys that nothing is known of, a tenth of the rows.
RowEstimate group_rows(const Plan& p) {
  const RowEstimate input = estimate_rows(*p.inputs[0]);
  RowEstimate e{input.most, {}};
  if (!input.likely) return e;
  double keys = 1;
  for (const NamedExpr& k : p.exprs) {
    const auto d = k.expr->kind == expr::NodeKind::kColumn ? distinct_values(*p.inputs[0], k.expr->name) : std::nullopt;
    keys *= d ? std::min(*d, static_cast<double>(*input.likely) / 2) : static_cast<double>(*input.likely) / 10;
  }
  e.likely = static_cast<int64_t>(std::clamp(keys, 1.0, std::max(static_cast<double>(*input.likely), 1.0)));
  return e;
}

}  // namespace

std::optional<int64_t> source_rows(const Plan& plan) {
  if (plan.kind == PlanKind::kScan) return plan.source->estimate().rows;
  int64_t sum = 0;
  for (const auto& in : plan.inputs) {
    auto rows = source_rows(*in);
    if (!rows) return std::nullopt;
    sum += *rows;
  }
  return sum;
}

RowEstimate estimate_rows(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kScan: return scan_rows(p);
    case PlanKind::kFilter: return filtered(estimate_rows(*p.inputs[0]), selectivity(p.predicate, *p.inputs[0]));
    case PlanKind::kWindow:
    case PlanKind::kProject: return estimate_rows(*p.inputs[0]);
    case PlanKind::kSort: {
      const RowEstimate e = estimate_rows(*p.inputs[0]);
      return p.top ? limited(e, *p.top) : e;
    }
    case PlanKind::kLimit: {
      const RowEstimate e = estimate_rows(*p.inputs[0]);
      return p.count >= 0 ? limited(e, p.count) : e;
    }
    case PlanKind::kAggregate: {
      if (p.exprs.empty()) return {1, 1};
      return group_rows(p);
    }
    case PlanKind::kUnion: {
      RowEstimate all{0, 0};
      for (const PlanPtr& in : p.inputs) {
        const RowEstimate one = estimate_rows(*in);
        all = {sum(all.most, one.most), sum(all.likely, one.likely)};
      }
      return all;
    }
    case PlanKind::kJoin: return join_rows(p);
    case PlanKind::kRowIndex: return estimate_rows(*p.inputs[0]);
    case PlanKind::kExplode: return {};
  }
  return {};
}

}  // namespace gristmill::plan
