// What PostgreSQL's grammar refuses but users write, brought into a form it takes.
//
//   from 'a.parquet'                      from "\1file0"                  a number: the grammar cuts names at 63 bytes
//   from t select a where b               select a from t where b
//   select t.* exclude (a) replace (..)   select "\1star"(0, ..)          which columns is in stars[0]
//   group by all, order by all            group by "\1all", ...
//   having a qualify b                    having "\1qualify"(a, b)
//   lag(a) ignore nulls over (..)         "\1ignore:lag"(a) over (..)
//   interval 3 day, interval (n) day      interval '3 day', ((n) * interval '1 day')
//   tumble(table t, ..)                   tumble(t, ..)
//   [1, 2]                                array[1, 2]
//   a, b, from                            a, b from
//   ?, :name, $name                       $1, $2, ...
//
// Names that begin with the byte 1 cannot be typed by accident. Every token keeps its place in the user's text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "sql/tokens.h"

namespace gristmill::sqltext {

struct StarEdit {
  std::string table;  // empty: of all
  std::vector<std::string> exclude;
  std::vector<std::string> replace;  // names; the expressions are the marker's further arguments
  std::vector<std::pair<std::string, std::string>> rename;
};

struct Rewritten {
  Tokens tokens;
  std::vector<std::string> files;
  std::vector<StarEdit> stars;
  std::vector<std::string> parameters;  // names of $1, $2, ...; empty for those by position
};

inline constexpr const char* kAllMarker = "\1all";
inline constexpr const char* kStarMarker = "\1star";
inline constexpr const char* kQualifyMarker = "\1qualify";
inline constexpr const char* kIgnoreNullsMarker = "\1ignore:";
inline constexpr const char* kFileMarker = "\1file";

struct RewriteError {
  std::string message;  // empty: none
  size_t place = 0;
};

// One statement.
RewriteError rewrite_tokens(Rewritten& statement);

}  // namespace gristmill::sqltext
