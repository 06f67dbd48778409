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
  std::vector<expr::BoundPtr> keys;    // those that must be equal; behind them, of an as-of join, the one to be near
  std::vector<int> inputs;             // input column of each kept column; -1: the value of a key
  std::vector<int> key_at;             // kept column of each key
  std::vector<column::TypePtr> types;  // of the kept columns
  size_t equal_keys = 0;               // how many of `keys` must be equal
  int kept_of(int input) const;        // -1: not kept
  // Of a batch of kept columns.
  std::vector<column::Column> keys_of(const column::Batch& kept) const;
  std::vector<column::Column> equal_keys_of(const std::vector<column::Column>& kept) const;
};

struct OutputColumn {
  enum From : uint8_t {
    kProbe,     // a column of the probe batch
    kBuild,     // a column of the build rows
    kBuildRow,  // the build row's number
    kOrder,     // a column of the probe batch that gives the row's place in the output; build rows without a match stand behind
  };
  From from = kProbe;
  int index = 0;
};

struct JoinShape {
  JoinSpec spec;
  KeyLayout layout;
  JoinSide build, probe;                               // with build_left the left input is `build`
  std::vector<OutputColumn> output;                    // kProbe: input column of the probe side; kBuild: kept column
  std::vector<std::pair<int, OutputColumn>> residual;  // columns that the residual reads: number in left ++ right, whence
  bool fallible_probe = false;

  // Rows leave the probe in the order of the right side, though they are to have that of the left one.
  bool out_of_order() const { return spec.build_left && spec.ordered && spec.kind == plan::JoinKind::kInner; }
  bool needs_match() const {  // probe rows without a match give nothing
    return spec.build_left || spec.kind == plan::JoinKind::kInner || spec.kind == plan::JoinKind::kSemi ||
           spec.kind == plan::JoinKind::kRight;
  }
  bool keeps_probe() const {  // they give a row without build columns
    return spec.kind == plan::JoinKind::kLeft || spec.kind == plan::JoinKind::kFull || spec.kind == plan::JoinKind::kAsof;
  }
  // An as-of join without equal keys has one chain: all rows.
  bool needs_table() const { return spec.kind != plan::JoinKind::kAsof || build.equal_keys > 0; }
  bool shows_pairs() const { return spec.kind != plan::JoinKind::kSemi && spec.kind != plan::JoinKind::kAnti; }
  bool filters() const { return !shows_pairs() && !spec.build_left; }  // probe rows leave or not
  // Probe rows only say which build rows leave: those with a match (semi) or without one (anti).
  bool marks_only() const { return !shows_pairs() && spec.build_left; }
  bool keeps_build() const { return spec.kind == plan::JoinKind::kRight || spec.kind == plan::JoinKind::kFull || marks_only(); }
  bool drops_null_build() const { return !layout.nulls_equal() && (!keeps_build() || spec.kind == plan::JoinKind::kSemi); }
  // `column` for probe batches of kept columns.
  OutputColumn of_kept(OutputColumn column) const;
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
