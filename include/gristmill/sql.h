// SQL over files and frames, giving a lazy frame.
//
//   auto out = sql("select zone, sum(fare) as total from trips group by zone order by total desc limit 10", {{"trips", trips}});
//
// Dialect: PostgreSQL's grammar. Tables are the given frames, then files: from 'trips/*.parquet'. Statements that leave something behind
// (create table, insert, set, ...) are a session's: gristmill/session.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/type_fwd.h>

#include "gristmill/frame.h"

namespace gristmill {

// Values of $1, $2, ... (or of ?, in order), or of :name; a statement uses one kind.
struct SqlParameters {
  std::vector<std::shared_ptr<arrow::Scalar>> positional;
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Scalar>>> named;
};

Frame sql(const std::string& text, const std::vector<std::pair<std::string, Frame>>& tables = {}, const SqlParameters& parameters = {});

}  // namespace gristmill
