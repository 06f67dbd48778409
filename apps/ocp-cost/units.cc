#include "units.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::Expr;

Expr hours(Expr seconds) { return seconds / 3600.0; }
Expr gigabytes(Expr bytes) { return bytes * 0x1p-30; }
Expr no_number() { return gristmill::lit(arrow::MakeNullScalar(arrow::float64())); }
Expr no_text() { return gristmill::lit(arrow::MakeNullScalar(arrow::utf8())); }

Expr label_object(Expr json, const std::vector<std::string>& keys) {
  std::vector<Expr> args = {std::move(json)};
  for (const std::string& key : keys) args.emplace_back(key);
  return gristmill::call("json.text_object", std::move(args));
}

Expr merged_labels(std::vector<Expr> objects) { return gristmill::call("json.merge_objects", std::move(objects)); }

Expr numeric(Expr value) { return gristmill::call("round_significant", {std::move(value), Expr(15)}).cast(arrow::decimal128(33, 15)); }

}  // namespace ocp
