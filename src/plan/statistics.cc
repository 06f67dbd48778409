// Row counts bottom-up. Bounds come from exact source counts only; guesses use one fixed selectivity for filters.

#include "plan/statistics.h"

#include <algorithm>
#include <limits>

namespace gristmill::plan {
namespace {

constexpr int64_t kFilterKeepsOneIn = 4;

std::optional<int64_t> at_most(std::optional<int64_t> rows, int64_t bound) { return rows ? std::min(*rows, bound) : bound; }

RowEstimate filtered(RowEstimate e) {
  if (e.likely) e.likely = *e.likely / kFilterKeepsOneIn;
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
  if (p.predicate) e = filtered(e);
  return p.scan_limit ? limited(e, *p.scan_limit) : e;
}

RowEstimate join_rows(const Plan& p) {
  const RowEstimate left = estimate_rows(*p.inputs[0]);
  if (p.join == JoinKind::kSemi || p.join == JoinKind::kAnti) return filtered(left);
  const RowEstimate right = estimate_rows(*p.inputs[1]);
  if (p.join == JoinKind::kAsof) return left;
  if (p.left_keys.empty()) return {product(left.most, right.most), product(left.likely, right.likely)};
  RowEstimate e;  // as if one side's keys were unique
  if (left.likely && right.likely) e.likely = std::max(*left.likely, *right.likely);
  return e;
}

}  // namespace

RowEstimate estimate_rows(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kScan: return scan_rows(p);
    case PlanKind::kFilter: return filtered(estimate_rows(*p.inputs[0]));
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
      return {estimate_rows(*p.inputs[0]).most, {}};
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
