// Options of the methods of Frame that reshape tables and look at their quality.
//
//   trips.pivot({.on = "day", .index = {"zone"}, .values = {"fare"}, .aggregate = "sum"})
//   trips.unpivot({.on = {"cash", "card"}, .index = {"zone"}})
//   trips.validate({.not_null = {"zone"}, .ranges = {{"fare", 0, 500}}, .unique = {{"id"}}})
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gristmill/expr.h"

namespace gristmill {

enum class Keep { kFirst, kLast, kNone };

// kVertical: rows one after the other, the same columns by name. kDiagonal: columns that a frame has not are NULL there.
// kHorizontal: columns side by side, row by row; shorter frames end in NULL.
enum class Concat { kVertical, kDiagonal, kHorizontal };

// The same rows at any setting: whether a row is taken depends on its number and the seed. Exactly one of n and fraction.
struct SampleOptions {
  std::optional<int64_t> n = {};
  std::optional<double> fraction = {};
  int64_t seed = 0;
};

struct PivotOptions {
  std::string on;                                   // its values become columns
  std::vector<std::string> index;                   // a row for each; nothing: all columns but `on` and `values`
  std::vector<std::string> values;                  // what is aggregated; of several, columns are called value_on
  std::string aggregate = "first";                  // any aggregate of one argument by name
  std::optional<std::vector<Expr>> on_values = {};  // literals: the columns, known before the query runs
};

// A row for each row and column of `on`, row by row.
struct UnpivotOptions {
  std::vector<std::string> on;     // nothing: all columns but `index`
  std::vector<std::string> index;  // repeated
  std::string variable_name = "variable";
  std::string value_name = "value";
};

// Windows begin at every multiple of `every`, moved by `offset`, and are `period` long; when that is longer they overlap, and a
// row is in several. Durations: "15m", "1h", "1d", "1w" (from Monday), "1mo", "1q", "1y" and smaller "s", "ms", "us", "ns"; for integer
// columns plain numbers. Days and longer follow the clock on the wall of the column's zone.
enum class Edge { kLeft, kRight };
struct DynamicOptions {
  std::string every;
  std::string period = {};    // nothing: `every`
  std::string offset = {};    // may be negative: "-1h"
  std::vector<Expr> by = {};  // further keys, before the window
  Edge closed = Edge::kLeft;  // which edge belongs to the window
  Edge label = Edge::kLeft;   // which edge is shown
};

struct Range {
  std::string column;
  Expr low, high;  // both included; NULL: no bound
};

struct Rules {
  std::vector<std::string> not_null = {};
  std::vector<Range> ranges = {};                         // NULL is within every range
  std::vector<std::vector<std::string>> unique = {};      // columns that are unique together; rows with a NULL there are not compared
  std::vector<std::pair<std::string, Expr>> checks = {};  // a name and what must not be false
};

enum class Outliers { kIqr, kZScore };

struct OutlierOptions {
  Outliers method = Outliers::kIqr;
  // kIqr: beyond the quartiles by more than this many interquartile ranges; kZScore: more standard deviations than this from the mean.
  std::optional<double> threshold = {};  // 1.5 and 3
};

}  // namespace gristmill
