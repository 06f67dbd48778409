// Names become positions, calls find their function, arguments get the casts the function asked for, and
// constants are computed once.
//
// A constant subtree that fails stays a call: it then fails only if a selected row needs it.

#include "expr/bind.h"

#include <algorithm>
#include <atomic>

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/cast.h"
#include "expr/evaluate.h"
#include "expr/membership.h"
#include "expr/registry.h"
#include "expr/user_function.h"

namespace gristmill::expr {
namespace {

using column::TypePtr;

struct Part {
  BoundPtr bound;
  bool untyped = false;  // a literal, or computed from such only
};

uint64_t next_serial() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

arrow::Result<BoundPtr> constant_of(std::shared_ptr<arrow::Scalar> value, const TypePtr& type, std::string label) {
  auto b = std::make_shared<Bound>();
  b->kind = BoundKind::kConstant;
  b->type = type;
  b->nullable = !value->is_valid;
  b->label = std::move(label);
  b->serial = next_serial();
  if (value->is_valid) {
    ARROW_ASSIGN_OR_RAISE(b->constant, column::constant_of(*value, arrow::default_memory_pool()));
  } else {
    ARROW_ASSIGN_OR_RAISE(b->constant, column::null_column(type, arrow::default_memory_pool()));
  }
  ARROW_ASSIGN_OR_RAISE(b->value, arrow::MakeArray(b->constant.values)->GetScalar(0));
  return b;
}

void note_inputs(Bound& b) {
  constexpr int kSeveral = -2;
  int sole = -1;
  for (const BoundPtr& a : b.args) {
    const int below = a->kind == BoundKind::kInput ? a->input : a->kind == BoundKind::kConstant ? -1 : a->sole_input;
    const bool reads_several =
        a->kind == BoundKind::kCall && a->sole_input < 0 &&
        std::any_of(a->args.begin(), a->args.end(), [](const BoundPtr& x) { return x->kind != BoundKind::kConstant; });
    if (reads_several || (below >= 0 && sole >= 0 && below != sole)) sole = kSeveral;
    if (sole != kSeveral && below >= 0) sole = below;
  }
  b.sole_input = sole < 0 ? -1 : sole;
}

bool holds_map(const arrow::DataType& t) {
  return t.id() == arrow::Type::MAP ||
         std::any_of(t.fields().begin(), t.fields().end(), [](const auto& f) { return holds_map(*f->type()); });
}

// Computed now if it can be; a failing or non-deterministic constant stays as it is, and a map, which Arrow's scalars lose.
arrow::Result<BoundPtr> folded(std::shared_ptr<Bound> b) {
  const bool constant = std::all_of(b->args.begin(), b->args.end(), [](const BoundPtr& a) { return a->kind == BoundKind::kConstant; });
  const bool of_user = b->function && b->function->run == user_function_entry(true).run;  // planning calls nobody's code
  if (!constant || of_user || !b->deterministic || holds_map(*b->type)) return b;
  Evaluator evaluator(arrow::default_memory_pool());
  column::Batch one;
  one.rows = 1;
  auto value = evaluator.evaluate(*b, one);
  if (!value.ok()) return b->fallible ? arrow::Result<BoundPtr>(b) : value.status();
  ARROW_ASSIGN_OR_RAISE(auto flat, column::flatten(*value, 1, arrow::default_memory_pool()));
  ARROW_ASSIGN_OR_RAISE(auto scalar, arrow::MakeArray(flat.values)->GetScalar(0));
  return constant_of(std::move(scalar), b->type, b->label);
}

arrow::Result<BoundPtr> make_call(const Function& f, Signature s, std::vector<BoundPtr> args, std::string label) {
  auto b = std::make_shared<Bound>();
  b->kind = BoundKind::kCall;
  b->type = std::move(s.type);
  b->function = &f;
  b->state = std::move(s.state);
  b->args = std::move(args);
  b->label = std::move(label);
  b->serial = next_serial();
  b->fallible = s.fallible;
  b->deterministic = f.deterministic;
  b->nullable = s.introduces_nulls;
  for (const BoundPtr& a : b->args) {
    b->fallible |= a->fallible;
    b->deterministic &= a->deterministic;
    b->nullable |= a->nullable && f.nulls == NullRule::kPropagate;
  }
  note_inputs(*b);
  return folded(std::move(b));
}

class Binder {
 public:
  explicit Binder(const arrow::Schema& input) : input_(input) {}

  arrow::Result<Part> bind(const NodePtr& n) {
    switch (n->kind) {
      case NodeKind::kColumn: return bind_column(*n);
      case NodeKind::kLiteral: return bind_literal(*n);
      case NodeKind::kCall: return bind_call(*n);
      case NodeKind::kAlias: return bind(n->args[0]);
      case NodeKind::kCast: return bind_cast_node(*n);
      case NodeKind::kAggregate:
        return base::plan_error("the aggregate " + text(*n) + " cannot stand here",
                                "aggregates belong in group_by().agg() or in select() of a whole frame");
      case NodeKind::kWindow:
        return base::plan_error("the window function " + text(*n) + " cannot stand here",
                                "compute it with select() or with_columns() first");
    }
    return base::internal_error("an expression of unknown kind");
  }

