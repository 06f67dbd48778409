// One loop per type; the slow way of one field; texts as views.

#include "io/csv_columns.h"

#include <algorithm>
#include <cstring>

#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/column.h"
#include "expr/moment.h"
#include "expr/parse_text.h"
#include "io/text_values.h"
#include "io/text_views.h"

namespace gristmill::io {
namespace {

using column::View16;

bool valid_utf8(std::string_view s) { return simdjson::validate_utf8(s.data(), s.size()); }

enum class Meaning : uint8_t { kValue, kNull };

// The text of a raw field, and whether it stands for null.
Meaning meaning_of(const ConvertCall& call, const RawField& raw, bool is_text, std::string& room, std::string_view& text) {
  if (raw.size < 0) return Meaning::kNull;
  const FieldValue value = field_value(raw.view(), *call.dialect, room);
  text = value.text;
  if (!value.quoted && call.values->trim) text = expr::trimmed(text);
  if (!is_text) text = expr::trimmed(text);
  if (text.empty() && (is_text ? !value.quoted && call.values->empty_is_null : true)) return Meaning::kNull;
  return call.values->is_null(text) ? Meaning::kNull : Meaning::kValue;
}

bool word_in(std::string_view text, const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool parse_clock(std::string_view s, int64_t units, int64_t& out) {
  // The day of a timestamp is a fixed one, so that its clock is what is left.
  int64_t value;
  std::string moment = "1970-01-01 " + std::string(s);
  if (s.empty() || s.find_first_not_of("0123456789:.") != std::string_view::npos || !expr::parse_timestamp(moment, units, value))
    return false;
  out = value;
  return true;
}

// The slow way, for every type by value. One per column type; knows nothing of rows.
struct SlowParse {
  const ConvertCall& call;
  const arrow::DataType& type;
  std::string room;

  bool operator()(std::string_view s, bool& out) const {
    const CsvValues& v = *call.values;
    if (word_in(s, v.trues)) return out = true;
    if (word_in(s, v.falses)) {
      out = false;
      return true;
    }
    return expr::parse_bool(s, out);
  }
  template <typename T>
    requires std::is_integral_v<T>
  bool operator()(std::string_view s, T& out) const {
    int64_t wide;
    switch (type.id()) {
      case arrow::Type::DATE32:
        if (!expr::parse_date(s, wide) || wide < INT32_MIN || wide > INT32_MAX) return false;
        out = static_cast<T>(wide);
        return true;
      case arrow::Type::TIME32:
      case arrow::Type::TIME64:
        if (!parse_clock(s, expr::units_per_second(static_cast<const arrow::TimeType&>(type).unit()), wide)) return false;
        out = static_cast<T>(wide);
        return true;
      case arrow::Type::TIMESTAMP:
        if (!expr::parse_timestamp(s, expr::units_per_second(static_cast<const arrow::TimestampType&>(type).unit()), wide)) return false;
        out = static_cast<T>(wide);
        return true;
      default: return expr::parse_integer(s, out);
    }
  }
  std::string_view with_point(std::string_view s) {
    if (!call.values->decimal_comma) return s;
    room.assign(s);
    for (char& c : room) c = c == ',' ? '.' : c == '.' ? '!' : c;
    return room;
  }
  bool operator()(std::string_view s, double& out) { return expr::parse_float(with_point(s), out); }
  bool operator()(std::string_view s, float& out) { return expr::parse_float(with_point(s), out); }
  bool operator()(std::string_view s, __int128& out) {
    const auto& d = static_cast<const arrow::DecimalType&>(type);
    return expr::parse_decimal(with_point(s), d.precision(), d.scale(), out);
  }
};

// Validity that is made when the first null comes.
class Nulls {
 public:
  Nulls(int64_t rows, arrow::MemoryPool* pool) : rows_(rows), pool_(pool) {}
  arrow::Status set(int64_t row) {
    if (bits_ == nullptr) {
      ARROW_ASSIGN_OR_RAISE(bits_, column::allocate_bits(rows_, pool_));
      std::memset(bits_->mutable_data(), 0xff, static_cast<size_t>(rows_ / 8));
      if (rows_ % 8 != 0) bits_->mutable_data()[rows_ / 8] = static_cast<uint8_t>((1 << (rows_ % 8)) - 1);
    }
    bits_->mutable_data()[row >> 3] &= static_cast<uint8_t>(~(1 << (row & 7)));
    ++count_;
    return arrow::Status::OK();
  }
  std::shared_ptr<arrow::Buffer> bits() { return bits_; }
  int64_t count() const { return count_; }

 private:
  const int64_t rows_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::Buffer> bits_;
  int64_t count_ = 0;
};

void note(const ConvertCall& call, Converted& out, int64_t row, const RawField& raw, bool bad_text) {
  std::string room;
  out.problem = {row, std::string(field_value(raw.view(), *call.dialect, room).text), bad_text};
}

// A field that is no value: null as the user wishes, or the end. True to go on.
arrow::Result<bool> refuse(const ConvertCall& call, Converted& out, Nulls& nulls, int64_t i, int64_t row, const RawField& raw,
                           bool bad_text) {
  if (!call.bad_is_null) {
    note(call, out, row, raw, bad_text);
    return false;
  }
  ++out.nulled;
  if (call.bad_rows != nullptr) call.bad_rows->push_back(row);
  ARROW_RETURN_NOT_OK(nulls.set(i));
  return true;
}

template <typename T, typename Fast, typename Store>
arrow::Status convert_loop(const ConvertCall& call, Converted& out, Nulls& nulls, Fast&& fast, Store&& store) {
  SlowParse slow{call, *call.type, {}};
  const CsvValues& values = *call.values;
  std::string room;
  for (int64_t i = 0; i < call.count; ++i) {
    const int64_t row = call.rows != nullptr ? call.rows[i] : call.first_row + i;
    const RawField raw = call.fields.at(row);
    T value{};
    if (raw.size <= 0) {
      ARROW_RETURN_NOT_OK(nulls.set(i));
    } else if (values.null_begins[static_cast<uint8_t>(raw.text[0])] || !fast(raw.text, raw.size, value)) {
      std::string_view text;
      if (meaning_of(call, raw, false, room, text) == Meaning::kNull) {
        ARROW_RETURN_NOT_OK(nulls.set(i));
        value = T{};
      } else if (!slow(text, value)) {
        value = T{};
        ARROW_ASSIGN_OR_RAISE(const bool on, refuse(call, out, nulls, i, row, raw, false));
        if (!on) return arrow::Status::OK();
      }
    }
    store(i, value);
  }
  return arrow::Status::OK();
}

template <typename T, typename Fast>
arrow::Status convert_fixed(const ConvertCall& call, Converted& out, Fast&& fast) {
  Nulls nulls(call.count, call.pool);
  ARROW_ASSIGN_OR_RAISE(const auto values, column::allocate_buffer(call.count * static_cast<int64_t>(sizeof(T)), call.pool));
  T* to = reinterpret_cast<T*>(values->mutable_data());
  ARROW_RETURN_NOT_OK(convert_loop<T>(call, out, nulls, fast, [to](int64_t i, const T& v) { std::memcpy(to + i, &v, sizeof v); }));
  out.column = column::Column::flat(column::make_array(call.type, call.count, nulls.bits(), nulls.count(), values));
  return arrow::Status::OK();
}

bool fast_bool(const char* p, int64_t n, bool& out) {
  if (n == 4) {
    uint32_t w;
    std::memcpy(&w, p, 4);
    out = true;
    return (w | 0x20202020u) == 0x65757274u;  // "true"
  }
  if (n != 5) return false;
  uint32_t w;
  std::memcpy(&w, p, 4);
  out = false;
  return (w | 0x20202020u) == 0x736c6166u && (p[4] | 0x20) == 'e';
}

arrow::Status convert_bool(const ConvertCall& call, Converted& out) {
  Nulls nulls(call.count, call.pool);
  ARROW_ASSIGN_OR_RAISE(const auto values, column::allocate_bits(call.count, call.pool));
  uint8_t* to = values->mutable_data();
  const bool words = !call.values->trues.empty() || !call.values->falses.empty();
  const auto fast = [words](const char* p, int64_t n, bool& v) { return !words && fast_bool(p, n, v); };
  const auto store = [to](int64_t i, bool v) { to[i >> 3] = static_cast<uint8_t>(to[i >> 3] | v << (i & 7)); };
  ARROW_RETURN_NOT_OK(convert_loop<bool>(call, out, nulls, fast, store));
  out.column = column::Column::flat(column::make_array(call.type, call.count, nulls.bits(), nulls.count(), values));
  return arrow::Status::OK();
}

template <typename T>
bool fast_integer(const char* p, int64_t n, T& out) {
  int64_t wide;
  if (!fast_int64(p, n, wide)) return false;
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (wide < 0) return false;
  } else if constexpr (!std::is_same_v<T, int64_t>) {
    if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max()) return false;
  }
  out = static_cast<T>(wide);
  return true;
}

template <typename T>
arrow::Status convert_integer(const ConvertCall& call, Converted& out) {
  return convert_fixed<T>(call, out, fast_integer<T>);
}

arrow::Status convert_decimal(const ConvertCall& call, Converted& out) {
  const auto& d = static_cast<const arrow::DecimalType&>(*call.type);
  __int128 most = 1;
  for (int i = 0; i < d.precision(); ++i) most *= 10;
  const int scale = d.scale();
  const bool comma = call.values->decimal_comma;
  return convert_fixed<__int128>(call, out, [most, scale, comma](const char* p, int64_t n, __int128& v) {
    const bool negative = *p == '-';
    uint64_t digits;
    int fraction;
    if (comma || !fast_decimal_digits(p + negative, n - negative, digits, fraction) || fraction > scale || scale - fraction > 16)
      return false;
    const __int128 wide = static_cast<__int128>(digits) * static_cast<int64_t>(kExactPowers[scale - fraction]);
    if (wide >= most) return false;
    v = negative ? -wide : wide;
    return true;
  });
}

arrow::Status convert_timestamp(const ConvertCall& call, Converted& out) {
  const int64_t units = expr::units_of(*call.type);
  return convert_fixed<int64_t>(call, out, [units](const char* p, int64_t n, int64_t& v) {
    bool zoned;
    return fast_timestamp(p, n, units, v, zoned);
  });
}

arrow::Status convert_text(const ConvertCall& call, Converted& out) {
  Nulls nulls(call.count, call.pool);
  ARROW_ASSIGN_OR_RAISE(const auto views, column::allocate_buffer(call.count * static_cast<int64_t>(sizeof(View16)), call.pool));
  auto* to = reinterpret_cast<View16*>(views->mutable_data());
  ViewTexts texts;
  texts.base = reinterpret_cast<const char*>(call.block->buffer->data());
  const bool is_text = column::is_text(*call.type);
  const CsvValues& values = *call.values;
  const int quote = call.dialect->quote;
  const bool plain = call.dialect->escape < 0 && !values.trim && (call.utf8_known || !is_text);
  std::string room;
  for (int64_t i = 0; i < call.count; ++i) {
    const int64_t row = call.rows != nullptr ? call.rows[i] : call.first_row + i;
    const RawField raw = call.fields.at(row);
    if (plain && raw.size > 0) {
      const auto first = static_cast<uint8_t>(raw.text[0]);
      if (first != quote && !values.null_begins[first]) {
        texts.set(to[i], raw.text, raw.size);
        continue;
      }
    }
    std::string_view text;
    if (meaning_of(call, raw, true, room, text) == Meaning::kNull) {
      to[i] = View16{};
      ARROW_RETURN_NOT_OK(nulls.set(i));
    } else if (is_text && !call.utf8_known && !valid_utf8(text)) {
      to[i] = View16{};
      ARROW_ASSIGN_OR_RAISE(const bool on, refuse(call, out, nulls, i, row, raw, true));
      if (!on) return arrow::Status::OK();
    } else if (text.data() >= raw.text && text.data() < raw.text + raw.size) {
      texts.set(to[i], text.data(), std::ssize(text));
    } else {
      texts.set_rewritten(to[i], text);
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto more, texts.finish(to, call.count, call.block->buffer, call.pool));
  auto data = column::make_array(call.type, call.count, nulls.bits(), nulls.count(), views);
  data->buffers.insert(data->buffers.end(), more.begin(), more.end());
  out.column = column::Column::flat(std::move(data));
  return arrow::Status::OK();
}

arrow::Status dispatch(const ConvertCall& call, Converted& out) {
  const bool comma = call.values->decimal_comma;
  switch (call.type->id()) {
    case arrow::Type::BOOL: return convert_bool(call, out);
    case arrow::Type::INT8: return convert_integer<int8_t>(call, out);
    case arrow::Type::INT16: return convert_integer<int16_t>(call, out);
    case arrow::Type::INT32: return convert_integer<int32_t>(call, out);
    case arrow::Type::INT64: return convert_integer<int64_t>(call, out);
    case arrow::Type::UINT8: return convert_integer<uint8_t>(call, out);
    case arrow::Type::UINT16: return convert_integer<uint16_t>(call, out);
    case arrow::Type::UINT32: return convert_integer<uint32_t>(call, out);
    case arrow::Type::UINT64: return convert_integer<uint64_t>(call, out);
    case arrow::Type::FLOAT:
      return convert_fixed<float>(call, out, [comma](const char* p, int64_t n, float& v) { return !comma && fast_float(p, n, v); });
    case arrow::Type::DOUBLE:
      return convert_fixed<double>(call, out, [comma](const char* p, int64_t n, double& v) { return !comma && fast_double(p, n, v); });
    case arrow::Type::DECIMAL128: return convert_decimal(call, out);
    case arrow::Type::DATE32:
      return convert_fixed<int32_t>(call, out, [](const char* p, int64_t n, int32_t& v) {
        int64_t days = 0;
        if (!fast_date(p, n, days)) return false;
        v = static_cast<int32_t>(days);
        return true;
      });
    case arrow::Type::TIME32: return convert_fixed<int32_t>(call, out, [](const char*, int64_t, int32_t&) { return false; });
    case arrow::Type::TIME64: return convert_fixed<int64_t>(call, out, [](const char*, int64_t, int64_t&) { return false; });
    case arrow::Type::TIMESTAMP: return convert_timestamp(call, out);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: return convert_text(call, out);
    default: return base::internal_error("no way to read CSV fields as " + call.type->ToString());
  }
}

}  // namespace

void CsvValues::set_nulls(std::vector<std::string> texts) {
  nulls = std::move(texts);
  null_begins.fill(false);
  // A quoted or blank-led field is looked at the slow way in any case.
  for (const std::string& s : nulls) {
    if (!s.empty()) null_begins[static_cast<uint8_t>(s[0])] = true;
  }
}

bool CsvValues::is_null(std::string_view text) const {
  return std::any_of(nulls.begin(), nulls.end(), [&](const std::string& s) { return s == text; });
}

arrow::Result<Converted> convert_fields(const ConvertCall& call) {
  Converted out;
  ARROW_RETURN_NOT_OK(dispatch(call, out));
  return out;
}

bool is_csv_type(const arrow::DataType& t) {
  switch (t.id()) {
    case arrow::Type::BOOL:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DATE32:
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW: return true;
    default: return column::is_integer(t);
  }
}

}  // namespace gristmill::io
