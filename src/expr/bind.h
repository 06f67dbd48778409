// From names to positions and types: a Bound tree runs without looking anything up.
//
// Implicit casts are made explicit here (semantics.md 4), constant subtrees are folded when they cannot fail, and
// every node knows whether it is fallible: a fallible expression is never moved past another fallible one, a filter or
// a join, and never runs on rows that are not selected.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/column.h"
#include "column/types.h"
#include "expr/node.h"

namespace gristmill::expr {

struct Function;       // registry.h
struct FunctionState;  // registry.h

enum class BoundKind : uint8_t { kInput, kConstant, kCall };

struct Bound;
using BoundPtr = std::shared_ptr<const Bound>;

struct Bound {
  BoundKind kind = BoundKind::kInput;
  column::TypePtr type;                        // canonical
  int input = -1;                              // kInput: column of the batch
  std::shared_ptr<arrow::Scalar> value;        // kConstant
  const Function* function = nullptr;          // kCall
  std::shared_ptr<const FunctionState> state;  // kCall: what bind prepared (cast target, compiled pattern, options)
  std::vector<BoundPtr> args;
  bool fallible = false;  // this node or anything below
  bool deterministic = true;
  bool nullable = true;
  std::string label;        // for messages: column name or expression text
  int sole_input = -1;      // the one column everything below reads; -1: none or several
  column::Column constant;  // kConstant: `value` as a column
  uint64_t serial = 0;      // unlike any other bound node's; for an evaluator's caches
};

// Plan errors name the unknown column or function and the nearest known one.
arrow::Result<BoundPtr> bind(const NodePtr& n, const arrow::Schema& input);
// `x` as `to` (canonical): x itself, a folded constant or a cast. Casts to integers truncate, or round when told.
arrow::Result<BoundPtr> bind_cast(BoundPtr x, const column::TypePtr& to, bool lenient = false, bool round = false);
// The canonical type of an expression over `input`, without keeping the bound tree.
arrow::Result<column::TypePtr> type_of(const NodePtr& n, const arrow::Schema& input);
// Whether running `n` over `input` can fail (casts, integer arithmetic, ...).
arrow::Result<bool> fallible(const NodePtr& n, const arrow::Schema& input);

// An aggregate's arguments bound and cast, and its result type (semantics.md 4).
struct AggregateOrder {
  BoundPtr key;
  bool descending = false;
  bool nulls_first = false;
};
struct BoundAggregate {
  std::string function;               // as in aggregates.h
  std::vector<BoundPtr> args;         // empty for count()
  BoundPtr filter;                    // may be null
  column::TypePtr type;               // canonical result type
  std::vector<Option> options;        // ddof, ...
  std::vector<AggregateOrder> order;  // empty: as rows come, or the aggregate does not see it
  bool distinct = false;
};
arrow::Result<BoundAggregate> bind_aggregate(const NodePtr& aggregate, const arrow::Schema& input);

}  // namespace gristmill::expr
