// One function a pair of types; the row loop knows nulls and nothing else.

#include "io/connect/postgres_encode.h"

#include <bit>
#include <cmath>
#include <limits>

#include <arrow/type.h>

#include "base/status.h"
#include "column/array_kernels.h"
#include "io/connect/postgres_numeric.h"
#include "io/connect/wire.h"

namespace gristmill::io {

struct ValueEncoder {
  using Append = arrow::Status (*)(const ValueEncoder& self, const arrow::ArrayData& d, int64_t row, std::string& out);
  Append append = nullptr;
  PostgresType to;
  int64_t multiply = 1, divide = 1;  // units of time to microseconds
  int scale = 0;                     // of decimals
  std::shared_ptr<const ValueEncoder> element;
};

namespace {

using arrow::ArrayData;
using arrow::Status;

constexpr int32_t kFirstDate = -2451545, kLastDate = 2145031948;  // 4713 BC to 5874897 AD, from 2000-01-01
constexpr int64_t kFirstTime = -211813488000000000, kEndTime = 9223371331200000000;

Status refuse(const ArrayData& d, int64_t row, const std::string& why) {
  return base::data_error(why, column::value_text(column::Column::flat(std::make_shared<ArrayData>(d)), row), row);
}
Status too_large(const ValueEncoder& e, const ArrayData& d, int64_t row) { return refuse(d, row, "the value does not fit " + e.to.name); }

template <typename T>
T at(const ArrayData& d, int64_t row) {
  return column::values_of<T>(d)[row];
}

template <typename From, typename To>
Status integer(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const From v = at<From>(d, row);
  if (!std::in_range<To>(v)) return too_large(e, d, row);
  append_i32(sizeof(To), out);
  if constexpr (sizeof(To) == 2) append_i16(static_cast<int16_t>(v), out);
  if constexpr (sizeof(To) == 4) append_i32(static_cast<int32_t>(static_cast<To>(v)), out);
  if constexpr (sizeof(To) == 8) append_i64(static_cast<int64_t>(v), out);
  return Status::OK();
}

void append_float8(double v, std::string& out) {
  append_i32(8, out);
  append_i64(std::bit_cast<int64_t>(v), out);
}
void append_float4(float v, std::string& out) {
  append_i32(4, out);
  append_i32(std::bit_cast<int32_t>(v), out);
}

// Only what the float holds exactly.
template <typename From, typename To>
Status integer_as_float(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const From v = at<From>(d, row);
  const To f = static_cast<To>(v);
  if (static_cast<__int128>(f) != static_cast<__int128>(v)) return refuse(d, row, "the value has more digits than " + e.to.name + " keeps");
  if constexpr (sizeof(To) == 4)
    append_float4(f, out);
  else
    append_float8(f, out);
  return Status::OK();
}

bool fits(const PostgresType& to, int integer_digits) { return to.precision == 0 || integer_digits <= to.precision - to.scale; }

template <typename From>
Status integer_as_numeric(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const __int128 v = at<From>(d, row);
  if (!fits(e.to, integer_digits(v, 0))) return too_large(e, d, row);
  append_numeric(v, 0, out);
  return Status::OK();
}

template <typename From>
void choose_integer(Wire wire, ValueEncoder& e) {
  switch (wire) {
    case Wire::kInt2: e.append = integer<From, int16_t>; break;
    case Wire::kInt4: e.append = integer<From, int32_t>; break;
    case Wire::kInt8: e.append = integer<From, int64_t>; break;
    case Wire::kOid: e.append = integer<From, uint32_t>; break;
    case Wire::kFloat4: e.append = integer_as_float<From, float>; break;
    case Wire::kFloat8: e.append = integer_as_float<From, double>; break;
    case Wire::kNumeric: e.append = integer_as_numeric<From>; break;
    default: break;
  }
}

template <typename From>
Status as_float4(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const From v = at<From>(d, row);
  if (std::isfinite(v) && std::abs(v) > std::numeric_limits<float>::max()) return too_large(e, d, row);
  append_float4(static_cast<float>(v), out);
  return Status::OK();
}
template <typename From>
Status as_float8(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  append_float8(static_cast<double>(at<From>(d, row)), out);
  return Status::OK();
}
// As the server casts a double: its 15 digits, then the column's scale.
template <typename From>
Status float_as_numeric(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const double v = static_cast<double>(at<From>(d, row));
  if (std::isnan(v)) {
    append_numeric(NumericForm::kNan, out);
    return Status::OK();
  }
  if (std::isinf(v)) {
    if (e.to.precision > 0) return too_large(e, d, row);
    append_numeric(v > 0 ? NumericForm::kInfinity : NumericForm::kNegativeInfinity, out);
    return Status::OK();
  }
  if (!fits(e.to, integer_digits(v))) return too_large(e, d, row);
  append_numeric(v, out);
  return Status::OK();
}

template <typename From>
void choose_float(Wire wire, ValueEncoder& e) {
  if (wire == Wire::kFloat4) e.append = as_float4<From>;
  if (wire == Wire::kFloat8) e.append = as_float8<From>;
  if (wire == Wire::kNumeric) e.append = float_as_numeric<From>;
}

Status boolean(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  append_i32(1, out);
  out += static_cast<char>(column::bit_at(d.buffers[1]->data(), d.offset + row));
  return Status::OK();
}

Status decimal(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const __int128 v = at<__int128>(d, row);
  if (!fits(e.to, integer_digits(v, e.scale))) return too_large(e, d, row);
  append_numeric(v, e.scale, out);
  return Status::OK();
}

Status text(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const std::string_view v = column::view_at(d, row);
  if (v.find('\0') != std::string_view::npos) return refuse(d, row, "PostgreSQL holds no NUL character in text");
  const bool versioned = e.to.wire == Wire::kJsonb;
  append_i32(static_cast<int32_t>(v.size()) + (versioned ? 1 : 0), out);
  if (versioned) out += '\1';
  out += v;
  return Status::OK();
}

Status bytes(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  const std::string_view v = column::view_at(d, row);
  append_i32(static_cast<int32_t>(v.size()), out);
  out += v;
  return Status::OK();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Status uuid(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  const std::string_view v = column::view_at(d, row);
  const size_t before = out.size();
  append_i32(16, out);
  int half = -1;
  for (size_t i = 0; i < v.size(); ++i) {
    if (v[i] == '-' && half < 0 && i > 0) continue;
    const int digit = hex_digit(v[i]);
    if (digit < 0) break;
    if (half >= 0) out += static_cast<char>(half << 4 | digit);
    half = half < 0 ? digit : -1;
    if (i + 1 == v.size() && half < 0 && out.size() == before + 20) return Status::OK();
  }
  out.resize(before);
  return refuse(d, row, "the text is no uuid");
}

Status uuid_bytes(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  const std::string_view v = column::view_at(d, row);
  if (v.size() != 16) return refuse(d, row, "a uuid has 16 bytes");
  append_i32(16, out);
  out += v;
  return Status::OK();
}

Status append_date(const ArrayData& d, int64_t row, int64_t days, std::string& out) {
  days -= kPostgresEpochDays;
  if (days < kFirstDate || days > kLastDate) return refuse(d, row, "the date lies outside what PostgreSQL holds (4713 BC to 5874897 AD)");
  append_i32(4, out);
  append_i32(static_cast<int32_t>(days), out);
  return Status::OK();
}
Status date32(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  return append_date(d, row, at<int32_t>(d, row), out);
}
Status date64(const ValueEncoder&, const ArrayData& d, int64_t row, std::string& out) {
  constexpr int64_t kDay = 86'400'000;
  const int64_t v = at<int64_t>(d, row);
  return append_date(d, row, v / kDay - (v % kDay < 0 ? 1 : 0), out);
}

Status micros_of(const ValueEncoder& e, const ArrayData& d, int64_t row, int64_t v, int64_t* out) {
  if (v % e.divide != 0) return refuse(d, row, "PostgreSQL keeps microseconds; the value has nanoseconds");
  if (__builtin_mul_overflow(v / e.divide, e.multiply, out)) return refuse(d, row, "the time lies outside what PostgreSQL holds");
  return Status::OK();
}

Status timestamp(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  int64_t v = 0;
  ARROW_RETURN_NOT_OK(micros_of(e, d, row, at<int64_t>(d, row), &v));
  if (__builtin_sub_overflow(v, kPostgresEpochMicros, &v) || v < kFirstTime || v >= kEndTime) {
    return refuse(d, row, "the time lies outside what PostgreSQL holds (4713 BC to 294276 AD)");
  }
  append_i32(8, out);
  append_i64(v, out);
  return Status::OK();
}

template <typename T>
Status time_of_day(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  int64_t v = 0;
  ARROW_RETURN_NOT_OK(micros_of(e, d, row, at<T>(d, row), &v));
  if (v < 0 || v > 86'400'000'000) return refuse(d, row, "the time of day lies outside 00:00 to 24:00");
  append_i32(8, out);
  append_i64(v, out);
  return Status::OK();
}

Status interval(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  int64_t v = 0;
  ARROW_RETURN_NOT_OK(micros_of(e, d, row, at<int64_t>(d, row), &v));
  append_i32(16, out);
  append_i64(v, out);
  append_i32(0, out);  // days
  append_i32(0, out);  // months
  return Status::OK();
}

Status nothing(const ValueEncoder&, const ArrayData&, int64_t, std::string&) {
  return base::internal_error("a value in a column of nulls");
}

Status array(const ValueEncoder& e, const ArrayData& d, int64_t row, std::string& out) {
  const column::ListRange r = column::list_range(d, row);
  const ArrayData& child = *d.child_data[0];
  const column::ValidityBits valid = column::validity_of(child);
  const bool all_null = child.type->id() == arrow::Type::NA;
  const size_t length_at = out.size();
  append_i32(0, out);
  const bool empty = r.begin == r.end;
  append_i32(empty ? 0 : 1, out);
  append_i32(1, out);  // there may be nulls
  append_i32(static_cast<int32_t>(e.element->to.oid), out);
  if (!empty) {
    append_i32(static_cast<int32_t>(r.end - r.begin), out);
    append_i32(1, out);  // the first index
  }
  for (int64_t i = r.begin; i < r.end; ++i) {
    if (all_null || !valid.valid(i)) {
      append_i32(-1, out);
      continue;
    }
    const Status s = e.element->append(*e.element, child, i, out);
    if (s.ok()) continue;
    auto detail = base::error_detail(s);
    if (detail == nullptr) return s;
    base::ErrorDetail placed = *detail;
    placed.batch_row = row;
    return base::with_detail(s, placed);
  }
  if (out.size() - length_at - 4 > static_cast<size_t>(INT32_MAX)) return base::data_error("an array is longer than 2 GiB", {}, row);
  const uint32_t length = __builtin_bswap32(static_cast<uint32_t>(out.size() - length_at - 4));
  std::memcpy(out.data() + length_at, &length, 4);
  return Status::OK();
}

void set_unit(arrow::TimeUnit::type unit, ValueEncoder& e) {
  if (unit == arrow::TimeUnit::SECOND) e.multiply = 1'000'000;
  if (unit == arrow::TimeUnit::MILLI) e.multiply = 1'000;
  if (unit == arrow::TimeUnit::NANO) e.divide = 1'000;
}

void choose_text(Wire wire, ValueEncoder& e) {
  if (wire == Wire::kText || wire == Wire::kJsonb) e.append = text;
  if (wire == Wire::kUuid) e.append = uuid;
}

void choose_time(const arrow::DataType& from, Wire wire, ValueEncoder& e) {
  switch (from.id()) {
    case arrow::Type::DATE32: e.append = wire == Wire::kDate ? date32 : nullptr; break;
    case arrow::Type::DATE64: e.append = wire == Wire::kDate ? date64 : nullptr; break;
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      set_unit(static_cast<const arrow::TimeType&>(from).unit(), e);
      if (wire == Wire::kTime) e.append = from.id() == arrow::Type::TIME32 ? time_of_day<int32_t> : time_of_day<int64_t>;
      break;
    case arrow::Type::TIMESTAMP: {
      const auto& t = static_cast<const arrow::TimestampType&>(from);
      set_unit(t.unit(), e);
      if (wire == (t.timezone().empty() ? Wire::kTimestamp : Wire::kTimestampZone)) e.append = timestamp;
      break;
    }
    case arrow::Type::DURATION:
      set_unit(static_cast<const arrow::DurationType&>(from).unit(), e);
      if (wire == Wire::kInterval) e.append = interval;
      break;
    default: break;
  }
}

std::shared_ptr<const ValueEncoder> choose(const arrow::DataType& from, const PostgresType& to) {
  auto e = std::make_shared<ValueEncoder>();
  e->to = to;
  switch (from.id()) {
    case arrow::Type::NA: e->append = nothing; break;
    case arrow::Type::BOOL: e->append = to.wire == Wire::kBool ? boolean : nullptr; break;
    case arrow::Type::INT8: choose_integer<int8_t>(to.wire, *e); break;
    case arrow::Type::INT16: choose_integer<int16_t>(to.wire, *e); break;
    case arrow::Type::INT32: choose_integer<int32_t>(to.wire, *e); break;
    case arrow::Type::INT64: choose_integer<int64_t>(to.wire, *e); break;
    case arrow::Type::UINT8: choose_integer<uint8_t>(to.wire, *e); break;
    case arrow::Type::UINT16: choose_integer<uint16_t>(to.wire, *e); break;
    case arrow::Type::UINT32: choose_integer<uint32_t>(to.wire, *e); break;
    case arrow::Type::UINT64: choose_integer<uint64_t>(to.wire, *e); break;
    case arrow::Type::FLOAT: choose_float<float>(to.wire, *e); break;
    case arrow::Type::DOUBLE: choose_float<double>(to.wire, *e); break;
    case arrow::Type::DECIMAL128:
      e->scale = static_cast<const arrow::Decimal128Type&>(from).scale();
      if (to.wire == Wire::kNumeric) e->append = decimal;
      break;
    case arrow::Type::STRING_VIEW: choose_text(to.wire, *e); break;
    case arrow::Type::BINARY_VIEW:
      if (to.wire == Wire::kBytes) e->append = bytes;
      if (to.wire == Wire::kUuid) e->append = uuid_bytes;
      break;
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
      if (to.wire != Wire::kArray) break;
      e->element = choose(*static_cast<const arrow::BaseListType&>(from).value_type(), *to.element);
      if (e->element != nullptr) e->append = array;
      break;
    default: choose_time(from, to.wire, *e); break;
  }
  return e->append == nullptr ? nullptr : e;
}

}  // namespace

arrow::Result<RowEncoder> RowEncoder::make(const std::vector<Target>& targets) {
  RowEncoder out;
  if (targets.size() > 1600) return base::plan_error("PostgreSQL's tables have no more than 1600 columns");
  for (const Target& t : targets) {
    const auto from = column::canonical_type(t.from);
    auto encoder = choose(*from, t.to);
    if (encoder == nullptr) {
      return base::plan_error("column \"" + t.name + "\" of type " + column::type_text(*from) + " cannot be written to " +
                                  (t.to.name.empty() ? "the type of the table's column" : t.to.name),
                              "cast it first");
    }
    out.names_.push_back(t.name);
    out.columns_.push_back(std::move(encoder));
  }
  return out;
}

arrow::Result<column::Batch> RowEncoder::flatten(column::Batch batch, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(column::Batch dense, column::compact(std::move(batch), pool, /*keep_origin=*/true));
  for (column::Column& c : dense.columns) {
    ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, dense.rows, pool));
  }
  return dense;
}

arrow::Status RowEncoder::append(const column::Batch& flat, int64_t first, size_t bytes, std::string& out, int64_t& done) const {
  std::vector<column::ValidityBits> valid;
  for (const column::Column& c : flat.columns) valid.push_back(column::validity_of(*c.values));
  done = 0;
  for (int64_t row = first; row < flat.rows && out.size() < bytes; ++row, ++done) {
    const size_t begin = out.size();
    append_i16(static_cast<int16_t>(columns_.size()), out);
    for (size_t c = 0; c < columns_.size(); ++c) {
      const ArrayData& d = *flat.columns[c].values;
      if (d.type->id() == arrow::Type::NA || !valid[c].valid(row)) {
        append_i32(-1, out);
        continue;
      }
      const Status s = columns_[c]->append(*columns_[c], d, row, out);
      if (s.ok()) continue;
      out.resize(begin);
      const auto detail = base::error_detail(s);
      if (detail == nullptr) return s;
      base::ErrorDetail named = *detail;
      named.column = names_[c];
      return base::with_detail(s, named);
    }
  }
  return Status::OK();
}

std::string RowEncoder::header() {
  std::string out("PGCOPY\n\377\r\n\0", 11);
  append_i32(0, out);
  append_i32(0, out);
  return out;
}

std::string RowEncoder::trailer() {
  std::string out;
  append_i16(-1, out);
  return out;
}

}  // namespace gristmill::io
