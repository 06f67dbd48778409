// Help texts, made from the tables of verbs and flags.
#pragma once

#include <string>

#include "cli/command.h"

namespace gristmill::cli {

std::string help_text();                  // everything at a glance
std::string verb_help(const Verb& verb);  // one verb in full
std::string version_text();
std::string flag_text(const Flag& flag);                 // "-n, --limit N"
std::vector<std::string> split_words(const char* text);  // at blanks; none of null

}  // namespace gristmill::cli
