// SQL expressions to expression nodes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "expr/node.h"
#include "sql/parse.h"
#include "sql/row_values.h"
#include "sql/scope.h"

namespace gristmill::sqltext {

using NamedWindows = std::map<std::string, const PgQuery__WindowDef*>;  // window.h

class ExpressionLowering {
 public:
  // `windows`: what OVER may name; it must outlive this.
  ExpressionLowering(const ParsedText& text, const Scope& scope, const NamedWindows* windows = nullptr)
      : text_(text), scope_(scope), windows_(windows) {}

  arrow::Result<expr::NodePtr> lower(const PgQuery__Node& n) const;
  const Scope& scope() const { return scope_; }
  // PostgreSQL's name for an output column without alias.
  static std::string output_name(const PgQuery__Node& n);

 private:
  arrow::Result<expr::NodePtr> lower_indirection(const PgQuery__AIndirection& a) const;
  arrow::Result<expr::NodePtr> lower_operator(const PgQuery__AExpr& e) const;
  arrow::Result<expr::NodePtr> lower_pattern(const PgQuery__AExpr& e, bool not_it) const;
  arrow::Result<expr::NodePtr> lower_function(const PgQuery__FuncCall& f) const;
  arrow::Result<expr::NodePtr> lower_ignoring_nulls(const PgQuery__FuncCall& f, const std::string& name) const;
  arrow::Result<expr::NodePtr> lower_windowed(const PgQuery__FuncCall& f, const std::string& name) const;
  arrow::Result<expr::NodePtr> lower_case(const PgQuery__CaseExpr& c) const;
  arrow::Result<expr::NodePtr> lower_cast(const PgQuery__TypeCast& c, bool lenient = false) const;
  arrow::Result<expr::NodePtr> lower_interval(const PgQuery__Node& n, int location) const;
  arrow::Result<Row> lower_row(const PgQuery__Node& n) const;
  arrow::Result<expr::NodePtr> lower_row_operator(const PgQuery__AExpr& e, const std::string& op) const;
  arrow::Result<expr::NodePtr> date_plus_interval(const PgQuery__AExpr& e, bool minus) const;
  arrow::Result<std::vector<expr::NodePtr>> lower_all(PgQuery__Node* const* nodes, size_t n) const;

  const ParsedText& text_;
  const Scope& scope_;
  const NamedWindows* windows_;
};

// PostgreSQL's type names (as the grammar spells them) to the engine's.
arrow::Result<std::shared_ptr<arrow::DataType>> sql_type(const PgQuery__TypeName& t);
arrow::Result<expr::NodePtr> lower_constant(const PgQuery__AConst& c, const ParsedText& text);

}  // namespace gristmill::sqltext
