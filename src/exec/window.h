// Window functions: the input's rows in their order, with a column more for each function.
//
// In memory rows stay where they are: each ordering is a permutation, results are written by row. Rows that went to disk are sorted
// by one ordering after the other, each pass adding its functions' columns, and last by their place in the input.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/breaker.h"
#include "expr/window.h"

namespace gristmill::exec {

struct WindowSpec {
  std::vector<expr::BoundWindow> functions;
  std::vector<column::TypePtr> types;  // of the input's columns
  std::string label;
};

// One pass over rows on disk: `source` in one ordering, through `through`, which fills `into`, then the phases. Only when spilled().
struct WindowPass {
  std::shared_ptr<Source> source;
  std::shared_ptr<OrderedSink> through;
  std::vector<std::shared_ptr<Phase>> phases;
};

class WindowOperator {
 public:
  virtual ~WindowOperator() = default;
  // The input, and the source of the result when the rows stayed in memory.
  virtual Breaker memory() = 0;
  virtual bool spilled() const = 0;  // known once the first phase has run
  virtual const std::vector<WindowPass>& passes() = 0;
  virtual std::shared_ptr<Source> source_from_disk() = 0;
};

arrow::Result<std::shared_ptr<WindowOperator>> make_window(WindowSpec spec, const QueryContext& context);

}  // namespace gristmill::exec
