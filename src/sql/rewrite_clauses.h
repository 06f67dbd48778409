// The passes of rewrite_tokens.h that move or gather clauses.
#pragma once

#include "sql/rewrite_tokens.h"

namespace gristmill::sqltext {

// from t select a; from t alone selects everything.
void put_select_first(Tokens& tokens);
// * exclude (...) replace (...) rename (...).
RewriteError mark_stars(Rewritten& statement);
// f(...) ignore nulls over and f(... ignore nulls) over: the function's name says so.
void mark_ignore_nulls(Tokens& tokens);
// interval 3 day, interval (n) day: a constant, a multiple of one.
void quote_intervals(Tokens& tokens);
// try_cast(x as type): try_cast(cast(x as type)), which the grammar knows.
void mark_try_casts(Tokens& tokens);
// tumble(table t, ..): the table alone.
void drop_table_words(Tokens& tokens);
// qualify becomes part of having, which stands before a window clause.
void move_qualify(Tokens& tokens);

}  // namespace gristmill::sqltext
