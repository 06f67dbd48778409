// Forms of operators that PostgreSQL has beside the plain ones, over operands that are lowered already.
//
//   x = any(list), x < all(list)              by the list's least and greatest entries; of array[...] by its elements
//   x between symmetric a and b               either way round
//   x like p escape 'c', x similar to p       patterns in the engine's words; they are known beforehand
//   json #> '{a,0}', json #>> '{a,0}'         a path as a text
//   substring(x from 'regex'), overlay(x placing y from n for m)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expr/node.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

// `op` is one of = <> < <= > >=. NULL where no entry decides and one is NULL, as in PostgreSQL.
expr::NodePtr any_or_all(const std::string& op, bool all, const expr::NodePtr& x, const expr::NodePtr& list);
expr::NodePtr between_symmetric(const expr::NodePtr& x, const expr::NodePtr& a, const expr::NodePtr& b);

// A pattern of LIKE with another escape character, as one with a backslash; empty: no character escapes.
arrow::Result<std::string> like_pattern(const std::string& pattern, const std::string& escape);
// A pattern of SIMILAR TO as a regular expression for the whole text.
arrow::Result<std::string> similar_pattern(const std::string& pattern, const std::string& escape);

// '{a,0,b}' as '$."a"[0]."b"'; an error where it is no such list.
arrow::Result<std::string> json_path(const std::string& steps);

expr::NodePtr overlay(const std::vector<expr::NodePtr>& args);
// The text of a literal; nothing for anything else.
std::optional<std::string> literal_string(const expr::NodePtr& e);

}  // namespace gristmill::sqltext
