#include "expr/functions/families.h"
namespace gristmill::expr {
std::vector<Function> math_functions() { return {}; }
std::vector<Function> string_functions() { return {}; }
std::vector<Function> string_search_functions() { return {}; }
std::vector<Function> temporal_functions() { return {}; }
}  // namespace gristmill::expr
