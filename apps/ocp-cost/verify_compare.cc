// Two tables of the server as multisets: equal in all that is no number, numbers nearly.
//
// The server pairs the rows that are equal but for their numbers by the order of these; what then differs is few rows, which are paired
// here once more (nearly equal numbers may order differently) and shown beside the row they resemble most.

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "verify.h"

namespace ocp {

using gristmill::PostgresRows;
using gristmill::PostgresTransaction;
using What = SummaryColumn::What;

namespace {

constexpr int64_t kMostFetched = 20'000;
constexpr size_t kMostShown = 10;
constexpr double kRelative = 1e-12, kAbsolute = 2e-15;

std::string joined(const char* separator, What what, const std::string& before, const std::string& after) {
  std::string out;
  for (const SummaryColumn& c : summary_columns()) {
    if (c.what == what) out += (out.empty() ? "" : separator) + before + c.name + after;
  }
  return out;
}

// Shares that nobody used are differences of great numbers: they are near relative to the node's capacity.
std::string capacity_of(const std::string& name) {
  if (!name.starts_with("pod_") || name.find("_limit_") != std::string::npos) return "";
  return name.ends_with("cpu_core_hours") ? "node_capacity_cpu_core_hours" : "node_capacity_memory_gigabyte_hours";
}

// Adds what the rows have in common with their partners, as one text, and their place among those.
std::string paired_table(const std::string& table, const std::string& from) {
  std::string exact;
  for (const SummaryColumn& c : summary_columns()) {
    exact += (exact.empty() ? "" : ", ") + std::string(c.name) + (c.what == What::kNumber ? " is null" : "");
  }
  return "create temp table " + table + " on commit drop as select *, row_number() over (partition by exact order by " +
         joined(", ", What::kNumber, "", "") + ") as place from (select *, md5(jsonb_build_array(" + exact + ")::text) as exact from " +
         from + ") rows; analyze " + table + ";";
}

// Whether the numbers of `a` and `b`, which are null in the same places, are near.
std::string near(const std::string& a, const std::string& b) {
  std::string out;
  for (const SummaryColumn& c : summary_columns()) {
    if (c.what != What::kNumber) continue;
    const std::string x = a + "." + c.name, y = b + "." + c.name, capacity = capacity_of(c.name);
    std::string scale = "abs(" + x + "), abs(" + y + ")";
    if (!capacity.empty()) scale += ", case when " + a + ".infrastructure_usage_cost is null then " + a + "." + capacity + " end";
    out += (out.empty() ? "" : " and ") + std::string("coalesce(abs(") + x + " - " + y + ") <= greatest(2e-15, 1e-12 * greatest(" + scale +
           ")), true)";
  }
  return out;
}

using Row = std::vector<std::optional<std::string>>;  // summary_columns(), then exact

bool is_near(const Row& a, const Row& b) {
  const auto& columns = summary_columns();
  const auto number = [&](const Row& row, const std::string& name) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].name == name) return row[i] ? std::fabs(std::stod(*row[i])) : 0.0;
    }
    return 0.0;
  };
  const bool share = !a[columns.size() - 2];  // infrastructure_usage_cost
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].what != What::kNumber || !a[i] || !b[i]) continue;
    const double x = std::stod(*a[i]), y = std::stod(*b[i]);
    double scale = std::max(std::fabs(x), std::fabs(y));
    if (const std::string capacity = capacity_of(columns[i].name); share && !capacity.empty()) scale = std::max(scale, number(a, capacity));
    if (std::fabs(x - y) > std::max(kAbsolute, kRelative * scale)) return false;
  }
  return true;
}

std::string shown(const std::optional<std::string>& value) { return value ? "\"" + *value + "\"" : "NULL"; }

bool names_row(const char* column) {
  for (const char* name : {"data_source", "namespace", "node", "usage_start", "pod_labels", "persistentvolumeclaim", "volume_labels"}) {
    if (std::string(column) == name) return true;
  }
  return false;
}

std::string described(const Row& row) {
  std::string out;
  for (size_t i = 0; i < summary_columns().size(); ++i) {
    const SummaryColumn& c = summary_columns()[i];
    if (row[i] && names_row(c.name)) out += (out.empty() ? "" : ", ") + std::string(c.name) + " " + *row[i];
  }
  return out;
}

size_t columns_apart(const Row& a, const Row& b) {
  size_t out = 0;
  for (size_t i = 0; i < summary_columns().size(); ++i) out += a[i] != b[i] ? (names_row(summary_columns()[i].name) ? 4 : 1) : 0;
  return out;
}

