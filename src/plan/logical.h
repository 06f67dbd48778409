// The logical plan: what every face builds and the optimiser rewrites. Immutable nodes, shared subtrees.
//
// A plan never depends on workers or memory. Every node knows its output schema (border types; the
// constructors below check names and types and give plan errors). Rules are in rules/, one a file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/node.h"
#include "plan/table_source.h"

namespace gristmill::plan {

enum class PlanKind : uint8_t { kScan, kFilter, kProject, kAggregate, kJoin, kSort, kLimit, kUnion, kExplode, kRowIndex, kWindow };
enum class JoinKind : uint8_t { kInner, kLeft, kSemi, kAnti, kRight, kFull, kAsof };
enum class AsofStrategy : uint8_t { kBackward, kForward, kNearest };

struct Plan;
using PlanPtr = std::shared_ptr<const Plan>;

struct NamedExpr {
  std::string name;
  expr::NodePtr expr;
};

struct SortBy {
  expr::NodePtr expr;
  bool descending = false;
  bool nulls_first = false;
};

// How an as-of join finds the one right row of a left row, among those with equal keys.
struct AsofMatch {
  expr::NodePtr left_on, right_on;  // of one canonical type: integers, floats or times
  AsofStrategy strategy = AsofStrategy::kBackward;
  bool allow_exact = true;
  expr::NodePtr tolerance;  // the greatest distance: an int64 literal in units of that type, or a float64; null: any
};

// One struct, fields by kind: rules read better than with nine classes and casts.
struct Plan {
  PlanKind kind = PlanKind::kScan;
  std::vector<PlanPtr> inputs;
  std::shared_ptr<arrow::Schema> schema;

  // kScan
  TableSourcePtr source;
  std::vector<int> columns;           // fields of the source's schema
  expr::NodePtr predicate;            // kScan: pushed down, infallible, over all columns of the source; kFilter: the predicate
  std::optional<int64_t> scan_limit;  // kScan: rows wanted at most, after the predicate

  std::vector<NamedExpr> exprs;       // kProject: outputs; kAggregate: group keys
  std::vector<NamedExpr> aggregates;  // kAggregate: each expr is exactly one kAggregate node; kWindow: one kWindow node

  // kJoin. Output: left columns, then right columns (without right keys when coalesce_keys), clashes get `suffix`. No keys: all
  // pairs.
  JoinKind join = JoinKind::kInner;
  std::vector<expr::NodePtr> left_keys, right_keys;
  bool nulls_equal = false;
  expr::NodePtr residual;      // not for inner joins: what a pair with equal keys must also meet; over pair_schema() of nodes.h
  AsofMatch asof;              // kAsof
  bool coalesce_keys = false;  // on=: one key column
  std::string suffix = "_right";
  std::vector<int> join_output;  // columns of (left ++ right) kept, in output order; their names are the schema's
  bool build_left = false;       // inner, semi, anti: statistics say that the left side is much the smaller one

  std::vector<SortBy> sort;    // kSort
  std::optional<int64_t> top;  // kSort: only the first so many (offset included) are wanted

  int64_t offset = 0;  // kLimit, kRowIndex
  int64_t count = 0;   // kLimit; -1 = all after offset

  std::vector<std::string> explode;  // kExplode: list columns of equal lengths

  // kRowIndex: a column before the others that numbers the rows: offset, offset + 1, ...; `position_only`: numbers that rise, with gaps
  // that depend on how the query is run. Only their order may be looked at.
  std::string index_name;
  bool position_only = false;

  // Whether rows must leave in the plan's defined order (set by the order rule; true until it ran).
  bool ordered = true;
};

// Checked constructors. Expressions may contain aliases; names are resolved and duplicates refused.
arrow::Result<PlanPtr> make_scan(TableSourcePtr source);
arrow::Result<PlanPtr> make_filter(PlanPtr input, expr::NodePtr predicate);
arrow::Result<PlanPtr> make_project(PlanPtr input, std::vector<expr::NodePtr> exprs, bool allow_duplicates = false);
arrow::Result<PlanPtr> make_with_columns(PlanPtr input, std::vector<expr::NodePtr> exprs);  // replaces or appends
// Aggregates may stand anywhere inside the expressions, window functions outside them: `sum(a) / count()` becomes an aggregate and a projection.
arrow::Result<PlanPtr> make_aggregate(PlanPtr input, std::vector<expr::NodePtr> keys, std::vector<expr::NodePtr> aggregates);
// `condition`: what a pair must meet beside equal keys (there may be none then); it names columns as an inner join's output does.
arrow::Result<PlanPtr> make_join(PlanPtr left, PlanPtr right, JoinKind kind, std::vector<expr::NodePtr> left_keys,
                                 std::vector<expr::NodePtr> right_keys, bool coalesce_keys, bool nulls_equal = false,
                                 std::string suffix = "_right", expr::NodePtr condition = nullptr);
arrow::Result<PlanPtr> make_cross_join(PlanPtr left, PlanPtr right, std::string suffix = "_right");
// `left_by`, `right_by`: keys that must be equal, maybe none. A tolerance is a literal: a number, or a duration for times.
arrow::Result<PlanPtr> make_asof_join(PlanPtr left, PlanPtr right, AsofMatch match, std::vector<expr::NodePtr> left_by,
                                      std::vector<expr::NodePtr> right_by, bool coalesce_on, bool coalesce_by,
                                      std::string suffix = "_right");
arrow::Result<PlanPtr> make_sort(PlanPtr input, std::vector<SortBy> keys);
arrow::Result<PlanPtr> make_limit(PlanPtr input, int64_t offset, int64_t count);
arrow::Result<PlanPtr> make_union(std::vector<PlanPtr> inputs);  // by name; types promoted, else a plan error
arrow::Result<PlanPtr> make_explode(PlanPtr input, std::vector<std::string> columns);
arrow::Result<PlanPtr> make_row_index(PlanPtr input, std::string name, int64_t offset = 0, bool position_only = false);
arrow::Result<PlanPtr> make_distinct(PlanPtr input, std::vector<std::string> subset = {});  // keeps the first

// The same node over other inputs (schema recomputed). Inputs may have other columns as long as those that the node uses
// are there by name; a union's inputs must agree among themselves.
arrow::Result<PlanPtr> with_inputs(const Plan& p, std::vector<PlanPtr> inputs);

// Rewrites until nothing changes; the result computes the same rows in the same order, with the same error.
// `ordered` false: the consumer takes the rows in any order (ParallelOptions::ordered).
arrow::Result<PlanPtr> optimize(PlanPtr plan, bool ordered = true);
// An indented tree, one node a line, the way a person reads it (root first).
std::string explain(const Plan& plan);

// Versioned JSON. Sources are rebuilt by `resolve` from what TableSource::to_json gave.
inline constexpr int kPlanFormat = 1;
std::string serialize(const Plan& plan);
using SourceResolver = std::function<arrow::Result<TableSourcePtr>(const std::string& kind, const std::string& json)>;
arrow::Result<PlanPtr> deserialize(const std::string& text, const SourceResolver& resolve);

}  // namespace gristmill::plan
