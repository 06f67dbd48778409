// Columns picked by what they are: expressions that stand for several columns until they meet a frame.
//
//   frame.select({cs::numeric().sum()})
//   frame.with_columns({(cs::floats() - cs::by_name({"tax"})).round(2)})      // - | & ~ on selectors are set operations
//   frame.select({all().name_suffix("_raw")})
//
// They work in select, with_columns, filter (all must hold), group_by, agg and sort.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "gristmill/expr.h"

namespace gristmill {

class Selector : public Expr {
 public:
  using Expr::Expr;
};

Selector operator|(const Selector& a, const Selector& b);
Selector operator&(const Selector& a, const Selector& b);
Selector operator-(const Selector& a, const Selector& b);
Selector operator~(const Selector& a);

Selector all();
Selector exclude(std::vector<std::string> names);

namespace cs {
Selector by_name(std::vector<std::string> names);  // a name that is not there is an error
Selector by_dtype(std::vector<std::shared_ptr<arrow::DataType>> types);
Selector starts_with(std::string prefix);
Selector ends_with(std::string suffix);
Selector contains(std::string part);
Selector matches(std::string pattern);  // ECMAScript regular expression, found anywhere in the name
Selector numeric();                     // integers, floats, decimals
Selector integers();
Selector floats();
Selector text();
Selector booleans();
Selector integer();  // the same by other names
Selector float_();
Selector string();
Selector boolean();
Selector temporal();  // dates, times, timestamps, durations
Selector nested();    // lists, structs, maps
Selector first();
Selector last();
}  // namespace cs

}  // namespace gristmill
