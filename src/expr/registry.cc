// Joins the families once, sorted by name; look-up is a binary search.

#include "expr/registry.h"

#include <algorithm>

#include "expr/functions/families.h"
#include "expr/functions/list_range.h"

namespace gristmill::expr {
namespace {

const std::vector<Function>& table() {
  static const std::vector<Function>& functions = *new std::vector<Function>([] {
    std::vector<Function> all;
    for (auto* family : {arithmetic_functions, bit_functions, comparison_functions, float_functions, json_functions, json_object_functions, json_value_functions,
                         list_build_functions, list_functions, list_range_functions, logic_functions, math_functions, nested_functions, regex_functions,
                         string_functions, string_search_functions, temporal_field_functions, temporal_functions, temporal_move_functions,
                         temporal_text_functions, text_build_functions, text_encoding_functions, text_part_functions}) {
      for (Function& f : family()) all.push_back(std::move(f));
    }
    std::sort(all.begin(), all.end(), [](const Function& a, const Function& b) { return a.name < b.name; });
    return all;
  }());
  return functions;
}

}  // namespace

const Function* find_function(std::string_view name) {
  const auto& all = table();
  const auto at = std::lower_bound(all.begin(), all.end(), name, [](const Function& f, std::string_view n) { return f.name < n; });
  return at != all.end() && at->name == name ? &*at : nullptr;
}

std::vector<const Function*> all_functions() {
  std::vector<const Function*> out;
  for (const Function& f : table()) out.push_back(&f);
  return out;
}

}  // namespace gristmill::expr
