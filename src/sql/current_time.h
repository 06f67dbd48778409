// now(), current_timestamp, current_date and their like: the moment the statement began, one value for all of it.
//
// Times are of UTC: current_date is the day there, localtimestamp the clock there.
#pragma once

#include <string>
#include <string_view>

#include "expr/node.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

// The keywords of the grammar.
arrow::Result<expr::NodePtr> current_value(const PgQuery__SQLValueFunction& f, const ParsedText& text);
std::string current_name(const PgQuery__SQLValueFunction& f);
// Functions without arguments; null for any other name.
expr::NodePtr current_moment(std::string_view function, const ParsedText& text);

}  // namespace gristmill::sqltext
