// Random valid plans over given inputs, a function of the seed alone.
//
// Expressions are typed by construction, with values near the edges of their types; a step that the plan constructors
// refuse (names that clash, types without order) is thrown again. Joins are few and mostly on keys, so that rows do not explode.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/logical.h"
#include "plan/nodes.h"

namespace gristmill::plan::testing {

class RandomPlan {
 public:
  // `inputs`: plans (scans, usually) with unique column names each. Without `may_fail` no expression is fallible
  // and there are no integer sums.
  RandomPlan(uint64_t seed, std::vector<PlanPtr> inputs, bool may_fail = true)
      : rng_(seed), inputs_(std::move(inputs)), may_fail_(may_fail) {}

  // A plan of about `steps` steps above the inputs.
  PlanPtr make(int steps) {
    PlanPtr p = pick(inputs_);
    joins_ = 0;
    for (int done = 0, tries = 0; done < steps && tries < 20 * steps; ++tries) {
      auto next = step(p);
      if (!next.ok()) continue;
      p = *next;
      ++done;
    }
    return p;
  }

  // An expression of canonical type kind `want` over `schema`; may be a plain column or a literal.
  enum class Kind { kBool, kNumber, kText, kTime };
  expr::NodePtr expression(const arrow::Schema& schema, Kind want, int depth = 2) {
    switch (want) {
      case Kind::kBool: return truth(schema, depth);
      case Kind::kNumber: return number(schema, depth);
      case Kind::kText: return text(schema, depth);
      case Kind::kTime: return column_or(schema, Kind::kTime, expr::null_literal());
    }
    return expr::null_literal();
  }

 private:
  using Step = arrow::Result<PlanPtr>;

  uint64_t below(uint64_t n) { return n == 0 ? 0 : rng_() % n; }
  bool chance(int percent) { return below(100) < static_cast<uint64_t>(percent); }
  template <typename T>
  const T& pick(const std::vector<T>& items) {
    return items[below(items.size())];
  }
  std::string fresh() { return "c" + std::to_string(names_++); }

  static bool is_kind(const arrow::DataType& border, Kind kind) {
    const auto t = column::canonical_type(border.GetSharedPtr());
    switch (kind) {
      case Kind::kBool: return t->id() == arrow::Type::BOOL;
      case Kind::kNumber: return column::is_numeric(*t);
      case Kind::kText: return column::is_text(*t);
      case Kind::kTime: return t->id() == arrow::Type::DATE32 || t->id() == arrow::Type::TIMESTAMP;
    }
    return false;
  }
  static bool is_key(const arrow::DataType& border) {
    const auto p = column::physical_of(*column::canonical_type(border.GetSharedPtr()));
    return p.ok() && *p != column::Physical::kNested;
  }

  std::vector<std::string> columns(const arrow::Schema& schema, Kind kind) {
    std::vector<std::string> out;
    for (const auto& f : schema.fields()) {
      if (is_kind(*f->type(), kind)) out.push_back(f->name());
    }
    return out;
  }
  std::vector<std::string> keys(const arrow::Schema& schema) {
    std::vector<std::string> out;
    for (const auto& f : schema.fields()) {
      if (is_key(*f->type())) out.push_back(f->name());
    }
    return out;
  }
  // A random part of `names`, at least one if there are any, in random order.
  std::vector<std::string> some(std::vector<std::string> names, size_t most) {
    for (size_t i = names.size(); i > 1; --i) std::swap(names[i - 1], names[below(i)]);
    if (!names.empty()) names.resize(1 + below(std::min(most, names.size())));
    return names;
  }

