// Literals of the statement's time.

#include "sql/current_time.h"

#include <memory>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

constexpr int64_t kMicrosOfSecond = 1'000'000, kMicrosOfDay = 86'400 * kMicrosOfSecond;

int64_t rounded_down(int64_t value, int64_t step) {
  const int64_t rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}

NodePtr moment_literal(int64_t micros, const char* zone) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, zone);
  return expr::literal(std::make_shared<arrow::TimestampScalar>(micros, type), false);
}

NodePtr date_literal(int64_t micros) {
  return expr::literal(std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(rounded_down(micros, kMicrosOfDay) / kMicrosOfDay)),
                       false);
}

// current_timestamp(3): so many digits behind the second.
int64_t with_digits(int64_t micros, int32_t digits) {
  int64_t step = kMicrosOfSecond;
  for (int32_t i = 0; i < digits && step > 1; ++i) step /= 10;
  return rounded_down(micros + step / 2, step);
}

}  // namespace

arrow::Result<NodePtr> current_value(const PgQuery__SQLValueFunction& f, const ParsedText& text) {
  switch (f.op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE: return date_literal(text.now());
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP: return moment_literal(text.now(), "UTC");
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N: return moment_literal(with_digits(text.now(), f.typmod), "UTC");
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP: return moment_literal(text.now(), "");
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N: return moment_literal(with_digits(text.now(), f.typmod), "");
    default: return text.error(current_name(f) + " is not supported; current_timestamp, localtimestamp and current_date are", f.location);
  }
}

std::string current_name(const PgQuery__SQLValueFunction& f) {
  switch (f.op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE: return "current_date";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N: return "current_time";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N: return "current_timestamp";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N: return "localtime";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N: return "localtimestamp";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG: return "current_catalog";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA: return "current_schema";
    default: return "current_user";
  }
}

NodePtr current_moment(std::string_view function, const ParsedText& text) {
  if (function == "now" || function == "transaction_timestamp" || function == "statement_timestamp" || function == "get_current_timestamp")
    return moment_literal(text.now(), "UTC");
  if (function == "today") return date_literal(text.now());
  return nullptr;
}

}  // namespace gristmill::sqltext
