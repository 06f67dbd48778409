// The tables of functions, one a family. registry.cc joins them.
#pragma once

#include <vector>

#include "expr/registry.h"

namespace gristmill::expr {

std::vector<Function> arithmetic_functions();
std::vector<Function> bit_functions();
std::vector<Function> comparison_functions();
std::vector<Function> float_functions();
std::vector<Function> json_functions();
std::vector<Function> json_object_functions();
std::vector<Function> json_value_functions();
std::vector<Function> list_build_functions();
std::vector<Function> list_functions();
std::vector<Function> logic_functions();
std::vector<Function> math_functions();
std::vector<Function> nested_functions();
std::vector<Function> regex_functions();
std::vector<Function> string_functions();
std::vector<Function> string_search_functions();
std::vector<Function> temporal_field_functions();
std::vector<Function> temporal_functions();
std::vector<Function> temporal_move_functions();
std::vector<Function> temporal_text_functions();
std::vector<Function> text_build_functions();
std::vector<Function> text_encoding_functions();
std::vector<Function> text_part_functions();

}  // namespace gristmill::expr
