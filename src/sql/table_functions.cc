// A series of constants is a scan that makes its numbers; anything that depends on a row is a list of that row, taken apart.

#include "sql/table_functions.h"

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "sql/lower_expr.h"
#include "sql/series.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

NodePtr length_of(const NodePtr& list) { return expr::call("coalesce", {expr::call("list.length", {list}), expr::literal(int64_t{0})}); }

}  // namespace

std::string function_name(const PgQuery__FuncCall& f) {
  return f.n_funcname > 0 && f.funcname[f.n_funcname - 1]->node_case == PG_QUERY__NODE__NODE_STRING
             ? f.funcname[f.n_funcname - 1]->string->sval
             : "";
}

arrow::Result<std::vector<const PgQuery__FuncCall*>> calls_of(const PgQuery__RangeFunction& f, const ParsedText& text) {
  std::vector<const PgQuery__FuncCall*> out;
  if (f.n_coldeflist > 0) return text.error("a list of column definitions is not supported", -1);
  for (size_t i = 0; i < f.n_functions; ++i) {
    const PgQuery__List& parts = *f.functions[i]->list;
    if (parts.n_items == 0 || parts.items[0]->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
      return text.error("this function cannot stand in FROM", -1);
    out.push_back(parts.items[0]->func_call);
  }
  return out;
}

arrow::Result<std::optional<Query>> constant_table(const PgQuery__FuncCall& f, const ParsedText& text) {
  const std::string name = function_name(f);
  ARROW_ASSIGN_OR_RAISE(const auto files, read_files(f, name, text));
  if (files) return query_over(*files);
  if (name != "generate_series" && name != "range") return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto series, constant_series(f, name == "range", text));
  if (!series) return std::nullopt;
  Query out = query_over(std::move(*series));
  out.names = {name};
  return out;
}

arrow::Result<std::vector<NodePtr>> lists_of(const PgQuery__FuncCall& f, const LowerArgument& lower, const ParsedText& text) {
  const std::string name = function_name(f);
  std::vector<NodePtr> args;
  for (size_t i = 0; i < f.n_args; ++i) {
    ARROW_ASSIGN_OR_RAISE(NodePtr a, lower(*f.args[i]));
    args.push_back(std::move(a));
  }
  if (name == "unnest") {
    if (args.empty()) return text.error("unnest takes lists", f.location);
    return args;
  }
  if (name != "generate_series" && name != "range") {
    return text.error(
        "no function \"" + name + "\" that gives a table" +
            base::suggest_name(name, {"generate_series", "range", "unnest", "read_csv", "read_parquet", "read_json", "read_ipc"}),
        f.location);
  }
  if (args.empty() || args.size() > 3) return text.error(name + " takes a first number, a last one and a step", f.location);
  const NodePtr step = args.size() == 3 ? args[2] : expr::literal(int64_t{1});
  const NodePtr start = args.size() == 1 ? expr::literal(int64_t{0}) : args[0];
  NodePtr stop = args.size() == 1 ? args[0] : args[1];
  if (name == "range") stop = expr::call("sub", {stop, expr::call("sign", {step})});  // its end is not part of it
  return std::vector<NodePtr>{expr::call("list.range", {start, expr::cast(stop, arrow::int64()), step})};
}

arrow::Result<Unnested> unnest(plan::PlanPtr input, const std::vector<NodePtr>& lists, bool ordinality, bool keep_empty) {
  Unnested out;
  auto taken = input->schema->field_names();
  const std::vector<std::string> before = taken;
  std::vector<NodePtr> outputs;
  for (const std::string& c : before) outputs.push_back(expr::column(c));
  for (const NodePtr& l : lists) {
    out.columns.push_back(fresh_name("unnest", taken));
    outputs.push_back(expr::alias(l, out.columns.back()));
  }
  ARROW_ASSIGN_OR_RAISE(auto plan, plan::make_project(std::move(input), std::move(outputs)));
  for (const std::string& c : out.columns) {
    const auto type = column::canonical_type(plan->schema->GetFieldByName(c)->type());
    if (type->id() != arrow::Type::LIST && type->id() != arrow::Type::LARGE_LIST)
      return base::plan_error("unnest takes lists, not " + column::type_text(*type));
  }
  NodePtr length = length_of(expr::column(out.columns[0]));
  if (lists.size() > 1) {
    std::vector<NodePtr> lengths;
    for (const std::string& c : out.columns) lengths.push_back(length_of(expr::column(c)));
    length = expr::call("greatest", std::move(lengths));
  }
  if (!keep_empty) {
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_filter(plan, expr::call("gt", {length, expr::literal(int64_t{0})})));
  }
  if (lists.size() > 1 || ordinality) {
    outputs.clear();
    for (const std::string& c : before) outputs.push_back(expr::column(c));
    const auto nothing = [](const std::shared_ptr<arrow::DataType>& type) { return expr::cast(expr::null_literal(), type); };
    for (const std::string& c : out.columns) {
      const auto type = column::canonical_type(plan->schema->GetFieldByName(c)->type());
      // A NULL list is as long as the others, all NULL.
      NodePtr list = expr::column(c);
      if (lists.size() > 1)
        list =
            expr::call("list.resize", {expr::call("coalesce", {list, expr::call("list.pack", {nothing(type->field(0)->type())})}), length});
      if (lists.size() > 1) {
        list = expr::call("case", {expr::call("gt", {length, expr::literal(int64_t{0})}), list});
      }
      outputs.push_back(expr::alias(std::move(list), c));
    }
    if (ordinality) {
      const NodePtr one = expr::literal(int64_t{1});
      NodePtr numbers = expr::call("list.range", {one, expr::cast(length, arrow::int64()), one});
      out.columns.push_back(fresh_name("ordinality", taken));
      outputs.push_back(expr::alias(std::move(numbers), out.columns.back()));
    }
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(outputs)));
  }
  ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_explode(plan, out.columns));
  return out;
}

}  // namespace gristmill::sqltext
