// Name resolution. An ambiguous reference is an error that names the tables it could mean.

#include "sql/scope.h"

#include <cctype>

#include "base/status.h"

namespace gristmill::sqltext {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i]))) return false;
  }
  return true;
}

bool Scope::has_table(const std::string& table) const {
  for (const auto& c : columns) {
    if (equal_ignoring_case(c.table, table)) return true;
  }
  return false;
}

bool Scope::knows(const std::string& table, const std::string& name) const {
  for (const auto& c : columns) {
    if ((table.empty() ? !c.qualified_only : equal_ignoring_case(c.table, table)) && equal_ignoring_case(c.name, name)) return true;
  }
  return false;
}

arrow::Result<const ScopeColumn*> Scope::find(const std::string& table, const std::string& name) const {
  for (const bool exact : {true, false}) {
    const ScopeColumn* found = nullptr;
    for (const auto& c : columns) {
      if (table.empty() ? c.qualified_only : !equal_ignoring_case(c.table, table)) continue;
      if (exact ? c.name != name : !equal_ignoring_case(c.name, name)) continue;
      if (found && found->column != c.column) {
        return base::plan_error("column \"" + name +
                                "\" is ambiguous: " + (found->table.empty() ? found->name : found->table + "." + found->name) + " or " +
                                (c.table.empty() ? c.name : c.table + "." + c.name));
      }
      found = &c;
    }
    if (found) return found;
  }
  std::vector<std::string> known;
  for (const auto& c : columns) {
    if (table.empty() || equal_ignoring_case(c.table, table)) known.push_back(c.name);
  }
  if (!table.empty() && known.empty()) return base::plan_error("no table \"" + table + "\" in this query");
  return base::plan_error("no column \"" + name + "\"" + base::suggest_name(name, known));
}

}  // namespace gristmill::sqltext
