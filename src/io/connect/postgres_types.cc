// The catalogue's answers turned into wire forms; the tables of types both ways.

#include "io/connect/postgres_types.h"

#include <map>
#include <set>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

struct CatalogType {
  std::string name, shown;
  char kind = 'b', category = 'U';
  uint32_t element = 0, base = 0;
  int32_t modifier = -1;
};
using Catalog = std::map<uint32_t, CatalogType>;

uint32_t number(const PostgresText& t) { return t ? static_cast<uint32_t>(std::stoul(*t)) : 0; }

// The types asked for, and those that they stand on.
arrow::Result<Catalog> read_catalog(PostgresSession& session, std::set<uint32_t> wanted) {
  Catalog out;
  while (!wanted.empty()) {
    std::string list;
    for (const uint32_t oid : wanted) list += (list.empty() ? "" : ",") + std::to_string(oid);
    wanted.clear();
    ARROW_ASSIGN_OR_RAISE(const auto answer,
                          session.execute("select oid, typname, pg_catalog.format_type(oid, null), typtype, typcategory, "
                                          "typelem, typbasetype, typtypmod, typlen from pg_catalog.pg_type where oid in (" +
                                          list + ")"));
    for (const auto& r : answer.rows) {
      CatalogType t;
      t.name = *r[1];
      t.shown = *r[2];
      t.kind = (*r[3])[0];
      t.category = (*r[4])[0];
      t.element = t.category == 'A' && *r[8] == "-1" ? number(r[5]) : 0;
      t.base = number(r[6]);
      t.modifier = std::stoi(*r[7]);
      for (const uint32_t next : {t.element, t.base}) {
        if (next != 0 && !out.contains(next)) wanted.insert(next);
      }
      out.emplace(number(r[0]), std::move(t));
    }
    for (const auto& [oid, t] : out) wanted.erase(oid);
  }
  return out;
}

const std::map<std::string, Wire>& wires() {
  static const std::map<std::string, Wire> kWires = {
      {"bool", Wire::kBool},        {"int2", Wire::kInt2},           {"int4", Wire::kInt4},     {"int8", Wire::kInt8},
      {"oid", Wire::kOid},          {"float4", Wire::kFloat4},       {"float8", Wire::kFloat8}, {"numeric", Wire::kNumeric},
      {"text", Wire::kText},        {"varchar", Wire::kText},        {"bpchar", Wire::kText},   {"name", Wire::kText},
      {"char", Wire::kText},        {"json", Wire::kText},           {"xml", Wire::kText},      {"citext", Wire::kText},
      {"unknown", Wire::kText},     {"jsonb", Wire::kJsonb},         {"bytea", Wire::kBytes},   {"date", Wire::kDate},
      {"time", Wire::kTime},        {"timestamp", Wire::kTimestamp}, {"uuid", Wire::kUuid},     {"timestamptz", Wire::kTimestampZone},
      {"interval", Wire::kInterval}};
  return kWires;
}

// Precision and scale of numeric(p,s), as decimal(p,s) can hold them; nothing for what it cannot.
void read_numeric(int32_t modifier, PostgresType& out) {
  if (modifier < 4) return;
  int precision = ((modifier - 4) >> 16) & 0xFFFF, scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024;
  out.name += "(" + std::to_string(precision) + "," + std::to_string(scale) + ")";
  if (scale < 0) precision -= scale, scale = 0;
  if (scale > precision) precision = scale;
  if (precision > 38) return;
  out.precision = precision;
  out.scale = scale;
}

PostgresType type_from(const Catalog& catalog, uint32_t oid, int32_t modifier) {
  PostgresType out;
  out.oid = oid;
  const auto found = catalog.find(oid);
  if (found == catalog.end()) return out;
  const CatalogType& t = found->second;
  if (t.kind == 'd') return type_from(catalog, t.base, t.modifier);
  out.name = t.shown;
  if (t.kind == 'e') {
    out.wire = Wire::kText;
  } else if (t.element != 0) {
    out.wire = Wire::kArray;
    out.element = std::make_shared<PostgresType>(type_from(catalog, t.element, modifier));
  } else if (const auto wire = wires().find(t.name); t.kind == 'b' && wire != wires().end()) {
    out.wire = wire->second;
  }
  if (out.wire == Wire::kNumeric) read_numeric(modifier, out);
  return out;
}