std::string compared(const Row& here, const Row& there) {
  std::string out = described(here) + ":";
  for (size_t i = 0; i < summary_columns().size(); ++i) {
    if (here[i] != there[i])
      out += std::string("\n    ") + summary_columns()[i].name + ": " + shown(here[i]) + " here, " + shown(there[i]) + " there";
  }
  return out;
}

// Rows of one side without a partner; at most kMostFetched of them.
arrow::Result<std::vector<Row>> unmatched(PostgresTransaction& tx, const std::string& table) {
  std::string columns;
  for (const SummaryColumn& c : summary_columns()) columns += "r." + std::string(c.name) + "::text, ";
  ARROW_ASSIGN_OR_RAISE(
      PostgresRows rows,
      tx.execute("select " + columns + "r.exact from " + table +
                 " r where not exists (select from verify_pairs p where p.exact = r.exact and p.place = r.place) " +
                 "order by r.usage_start, r.data_source, r.namespace, r.node, r.exact, r.place limit " + std::to_string(kMostFetched)));
  return std::move(rows.rows);
}

// Pairs rows whose exact parts are equal in any order; gives how many pairs went.
int64_t pair_again(std::vector<Row>& here, std::vector<Row>& there) {
  std::multimap<std::string, size_t> waiting;
  for (size_t i = 0; i < there.size(); ++i) waiting.emplace(*there[i].back(), i);
  std::vector<Row> rest;
  std::vector<bool> taken(there.size());
  for (Row& row : here) {
    auto [first, last] = waiting.equal_range(*row.back());
    const auto partner = std::find_if(first, last, [&](const auto& entry) { return is_near(row, there[entry.second]); });
    if (partner == last) {
      rest.push_back(std::move(row));
    } else {
      taken[partner->second] = true;
      waiting.erase(partner);
    }
  }
  const int64_t pairs = static_cast<int64_t>(here.size() - rest.size());
  here = std::move(rest);
  rest.clear();
  for (size_t i = 0; i < there.size(); ++i) {
    if (!taken[i]) rest.push_back(std::move(there[i]));
  }
  there = std::move(rest);
  return pairs;
}

void show(const std::vector<Row>& here, const std::vector<Row>& there, std::vector<std::string>& out) {
  std::vector<bool> used(there.size());
  for (const Row& row : here) {
    if (out.size() >= kMostShown) return;
    size_t best = there.size(), apart = 8;  // rows further apart than this have nothing to do with each other
    for (size_t i = 0; i < there.size(); ++i) {
      const size_t distance = used[i] ? apart : columns_apart(row, there[i]);
      if (distance < apart) best = i, apart = distance;
    }
    if (best < there.size()) used[best] = true;
    out.push_back(best < there.size() ? compared(row, there[best]) : "only here: " + described(row));
  }
  for (size_t i = 0; i < there.size() && out.size() < kMostShown; ++i) {
    if (!used[i]) out.push_back("missing here: " + described(there[i]));
  }
}

arrow::Result<int64_t> count_of(PostgresTransaction& tx, const std::string& sql) {
  ARROW_ASSIGN_OR_RAISE(PostgresRows rows, tx.execute(sql));
  return std::stoll(*rows.rows.at(0).at(0));
}

}  // namespace

arrow::Result<Comparison> compare_tables(PostgresTransaction& tx) {
  ARROW_RETURN_NOT_OK(tx.execute(paired_table("verify_here", "verify_actual")).status());
  ARROW_RETURN_NOT_OK(tx.execute(paired_table("verify_there", "verify_expected")).status());
  ARROW_RETURN_NOT_OK(tx.execute("create temp table verify_pairs on commit drop as select a.exact, a.place from verify_here a "
                                 "join verify_there b on b.exact = a.exact and b.place = a.place where " +
                                 near("a", "b") + "; analyze verify_pairs")
                          .status());
  Comparison out;
  ARROW_ASSIGN_OR_RAISE(out.rows_here, count_of(tx, "select count(*) from verify_here"));
  ARROW_ASSIGN_OR_RAISE(out.rows_there, count_of(tx, "select count(*) from verify_there"));
  ARROW_ASSIGN_OR_RAISE(const int64_t pairs, count_of(tx, "select count(*) from verify_pairs"));
  if (pairs < out.rows_here || pairs < out.rows_there) {
    ARROW_ASSIGN_OR_RAISE(std::vector<Row> here, unmatched(tx, "verify_here"));
    ARROW_ASSIGN_OR_RAISE(std::vector<Row> there, unmatched(tx, "verify_there"));
    const int64_t more = pair_again(here, there);
    out.unmatched_here = out.rows_here - pairs - more;
    out.unmatched_there = out.rows_there - pairs - more;
    show(here, there, out.differences);
  }
  return out;
}

}  // namespace ocp
