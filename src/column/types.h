// Which Arrow types the engine carries, in which physical form, and how a border type
// becomes the type inside and back.
//
// Inside: utf8, large_utf8 -> utf8_view; binary, large_binary -> binary_view;
// dictionary<K, V> -> an Encoding of the canonical V; everything else as it is.
#pragma once

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gristmill::column {

using TypePtr = std::shared_ptr<arrow::DataType>;

// How the values of a column lie in memory. Kernels dispatch on this, never on arrow::Type.
enum class Physical : uint8_t {
  kNull,
  kBool,  // bool: bit-packed, as in Arrow
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat32,
  kFloat64,
  kInt128,  // decimal128
  kView,    // utf8_view, binary_view: 16 bytes
  kNested,  // list, struct, map: carried, taken, concatenated; not computed with
};

// Recursively for nested types (children become nullable); decimal32/64 -> decimal128, fixed_size_binary -> binary_view,
// extension types -> their storage. A type the engine does not carry comes back as it is: physical_of refuses it.
TypePtr canonical_type(const TypePtr& border);
arrow::Result<Physical> physical_of(const arrow::DataType& canonical);  // NotImplemented error names the type
TypePtr kept_type(const TypePtr& border);                               // for results: text and bytes as views, anything else as it is
Physical physical_unchecked(const arrow::DataType& canonical);          // of a type physical_of has accepted; no allocation
int byte_width(Physical p);                                             // 0 for kNull, kBool and kNested

bool is_integer(const arrow::DataType& t);
bool is_signed_integer(const arrow::DataType& t);
bool is_float(const arrow::DataType& t);
bool is_decimal(const arrow::DataType& t);
bool is_numeric(const arrow::DataType& t);
bool is_text(const arrow::DataType& t);    // utf8_view
bool is_viewed(const arrow::DataType& t);  // utf8_view or binary_view

// Schema strings of the project: "int64", "decimal(12,2)", "timestamp(us,UTC)", "list<string>", "struct<a:int64,b:string>", ...
std::string type_text(const arrow::DataType& t);
// Parsed types are canonical: "string" is utf8_view.
arrow::Result<TypePtr> parse_type(std::string_view text);
arrow::Result<std::shared_ptr<arrow::Schema>> parse_schema(
    std::string_view text);  // "id:int64 fare:float64!"; ',' or blanks between fields

// Calls `f.template operator()<T>()` with the C type of a fixed-width physical type (not bool, view, nested, null).
template <typename F>
auto visit_number(Physical p, F&& f) {
  switch (p) {
    case Physical::kInt8: return f.template operator()<int8_t>();
    case Physical::kInt16: return f.template operator()<int16_t>();
    case Physical::kInt32: return f.template operator()<int32_t>();
    case Physical::kUInt8: return f.template operator()<uint8_t>();
    case Physical::kUInt16: return f.template operator()<uint16_t>();
    case Physical::kUInt32: return f.template operator()<uint32_t>();
    case Physical::kUInt64: return f.template operator()<uint64_t>();
    case Physical::kFloat32: return f.template operator()<float>();
    case Physical::kFloat64: return f.template operator()<double>();
    case Physical::kInt128: return f.template operator()<__int128>();
    default: return f.template operator()<int64_t>();
  }
}

}  // namespace gristmill::column
