// Plans with how many rows the optimiser expects of their nodes.
#pragma once

#include <string>

#include "plan/logical.h"

namespace gristmill::plan {

// explain(), with "~1,000 rows" behind nodes whose rows can be guessed: what a source knows of itself, and statistics.h from there on.
std::string explain_with_guesses(const Plan& plan);

}  // namespace gristmill::plan
