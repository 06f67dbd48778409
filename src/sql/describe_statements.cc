// What there is and how it would be run: DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN.

#include <algorithm>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "sql/lower_select.h"
#include "sql/scope.h"
#include "sql/statements.h"

namespace gristmill::sqltext {
namespace {

std::string type_of(const arrow::Field& f) { return column::type_text(*column::canonical_type(f.type())); }

// Aggregates of a column of SUMMARIZE, in the order of its output columns behind name and type.
std::vector<Expr> statistics_of(const arrow::Field& f, size_t i) {
  const auto type = column::canonical_type(f.type());
  const Expr x = col(f.name());
  const Expr nothing(expr::null_literal());
  const bool number = column::is_numeric(*type);
  const bool nested = column::physical_unchecked(*type) == column::Physical::kNested || type->id() == arrow::Type::NA;
  std::vector<Expr> out = {nested ? nothing : x.min(),
                           nested ? nothing : x.max(),
                           nested ? nothing : x.approx_n_unique(),
                           number ? x.cast(arrow::float64()).mean() : nothing,
                           number ? x.cast(arrow::float64()).std() : nothing,
                           number ? x.cast(arrow::float64()).quantile(0.25) : nothing,
                           number ? x.cast(arrow::float64()).quantile(0.5) : nothing,
                           number ? x.cast(arrow::float64()).quantile(0.75) : nothing,
                           count(),
                           count() - x.count()};
  for (size_t k = 0; k < out.size(); ++k) out[k] = out[k].alias("c" + std::to_string(i) + "_" + std::to_string(k));
  return out;
}

constexpr const char* kStatistics[] = {"min", "max", "approx_unique", "mean", "std", "q25", "q50", "q75", "count", "nulls"};
constexpr size_t kTexts = 2;  // min and max are texts
constexpr size_t kFirstFloat = 3, kFirstCount = 8;

arrow::Result<std::shared_ptr<arrow::Array>> column_of(const arrow::Table& row, size_t columns, size_t k) {
  const auto type = k < kTexts ? arrow::utf8() : k >= kFirstFloat && k < kFirstCount ? arrow::float64() : arrow::int64();
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), type, &builder));
  for (size_t i = 0; i < columns; ++i) {
    const auto values = row.GetColumnByName("c" + std::to_string(i) + "_" + std::to_string(k));
    ARROW_ASSIGN_OR_RAISE(auto value, values->GetScalar(0));
    if (!value->is_valid) {
      ARROW_RETURN_NOT_OK(builder->AppendNull());
      continue;
    }
    if (!value->type->Equals(*type)) {
      ARROW_ASSIGN_OR_RAISE(value, value->CastTo(type));
    }
    ARROW_RETURN_NOT_OK(builder->AppendScalar(*value));
  }
  return builder->Finish();
}

}  // namespace

Outcome describe(const Frame& frame) {
  std::vector<std::string> names, types, nulls;
  if (!frame.plan().ok()) return Outcome{"DESCRIBE", frame, -1};
  for (const auto& f : (*frame.plan())->schema->fields()) {
    names.push_back(f->name());
    types.push_back(type_of(*f));
    nulls.emplace_back(f->nullable() ? "yes" : "no");
  }
  return Outcome{"DESCRIBE", text_table({"column_name", "column_type", "nullable"}, {names, types, nulls}), -1};
}

arrow::Result<Outcome> summarize(const Frame& frame, Work& work) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, frame.schema());
  std::vector<Expr> all;
  std::vector<std::string> names, types;
  for (size_t i = 0; i < static_cast<size_t>(schema->num_fields()); ++i) {
    const auto& f = *schema->field(static_cast<int>(i));
    names.push_back(f.name());
    types.push_back(type_of(f));
    for (Expr& e : statistics_of(f, i)) all.push_back(std::move(e));
  }
  // Least and greatest values are shown as texts, as casts write them.
  std::vector<Expr> as_text;
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t k = 0; k < kTexts; ++k) {
      const std::string name = "c" + std::to_string(i) + "_" + std::to_string(k);
      as_text.push_back(col(name).cast(arrow::utf8()).alias(name));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const Table made,
                        frame.select(std::move(all)).with_columns(std::move(as_text)).collect(work.catalog.options, work.cancel));
  ARROW_ASSIGN_OR_RAISE(const auto row, made.arrow());
  ARROW_ASSIGN_OR_RAISE(const Table head, text_table({"column_name", "column_type"}, {names, types}).collect());
  ARROW_ASSIGN_OR_RAISE(const auto described, head.arrow());
  arrow::FieldVector fields = described->schema()->fields();
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns = described->columns();
  for (size_t k = 0; k < std::size(kStatistics); ++k) {
    ARROW_ASSIGN_OR_RAISE(auto column, column_of(*row, names.size(), k));
    fields.push_back(arrow::field(kStatistics[k], column->type()));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(column)));
  }
  return Outcome{"SUMMARIZE", from_arrow(arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns))), -1};
}

arrow::Result<Outcome> show_tables(Work& work) {
  std::vector<std::string> names, kinds;
  const auto add = [&](const std::string& name, const char* kind) {
    const auto at = std::lower_bound(names.begin(), names.end(), name);
    kinds.insert(kinds.begin() + (at - names.begin()), kind);
    names.insert(at, name);
  };
  for (const auto& [name, t] : work.catalog.tables) add(name, "table");
  for (const auto& [name, v] : work.catalog.views) add(name, "view");
  for (const auto& [name, f] : work.input.tables) {
    if (std::find(names.begin(), names.end(), name) == names.end()) add(name, "frame");
  }
  return Outcome{"SHOW", text_table({"name", "kind"}, {names, kinds}), -1};
}

arrow::Result<Outcome> run_explain(const PgQuery__ExplainStmt& s, const std::shared_ptr<ParsedText>& text, Work& work) {
  bool analyze = false;
  for (size_t i = 0; i < s.n_options; ++i) {
    const PgQuery__DefElem& o = *s.options[i]->def_elem;
    const std::string name = o.defname;
    if (name == "analyze") {
      const PgQuery__Node* v = o.arg;
      analyze = !v || (v->node_case == PG_QUERY__NODE__NODE_STRING && !equal_ignoring_case(v->string->sval, "off") &&
                       !equal_ignoring_case(v->string->sval, "false"));
    } else if (name != "verbose" && name != "costs" && name != "timing") {
      return text->error("EXPLAIN has no option \"" + name + "\"; there is ANALYZE", o.location);
    }
  }
  const PgQuery__Node& n = *s.query;
  const bool select = n.node_case == PG_QUERY__NODE__NODE_SELECT_STMT;
  if (!select && n.node_case != PG_QUERY__NODE__NODE_EXECUTE_STMT) return base::plan_error("only queries can be explained");
  ARROW_ASSIGN_OR_RAISE(const Outcome query, run_node(n, text, work));
  if (!query.rows) return base::plan_error("only queries can be explained");
  std::string plan;
  if (analyze) {
    ARROW_ASSIGN_OR_RAISE(plan, query.rows->explain_analyze(work.catalog.options));
  } else {
    ARROW_ASSIGN_OR_RAISE(plan, query.rows->explain());
  }
  std::vector<std::string> lines;
  for (size_t at = 0; at < plan.size();) {
    const size_t end = std::min(plan.find('\n', at), plan.size());
    lines.push_back(plan.substr(at, end - at));
    at = end + 1;
  }
  return Outcome{"EXPLAIN", text_table({"plan"}, {lines}), -1};
}

}  // namespace gristmill::sqltext
