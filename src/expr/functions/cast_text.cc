// Casts from text to everything and back, and between text and binary.
//
// Only selected rows are read: text that nobody asked for may be anything.

#include <arrow/type.h>
#include <arrow/util/utf8.h>

#include "expr/functions/cast_kernels.h"
#include "expr/parse_text.h"
#include "expr/promotion.h"
#include "expr/text_out.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;

// parse(text, out&) -> whether it could be read. Rows outside the selection are left alone.
template <typename Out, typename Parse>
arrow::Result<Column> parse_rows(const KernelCall& call, Parse parse) {
  ARROW_ASSIGN_OR_RAISE(auto out, make_output<Out>(call));
  const TextArgument text(call.args[0]);
  const bool sparse = call.selection && !call.selection->all();
  if (sparse) std::memset(out.buffer->mutable_data(), 0, static_cast<size_t>(call.rows) * sizeof(Out));
  std::shared_ptr<arrow::Buffer> validity;
  ARROW_ASSIGN_OR_RAISE(validity, column::allocate_bits(call.rows, call.pool));
  int64_t bad = -1, refused = 0;
  for_selected(call, [&](int64_t i) {
    Out v{};
    const bool fine = parse(text[i], v);
    out.values[i] = v;
    if (fine) validity->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
    if (!fine) ++refused;
    if (!fine && bad < 0 && all_valid(call, i)) bad = i;
  });
  if (!cast_state(call).lenient) {
    if (bad >= 0) return cannot_cast(call, bad);
    return finish_output(call, std::move(out.buffer));
  }
  if (refused == 0) return finish_output(call, std::move(out.buffer));
  return Column::flat(column::make_array(call.type, call.rows, std::move(validity), -1, std::move(out.buffer)));
}

template <typename T>
arrow::Result<Column> text_to_number(const KernelCall& call) {
  return parse_rows<T>(call, [](std::string_view s, T& out) {
    if constexpr (std::is_floating_point_v<T>)
      return parse_float(s, out);
    else
      return parse_integer(s, out);
  });
}

arrow::Result<Column> text_to_decimal(const KernelCall& call) {
  const int precision = decimal_precision(*call.type), scale = decimal_scale(*call.type);
  return parse_rows<__int128>(call, [=](std::string_view s, __int128& out) { return parse_decimal(s, precision, scale, out); });
}

arrow::Result<Column> text_to_date(const KernelCall& call) {
  return parse_rows<int32_t>(call, [](std::string_view s, int32_t& out) {
    int64_t days = 0;
    const bool fine = parse_date(s, days);
    out = static_cast<int32_t>(days);
    return fine && out == days;
  });
}

arrow::Result<Column> text_to_timestamp(const KernelCall& call) {
  const int64_t units = units_per_second(static_cast<const arrow::TimestampType&>(*call.type).unit());
  return parse_rows<int64_t>(call, [units](std::string_view s, int64_t& out) { return parse_timestamp(s, units, out); });
}

arrow::Result<Column> text_to_bool(const KernelCall& call) {
  const TextArgument text(call.args[0]);
  ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_bits(call.rows, call.pool));
  ARROW_ASSIGN_OR_RAISE(auto validity, column::allocate_bits(call.rows, call.pool));
  int64_t bad = -1, refused = 0;
  for_selected(call, [&](int64_t i) {
    bool v = false;
    const auto mask = static_cast<uint8_t>(1 << (i & 7));
    if (parse_bool(text[i], v)) {
      validity->mutable_data()[i >> 3] |= mask;
      if (v) bits->mutable_data()[i >> 3] |= mask;
      return;
    }
    ++refused;
    if (bad < 0 && all_valid(call, i)) bad = i;
  });
  if (bad >= 0 && !cast_state(call).lenient) return cannot_cast(call, bad);
  if (refused == 0 || !cast_state(call).lenient) return finish_output(call, std::move(bits));
  return Column::flat(column::make_array(call.type, call.rows, std::move(validity), -1, std::move(bits)));
}

// write(row, buffer) -> the text of the row.
template <typename Write>
arrow::Result<Column> write_rows(const KernelCall& call, Write write) {
  ARROW_ASSIGN_OR_RAISE(TextOut out, TextOut::make(call.rows, call.pool));
  arrow::Status status;
  char scratch[64];
  const AllValid valid(call);
  for_selected(call, [&](int64_t i) {
    if (status.ok() && valid(i)) status = out.set(i, write(i, scratch));
  });
  ARROW_RETURN_NOT_OK(status);
  return Column::flat(out.finish(call.type));
}

template <typename T>
arrow::Result<Column> number_to_text(const KernelCall& call) {
  const Argument<T> a(call.args[0]);
  return write_rows(call, [&](int64_t i, char* out) {
    if constexpr (std::is_floating_point_v<T>)
      return write_float(a[i], out);
    else
      return write_integer(a[i], out, 64);
  });
}

