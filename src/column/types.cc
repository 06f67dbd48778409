// Canonical types and the physical form of each: one switch per question, so that a new Arrow type is decided in one file.
//
// Canonical nested types have nullable children named as Arrow names them by default, so that
// two files which differ only there give equal types inside.

#include "column/types.h"

#include <arrow/extension_type.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <algorithm>

namespace gristmill::column {
namespace {

TypePtr canonical_struct(const arrow::DataType& t) {
  arrow::FieldVector fields;
  fields.reserve(t.num_fields());
  for (const auto& f : t.fields()) fields.push_back(arrow::field(f->name(), canonical_type(f->type())));
  return arrow::struct_(std::move(fields));
}

bool physical_kind(const arrow::DataType& t, Physical* out) {
  using arrow::Type;
  switch (t.id()) {
    case Type::NA: *out = Physical::kNull; return true;
    case Type::BOOL: *out = Physical::kBool; return true;
    case Type::INT8: *out = Physical::kInt8; return true;
    case Type::INT16: *out = Physical::kInt16; return true;
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32: *out = Physical::kInt32; return true;
    case Type::INT64:
    case Type::DATE64:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION: *out = Physical::kInt64; return true;
    case Type::UINT8: *out = Physical::kUInt8; return true;
    case Type::UINT16: *out = Physical::kUInt16; return true;
    case Type::UINT32: *out = Physical::kUInt32; return true;
    case Type::UINT64: *out = Physical::kUInt64; return true;
    case Type::FLOAT: *out = Physical::kFloat32; return true;
    case Type::DOUBLE: *out = Physical::kFloat64; return true;
    case Type::DECIMAL128: *out = Physical::kInt128; return true;
    case Type::STRING_VIEW:
    case Type::BINARY_VIEW: *out = Physical::kView; return true;
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::STRUCT:
    case Type::MAP: *out = Physical::kNested; return true;
    default: return false;
  }
}

}  // namespace

TypePtr kept_type(const TypePtr& border) {
  switch (border->id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY: return canonical_type(border);
    default: return border;
  }
}

TypePtr canonical_type(const TypePtr& border) {
  using arrow::Type;
  switch (border->id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW: return arrow::utf8_view();
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::FIXED_SIZE_BINARY:
    case Type::BINARY_VIEW: return arrow::binary_view();
    case Type::DECIMAL32:
    case Type::DECIMAL64: {
      const auto& d = static_cast<const arrow::DecimalType&>(*border);
      return arrow::decimal128(d.precision(), d.scale());
    }
    case Type::DECIMAL256: {  // as many digits as there are here; a value that has more is refused where it enters
      const auto& d = static_cast<const arrow::DecimalType&>(*border);
      constexpr int32_t kDigits = arrow::Decimal128Type::kMaxPrecision;
      return d.scale() > kDigits ? border : arrow::decimal128(std::min(d.precision(), kDigits), d.scale());
    }
    case Type::DICTIONARY: return canonical_type(static_cast<const arrow::DictionaryType&>(*border).value_type());
    case Type::EXTENSION: return canonical_type(static_cast<const arrow::ExtensionType&>(*border).storage_type());
    case Type::LIST: return arrow::list(arrow::field("item", canonical_type(border->field(0)->type())));
    case Type::LARGE_LIST: return arrow::large_list(arrow::field("item", canonical_type(border->field(0)->type())));
    case Type::STRUCT: return canonical_struct(*border);
    case Type::MAP: {
      const auto& m = static_cast<const arrow::MapType&>(*border);
      return arrow::map(canonical_type(m.key_type()), arrow::field("value", canonical_type(m.item_type())));
    }
    default: return border;
  }
}

arrow::Result<Physical> physical_of(const arrow::DataType& canonical) {
  Physical p;
  if (physical_kind(canonical, &p)) {
    for (const auto& f : canonical.fields()) ARROW_RETURN_NOT_OK(physical_of(*f->type()).status());
    return p;
  }
  return arrow::Status::NotImplemented(
      "columns of type ", canonical.ToString(), " are not supported",
      canonical.id() == arrow::Type::DECIMAL256 ? "; decimals have at most 38 digits here, and as many places" : "");
}

Physical physical_unchecked(const arrow::DataType& canonical) {
  Physical p = Physical::kNull;
  physical_kind(canonical, &p);
  return p;
}

int byte_width(Physical p) {
  switch (p) {
    case Physical::kInt8:
    case Physical::kUInt8: return 1;
    case Physical::kInt16:
    case Physical::kUInt16: return 2;
    case Physical::kInt32:
    case Physical::kUInt32:
    case Physical::kFloat32: return 4;
    case Physical::kInt64:
    case Physical::kUInt64:
    case Physical::kFloat64: return 8;
    case Physical::kInt128:
    case Physical::kView: return 16;
    case Physical::kNull:
    case Physical::kBool:
    case Physical::kNested: return 0;
  }
  return 0;
}

bool is_integer(const arrow::DataType& t) { return arrow::is_integer(t.id()); }
bool is_signed_integer(const arrow::DataType& t) { return arrow::is_signed_integer(t.id()); }
bool is_float(const arrow::DataType& t) { return t.id() == arrow::Type::FLOAT || t.id() == arrow::Type::DOUBLE; }
bool is_decimal(const arrow::DataType& t) { return t.id() == arrow::Type::DECIMAL128; }
bool is_numeric(const arrow::DataType& t) { return column::is_integer(t) || column::is_float(t) || column::is_decimal(t); }
bool is_text(const arrow::DataType& t) { return t.id() == arrow::Type::STRING_VIEW; }
bool is_viewed(const arrow::DataType& t) { return t.id() == arrow::Type::STRING_VIEW || t.id() == arrow::Type::BINARY_VIEW; }

}  // namespace gristmill::column
