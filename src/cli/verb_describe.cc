// gristmill describe FILE...: one aggregation over all columns, turned on its side.
//
// A column gets those aggregates that its type has: whether it has one is asked of the engine, so that this never differs from it.

#include <map>

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "column/types.h"

namespace gristmill::cli {
namespace {

struct Measure {
  const char* name;
  Expr (*of)(const Expr& column);
};
const Measure kMeasures[] = {
    {"count", [](const Expr& e) { return e.count(); }}, {"min", [](const Expr& e) { return e.min(); }},
    {"max", [](const Expr& e) { return e.max(); }},     {"mean", [](const Expr& e) { return e.mean(); }},
    {"std", [](const Expr& e) { return e.std(); }},     {"p25", [](const Expr& e) { return e.quantile(0.25); }},
    {"p50", [](const Expr& e) { return e.median(); }},  {"p75", [](const Expr& e) { return e.quantile(0.75); }},
};

bool has_measure(const Frame& frame, const Expr& e) { return frame.select({e.alias("x")}).schema().ok(); }

// What was measured of one column; null where its type has no such thing.
using Measured = std::map<std::string, std::shared_ptr<arrow::Array>>;

class Rows {
 public:
  arrow::Status add(const arrow::Field& field, int64_t rows, const Measured& m) {
    ARROW_RETURN_NOT_OK(names_.Append(field.name()));
    ARROW_RETURN_NOT_OK(types_.Append(column::type_text(*column::canonical_type(field.type()))));
    int64_t count = 0;
    if (const auto found = m.find("count"); found != m.end()) count = static_cast<const arrow::Int64Array&>(*found->second).Value(0);
    ARROW_RETURN_NOT_OK(counts_.Append(count));
    ARROW_RETURN_NOT_OK(nulls_.Append(rows - count));
    ARROW_RETURN_NOT_OK(add_text(m, "min", least_));
    ARROW_RETURN_NOT_OK(add_text(m, "max", greatest_));
    for (Numbers& n : numbers_) ARROW_RETURN_NOT_OK(add_number(m, n));
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::Table>> finish() {
    std::vector<std::pair<const char*, arrow::ArrayBuilder*>> parts = {{"column", &names_}, {"type", &types_}, {"count", &counts_},
                                                                       {"nulls", &nulls_},  {"min", &least_},  {"max", &greatest_}};
    for (Numbers& n : numbers_) parts.emplace_back(n.measure, &n.values);
    arrow::FieldVector fields;
    arrow::ArrayVector columns;
    for (const auto& [name, builder] : parts) {
      fields.push_back(arrow::field(name, builder->type()));
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), builder->Finish());
    }
    return arrow::Table::Make(arrow::schema(std::move(fields)), columns);
  }

 private:
  static arrow::Status add_text(const Measured& m, const char* name, arrow::StringBuilder& to) {
    const auto found = m.find(name);
    if (found == m.end() || found->second->IsNull(0)) return to.AppendNull();
    return to.Append(value_text(*found->second, 0));
  }
  struct Numbers {
    const char* measure;
    arrow::DoubleBuilder values = arrow::DoubleBuilder();
  };
  static arrow::Status add_number(const Measured& m, Numbers& to) {
    const auto found = m.find(to.measure);
    if (found == m.end() || found->second->IsNull(0) || found->second->type_id() != arrow::Type::DOUBLE) return to.values.AppendNull();
    return to.values.Append(static_cast<const arrow::DoubleArray&>(*found->second).Value(0));
  }

  arrow::StringBuilder names_, types_, least_, greatest_;
  arrow::Int64Builder counts_, nulls_;
  Numbers numbers_[5] = {{"mean"}, {"std"}, {"p25"}, {"p50"}, {"p75"}};
};

}  // namespace

arrow::Status run_describe(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(const Frame frame, open_inputs(command.operands, command.format));
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  std::vector<Expr> exprs = {count().alias("rows")};
  std::vector<std::pair<int, const char*>> places;  // of the outputs behind the first
  for (int i = 0; i < schema->num_fields(); ++i) {
    for (const Measure& m : kMeasures) {
      const Expr e = m.of(col(schema->field(i)->name()));
      if (!has_measure(frame, e)) continue;
      exprs.push_back(e.alias(std::to_string(i) + m.name));
      places.emplace_back(i, m.name);
    }
  }
  ARROW_ASSIGN_OR_RAISE(const Table result, run_with_progress(frame.select(exprs), command));
  ARROW_ASSIGN_OR_RAISE(const auto table, result.arrow());
  std::vector<Measured> measured(static_cast<size_t>(schema->num_fields()));
  for (size_t k = 0; k < places.size(); ++k) {
    measured[static_cast<size_t>(places[k].first)][places[k].second] = table->column(static_cast<int>(k) + 1)->chunk(0);
  }
  const int64_t rows = static_cast<const arrow::Int64Array&>(*table->column(0)->chunk(0)).Value(0);
  Rows out;
  for (int i = 0; i < schema->num_fields(); ++i) ARROW_RETURN_NOT_OK(out.add(*schema->field(i), rows, measured[static_cast<size_t>(i)]));
  ARROW_ASSIGN_OR_RAISE(const auto described, out.finish());
  Command all = command;
  all.limit = schema->num_fields();
  return print_rows(from_arrow(described), all);
}

}  // namespace gristmill::cli
