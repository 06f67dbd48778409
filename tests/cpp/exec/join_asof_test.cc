// As-of joins against a twin that looks at every right row of the key: strategies, tolerance, ties, nulls, NaN, every way to run.

#include <cmath>
#include <limits>

#include "exec/join_cases.h"

namespace gristmill::exec::testing {
namespace {

double float_at(const Column& c, int64_t row) {
  const Column flat = ok(column::flatten(c, row + 1, arrow::default_memory_pool()));
  return c.type()->id() == arrow::Type::FLOAT ? static_cast<double>(column::values_of<float>(*flat.values)[row])
                                              : column::values_of<double>(*flat.values)[row];
}

__int128 integer_at(const Column& c, int64_t row) {
  const Column flat = ok(column::flatten(c, row + 1, arrow::default_memory_pool()));
  __int128 out = 0;
  column::visit_number(column::physical_unchecked(*c.type()), [&]<typename T>() {
    if constexpr (std::is_integral_v<T>) out = column::values_of<T>(*flat.values)[row];
  });
  return out;
}

struct Twin {
  const JoinCase& c;
  int column;  // of the key, on both sides

  int order(const RowAt& a, const RowAt& b) const {
    return column::compare_rows(a.batch->columns[static_cast<size_t>(column)], a.row, b.batch->columns[static_cast<size_t>(column)], b.row);
  }
  bool is_float() const { return column::is_float(*c.left_types[static_cast<size_t>(column)]); }
  const Column& value(const RowAt& r) const { return r.batch->columns[static_cast<size_t>(column)]; }

  // Distances compare as these do; exact for integers.
  bool closer(const RowAt& l, const RowAt& a, const RowAt& b) const {  // a strictly
    if (is_float()) return far(l, a) < far(l, b);
    return whole(l, a) < whole(l, b);
  }
  double far(const RowAt& a, const RowAt& b) const {
    const double x = float_at(value(a), a.row), y = float_at(value(b), b.row);
    if (order(a, b) == 0) return 0;
    return std::isnan(x) || std::isnan(y) ? std::numeric_limits<double>::infinity() : std::abs(x - y);
  }
  __int128 whole(const RowAt& a, const RowAt& b) const {
    const __int128 d = integer_at(value(a), a.row) - integer_at(value(b), b.row);
    return d < 0 ? -d : d;
  }
  bool within(const RowAt& l, const RowAt& r) const {
    if (c.asof.float_tolerance) {
      const bool nan = std::isnan(float_at(value(l), l.row)) != std::isnan(float_at(value(r), r.row));
      return !nan && far(l, r) <= *c.asof.float_tolerance;
    }
    return !c.asof.tolerance || whole(l, r) <= static_cast<__int128>(*c.asof.tolerance);
  }

  std::vector<const RowAt*> operator()(const RowAt& l, std::vector<const RowAt*> candidates) const {
    const RowAt *back = nullptr, *forward = nullptr;
    if (column::is_null_at(value(l), l.row)) return {};
    for (const RowAt* r : candidates) {
      if (column::is_null_at(value(*r), r->row)) continue;
      const int side = order(*r, l);
      if (side == 0 && !c.asof.allow_exact) continue;
      if (side <= 0 && (!back || order(*r, *back) >= 0)) back = r;
      if (side >= 0 && (!forward || order(*r, *forward) < 0)) forward = r;
    }
    const RowAt* best = c.asof.strategy == plan::AsofStrategy::kForward ? forward : back;
    if (c.asof.strategy == plan::AsofStrategy::kNearest && forward && (!back || closer(l, *forward, *back))) best = forward;
    return best && within(l, *best) ? std::vector<const RowAt*>{best} : std::vector<const RowAt*>{};
  }
};

void check(const std::vector<TypePtr>& by, const char* on, uint64_t seed) {
  Cases cases(seed);
  std::vector<TypePtr> types = by;
  types.push_back(ok(column::parse_type(on)));
  JoinCase c = cases.make(JoinKind::kAsof, types);
  c.nulls_equal = false;
  const int column = static_cast<int>(by.size());
  c.left_on = c.left_keys.back();
  c.right_on = c.right_keys.back();
  c.left_keys.pop_back();
  c.right_keys.pop_back();
  if (by.empty() && cases.random().chance(0.3)) c.left_exprs = c.right_exprs = {expr::literal(int64_t{1})};  // else there is no key at all
  c.asof.strategy = cases.random().pick<plan::AsofStrategy>(
      {plan::AsofStrategy::kBackward, plan::AsofStrategy::kForward, plan::AsofStrategy::kNearest});
  c.asof.allow_exact = cases.random().chance(0.7);
  if (cases.random().chance(0.5)) {
    if (column::is_float(*types.back())) {
      c.asof.float_tolerance = cases.random().pick<double>({0, 0.5, 1e3, 1e300});
    } else {
      c.asof.tolerance = cases.random().pick<uint64_t>({0, 3, 100, uint64_t{1} << 40});
    }
  }
  const Twin twin{c, column};
  SCOPED_TRACE(std::string("on ") + on + " strategy " + std::to_string(static_cast<int>(c.asof.strategy)));
  check_every_way(c, seed, [&](const RowAt& l, std::vector<const RowAt*> r) { return twin(l, std::move(r)); });
}

TEST(AsofJoin, ChoosesAsTheTwinDoesForEveryType) {
  uint64_t seed = 20000;
  for (const char* on : {"int8", "int64", "uint64", "uint32", "float32", "float64", "date", "timestamp(us)", "time"}) {
    for (const auto& by : {std::vector<TypePtr>{}, types_of({"string"}), types_of({"int32", "bool"})}) {
      for (int round = 0; round < 6; ++round) {
        check(by, on, seed++);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace gristmill::exec::testing
