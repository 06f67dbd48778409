// Columns to Avro's binary form. Which column goes to which type is decided once, by name; what a value cannot be is a data error with its
// row and column.

#include <algorithm>
#include <cstring>

#include <arrow/array/data.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "base/status.h"
#include "column/column.h"
#include "column/types.h"
#include "io/avro_schema.h"
#include "io/record_encoder.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;

void put_long(int64_t v, std::string& out) {
  uint64_t z = (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
  while (z >= 0x80) {
    out += static_cast<char>((z & 0x7f) | 0x80);
    z >>= 7;
  }
  out += static_cast<char>(z);
}

void put_bytes(std::string_view bytes, std::string& out) {
  put_long(std::ssize(bytes), out);
  out += bytes;
}

template <typename T>
void put_fixed(const T& v, std::string& out) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// How values of one column become values of one type.
struct Way {
  enum Kind : uint8_t { kNull, kBool, kInteger, kFloat, kDouble, kBytes, kSymbol, kFixed, kDecimal, kList, kMap, kRecord };
  Kind kind = kNull;
  AvroTypePtr type;      // below its union
  int null_branch = -1;  // of the union; -1: there is none
  int value_branch = -1;
  int64_t times = 1;       // of integers: the unit's factor
  std::vector<Way> parts;  // of a list, map, record
  std::vector<int> from;   // of a record: the child
  std::string column;      // for errors
};

int64_t integer_at(const ArrayData& d, int64_t row) {
  switch (d.type->id()) {
    case arrow::Type::INT8: return column::values_of<int8_t>(d)[row];
    case arrow::Type::INT16: return column::values_of<int16_t>(d)[row];
    case arrow::Type::UINT8: return column::values_of<uint8_t>(d)[row];
    case arrow::Type::UINT16: return column::values_of<uint16_t>(d)[row];
    case arrow::Type::UINT32: return column::values_of<uint32_t>(d)[row];
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32: return column::values_of<int32_t>(d)[row];
    default: return column::values_of<int64_t>(d)[row];
  }
}

arrow::Status refused(const Way& way, const std::string& why) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.column = way.column;
  return base::with_detail(base::data_error(why), d);
}

arrow::Status put(const ArrayData& d, int64_t row, const Way& way, std::string& out);

arrow::Status put_decimal(const ArrayData& d, int64_t row, const Way& way, std::string& out) {
  const arrow::Decimal128 v(reinterpret_cast<const uint8_t*>(column::values_of<__int128>(d) + row));
  uint8_t bytes[16];
  v.ToBytes(bytes);  // little-endian
  int n = 16;
  const uint8_t sign = bytes[15] & 0x80 ? 0xff : 0x00;
  const bool fixed = way.type->kind == AvroKind::kFixed;
  const int least = fixed ? static_cast<int>(std::min<int64_t>(way.type->size, 16)) : 1;
  while (n > least && bytes[n - 1] == sign && (bytes[n - 2] & 0x80) == (sign & 0x80)) --n;
  if (fixed && n > way.type->size) return refused(way, "a decimal does not fit " + std::to_string(way.type->size) + " bytes");
  if (!fixed) put_long(n, out);
  for (int64_t i = n; fixed && i < way.type->size; ++i) out += static_cast<char>(sign);
  for (int i = n - 1; i >= 0; --i) out += static_cast<char>(bytes[i]);
  return arrow::Status::OK();
}

arrow::Status put_integer(const ArrayData& d, int64_t row, const Way& way, std::string& out) {
  int64_t v = integer_at(d, row);
  if (__builtin_mul_overflow(v, way.times, &v)) return refused(way, "a time is beyond what its Avro type holds");
  if (way.type->kind == AvroKind::kInt && (v < INT32_MIN || v > INT32_MAX)) {
    return refused(way, "the number " + std::to_string(v) + " is no int of Avro");
  }
  put_long(v, out);
  return arrow::Status::OK();
}

arrow::Status put_items(const ArrayData& d, int64_t row, const Way& way, std::string& out) {
  const int32_t* offsets = column::values_of<int32_t>(d);
  const int32_t n = offsets[row + 1] - offsets[row];
  if (n > 0) put_long(n, out);
  const ArrayData& items = *d.child_data[0];
  for (int32_t i = offsets[row]; i < offsets[row + 1]; ++i) {
    if (way.kind == Way::kList) {
      ARROW_RETURN_NOT_OK(put(items, i, way.parts[0], out));
      continue;
    }
    put_bytes(column::view_at(*items.child_data[0], items.offset + i), out);
    ARROW_RETURN_NOT_OK(put(*items.child_data[1], items.offset + i, way.parts[0], out));
  }
  put_long(0, out);
  return arrow::Status::OK();
}

