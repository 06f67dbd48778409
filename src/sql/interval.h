// Intervals as constants: months, days and microseconds, added to date and timestamp literals.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/node.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

struct Interval {
  int64_t months = 0, days = 0, micros = 0;
  Interval negated() const { return {-months, -days, -micros}; }
};

// interval '90' day, interval '1 year 2 months', interval '3 days'.
arrow::Result<Interval> interval_of(const PgQuery__TypeCast& c, const ParsedText& text);
// A date or timestamp literal moved by an interval; months keep the day where the month has it, else its last day. A date
// moved by whole days or months stays a date.
arrow::Result<expr::NodePtr> shift_literal(const expr::NodePtr& moment, const Interval& by);
// '1994-01-01' or '1994-01-01 12:30:00.25' as a scalar of a date32 or timestamp type.
arrow::Result<std::shared_ptr<arrow::Scalar>> parse_moment(const std::string& s, const std::shared_ptr<arrow::DataType>& type);

}  // namespace gristmill::sqltext
