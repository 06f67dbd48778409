// How frames read from and write to PostgreSQL: the options of scan_postgres() and Frame::sink_postgres().
#pragma once

#include <string>
#include <vector>

namespace gristmill {

struct PostgresScanOptions {
  // A column of the query (integers, date, timestamp): its range is cut into pieces that several connections read at once, all of
  // them seeing one snapshot. Rows come in the order of the pieces, rows without a key last. Empty: one connection.
  std::string partition_on;
  int partitions = 8;  // connections at most
  // numeric without a precision, or with more than 38 digits: "text" keeps every digit, "float64" computes.
  std::string unbounded_numeric = "text";
};

enum class PostgresMode {
  kAppend,   // the table must be there
  kReplace,  // the table's rows go, its definition stays; made when it is not there
  kCreate,   // made when it is not there
  kFail,     // made; it is an error if it is there
  kUpsert,   // by `key`: rows whose key is there replace it, others are added; of equal keys the last row counts
};

struct PostgresSinkOptions {
  PostgresMode mode = PostgresMode::kAppend;
  std::vector<std::string> key;  // for kUpsert: columns of a unique index
};

}  // namespace gristmill
