// Which columns a name may mean at some place of a query: qualifier, the user's name, and the plan's column.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

namespace gristmill::sqltext {

class OuterScope;       // outer.h
class SublinkLowering;  // subquery.h
struct EventWindows;    // event_windows.h

struct ScopeColumn {
  std::string table;                           // alias or name; empty for none
  std::string name;                            // as the user knows it
  std::string column;                          // unique in the plan
  bool qualified_only = false;                 // one side of a merged USING column: found by table.name, not shown by *
  std::shared_ptr<arrow::DataType> type = {};  // null: not known
};

class Scope {
 public:
  std::vector<ScopeColumn> columns;
  OuterScope* outer = nullptr;                  // the query around this one, for names that are not here
  std::shared_ptr<const EventWindows> windows;  // of GROUP BY tumble(...), for tumble_start() and its like; null: none
  SublinkLowering* subqueries = nullptr;        // what lowers a subquery inside an expression; null: there may be none
  bool in_select_list = false;                  // unnest() may stand here

  // semantics.md 8: exact first, then a unique case-insensitive match, else an error with the nearest names. `table` may be empty.
  arrow::Result<const ScopeColumn*> find(const std::string& table, const std::string& name) const;
  bool has_table(const std::string& table) const;
  // Whether the name is some column's here, be it an ambiguous one: then the query around is not asked.
  bool knows(const std::string& table, const std::string& name) const;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace gristmill::sqltext
