// The key as a whole number: itself, days, or microseconds; cuts at equal steps between its ends.

#include "io/connect/postgres_ranges.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/status.h"

namespace gristmill::io {
namespace {

constexpr int64_t kRowsOfRange = 50'000;
constexpr int kMostRangesPerPart = 256;

bool is_time(Wire w) { return w == Wire::kTimestamp || w == Wire::kTimestampZone; }

// The key as a bigint in SQL; values without end are left to the outermost ranges.
std::string as_number(const std::string& key, Wire wire) {
  if (wire == Wire::kDate) return "(" + key + " - date '2000-01-01')::bigint";
  if (is_time(wire)) return "floor(extract(epoch from " + key + ") * 1000000)::bigint";
  return key + "::bigint";
}

std::string as_key(int64_t number, Wire wire) {
  if (wire == Wire::kDate) return "(date '2000-01-01' + " + std::to_string(number) + ")";
  if (!is_time(wire)) return std::to_string(number);
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, "%.6f", static_cast<double>(number) / 1e6);
  const std::string instant = std::string("to_timestamp(") + seconds + ")";
  return wire == Wire::kTimestamp ? "(" + instant + " at time zone 'UTC')" : instant;
}

std::vector<int64_t> cuts_between(int64_t low, int64_t high, int64_t ranges) {
  const __int128 span = static_cast<__int128>(high) - low + 1;
  std::vector<int64_t> out;
  for (int64_t i = 1; i < ranges; ++i) {
    const auto cut = static_cast<int64_t>(low + span * i / ranges);
    if (cut > low && (out.empty() || cut > out.back())) out.push_back(cut);
  }
  return out;
}

int64_t number_of(const std::string& text) {
  int64_t v = 0;
  std::from_chars(text.data(), text.data() + text.size(), v);
  return v;
}

}  // namespace

arrow::Status check_range_key(const PostgresType& type, const std::string& column) {
  switch (type.wire) {
    case Wire::kInt2:
    case Wire::kInt4:
    case Wire::kInt8:
    case Wire::kDate:
    case Wire::kTimestamp:
    case Wire::kTimestampZone: return arrow::Status::OK();
    default: return base::plan_error("partition_on needs a column of integers, dates or timestamps; \"" + column + "\" is " + type.name);
  }
}

int64_t estimated_rows(PostgresSession& session, const std::string& query) {
  const auto plan = session.execute("explain (format json) " + query);
  if (!plan.ok() || plan->rows.empty() || plan->rows[0].empty() || !plan->rows[0][0]) return -1;
  const std::string& text = *plan->rows[0][0];
  const size_t at = text.find("\"Plan Rows\": ");
  return at == std::string::npos ? -1 : number_of(text.substr(at + 13, 20));
}

arrow::Result<std::vector<KeyRange>> cut_ranges(PostgresSession& session, const std::string& query, const std::string& column,
                                                const PostgresType& type, int parts) {
  const std::string key = quote_identifier(column), from = " from (\n" + query + "\n) as q";
  const std::string finite = type.wire == Wire::kDate || is_time(type.wire) ? " where isfinite(" + key + ")" : "";
  ARROW_ASSIGN_OR_RAISE(const auto ends, session.execute("select " + as_number("min(" + key + ")", type.wire) + ", " +
                                                         as_number("max(" + key + ")", type.wire) + from + finite));
  if (!ends.rows[0][0]) return std::vector<KeyRange>{{}};
  ARROW_ASSIGN_OR_RAISE(const auto nulls, session.execute("select exists (select" + from + " where " + key + " is null)"));
  const int64_t most = int64_t{parts} * kMostRangesPerPart;
  const int64_t ranges = std::clamp<int64_t>(estimated_rows(session, query) / kRowsOfRange, parts, most);
  const auto cuts = cuts_between(number_of(*ends.rows[0][0]), number_of(*ends.rows[0][1]), ranges);
  std::vector<KeyRange> out;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    std::string where;
    if (i > 0) where = key + " >= " + as_key(cuts[i - 1], type.wire);
    if (i < cuts.size()) where += (where.empty() ? "" : " and ") + key + " < " + as_key(cuts[i], type.wire);
    if (cuts.empty()) where = key + " is not null";
    out.push_back({where});
  }
  if (nulls.rows[0][0] == "t") out.push_back({key + " is null"});
  return out;
}

}  // namespace gristmill::io
