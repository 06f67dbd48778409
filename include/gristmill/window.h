// Window functions: a value from the rows around each row, with the rows left as they are.
//
//   col("x").sum().over({"g"})                                        the sum of the row's group, on every row
//   row_number().over({"g"}, {desc("t")})                             places within groups
//   col("x").mean().over({"g"}, {asc("t")}, rows_between(-6, 0))      over seven rows
//   col("x").sum().over({}, {asc("t")}, range_between("7d", nullptr))  over what lies at most seven days back
//
// With an order and no frame an aggregate covers the partition up to the row and its peers, without an order all of it. Functions
// without over() take the whole frame in the order of its rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gristmill/expr.h"

namespace gristmill {

namespace expr {
struct Frame;
}

struct SortKey;

// Which rows around a row its window takes. Immutable.
class WindowFrame {
 public:
  enum class Exclude : uint8_t { kNothing, kCurrentRow, kGroup, kTies };
  explicit WindowFrame(std::shared_ptr<const expr::Frame> frame) : frame_(std::move(frame)) {}
  WindowFrame exclude(Exclude what) const;
  const expr::Frame& frame() const { return *frame_; }

 private:
  std::shared_ptr<const expr::Frame> frame_;
};

// From `start` to `end`, both included: rows (or groups of peers) before are negative, after positive, 0 the row itself, nothing
// the end of the partition.
WindowFrame rows_between(std::optional<int64_t> start, std::optional<int64_t> end);
WindowFrame groups_between(std::optional<int64_t> start, std::optional<int64_t> end);
// Distances of the one order key: numbers (negative before), or text as "7d", "1h30m", "-2mo" for times. Null expressions: no end.
WindowFrame range_between(std::optional<Expr> start, std::optional<Expr> end);

Expr row_number();
Expr rank();  // of the rows by the order of over(); peers share the least
Expr dense_rank();
Expr percent_rank();
Expr cume_dist();
Expr ntile(int64_t buckets);

}  // namespace gristmill
