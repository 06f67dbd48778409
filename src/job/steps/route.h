// The choice among several sinks as a last step: a hidden column with the number of the sink that takes the row.
//
// Conditions are asked in their order, each of the rows that none before took; rows that none takes are filtered.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "job/settings.h"
#include "job/transform.h"

namespace gristmill::job {

inline constexpr const char* kRouteColumn = "\x1fsink";

struct RouteCondition {
  std::string when;  // empty: all rows that are left
  std::optional<Settings> place;
};

std::unique_ptr<Transform> make_route(std::vector<RouteCondition> conditions);

}  // namespace gristmill::job
