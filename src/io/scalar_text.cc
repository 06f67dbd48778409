// By type.

#include "io/scalar_text.h"

#include <charconv>
#include <cstring>

#include <arrow/type.h>

#include "column/column.h"
#include "column/types.h"
#include "expr/parse_text.h"
#include "io/text_format.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;

template <typename T>
void append_integer(T v, std::string& out) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, v);
  out.append(text, end.ptr);
}

}  // namespace

void append_scalar_text(const ArrayData& d, int64_t row, int precision, char between, std::string& out) {
  switch (d.type->id()) {
    case arrow::Type::BOOL: out += column::bit_at(d.buffers[1]->data(), d.offset + row) ? "true" : "false"; break;
    case arrow::Type::INT8: append_integer(int{column::values_of<int8_t>(d)[row]}, out); break;
    case arrow::Type::INT16: append_integer(column::values_of<int16_t>(d)[row], out); break;
    case arrow::Type::INT32: append_integer(column::values_of<int32_t>(d)[row], out); break;
    case arrow::Type::UINT8: append_integer(unsigned{column::values_of<uint8_t>(d)[row]}, out); break;
    case arrow::Type::UINT16: append_integer(column::values_of<uint16_t>(d)[row], out); break;
    case arrow::Type::UINT32: append_integer(column::values_of<uint32_t>(d)[row], out); break;
    case arrow::Type::UINT64: append_integer(column::values_of<uint64_t>(d)[row], out); break;
    case arrow::Type::FLOAT: append_float(column::values_of<float>(d)[row], precision, out); break;
    case arrow::Type::DOUBLE: append_float(column::values_of<double>(d)[row], precision, out); break;
    case arrow::Type::DECIMAL128: {
      char text[48];
      __int128 v;
      std::memcpy(&v, column::values_of<__int128>(d) + row, 16);
      out += expr::write_decimal(v, static_cast<const arrow::DecimalType&>(*d.type).scale(), text);
      break;
    }
    case arrow::Type::DATE32: append_date(column::values_of<int32_t>(d)[row], out); break;
    case arrow::Type::TIME32:
      append_clock(column::values_of<int32_t>(d)[row], expr::units_per_second(static_cast<const arrow::TimeType&>(*d.type).unit()), out);
      break;
    case arrow::Type::TIME64:
      append_clock(column::values_of<int64_t>(d)[row], expr::units_per_second(static_cast<const arrow::TimeType&>(*d.type).unit()), out);
      break;
    case arrow::Type::TIMESTAMP: {
      const auto& t = static_cast<const arrow::TimestampType&>(*d.type);
      append_timestamp(column::values_of<int64_t>(d)[row], expr::units_per_second(t.unit()), !t.timezone().empty(), between, out);
      break;
    }
    default: append_integer(column::values_of<int64_t>(d)[row], out); break;  // int64, and durations in their unit
  }
}

bool has_scalar_text(const arrow::DataType& canonical) {
  switch (canonical.id()) {
    case arrow::Type::NA:
    case arrow::Type::BOOL:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DURATION: return true;
    default: return column::is_integer(canonical);
  }
}

}  // namespace gristmill::io
