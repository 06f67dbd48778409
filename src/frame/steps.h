// What the files that build plans for frames share: a step on a frame without error, nodes of many expressions, names nobody uses.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <arrow/type.h>

#include "expr/node.h"
#include "gristmill/frame.h"
#include "plan/logical.h"

namespace gristmill::frame {

// `step` on the plan of a frame that has no error yet.
template <typename F>
Frame then(const Frame& frame, F step) {
  const arrow::Result<plan::PlanPtr>& before = frame.plan();
  return Frame(before.ok() ? step(*before) : before);
}

inline std::vector<expr::NodePtr> nodes_of(const std::vector<Expr>& exprs) {
  std::vector<expr::NodePtr> out;
  for (const Expr& e : exprs) out.push_back(e.node());
  return out;
}

inline std::vector<expr::NodePtr> columns_of(const std::vector<std::string>& names) {
  std::vector<expr::NodePtr> out;
  for (const std::string& n : names) out.push_back(expr::column(n));
  return out;
}

// A name that no column of the schema has.
inline std::string unused_name(const arrow::Schema& schema, std::string name) {
  while (!schema.GetAllFieldIndices(name).empty()) name += '_';
  return name;
}

}  // namespace gristmill::frame