 private:
  arrow::Result<Part> bind_column(const Node& n) {
    const std::vector<int> found = input_.GetAllFieldIndices(n.name);
    if (found.empty()) return base::plan_error("no column \"" + n.name + "\"" + base::suggest_name(n.name, input_.field_names()));
    if (found.size() > 1)
      return base::plan_error("the name \"" + n.name + "\" is ambiguous: " + std::to_string(found.size()) + " columns have it");
    const arrow::Field& field = *input_.field(found[0]);
    auto b = std::make_shared<Bound>();
    b->type = column::canonical_type(field.type());
    ARROW_RETURN_NOT_OK(column::physical_of(*b->type));
    b->input = found[0];
    b->sole_input = found[0];
    b->nullable = field.nullable();
    b->label = n.name;
    b->serial = next_serial();
    return Part{std::move(b), false};
  }

  arrow::Result<Part> bind_literal(const Node& n) {
    ARROW_ASSIGN_OR_RAISE(BoundPtr b, constant_of(n.value, column::canonical_type(n.value->type), text(n)));
    return Part{std::move(b), n.untyped};
  }

  arrow::Result<Part> bind_call(const Node& n) {
    const UserFunctionPtr user = n.user ? n.user : find_function(n.name) ? nullptr : find_user_function(n.name);
    const Function* f = user ? &user_function_entry(user->deterministic()) : find_function(n.name);
    if (!f) return unknown_function(n.name);
    std::vector<ArgumentInfo> infos;
    std::vector<BoundPtr> args;
    bool untyped = !n.args.empty();
    for (const NodePtr& a : n.args) {
      ARROW_ASSIGN_OR_RAISE(Part p, bind(a));
      infos.push_back({p.bound->type, p.bound->kind == BoundKind::kConstant ? p.bound->value : nullptr, p.untyped});
      args.push_back(std::move(p.bound));
      untyped &= infos.back().untyped_literal;
    }
    ARROW_ASSIGN_OR_RAISE(Signature s, user ? bind_user_function(user, infos) : f->bind(infos, n.options));
    for (size_t i = 0; i < s.casts.size(); ++i) {
      if (!s.casts[i] || s.casts[i]->Equals(*args[i]->type)) continue;
      ARROW_ASSIGN_OR_RAISE(args[i], expr::bind_cast(args[i], s.casts[i]));
      if (infos[i].untyped_literal && args[i]->kind != BoundKind::kConstant) {
        return base::plan_error("cannot read " + args[i]->args[0]->label + " as " + column::type_text(*s.casts[i]) + " in " + text(n));
      }
    }
    if (f->special == Special::kIsIn) s.state = MemberSet::of_constants(args);
    ARROW_ASSIGN_OR_RAISE(BoundPtr b, make_call(*f, std::move(s), std::move(args), text(n)));
    untyped &= b->kind == BoundKind::kConstant && !b->type->Equals(*arrow::boolean());
    return Part{std::move(b), untyped};
  }

  arrow::Result<Part> bind_cast_node(const Node& n) {
    ARROW_ASSIGN_OR_RAISE(Part p, bind(n.args[0]));
    const bool round = std::any_of(n.options.begin(), n.options.end(), [](const Option& o) {
      return o.name == "round" && o.value->is_valid && o.value->type->id() == arrow::Type::BOOL &&
             static_cast<const arrow::BooleanScalar&>(*o.value).value;
    });
    const TypePtr to = column::canonical_type(n.type);
    ARROW_RETURN_NOT_OK(column::physical_of(*to));
    ARROW_ASSIGN_OR_RAISE(BoundPtr b, expr::bind_cast(p.bound, to, n.lenient, round));
    return Part{std::move(b), false};
  }

  static arrow::Status unknown_function(const std::string& name) {
    std::vector<std::string> known;
    for (const Function* f : all_functions()) known.push_back(f->name);
    return base::plan_error("no function \"" + name + "\"" + base::suggest_name(name, known));
  }

  const arrow::Schema& input_;
};

}  // namespace

arrow::Result<BoundPtr> bind(const NodePtr& n, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(Part p, Binder(input).bind(n));
  return std::move(p.bound);
}

arrow::Result<BoundPtr> bind_cast(BoundPtr x, const TypePtr& to, bool lenient, bool round) {
  if (x->type->Equals(*to)) return x;
  ARROW_ASSIGN_OR_RAISE(Signature s, prepare_cast(x->type, to, lenient, round));
  std::string label = std::string(lenient ? "try_cast(" : "cast(") + x->label + " as " + column::type_text(*to) + ")";
  return make_call(cast_function(lenient), std::move(s), {std::move(x)}, std::move(label));
}

arrow::Result<TypePtr> type_of(const NodePtr& n, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(BoundPtr b, bind(n, input));
  return b->type;
}

arrow::Result<bool> fallible(const NodePtr& n, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(BoundPtr b, bind(n, input));
  return b->fallible;
}

}  // namespace gristmill::expr