arrow::Status put_value(const ArrayData& d, int64_t row, const Way& way, std::string& out) {
  switch (way.kind) {
    case Way::kNull: return arrow::Status::OK();
    case Way::kBool: out += column::bit_at(d.buffers[1]->data(), d.offset + row) ? '\1' : '\0'; return arrow::Status::OK();
    case Way::kInteger: return put_integer(d, row, way, out);
    case Way::kFloat: put_fixed(column::values_of<float>(d)[row], out); return arrow::Status::OK();
    case Way::kDouble:
      put_fixed(
          d.type->id() == arrow::Type::FLOAT ? static_cast<double>(column::values_of<float>(d)[row]) : column::values_of<double>(d)[row],
          out);
      return arrow::Status::OK();
    case Way::kBytes: put_bytes(column::view_at(d, row), out); return arrow::Status::OK();
    case Way::kSymbol: {
      const std::string_view wanted = column::view_at(d, row);
      for (size_t i = 0; i < way.type->names.size(); ++i) {
        if (way.type->names[i] != wanted) continue;
        put_long(static_cast<int64_t>(i), out);
        return arrow::Status::OK();
      }
      return refused(way, "\"" + std::string(wanted) + "\" is no symbol of the enum " + way.type->name);
    }
    case Way::kFixed: {
      const std::string_view bytes = column::view_at(d, row);
      if (std::ssize(bytes) != way.type->size) return refused(way, "a value is not of " + std::to_string(way.type->size) + " bytes");
      out += bytes;
      return arrow::Status::OK();
    }
    case Way::kDecimal: return put_decimal(d, row, way, out);
    case Way::kList:
    case Way::kMap: return put_items(d, row, way, out);
    case Way::kRecord:
      for (size_t i = 0; i < way.parts.size(); ++i) {
        ARROW_RETURN_NOT_OK(put(*d.child_data[static_cast<size_t>(way.from[i])], d.offset + row, way.parts[i], out));
      }
      return arrow::Status::OK();
  }
  return base::internal_error("a kind of Avro");
}

arrow::Status put(const ArrayData& d, int64_t row, const Way& way, std::string& out) {
  const bool null = d.type->id() == arrow::Type::NA || !column::validity_of(d).valid(row);
  if (null) {
    if (way.null_branch >= 0) {
      put_long(way.null_branch, out);
      return arrow::Status::OK();
    }
    return way.kind == Way::kNull ? arrow::Status::OK() : refused(way, "a null, where the Avro schema knows none");
  }
  if (way.value_branch >= 0) put_long(way.value_branch, out);
  return put_value(d, row, way, out);
}

arrow::Result<Way> way_to(const arrow::DataType& from, AvroTypePtr type, const std::string& column);

int64_t ticks_per_second(arrow::TimeUnit::type unit) {
  return unit == arrow::TimeUnit::SECOND  ? 1
         : unit == arrow::TimeUnit::MILLI ? 1000
         : unit == arrow::TimeUnit::MICRO ? 1'000'000
                                          : 1'000'000'000;
}

// How many of the type's ticks one of the column's is; 0: it has finer ones.
int64_t factor(const arrow::DataType& from, const arrow::DataType& to) {
  const auto unit = [](const arrow::DataType& t) {
    return t.id() == arrow::Type::TIMESTAMP ? static_cast<const arrow::TimestampType&>(t).unit()
                                            : static_cast<const arrow::TimeType&>(t).unit();
  };
  const int64_t a = ticks_per_second(unit(from)), b = ticks_per_second(unit(to));
  return b >= a ? b / a : 0;
}

arrow::Result<Way> nested_way(const arrow::DataType& from, Way way, const std::string& column) {
  if (way.kind == Way::kList) {
    ARROW_ASSIGN_OR_RAISE(auto part, way_to(*from.field(0)->type(), way.type->parts[0], column + "[]"));
    way.parts.push_back(std::move(part));
    return way;
  }
  if (way.kind == Way::kMap) {
    ARROW_ASSIGN_OR_RAISE(auto part, way_to(*static_cast<const arrow::MapType&>(from).item_type(), way.type->parts[0], column + "{}"));
    way.parts.push_back(std::move(part));
    return way;
  }
  const auto& s = static_cast<const arrow::StructType&>(from);
  for (size_t i = 0; i < way.type->parts.size(); ++i) {
    const std::string& name = way.type->names[i];
    const int at = s.GetFieldIndex(name);
    const std::string inner = column.empty() ? name : column + "." + name;
    if (at < 0) return base::plan_error("the Avro schema wants a field \"" + inner + "\" that the rows have not");
    ARROW_ASSIGN_OR_RAISE(auto part, way_to(*s.field(at)->type(), way.type->parts[i], inner));
    way.parts.push_back(std::move(part));
    way.from.push_back(at);
  }
  return way;
}

