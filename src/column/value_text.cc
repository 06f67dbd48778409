// A value as a person reads it: in error messages and in the expectations of tests.
//
// Texts come without quotes at the top level and with them inside nested values; floats in their shortest form.

#include <arrow/array/array_base.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include <charconv>

#include "column/array_kernels.h"
#include "column/binary_text.h"
#include "column/column.h"

namespace gristmill::column {
namespace {

std::string array_text(const arrow::ArrayData& d, int64_t i, bool inside);

template <typename T>
std::string number_text(T v) {
  if constexpr (std::is_floating_point_v<T>) {
    if (v != v) return "NaN";
  }
  char out[64];
  const auto end = std::to_chars(out, out + sizeof out, v);
  return {out, end.ptr};
}

std::string nested_text(const arrow::ArrayData& d, int64_t i) {
  if (d.type->id() == arrow::Type::STRUCT) {
    std::string out = "{";
    for (int f = 0; f < static_cast<int>(d.child_data.size()); ++f) {
      if (f) out += ", ";
      out += d.type->field(f)->name() + ": " + array_text(*struct_field(d, f), i, true);
    }
    return out + "}";
  }
  const bool map = d.type->id() == arrow::Type::MAP;
  const ListRange r = list_range(d, i);
  std::string out = map ? "{" : "[";
  for (int64_t k = r.begin; k < r.end; ++k) {
    if (k > r.begin) out += ", ";
    const arrow::ArrayData& child = *d.child_data[0];
    out += map ? array_text(*struct_field(child, 0), k, true) + ": " + array_text(*struct_field(child, 1), k, true)
               : array_text(child, k, true);
  }
  return out + (map ? "}" : "]");
}

std::string array_text(const arrow::ArrayData& d, int64_t i, bool inside) {
  if (d.type->id() == arrow::Type::NA || !validity_of(d).valid(i)) return "null";
  if (arrow::is_temporal(d.type->id())) {
    const auto scalar = arrow::MakeArray(d.Slice(i, 1))->GetScalar(0);
    return scalar.ok() ? (*scalar)->ToString() : scalar.status().message();
  }
  const Physical p = physical_unchecked(*d.type);
  switch (p) {
    case Physical::kNull: return "null";
    case Physical::kBool: return bit_at(d.buffers[1]->data(), d.offset + i) ? "true" : "false";
    case Physical::kNested: return nested_text(d, i);
    case Physical::kInt128: {
      const auto* bytes = d.buffers[1]->data() + (d.offset + i) * 16;
      return arrow::Decimal128(bytes).ToString(static_cast<const arrow::DecimalType&>(*d.type).scale());
    }
    case Physical::kView: {
      const std::string_view v = view_at(d, i);
      if (!is_text(*d.type)) return binary_text(v);
      return inside ? std::string("\"").append(v).append("\"") : std::string(v);
    }
    default:
      return visit_number(p, [&]<typename T>() -> std::string {
        if constexpr (sizeof(T) == 16) {
          return {};
        } else {
          return number_text(values_of<T>(d)[i]);
        }
      });
  }
}

}  // namespace

std::string binary_text(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\\x";
  for (unsigned char b : bytes) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

std::string value_text(const Column& c, int64_t row) {
  if (c.is_constant()) return array_text(*c.values, 0, false);
  if (c.is_flat()) return array_text(*c.values, row, false);
  if (is_null_at(c, row)) return "null";
  return array_text(*c.dictionary, values_of<int32_t>(*c.values)[row], false);
}

}  // namespace gristmill::column
