// The CSV rules: every value is text; what comes out has the form of the Parquet rows.
//
// Blank text stays blank, numbers that cannot be read are 0, nan is NULL; a row with a metric above 1e18 is marked. What a pod used
// effectively is the greater of usage and request in each hour.

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "input.h"

namespace ocp {

using gristmill::call;
using gristmill::col;
using gristmill::Expr;
using gristmill::Frame;
using gristmill::lit;
using gristmill::when;
using What = InputColumn::What;

namespace {

constexpr double kTooLarge = 1e18;
constexpr const char* kNoMetric = "node_capacity_cpu_cores";

Expr nothing(const std::shared_ptr<arrow::DataType>& type) { return lit(arrow::MakeNullScalar(type)); }

Expr csv_number(const std::string& name) {
  const Expr number = col(name).str().trim().try_cast(arrow::float64());
  return when(number.is_null()).then(0.0).when(number.is_nan()).then(nothing(arrow::float64())).otherwise(number);
}

Expr csv_labels(const std::string& name) { return call("str.pairs_to_object", {col(name), Expr("|"), Expr(":"), Expr("label_")}); }

bool is_effective(const std::string& name) { return name.find("_effective_") != std::string::npos; }

// pod_effective_usage_X is the greater of pod_usage_X and pod_request_X.
Expr effective(const std::string& name) {
  const std::string unit = name.substr(std::string("pod_effective_usage_").size());
  return call("greatest", {col("pod_usage_" + unit), col("pod_request_" + unit)});
}

}  // namespace

Frame csv_rows(Kind kind, const Frame& texts, const arrow::Schema& schema) {
  std::vector<Expr> columns = {instant_of(col("interval_start")).alias("interval_start")}, later;
  Expr too_large = lit(false);
  for (const InputColumn& c : input_columns(kind)) {
    const bool there = schema.GetFieldIndex(c.name) >= 0;
    if (c.what == What::kNumber && is_effective(c.name)) {
      later.push_back(effective(c.name).alias(c.name));
    } else if (c.what == What::kNumber) {
      columns.push_back((there ? csv_number(c.name) : nothing(arrow::float64())).alias(c.name));
      if (std::string(c.name) != kNoMetric) too_large = too_large | (col(c.name) > kTooLarge).fill_null(false);
    } else if (c.what == What::kLabels) {
      columns.push_back((there ? csv_labels(c.name) : nothing(arrow::utf8())).alias(c.name));
    } else {
      columns.push_back((there ? col(c.name) : nothing(arrow::utf8())).alias(c.name));
    }
  }
  later.push_back(too_large.alias("too_large"));
  later.push_back(col("interval_start").dt().date().alias("day"));
  return texts.select(std::move(columns)).with_columns(std::move(later));
}

}  // namespace ocp