// The way for a type that is no union; kNull with a type that is not null: there is none.
Way::Kind kind_of(const arrow::DataType& from, const AvroType& t, int64_t* times) {
  const bool whole = column::is_integer(from) && from.id() != arrow::Type::UINT64;
  switch (t.kind) {
    case AvroKind::kBoolean: return from.id() == arrow::Type::BOOL ? Way::kBool : Way::kNull;
    case AvroKind::kInt:
    case AvroKind::kLong:
      if (t.logical == AvroLogical::kNone) return whole ? Way::kInteger : Way::kNull;
      if (t.logical == AvroLogical::kDate) return from.id() == arrow::Type::DATE32 ? Way::kInteger : Way::kNull;
      if (t.logical == AvroLogical::kTimestamp || t.logical == AvroLogical::kLocalTimestamp) {
        if (from.id() != arrow::Type::TIMESTAMP) return Way::kNull;
      } else if (from.id() != arrow::Type::TIME32 && from.id() != arrow::Type::TIME64) {
        return Way::kNull;
      }
      *times = factor(from, *t.to);
      return *times > 0 ? Way::kInteger : Way::kNull;
    case AvroKind::kFloat: return from.id() == arrow::Type::FLOAT ? Way::kFloat : Way::kNull;
    case AvroKind::kDouble: return column::is_float(from) ? Way::kDouble : Way::kNull;
    case AvroKind::kBytes:
    case AvroKind::kFixed: {
      if (t.logical == AvroLogical::kDecimal) {
        if (from.id() != arrow::Type::DECIMAL128) return Way::kNull;
        const auto& d = static_cast<const arrow::DecimalType&>(from);
        return d.scale() == t.scale && d.precision() <= t.precision ? Way::kDecimal : Way::kNull;
      }
      if (t.logical != AvroLogical::kNone || !column::is_viewed(from)) return Way::kNull;
      return t.kind == AvroKind::kFixed ? Way::kFixed : Way::kBytes;
    }
    case AvroKind::kString: return column::is_text(from) ? Way::kBytes : Way::kNull;
    case AvroKind::kEnum: return column::is_text(from) ? Way::kSymbol : Way::kNull;
    case AvroKind::kArray: return from.id() == arrow::Type::LIST ? Way::kList : Way::kNull;
    case AvroKind::kMap:
      return from.id() == arrow::Type::MAP && column::is_text(*static_cast<const arrow::MapType&>(from).key_type()) ? Way::kMap
                                                                                                                    : Way::kNull;
    case AvroKind::kRecord: return from.id() == arrow::Type::STRUCT ? Way::kRecord : Way::kNull;
    default: return Way::kNull;
  }
}

arrow::Result<Way> way_to(const arrow::DataType& from, AvroTypePtr type, const std::string& column) {
  Way way;
  way.column = column;
  if (type->plain_union()) {
    way.null_branch = type->null_at;
    way.value_branch = type->value_at;
    type = type->parts[static_cast<size_t>(type->value_at)];
  }
  way.type = type;
  if (type->kind == AvroKind::kNull && from.id() == arrow::Type::NA) return way;
  if (from.id() == arrow::Type::NA && way.null_branch >= 0) return way;
  way.kind = kind_of(from, *type, &way.times);
  if (way.kind == Way::kNull) {
    return base::plan_error(
        "column \"" + column + "\" of type " + column::type_text(from) + " cannot be written as what the Avro schema says of it",
        "cast it; a union of several types cannot be written");
  }
  if (way.kind < Way::kList) return way;
  return nested_way(from, std::move(way), column);
}

class AvroRecords final : public RecordEncoder {
 public:
  AvroRecords(Way way, std::string head) : way_(std::move(way)), head_(std::move(head)) {}
  arrow::Result<bool> encode(const column::Batch& flat, int64_t row, std::string& out) const override {
    const size_t before = out.size();
    out += head_;
    for (size_t i = 0; i < way_.parts.size(); ++i) {
      const ArrayData& d = *flat.columns[static_cast<size_t>(way_.from[i])].values;
      const arrow::Status status = put(d, row, way_.parts[i], out);
      if (status.ok()) continue;
      out.resize(before);
      const auto detail = base::error_detail(status);
      if (detail == nullptr) return status;
      base::ErrorDetail placed = *detail;
      placed.batch_row = row;
      return base::with_detail(status, placed);
    }
    return true;
  }

 private:
  const Way way_;  // of the whole record
  const std::string head_;
};

}  // namespace

arrow::Result<RecordEncoderPtr> avro_encoder(std::shared_ptr<arrow::Schema> schema, const std::string& schema_json, AvroFraming framing,
                                             int32_t registry_id) {
  if (framing == AvroFraming::kSingleObject) {
    return base::plan_error("single objects of Avro are read, not written", "avro_framing=\"registry\" or \"none\"");
  }
  std::string text = schema_json;
  if (text.empty()) {
    ARROW_ASSIGN_OR_RAISE(text, avro_schema_for(*schema, "row"));
  }
  ARROW_ASSIGN_OR_RAISE(const AvroTypePtr type, parse_avro(text));
  if (type->kind != AvroKind::kRecord) return base::plan_error("rows are written as a record of Avro; the schema is none");
  arrow::FieldVector inside;
  for (const auto& f : schema->fields()) inside.push_back(arrow::field(f->name(), column::canonical_type(f->type())));
  ARROW_ASSIGN_OR_RAISE(auto way, way_to(*arrow::struct_(inside), type, ""));
  std::string head;
  if (framing == AvroFraming::kRegistry) {
    head += '\0';
    for (int shift = 24; shift >= 0; shift -= 8) head += static_cast<char>(static_cast<uint32_t>(registry_id) >> shift);
  }
  return std::make_shared<AvroRecords>(std::move(way), std::move(head));
}

}  // namespace gristmill::io