  expr::NodePtr column_or(const arrow::Schema& schema, Kind kind, expr::NodePtr otherwise) {
    const auto names = columns(schema, kind);
    return names.empty() || chance(10) ? otherwise : expr::column(pick(names));
  }
  expr::NodePtr number_literal() {
    static const std::vector<int64_t> kIntegers = {0, 1, 2, 3, -1, 7, 10, 100, -5, 127, 128, 40000, 3000000000};
    static const std::vector<double> kFloats = {0.0, -0.0, 0.5, 1.0, -2.25, 1e9, 1e300, 0.1};
    if (chance(4)) return expr::null_literal();
    return chance(60) ? expr::literal(pick(kIntegers)) : expr::literal(pick(kFloats));
  }
  expr::NodePtr text_literal() {
    static const std::vector<std::string> kTexts = {"", "a", "b", "x", "zone", "longer than twelve bytes", "ä", "%"};
    return chance(4) ? expr::null_literal() : expr::literal(pick(kTexts));
  }

  expr::NodePtr number(const arrow::Schema& schema, int depth) {
    static const std::vector<std::string> kSafe = {"div"};
    static const std::vector<std::string> kAny = {"add", "sub", "mul", "div", "floor_div", "mod"};
    const auto leaf = column_or(schema, Kind::kNumber, number_literal());
    if (depth == 0 || chance(30)) return leaf;
    if (chance(15)) return expr::call("coalesce", {leaf, number(schema, depth - 1)});
    if (chance(15)) return expr::call("case", {truth(schema, depth - 1), number(schema, depth - 1), number(schema, depth - 1)});
    return expr::call(pick(may_fail_ ? kAny : kSafe), {number(schema, depth - 1), number(schema, depth - 1)});
  }
  expr::NodePtr text(const arrow::Schema& schema, int depth) {
    const auto leaf = column_or(schema, Kind::kText, text_literal());
    if (depth == 0 || chance(50)) return leaf;
    if (chance(40)) return expr::call("coalesce", {leaf, text(schema, depth - 1)});
    return expr::call("case", {truth(schema, depth - 1), leaf, text_literal()});
  }
  expr::NodePtr truth(const arrow::Schema& schema, int depth) {
    static const std::vector<std::string> kCompare = {"eq", "ne", "lt", "le", "gt", "ge"};
    if (depth > 0 && chance(35)) return expr::call(chance(50) ? "and" : "or", {truth(schema, depth - 1), truth(schema, depth - 1)});
    if (depth > 0 && chance(10)) return expr::call("not", {truth(schema, depth - 1)});
    if (chance(10)) return column_or(schema, Kind::kBool, expr::literal(chance(50)));
    if (chance(15) && schema.num_fields() > 0) {
      const auto& name = schema.field(static_cast<int>(below(schema.num_fields())))->name();
      return expr::call(chance(50) ? "is_null" : "is_not_null", {expr::column(name)});
    }
    const Kind kind = chance(70) ? Kind::kNumber : Kind::kText;
    const int inner = std::max(depth - 1, 0);
    return expr::call(pick(kCompare), {expression(schema, kind, inner), expression(schema, kind, inner)});
  }

  // Refuses what may fail where that is not wanted.
  bool allowed(const expr::NodePtr& e, const arrow::Schema& schema) {
    if (may_fail_) return true;
    const auto f = expr::fallible(e, schema);
    return f.ok() && !*f;
  }
  Step checked(const PlanPtr& p, const std::vector<expr::NodePtr>& exprs, const std::function<Step()>& make) {
    for (const auto& e : exprs) {
      if (!allowed(e, *p->schema)) return arrow::Status::Invalid("may fail");
    }
    return make();
  }

  expr::NodePtr any(const arrow::Schema& schema) {
    static const std::vector<Kind> kKinds = {Kind::kNumber, Kind::kNumber, Kind::kBool, Kind::kText};
    return expression(schema, pick(kKinds));
  }

  Step step(const PlanPtr& p) {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: return filter(p);
      case 4: return project(p);
      case 12:
      case 13: return with_columns(p);
      case 11: return join(p);
      case 5: return aggregate(p);
      case 6: return sort(p);
      case 7: return make_limit(p, chance(30) ? static_cast<int64_t>(below(20)) : 0, chance(10) ? -1 : static_cast<int64_t>(below(200)));
      case 8: return join(p);
      case 9: return unite(p);
      case 10: return explode(p);
      case 15: return make_row_index(p, fresh(), static_cast<int64_t>(below(3)));
      default: return make_distinct(p, chance(50) ? some(keys(*p->schema), 2) : std::vector<std::string>{});
    }
  }

