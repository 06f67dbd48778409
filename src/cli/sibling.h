// gristmill X runs the program gristmill-X when there is one beside this program or in PATH, as git does.
#pragma once

#include <string>
#include <vector>

namespace gristmill::cli {

// Does not return when a program took over. False: there is none of that name.
bool run_sibling(const std::string& name, char** arguments);
std::vector<std::string> siblings();  // names X of those beside this program

}  // namespace gristmill::cli
