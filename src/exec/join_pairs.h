// Checks a join's residual on pairs of rows with equal keys, some at a time, in the order of the probe rows and of each row's matches.
//
// A residual that can fail is computed for all pairs of a batch before the first one is handed on; the error's batch_row is the
// probe row of the first failing pair.
#pragma once

#include <functional>
#include <vector>

#include "base/cancellation.h"
#include "exec/join_marks.h"
#include "exec/join_shape.h"
#include "exec/join_table.h"
#include "expr/evaluate.h"

namespace gristmill::exec {

struct BuildRows;

class PairFilter {
 public:
  // `columns`: what the residual reads, of the batches and build rows given to run(). `cancel` is looked at for every batch of pairs: one
  // batch of probe rows may meet millions.
  PairFilter(expr::BoundPtr residual, int width, std::vector<std::pair<int, OutputColumn>> columns, int64_t batch_rows,
             base::CancelToken cancel, arrow::MemoryPool* pool);

  struct Visitor {
    bool first_of_probe = false;                                      // more pairs of a probe row need not be shown
    const BuildMarks* first_of_build = nullptr;                       // nor any of a build row with a mark; set by pair()
    std::function<arrow::Status(int32_t probe, int32_t build)> pair;  // meets the residual
    std::function<arrow::Status(int32_t probe, bool any)> end;        // each selected probe row, after its pairs
  };
  arrow::Status run(const BuildRows& build, const column::Batch& batch, const int32_t* first, const Visitor& visitor);

 private:
  int32_t after(const BuildRows& build, int32_t row, const BuildMarks* done) const;
  arrow::Status pass(const BuildRows& build, const column::Batch& batch, const int32_t* first, const Visitor* visitor);
  arrow::Status flush(const BuildRows& build, const column::Batch& batch, const Visitor* visitor);
  arrow::Result<column::Mask> check(const BuildRows& build, const column::Batch& batch);

  const expr::BoundPtr residual_;
  const int width_;
  const std::vector<std::pair<int, OutputColumn>> columns_;
  const int64_t batch_rows_;
  const base::CancelToken cancel_;
  arrow::MemoryPool* const pool_;
  expr::Evaluator evaluator_;

  // Pairs that wait; the probe row they have come to, as a number among those selected, and whether it had one.
  std::vector<int32_t> probe_, build_;
  std::vector<uint32_t> number_;
  size_t row_ = 0;
  bool any_ = false;
};

}  // namespace gristmill::exec