  // One column against something small: what rules like to move.
  expr::NodePtr plain_predicate(const arrow::Schema& schema) {
    const auto name = pick(schema.field_names());
    const auto column = expr::column(name);
    const auto& type = *schema.GetFieldByName(name)->type();
    if (is_kind(type, Kind::kNumber) && !chance(20))
      return expr::call(chance(50) ? "gt" : "le", {column, expr::literal(static_cast<int64_t>(below(4)))});
    if (is_kind(type, Kind::kText) && !chance(20))
      return expr::call(chance(50) ? "ge" : "ne", {column, expr::literal(std::string_view("b"))});
    return expr::call(chance(30) ? "is_null" : "is_not_null", {column});
  }
  Step filter(const PlanPtr& p) {
    auto e = chance(60) && p->schema->num_fields() > 0 ? plain_predicate(*p->schema) : truth(*p->schema, 2);
    if (chance(30) && p->schema->num_fields() > 0) e = expr::call("and", {e, plain_predicate(*p->schema)});
    return checked(p, {e}, [&] { return make_filter(p, e); });
  }
  Step project(const PlanPtr& p) {
    std::vector<expr::NodePtr> outputs;
    for (const std::string& n : some(p->schema->field_names(), 6)) outputs.push_back(expr::column(n));
    for (uint64_t i = below(3); i > 0; --i) outputs.push_back(expr::alias(any(*p->schema), fresh()));
    return checked(p, outputs, [&] { return make_project(p, outputs); });
  }
  Step with_columns(const PlanPtr& p) {
    const bool replace = chance(40) && p->schema->num_fields() > 0;
    const auto e = expr::alias(chance(40) ? number(*p->schema, 1) : any(*p->schema),
                               replace ? p->schema->field(static_cast<int>(below(p->schema->num_fields())))->name() : fresh());
    return checked(p, {e}, [&] { return make_with_columns(p, {e}); });
  }
  expr::NodePtr aggregate_of(const arrow::Schema& schema) {
    static const std::vector<std::string> kNumeric = {"sum", "mean", "min", "max", "count", "var", "std", "first", "last"};
    static const std::vector<std::string> kOther = {"min", "max", "count", "first", "last"};
    if (chance(15)) return expr::aggregate("count", {});
    const bool numeric = chance(75);
    const auto argument = numeric ? number(schema, 1) : column_or(schema, Kind::kText, text_literal());
    return expr::aggregate(pick(numeric ? kNumeric : kOther), {argument}, {}, chance(15) ? truth(schema, 1) : nullptr);
  }
  Step aggregate(const PlanPtr& p) {
    std::vector<expr::NodePtr> by, aggregates;
    if (!chance(20)) {
      for (const std::string& n : some(keys(*p->schema), 2)) by.push_back(expr::column(n));
      if (chance(20)) by.push_back(expr::alias(any(*p->schema), fresh()));
    }
    for (uint64_t i = 1 + below(3); i > 0; --i) {
      auto a = aggregate_of(*p->schema);
      if (!may_fail_) {
        const auto fails = aggregate_fallible(a, *p->schema);
        if (!fails.ok() || *fails) continue;
      }
      if (chance(20)) a = expr::call("div", {a, expr::aggregate("count", {})});
      aggregates.push_back(expr::alias(a, fresh()));
    }
    if (by.empty() && aggregates.empty()) return arrow::Status::Invalid("nothing to aggregate");
    return checked(p, by, [&] { return make_aggregate(p, by, aggregates); });
  }
  Step sort(const PlanPtr& p) {
    std::vector<SortBy> by;
    std::vector<expr::NodePtr> exprs;
    for (const std::string& n : some(keys(*p->schema), 3)) by.push_back({expr::column(n), chance(50), chance(50)});
    if (chance(15)) by.push_back({number(*p->schema, 1), chance(50), chance(50)});
    for (const SortBy& k : by) exprs.push_back(k.expr);
    return checked(p, exprs, [&] { return make_sort(p, by); });
  }
  Step join(const PlanPtr& p) {
    static const std::vector<JoinKind> kKinds = {JoinKind::kInner, JoinKind::kLeft,  JoinKind::kSemi,
                                                 JoinKind::kAnti,  JoinKind::kRight, JoinKind::kFull};
    const PlanPtr& other = pick(inputs_);
    const auto left = keys(*p->schema), right = keys(*other->schema);
    const JoinKind kind = pick(kKinds);
    if (left.empty() || right.empty() || joins_ >= 2) return arrow::Status::Invalid("no keys");
    std::vector<expr::NodePtr> l, r;
    for (uint64_t i = 1 + below(2); i > 0; --i) {
      l.push_back(expr::column(pick(left)));
      r.push_back(expr::column(pick(right)));
    }
    const bool same = l.size() == 1 && l[0]->name == r[0]->name;
    const std::string suffix = "_r" + std::to_string(names_++);
    Step joined = arrow::Status::Invalid("no join");
    if (chance(15)) {
      AsofMatch match{
          l[0], r[0], pick<AsofStrategy>({AsofStrategy::kBackward, AsofStrategy::kForward, AsofStrategy::kNearest}), chance(70), {}};
      joined = make_asof_join(p, other, match, {l.begin() + 1, l.end()}, {r.begin() + 1, r.end()}, same && chance(70), false, suffix);
    } else {
      expr::NodePtr condition;
      if (chance(25)) condition = pair_condition_over(*p->schema, *other->schema, suffix);
      joined = make_join(p, other, kind, l, r, same && chance(70), chance(20), suffix, condition);
    }
    if (!joined.ok()) return joined;
    if (!allowed_join(**joined)) return arrow::Status::Invalid("may fail");
    ++joins_;
    return joined;
  }
  // Truth over both sides, named as an inner join names them.
  expr::NodePtr pair_condition_over(const arrow::Schema& left, const arrow::Schema& right, const std::string& suffix) {
    arrow::FieldVector fields = left.fields();
    for (const auto& f : right.fields()) fields.push_back(left.GetFieldIndex(f->name()) < 0 ? f : f->WithName(f->name() + suffix));
    return truth(arrow::Schema(fields), 1);
  }
  // `plan` is the join, or a filter or projection over it.
  bool allowed_join(const Plan& plan) {
    if (may_fail_) return true;
    if (plan.kind == PlanKind::kFilter && !allowed(plan.predicate, *plan.inputs[0]->schema)) return false;
    if (plan.kind != PlanKind::kJoin) return allowed_join(*plan.inputs[0]);
    const auto fails = join_may_fail(plan);
    return fails.ok() && !*fails;
  }
  Step unite(const PlanPtr& p) {
    auto other = filter(p);
    if (!other.ok()) return other;
    std::vector<expr::NodePtr> turned;  // columns in another order: the union matches by name
    for (const auto& f : p->schema->fields()) turned.insert(turned.begin(), expr::column(f->name()));
    ARROW_ASSIGN_OR_RAISE(PlanPtr second, make_project(*other, turned));
    return make_union({p, second});
  }
  Step explode(const PlanPtr& p) {
    std::vector<std::string> lists;
    for (const auto& f : p->schema->fields()) {
      if (f->type()->id() == arrow::Type::LIST || f->type()->id() == arrow::Type::LARGE_LIST) lists.push_back(f->name());
    }
    if (lists.empty()) return arrow::Status::Invalid("no lists");
    return make_explode(p, {pick(lists)});
  }

  std::mt19937_64 rng_;
  std::vector<PlanPtr> inputs_;
  bool may_fail_;
  int names_ = 0, joins_ = 0;
};

}  // namespace gristmill::plan::testing
