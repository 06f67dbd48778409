// Which columns a name may mean at some place of a query: qualifier, the user's name, and the plan's column.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

namespace gristmill::sqltext {

struct ScopeColumn {
  std::string table;   // alias or name; empty for none
  std::string name;    // as the user knows it
  std::string column;  // unique in the plan
  bool qualified_only = false;  // one side of a merged USING column: found by table.name, not shown by *
};

class Scope {
 public:
  std::vector<ScopeColumn> columns;

  // semantics.md 8: exact first, then a unique case-insensitive match, else an error with the nearest names. `table` may be empty.
  arrow::Result<const ScopeColumn*> find(const std::string& table, const std::string& name) const;
  bool has_table(const std::string& table) const;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace gristmill::sqltext
