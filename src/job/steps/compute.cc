// Steps of SQL expressions: compute adds or replaces columns, filter keeps rows.
//
// All expressions of one step see the columns that come in, not each other's results, as in a select list.

#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/node.h"
#include "job/evaluate_rows.h"
#include "job/steps/compute.h"
#include "job/steps/kinds.h"
#include "plan/expressions.h"

namespace gristmill::job {

arrow::Result<std::shared_ptr<arrow::Schema>> ComputedColumns::bind(const arrow::Schema& input, const std::vector<Column>& columns) {
  arrow::FieldVector fields = input.fields();
  came_ = fields.size();
  for (const Column& c : columns) {
    ARROW_ASSIGN_OR_RAISE(expr::BoundPtr bound, expr::bind(c.node, input));
    auto field = arrow::field(c.name, c.type ? c.type : plan::border_type(bound->type));
    const int at = input.GetFieldIndex(c.name);
    if (at >= 0) {
      fields[static_cast<size_t>(at)] = std::move(field);
      places_.push_back(at);
    } else {
      places_.push_back(static_cast<int>(fields.size()));
      fields.push_back(std::move(field));
    }
    fallible_ |= bound->fallible;
    expressions_.push_back(std::move(bound));
  }
  return arrow::schema(std::move(fields));
}

void mark_inputs(const expr::Bound& e, std::vector<bool>& used) {
  if (e.kind == expr::BoundKind::kInput) used[static_cast<size_t>(e.input)] = true;
  for (const auto& a : e.args) mark_inputs(*a, used);
}

// A computation that can fail is done for every row, wanted or not.
std::vector<bool> ComputedColumns::needs(const std::vector<bool>& wanted) const {
  std::vector<bool> out(wanted.begin(), wanted.begin() + static_cast<int64_t>(came_));
  for (const int place : places_) {
    if (static_cast<size_t>(place) < came_) out[static_cast<size_t>(place)] = false;
  }
  for (size_t i = 0; i < expressions_.size(); ++i) {
    if (wanted[static_cast<size_t>(places_[i])] || expressions_[i]->fallible) mark_inputs(*expressions_[i], out);
  }
  return out;
}

arrow::Status ComputedColumns::process(column::Batch& batch, RowEvaluator& evaluator, RowErrors& errors) const {
  ARROW_ASSIGN_OR_RAISE(std::vector<column::Column> made, evaluator.evaluate(expressions_, batch, errors));
  for (size_t i = 0; i < made.size(); ++i) {
    const auto at = static_cast<size_t>(places_[i]);
    if (at < batch.columns.size()) {
      batch.columns[at] = std::move(made[i]);
    } else {
      batch.columns.push_back(std::move(made[i]));
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Schema>> ComputedStep::bind(const std::shared_ptr<arrow::Schema>& input) {
  ARROW_ASSIGN_OR_RAISE(const auto wanted, columns(*input));
  auto out = computed_.bind(*input, wanted);
  return out.ok() ? out : arrow::Result<std::shared_ptr<arrow::Schema>>(settings_.at(out.status()));
}

arrow::Result<std::unique_ptr<StepLocal>> ComputedStep::make_local(const StepContext& context) const {
  return std::make_unique<RowEvaluator>(context.pool());
}

arrow::Status ComputedStep::process(column::Batch& batch, StepLocal& local, RowErrors& errors) const {
  return computed_.process(batch, local.as<RowEvaluator>(), errors);
}

std::string ComputedStep::named(const std::string& kind) const {
  std::string out = kind;
  for (const auto& [name, value] : settings_.own_names()) out += (out.size() == kind.size() ? " " : ", ") + name;
  return out;
}

namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;

class Compute final : public ComputedStep {
 public:
  using ComputedStep::ComputedStep;
  std::string name() const override { return named("compute"); }

 protected:
  arrow::Result<std::vector<ComputedColumns::Column>> columns(const arrow::Schema& input) const override {
    std::vector<ComputedColumns::Column> columns;
    for (const auto& [name, text] : settings_.own_names()) {
      auto node = parse_expression(text, input);
      if (!node.ok()) return settings_.at(node.status());
      columns.push_back({name, std::move(*node), nullptr});
    }
    return columns;
  }
};

class FilterRows final : public Transform {
 public:
  explicit FilterRows(const Settings& settings) : settings_(settings) {}
  std::string name() const override { return "filter " + settings_.own_text(); }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    auto node = parse_expression(settings_.own_text(), *input);
    if (!node.ok()) return settings_.at(node.status());
    auto bound = expr::bind(*node, *input);
    if (!bound.ok()) return settings_.at(bound.status());
    const auto id = (*bound)->type->id();
    if (id != arrow::Type::BOOL) {
      return settings_.error("a filter must be true or false; this is " + column::type_text(*(*bound)->type), "compare it with something");
    }
    predicate_ = std::move(*bound);
    return input;
  }

  arrow::Result<std::unique_ptr<StepLocal>> make_local(const StepContext& context) const override {
    return std::make_unique<RowEvaluator>(context.pool());
  }
  arrow::Status process(column::Batch& batch, StepLocal& local, RowErrors& errors) const override {
    return local.as<RowEvaluator>().keep(predicate_, batch, errors);
  }
  std::vector<bool> needs(const std::vector<bool>& wanted) const override {
    std::vector<bool> out = wanted;
    mark_inputs(*predicate_, out);
    return out;
  }
  bool may_reject() const override { return predicate_->fallible; }

 private:
  const Settings settings_;
  expr::BoundPtr predicate_;
};

}  // namespace

TransformKind compute_kind() {
  return {{.name = "compute", .kind = ValueKind::kNames, .help = "Adds columns, or replaces them, by SQL expressions: `name: expression`."},
          "compute: {squared: \"value * value\", root: \"sqrt(value)\"}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<Compute>(s); }};
}

TransformKind filter_kind() {
  return {{.name = "filter", .kind = ValueKind::kText, .help = "Keeps the rows for which an SQL expression is true.", .required = true},
          "filter: \"value > 0\"",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Transform>> { return std::make_unique<FilterRows>(s); }};
}

}  // namespace gristmill::job
