// Intervals inside expressions: what is added to a date or timestamp, constants and their multiples.
//
//   ordered + interval '1 month'      shipped - n * interval '1 day'      since < now - (interval '1 hour' + interval '30 minutes')
//
// Months, days and shorter times are kept apart until they meet a moment: a month is no number of days.
#pragma once

#include <functional>
#include <optional>

#include "expr/node.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

using LowerNumber = std::function<arrow::Result<expr::NodePtr>(const PgQuery__Node&)>;

// Null: none of it.
struct IntervalValue {
  expr::NodePtr months, days, micros;
};

// Whether the expression is an interval by its form: interval '...', a multiple, a sum of such.
bool is_interval_expression(const PgQuery__Node* n);
arrow::Result<IntervalValue> interval_value(const PgQuery__Node& n, const LowerNumber& lower, const ParsedText& text);
// The moment moved forward, or back.
expr::NodePtr moved(expr::NodePtr moment, const IntervalValue& by, bool back);
// As a value of its own: a duration. An interval with months is none.
arrow::Result<expr::NodePtr> as_duration(const IntervalValue& v, const ParsedText& text, int location);

}  // namespace gristmill::sqltext