arrow::Status not_carried(const PostgresType& type, const std::string& column, const std::string& hint) {
  return base::plan_error("column \"" + column + "\" has the type " + type.name + ", which is not carried", hint);
}

}  // namespace

arrow::Result<std::vector<PostgresType>> resolve_types(PostgresSession& session, const std::vector<PostgresColumn>& columns) {
  std::set<uint32_t> wanted;
  for (const PostgresColumn& c : columns) wanted.insert(c.type);
  ARROW_ASSIGN_OR_RAISE(const Catalog catalog, read_catalog(session, std::move(wanted)));
  std::vector<PostgresType> out;
  for (const PostgresColumn& c : columns) out.push_back(type_from(catalog, c.type, c.modifier));
  return out;
}

arrow::Result<column::TypePtr> arrow_type_of(const PostgresType& type, const std::string& column, UnboundedNumeric numeric) {
  switch (type.wire) {
    case Wire::kBool: return arrow::boolean();
    case Wire::kInt2: return arrow::int16();
    case Wire::kInt4: return arrow::int32();
    case Wire::kInt8: return arrow::int64();
    case Wire::kOid: return arrow::uint32();
    case Wire::kFloat4: return arrow::float32();
    case Wire::kFloat8: return arrow::float64();
    case Wire::kNumeric:
      if (type.precision > 0) return arrow::decimal128(type.precision, type.scale);
      return numeric == UnboundedNumeric::kText ? arrow::utf8() : arrow::float64();
    case Wire::kText:
    case Wire::kJsonb:
    case Wire::kUuid: return arrow::utf8();
    case Wire::kBytes: return arrow::binary();
    case Wire::kDate: return arrow::date32();
    case Wire::kTime: return arrow::time64(arrow::TimeUnit::MICRO);
    case Wire::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MICRO);
    case Wire::kTimestampZone: return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case Wire::kInterval:
      return not_carried(type, column, "months and days have no fixed length; select extract(epoch from it), or cast it to text");
    case Wire::kArray: {
      ARROW_ASSIGN_OR_RAISE(auto element, arrow_type_of(*type.element, column, numeric));
      return arrow::list(std::move(element));
    }
    case Wire::kOther: break;
  }
  return not_carried(type, column, "cast it in the query: " + quote_identifier(column) + "::text");
}

arrow::Result<std::string> postgres_type_for(const arrow::DataType& border, const std::string& column) {
  const auto type = column::canonical_type(border.GetSharedPtr());
  switch (type->id()) {
    case arrow::Type::NA: return "text";
    case arrow::Type::BOOL: return "boolean";
    case arrow::Type::INT8:
    case arrow::Type::UINT8:
    case arrow::Type::INT16: return "smallint";
    case arrow::Type::UINT16:
    case arrow::Type::INT32: return "integer";
    case arrow::Type::UINT32:
    case arrow::Type::INT64: return "bigint";
    case arrow::Type::UINT64: return "numeric(20,0)";
    case arrow::Type::FLOAT: return "real";
    case arrow::Type::DOUBLE: return "double precision";
    case arrow::Type::STRING_VIEW: return "text";
    case arrow::Type::BINARY_VIEW: return "bytea";
    case arrow::Type::DECIMAL128: {
      const auto& d = static_cast<const arrow::Decimal128Type&>(*type);
      return "numeric(" + std::to_string(d.precision()) + "," + std::to_string(d.scale()) + ")";
    }
    case arrow::Type::DATE32:
    case arrow::Type::DATE64: return "date";
    case arrow::Type::TIME32:
    case arrow::Type::TIME64: return "time";
    case arrow::Type::TIMESTAMP: return static_cast<const arrow::TimestampType&>(*type).timezone().empty() ? "timestamp" : "timestamptz";
    case arrow::Type::DURATION: return "interval";
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST: {
      const auto& element = *static_cast<const arrow::BaseListType&>(*type).value_type();
      if (arrow::is_list_like(element.id())) break;
      ARROW_ASSIGN_OR_RAISE(const auto inner, postgres_type_for(element, column));
      return inner + "[]";
    }
    default: break;
  }
  return base::plan_error("column \"" + column + "\" of type " + column::type_text(*type) + " has no counterpart in PostgreSQL",
                          "make it text first: to_json() of structs, maps and nested lists");
}

}  // namespace gristmill::io
