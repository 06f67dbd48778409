// A schema of Avro as a tree, and the Arrow types that its values become.
//
//   null, boolean, int, long, float, double, bytes, string   as one expects; int is int32, long is int64
//   record, array, map, enum, fixed                          struct, list, map<string, _>, string, binary
//   a union of null and one type                             that type, nullable
//   any other union                                          struct<member0, member1, ...>, of which one is not null
//   decimal, date, time-*, timestamp-*, local-timestamp-*    decimal128, date32, time, timestamp in UTC, timestamp; of the unit named
//   duration                                                 struct<months, days, milliseconds>
// Other logical types are what stands below them. A type that contains itself has no Arrow type and is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

namespace gristmill::io {

enum class AvroKind : uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kRecord,
  kEnum,
  kArray,
  kMap,
  kFixed,
  kUnion,
};

enum class AvroLogical : uint8_t { kNone, kDecimal, kDate, kTimeMillis, kTimeMicros, kTimestamp, kLocalTimestamp, kDuration };

struct AvroType;
using AvroTypePtr = std::shared_ptr<const AvroType>;

struct AvroType {
  AvroKind kind = AvroKind::kNull;
  AvroLogical logical = AvroLogical::kNone;
  std::string name;                     // of a record, enum, fixed; with its namespace
  std::vector<std::string> names;       // of a record's fields, an enum's symbols
  std::vector<AvroTypePtr> parts;       // of a record, a union; the one of an array or map
  int64_t size = 0;                     // of a fixed
  int precision = 0, scale = 0;         // of a decimal
  int null_at = -1;                     // of a union: the branch that is null
  int value_at = -1;                    // of a union of null and one type: that one
  std::shared_ptr<arrow::DataType> to;  // border type

  bool plain_union() const { return kind == AvroKind::kUnion && value_at >= 0; }
};

arrow::Result<AvroTypePtr> parse_avro(const std::string& json);
// The columns of a record; of any other type one column "value".
std::shared_ptr<arrow::Schema> avro_columns(const AvroType& type);
// A schema for rows of `schema`: a record of nullable fields. A plan error names a column that Avro has no type for.
arrow::Result<std::string> avro_schema_for(const arrow::Schema& schema, const std::string& name);

inline constexpr int kMostAvroDepth = 64;

}  // namespace gristmill::io
