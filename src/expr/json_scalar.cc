// Types and scalars as JSON. Readable for the types of the schema strings, Arrow IPC in hexadecimal for everything else.

#include <cmath>
#include <cstring>

#include <simdjson.h>

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/api.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/json.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using simdjson::dom::element;

arrow::Status malformed(const std::string& what) { return base::plan_error("cannot read the expression: " + what); }

std::string to_hex(const uint8_t* bytes, int64_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(static_cast<size_t>(2 * n));
  for (int64_t i = 0; i < n; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

arrow::Result<std::string> from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (digit(hex[i]) < 0 || digit(hex[i + 1]) < 0) return malformed("bad hexadecimal digits");
    out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  if (hex.size() % 2) return malformed("an odd number of hexadecimal digits");
  return out;
}

bool readable_type(const arrow::DataType& t) {
  auto parsed = column::parse_type(column::type_text(t));
  return parsed.ok() && (*parsed)->Equals(t);
}

// Memory streams and one row cannot fail short of running out of memory; the text then says so when it is read back.
std::string ipc_hex(const arrow::Scalar& value) {
  auto array = arrow::MakeArrayFromScalar(value, 1);
  if (!array.ok()) return "";
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("v", value.type)}), 1, {*array});
  auto stream = arrow::io::BufferOutputStream::Create();
  if (!stream.ok()) return "";
  auto writer = arrow::ipc::MakeStreamWriter(*stream, batch->schema());
  if (!writer.ok() || !(*writer)->WriteRecordBatch(*batch).ok() || !(*writer)->Close().ok()) return "";
  auto buffer = (*stream)->Finish();
  return buffer.ok() ? to_hex((*buffer)->data(), (*buffer)->size()) : "";
}

arrow::Result<std::shared_ptr<arrow::Scalar>> scalar_from_ipc(std::string_view hex) {
  ARROW_ASSIGN_OR_RAISE(std::string bytes, from_hex(hex));
  auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(input));
  ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
  if (!batch || batch->num_rows() != 1 || batch->num_columns() != 1) return malformed("not one value");
  return batch->column(0)->GetScalar(0);
}

std::string number_text(double v) {
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.17g", v);
  std::string out = digits;
  // A number without point or exponent would be read as an integer, and lose the sign of -0.
  return out.find_first_of(".e") == std::string::npos ? out + ".0" : out;
}

template <typename T>
std::string bits_text(T v) {
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return std::to_string(bits);
}

// The value's JSON, or nothing when this type has no readable form.
std::string readable_value(const arrow::Scalar& s) {
  switch (s.type->id()) {
    case Type::BOOL: return static_cast<const arrow::BooleanScalar&>(s).value ? "true" : "false";
    case Type::FLOAT: {
      const float v = static_cast<const arrow::FloatScalar&>(s).value;
      return std::isfinite(v) ? number_text(v) : "{\"bits\":" + bits_text(v) + "}";
    }
    case Type::DOUBLE: {
      const double v = static_cast<const arrow::DoubleScalar&>(s).value;
      return std::isfinite(v) ? number_text(v) : "{\"bits\":" + bits_text(v) + "}";
    }
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64: return s.ToString();
    case Type::DECIMAL128: return "\"" + static_cast<const arrow::Decimal128Scalar&>(s).value.ToIntegerString() + "\"";
    case Type::DATE32: return std::to_string(static_cast<const arrow::Date32Scalar&>(s).value);
    case Type::TIMESTAMP: return std::to_string(static_cast<const arrow::TimestampScalar&>(s).value);
    case Type::DURATION: return std::to_string(static_cast<const arrow::DurationScalar&>(s).value);
    case Type::STRING_VIEW: {
      const std::string_view v = static_cast<const arrow::StringViewScalar&>(s).view();
      arrow::util::InitializeUTF8();
      return arrow::util::ValidateUTF8(v) ? json_string(v) : "";
    }
    case Type::BINARY_VIEW: {
      const std::string_view v = static_cast<const arrow::BinaryViewScalar&>(s).view();
      return "\"" + to_hex(reinterpret_cast<const uint8_t*>(v.data()), static_cast<int64_t>(v.size())) + "\"";
    }
    default: return "";
  }
}

