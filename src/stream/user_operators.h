// Users' operators as a table: the rows of a plan, morsel by morsel, through their functions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exec/lower.h"
#include "stream/tables.h"

namespace gristmill::stream {

// One run's. Plans below are bound already. lower() comes first and says what must have run (the plan below may group or sort) before
// open(), which may then be called any number of times.
class BoundUserTable : public plan::TableSource {
 public:
  virtual const UserTable& of() const = 0;
  // Called before each morsel, with the number that it has below, where operators see one morsel at a time. Before the run.
  virtual void before_morsels(std::function<arrow::Status(uint64_t)> call) = 0;
  virtual arrow::Result<sched::Query> lower() = 0;
  // What happened so far, as members of a JSON list: one report for the rows below, one entry per operator.
  virtual std::string report() const = 0;
};

// `several`: functions may see several morsels at once.
std::shared_ptr<BoundUserTable> bind_user_table(const UserTable& table, plan::PlanPtr input, bool several,
                                                std::shared_ptr<const exec::QueryContext> context);

// Whether this table's operators may ever see several morsels at once.
bool may_run_side_by_side(const UserTable& table);

}  // namespace gristmill::stream
