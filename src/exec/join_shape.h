// What a join decides once from its specification: which side is built, which columns of each side are kept and where
// the keys lie among them, how keys compare, where each output column comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/result.h>

#include "exec/join.h"
#include "exec/join_keys.h"
#include "expr/evaluate.h"

namespace gristmill::exec {

// One input of the join. Kept columns: what the output wants, then keys that are not among them.
struct JoinSide {
  std::vector<expr::BoundPtr> keys;
  std::vector<int> inputs;             // input column of each kept column; -1: the value of a key
  std::vector<int> key_at;             // kept column of each key
  std::vector<column::TypePtr> types;  // of the kept columns
  int kept_of(int input) const;        // -1: not kept
};

struct OutputColumn {
  enum From : uint8_t {
    kProbe,     // a column of the probe batch
    kBuild,     // a column of the build rows
    kBuildRow,  // the build row's number
  };
  From from = kProbe;
  int index = 0;
};

struct JoinShape {
  JoinSpec spec;
  KeyLayout layout;
  JoinSide build, probe;             // with build_left the left input is `build`
  std::vector<OutputColumn> output;  // kProbe: input column of the probe side; kBuild: kept column
  bool fallible_probe = false;
};

arrow::Result<std::shared_ptr<const JoinShape>> make_join_shape(JoinSpec spec);

// Rows of one side, dense, as kept columns; row i stands at `order` + i, or + rows[i].
struct KeptRows {
  column::Batch batch;
  uint64_t order = 0;
  std::vector<uint16_t> rows;
  int64_t bytes = 0;
  uint64_t order_of(int64_t i) const { return order + static_cast<uint64_t>(rows.empty() ? i : rows[i]); }
};

// `keys` are the evaluated keys of the batch; with `drop_null_keys` rows with a null among them go.
arrow::Result<KeptRows> keep_rows(const JoinSide& side, column::Batch batch, const std::vector<column::Column>& keys, bool drop_null_keys,
                                  uint64_t order, arrow::MemoryPool* pool);
// The orders of all rows as one more column (uint64).
arrow::Result<column::Column> order_column(const KeptRows& rows, arrow::MemoryPool* pool);

}  // namespace gristmill::exec
