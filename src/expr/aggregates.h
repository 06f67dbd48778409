// The one table of aggregates: names, what they take and give, and what the optimiser may know of them.
//
// An aggregate node has its values first, then the keys of its `order by`; options say the rest:
//
//   distinct      true: of equal values the first only
//   order_by      how many of the last arguments are sort keys; descending, nulls_first: bit i for key i
//   ddof, q, interpolation, separator      of the aggregates that have them
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expr/node.h"

namespace gristmill::expr {

struct AggregateInfo {
  std::string name;
  std::string summary;      // one line; nulls included
  std::string example;      // Python over the column x = [3, 1, NULL, 3] beside y = [1, 2, 3, 4], s = ["a", NULL, "b", "a"], and its result
  bool sees_order = false;  // the order of its rows shows in its value
  bool picks = false;       // gives a value of its first argument as it was
};

std::vector<AggregateInfo> all_aggregates();  // by name
bool aggregate_sees_order(const Node& aggregate);
bool aggregate_picks_a_value(const Node& aggregate);

bool flag_option(const std::vector<Option>& options, std::string_view name);
int64_t int_option(const std::vector<Option>& options, std::string_view name, int64_t otherwise);
std::optional<double> float_option(const std::vector<Option>& options, std::string_view name);
std::string text_option(const std::vector<Option>& options, std::string_view name);

// How many of the arguments are values; the rest are sort keys.
size_t value_arguments(const Node& aggregate);

}  // namespace gristmill::expr
