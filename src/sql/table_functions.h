// Functions in FROM: generate_series, range, unnest and the readers of files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "expr/node.h"
#include "sql/parse.h"
#include "sql/query.h"

namespace gristmill::sqltext {

// The calls of one item of FROM: one, or those of ROWS FROM (...).
arrow::Result<std::vector<const PgQuery__FuncCall*>> calls_of(const PgQuery__RangeFunction& f, const ParsedText& text);

// A whole table: a series of constants, or files. Nothing when `f` is neither.
arrow::Result<std::optional<Query>> constant_table(const PgQuery__FuncCall& f, const ParsedText& text);
// read_csv and its like; nothing when `f` is none of them.
arrow::Result<std::optional<plan::PlanPtr>> read_files(const PgQuery__FuncCall& f, const std::string& name, const ParsedText& text);

// The lists whose entries are the rows of `f`, its arguments lowered by `lower`: unnest's own, or a series of integers.
using LowerArgument = std::function<arrow::Result<expr::NodePtr>(const PgQuery__Node&)>;
arrow::Result<std::vector<expr::NodePtr>> lists_of(const PgQuery__FuncCall& f, const LowerArgument& lower, const ParsedText& text);

struct Unnested {
  plan::PlanPtr plan;                // the input's columns, then the entries'
  std::vector<std::string> columns;  // of the entries, and last the ordinality's if asked for
};
// A row for each entry of the lists, side by side; NULL where a list is shorter. `keep_empty`: a row of NULLs where none has an entry.
arrow::Result<Unnested> unnest(plan::PlanPtr input, const std::vector<expr::NodePtr>& lists, bool ordinality, bool keep_empty = false);

std::string function_name(const PgQuery__FuncCall& f);

}  // namespace gristmill::sqltext