arrow::Result<Column> decimal_to_text(const KernelCall& call) {
  const Argument<__int128> a(call.args[0]);
  const int scale = decimal_scale(*cast_state(call).from);
  return write_rows(call, [&](int64_t i, char* out) { return write_decimal(a[i], scale, out); });
}

arrow::Result<Column> date_to_text(const KernelCall& call) {
  const Argument<int32_t> a(call.args[0]);
  return write_rows(call, [&](int64_t i, char* out) { return write_date(a[i], out); });
}

arrow::Result<Column> timestamp_to_text(const KernelCall& call) {
  const Argument<int64_t> a(call.args[0]);
  const auto& type = static_cast<const arrow::TimestampType&>(*cast_state(call).from);
  const int64_t units = units_per_second(type.unit());
  return write_rows(call, [&](int64_t i, char* out) { return write_timestamp(a[i], units, !type.timezone().empty(), out); });
}

arrow::Result<Column> bool_to_text(const KernelCall& call) {
  const BoolArgument a(call.args[0]);
  return write_rows(call, [&](int64_t i, char*) { return std::string_view(a[i] ? "true" : "false"); });
}

arrow::Result<Column> retyped(const KernelCall& call) {
  auto data = std::make_shared<arrow::ArrayData>(*call.args[0].values);
  data->type = call.type;
  return Column::flat(std::move(data));
}

arrow::Result<Column> binary_to_text(const KernelCall& call) {
  static const bool ready = (arrow::util::InitializeUTF8(), true);
  static_cast<void>(ready);
  const TextArgument bytes(call.args[0]);
  const bool lenient = cast_state(call).lenient;
  std::shared_ptr<arrow::Buffer> validity;
  int64_t bad = -1;
  for_selected(call, [&](int64_t i) {
    if ((bad < 0 || lenient) && !arrow::util::ValidateUTF8(bytes[i]) && all_valid(call, i)) bad = i;
  });
  ARROW_ASSIGN_OR_RAISE(Column out, retyped(call));
  if (bad < 0) return out;
  if (!lenient) return cannot_cast(call, bad);
  ARROW_ASSIGN_OR_RAISE(TextOut text, TextOut::make(call.rows, call.pool));
  ARROW_ASSIGN_OR_RAISE(validity, column::allocate_bits(call.rows, call.pool));
  arrow::Status status;
  for_selected(call, [&](int64_t i) {
    if (column::is_null_at(call.args[0], i) || !arrow::util::ValidateUTF8(bytes[i]) || !status.ok()) return;
    validity->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
    status = text.set(i, bytes[i]);
  });
  ARROW_RETURN_NOT_OK(status);
  auto data = text.finish(call.type);
  data->buffers[0] = std::move(validity);
  data->SetNullCount(arrow::kUnknownNullCount);
  return Column::flat(std::move(data));
}

Kernel from_text(const arrow::DataType& to) {
  switch (to.id()) {
    case Type::BOOL: return text_to_bool;
    case Type::DATE32: return text_to_date;
    case Type::TIMESTAMP: return text_to_timestamp;
    case Type::DECIMAL128: return text_to_decimal;
    default: break;
  }
  if (!column::is_integer(to) && !column::is_float(to)) return nullptr;
  return column::visit_number(column::physical_unchecked(to), []<typename T>() -> Kernel {
    if constexpr (std::is_same_v<T, __int128>)
      return nullptr;
    else
      return text_to_number<T>;
  });
}

Kernel to_text(const arrow::DataType& from) {
  switch (from.id()) {
    case Type::BOOL: return bool_to_text;
    case Type::DATE32: return date_to_text;
    case Type::TIMESTAMP: return timestamp_to_text;
    case Type::DECIMAL128: return decimal_to_text;
    default: break;
  }
  if (!column::is_integer(from) && !column::is_float(from)) return nullptr;
  return column::visit_number(column::physical_unchecked(from), []<typename T>() -> Kernel {
    if constexpr (std::is_same_v<T, __int128>)
      return nullptr;
    else
      return number_to_text<T>;
  });
}

}  // namespace

Kernel text_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible) {
  fallible = false;
  if (from.id() == Type::STRING_VIEW && to.id() == Type::BINARY_VIEW) return retyped;
  if (to.id() == Type::STRING_VIEW && from.id() != Type::BINARY_VIEW) return to_text(from);
  fallible = true;
  if (from.id() == Type::BINARY_VIEW && to.id() == Type::STRING_VIEW) return binary_to_text;
  if (from.id() == Type::STRING_VIEW) return from_text(to);
  return nullptr;
}

}  // namespace gristmill::expr
