// PostgreSQL's types as the connector carries them: their wire form, their Arrow type, and the way back.
//
// What cannot be carried without a loss is refused when the query is planned, naming column and type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/types.h"
#include "io/connect/postgres_session.h"

namespace gristmill::io {

enum class Wire : uint8_t {
  kBool,
  kInt2,
  kInt4,
  kInt8,
  kOid,
  kFloat4,
  kFloat8,
  kNumeric,
  kText,   // text, varchar, char, name, json, xml, enums
  kJsonb,  // one version byte, then text
  kBytes,
  kDate,
  kTime,
  kTimestamp,
  kTimestampZone,
  kInterval,
  kUuid,
  kArray,
  kOther,
};

struct PostgresType {
  Wire wire = Wire::kOther;
  std::string name;                       // as the server prints it: "numeric(12,2)"
  uint32_t oid = 0;                       // of the base type
  int precision = 0, scale = 0;           // numeric with both; precision 0: unbounded
  std::shared_ptr<PostgresType> element;  // of an array
};

// Of columns as a description or the catalogue gave them; domains are looked through.
arrow::Result<std::vector<PostgresType>> resolve_types(PostgresSession& session, const std::vector<PostgresColumn>& columns);

enum class UnboundedNumeric : uint8_t { kText, kFloat64 };

// Border type of a column that is read; a plan error for types that are not carried.
arrow::Result<column::TypePtr> arrow_type_of(const PostgresType& type, const std::string& column, UnboundedNumeric numeric);

// What a new table's column gets for a border type; a plan error for what has no counterpart.
arrow::Result<std::string> postgres_type_for(const arrow::DataType& border, const std::string& column);

inline constexpr int64_t kPostgresEpochDays = 10957;  // 2000-01-01 in days after 1970-01-01
inline constexpr int64_t kPostgresEpochMicros = kPostgresEpochDays * 86'400'000'000;

}  // namespace gristmill::io