template <typename T>
arrow::Result<std::shared_ptr<arrow::Scalar>> read_float(const column::TypePtr& type, const element& value) {
  T v{};
  double d;
  element bits;
  uint64_t b;
  if (!value.get(d)) {
    v = static_cast<T>(d);
  } else if (!value["bits"].get(bits) && !bits.get(b)) {
    std::memcpy(&v, &b, sizeof v);
  } else {
    return malformed("expected a number");
  }
  return arrow::MakeScalar(type, v);
}

template <typename T>
arrow::Result<std::shared_ptr<arrow::Scalar>> read_integer(const column::TypePtr& type, const element& value) {
  int64_t i;
  uint64_t u;
  if (!value.get(i)) return arrow::MakeScalar(type, static_cast<T>(i));
  if (!value.get(u)) return arrow::MakeScalar(type, static_cast<T>(u));
  return malformed("expected an integer");
}

arrow::Result<std::shared_ptr<arrow::Scalar>> read_value(const column::TypePtr& type, const element& value) {
  std::string_view s;
  bool b;
  switch (type->id()) {
    case Type::BOOL:
      if (value.get(b)) return malformed("expected true or false");
      return std::make_shared<arrow::BooleanScalar>(b);
    case Type::INT8: return read_integer<int8_t>(type, value);
    case Type::INT16: return read_integer<int16_t>(type, value);
    case Type::INT32:
    case Type::DATE32: return read_integer<int32_t>(type, value);
    case Type::INT64:
    case Type::TIMESTAMP:
    case Type::DURATION: return read_integer<int64_t>(type, value);
    case Type::UINT8: return read_integer<uint8_t>(type, value);
    case Type::UINT16: return read_integer<uint16_t>(type, value);
    case Type::UINT32: return read_integer<uint32_t>(type, value);
    case Type::UINT64: return read_integer<uint64_t>(type, value);
    case Type::FLOAT: return read_float<float>(type, value);
    case Type::DOUBLE: return read_float<double>(type, value);
    case Type::DECIMAL128: {
      if (value.get(s)) return malformed("expected a decimal's digits");
      ARROW_ASSIGN_OR_RAISE(arrow::Decimal128 d, arrow::Decimal128::FromString(s));
      return std::make_shared<arrow::Decimal128Scalar>(d, type);
    }
    case Type::STRING_VIEW:
      if (value.get(s)) return malformed("expected a string");
      return std::make_shared<arrow::StringViewScalar>(std::string(s));
    case Type::BINARY_VIEW: {
      if (value.get(s)) return malformed("expected hexadecimal digits");
      ARROW_ASSIGN_OR_RAISE(std::string bytes, from_hex(s));
      return std::make_shared<arrow::BinaryViewScalar>(std::move(bytes));
    }
    default: return malformed("no readable form of " + type->ToString());
  }
}

}  // namespace

std::string json_string(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    const unsigned char u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (u < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", u);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string type_to_json(const arrow::DataType& type) {
  if (readable_type(type)) return json_string(column::type_text(type));
  // A null of the type carries it.
  return "{\"ipc\":\"" + ipc_hex(*arrow::MakeNullScalar(type.GetSharedPtr())) + "\"}";
}

arrow::Result<std::shared_ptr<arrow::DataType>> type_from_json(const element& e) {
  std::string_view s;
  if (!e.get(s)) return column::parse_type(s);
  if (e["ipc"].get(s)) return malformed("expected a type");
  ARROW_ASSIGN_OR_RAISE(auto scalar, scalar_from_ipc(s));
  return scalar->type;
}

std::string scalar_to_json(const arrow::Scalar& value) {
  if (readable_type(*value.type)) {
    const std::string type = json_string(column::type_text(*value.type));
    if (!value.is_valid) return "{\"type\":" + type + "}";
    const std::string v = readable_value(value);
    if (!v.empty()) return "{\"type\":" + type + ",\"value\":" + v + "}";
  }
  return "{\"ipc\":\"" + ipc_hex(value) + "\"}";
}

arrow::Result<std::shared_ptr<arrow::Scalar>> scalar_from_json(const element& e) {
  std::string_view hex;
  if (!e["ipc"].get(hex)) return scalar_from_ipc(hex);
  element type_element, value;
  if (e["type"].get(type_element)) return malformed("a value without type");
  ARROW_ASSIGN_OR_RAISE(auto type, type_from_json(type_element));
  if (e["value"].get(value)) return arrow::MakeNullScalar(type);
  return read_value(type, value);
}

}  // namespace gristmill::expr
