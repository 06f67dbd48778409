// A stream's rows with those of a table that is read again from time to time.
//
// Which version of the table a row meets depends on the clock, so this join is outside of "the same rows at any speed"; while the table
// does not change, it is inside. A version is read whole into memory, and the one before goes when the last row that looked at it has left.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/clock.h"
#include "gristmill/stream.h"

namespace gristmill::stream {

struct TableJoinSpec {
  std::function<arrow::Result<std::shared_ptr<arrow::Table>>()> load;
  std::shared_ptr<arrow::Schema> table;  // what load() gives
  std::vector<std::string> left_keys, right_keys;
  bool coalesce_keys = false;
  bool left = false;  // rows that meet no row stay, with nulls
  std::string suffix = "_right";
  int64_t refresh_micros = 0;
  const base::Clock* clock = &base::Clock::system();
};

arrow::Result<StreamOperatorPtr> make_table_join(const TableJoinSpec& spec, const std::shared_ptr<arrow::Schema>& input);

}  // namespace gristmill::stream
