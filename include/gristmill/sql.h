// SQL over files and frames, giving a lazy frame.
//
//   auto out = sql("select zone, sum(fare) as total from trips group by zone order by total desc limit 10", {{"trips", trips}});
//
// Dialect: PostgreSQL's grammar. Tables are the given frames, then files: from 'trips/*.parquet'.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gristmill/frame.h"

namespace gristmill {

Frame sql(const std::string& text, const std::vector<std::pair<std::string, Frame>>& tables = {});

}  // namespace gristmill
