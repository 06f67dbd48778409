#include "job/steps/route.h"

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "expr/bind.h"
#include "job/evaluate_rows.h"
#include "job/steps/compute.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;

class RouteRows final : public Transform {
 public:
  explicit RouteRows(std::vector<RouteCondition> conditions) : conditions_(std::move(conditions)) {}
  std::string name() const override { return "split"; }

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    for (const RouteCondition& c : conditions_) {
      if (c.when.empty()) {
        predicates_.push_back(nullptr);
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(auto bound, predicate(c, *input));
      predicates_.push_back(std::move(bound));
    }
    arrow::FieldVector fields = input->fields();
    fields.push_back(arrow::field(kRouteColumn, arrow::int32(), false));
    return arrow::schema(std::move(fields));
  }

  std::vector<bool> needs(const std::vector<bool>& wanted) const override {
    std::vector<bool> out(wanted.begin(), wanted.end() - 1);
    for (const auto& p : predicates_) {
      if (p != nullptr) mark_inputs(*p, out);
    }
    return out;
  }

  arrow::Result<std::unique_ptr<StepLocal>> make_local(const StepContext& context) const override {
    return std::make_unique<RouteLocal>(context.pool());
  }

  arrow::Status process(column::Batch& batch, StepLocal& local, RowErrors& errors) const override {
    auto& l = local.as<RouteLocal>();
    ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_zeroed(batch.rows * static_cast<int64_t>(sizeof(int32_t)), l.pool));
    auto* numbers = reinterpret_cast<int32_t*>(buffer->mutable_data());
    column::Mask left = batch.selection.mask(batch.rows), taken(batch.rows, false);
    for (size_t k = 0; k < predicates_.size(); ++k) {
      column::Batch asked = batch;
      asked.selection = column::Selection::from_mask(left);
      if (asked.selection.empty(asked.rows)) break;
      if (predicates_[k] != nullptr) {
        Dropped dropped(errors, left);
        ARROW_RETURN_NOT_OK(l.evaluator.keep(predicates_[k], asked, dropped));
        if (dropped.first >= 0 && !errors.wants_all()) left = asked_below(left, dropped.first, batch.rows);
      }
      const column::Mask here = asked.selection.mask(asked.rows);
      for (size_t w = 0; w < here.words.size(); ++w) {
        taken.words[w] |= here.words[w];
        left.words[w] &= ~here.words[w];
      }
      for (const uint16_t i : asked.selection.indices(asked.rows)) numbers[i] = static_cast<int32_t>(k);
    }
    batch.selection = column::Selection::from_mask(std::move(taken));
    batch.columns.push_back(column::Column::flat(column::make_array(arrow::int32(), batch.rows, nullptr, 0, std::move(buffer))));
    return arrow::Status::OK();
  }

 private:
  struct RouteLocal final : StepLocal {
    explicit RouteLocal(arrow::MemoryPool* p) : evaluator(p), pool(p) {}
    RowEvaluator evaluator;
    arrow::MemoryPool* pool;
  };

  // Rows whose condition fails are no later condition's.
  struct Dropped final : RowErrors {
    Dropped(RowErrors& to, column::Mask& rows) : errors(to), left(rows) {}
    void reject(int64_t row, arrow::Status error) override {
      left.clear(row);
      if (first < 0 || row < first) first = row;
      errors.reject(row, std::move(error));
    }
    bool wants_all() const override { return errors.wants_all(); }
    RowErrors& errors;
    column::Mask& left;
    int64_t first = -1;
  };

  static column::Mask asked_below(const column::Mask& mask, int64_t row, int64_t rows) {
    return column::Selection::from_mask(mask).below(row, rows).mask(rows);
  }

  static arrow::Result<expr::BoundPtr> predicate(const RouteCondition& c, const arrow::Schema& input) {
    const auto at = [&](const arrow::Status& s) { return c.place ? c.place->at(s) : s; };
    auto node = parse_expression(c.when, input);
    if (!node.ok()) return at(node.status());
    auto bound = expr::bind(*node, input);
    if (!bound.ok()) return at(bound.status());
    if ((*bound)->type->id() != arrow::Type::BOOL) return at(base::plan_error("\"when\" must be true or false: " + c.when));
    return bound;
  }

  const std::vector<RouteCondition> conditions_;
  std::vector<expr::BoundPtr> predicates_;
};

}  // namespace

std::unique_ptr<Transform> make_route(std::vector<RouteCondition> conditions) { return std::make_unique<RouteRows>(std::move(conditions)); }

}  // namespace gristmill::job
