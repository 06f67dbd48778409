// One loop a wire form. A null slot holds zero, so that whatever lies there can be read.

#include "io/connect/postgres_decode.h"

#include <charconv>
#include <cstdlib>

#include <arrow/type.h>
#include <arrow/util/utf8.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/connect/postgres_numeric.h"
#include "io/connect/wire.h"

namespace gristmill::io {
namespace {

using column::View16;
using ArrayPtr = std::shared_ptr<arrow::ArrayData>;

// Where the length words of one column's fields stand.
struct Fields {
  const std::shared_ptr<arrow::Buffer>& bytes;
  const int32_t* at;
  int64_t stride;
  int64_t rows;
  const char* data() const { return reinterpret_cast<const char*>(bytes->data()); }
  int32_t position(int64_t i) const { return at[i * stride]; }
  // Null: data() == nullptr.
  std::string_view value(int64_t i) const {
    const char* p = data() + position(i);
    const int32_t size = read_i32(p);
    return size < 0 ? std::string_view() : std::string_view(p + 4, static_cast<size_t>(size));
  }
};

struct Decoding {
  bool check_utf8;
  arrow::MemoryPool* pool;
};

arrow::Status broken(int64_t row) { return base::data_error("a value came in a form that its type does not have", {}, row); }

struct Validity {
  std::shared_ptr<arrow::Buffer> bits;
  int64_t nulls = 0;
};

arrow::Result<Validity> validity_of(const Fields& f, arrow::MemoryPool* pool) {
  Validity out;
  for (int64_t i = 0; i < f.rows; ++i) out.nulls += f.value(i).data() == nullptr;
  if (out.nulls == 0) return out;
  ARROW_ASSIGN_OR_RAISE(out.bits, column::allocate_bits(f.rows, pool));
  uint8_t* bits = out.bits->mutable_data();
  for (int64_t i = 0; i < f.rows; ++i) {
    if (f.value(i).data() != nullptr) bits[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
  }
  return out;
}

// `one(bytes, T&) -> Status` for every value of exactly `width` bytes (0: any).
template <typename T, typename One>
arrow::Result<ArrayPtr> fixed(const Fields& f, size_t width, const column::TypePtr& type, const Decoding& d, One one) {
  ARROW_ASSIGN_OR_RAISE(Validity valid, validity_of(f, d.pool));
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer(f.rows * static_cast<int64_t>(sizeof(T)), d.pool));
  T* out = reinterpret_cast<T*>(values->mutable_data());
  for (int64_t i = 0; i < f.rows; ++i) {
    const std::string_view v = f.value(i);
    out[i] = T{};
    if (v.data() == nullptr) continue;
    if (width != 0 && v.size() != width) return broken(i);
    ARROW_RETURN_NOT_OK(one(v, out[i], i));
  }
  return column::make_array(type, f.rows, std::move(valid.bits), valid.nulls, std::move(values));
}

arrow::Result<ArrayPtr> decode_bool(const Fields& f, const column::TypePtr& type, const Decoding& d) {
  ARROW_ASSIGN_OR_RAISE(Validity valid, validity_of(f, d.pool));
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_bits(f.rows, d.pool));
  for (int64_t i = 0; i < f.rows; ++i) {
    const std::string_view v = f.value(i);
    if (v.data() != nullptr && v.size() != 1) return broken(i);
    if (v.data() != nullptr && v[0] != 0) values->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
  }
  return column::make_array(type, f.rows, std::move(valid.bits), valid.nulls, std::move(values));
}

// Views of the values, the first `skip` bytes of each left out.
arrow::Result<ArrayPtr> decode_views(const Fields& f, size_t skip, const column::TypePtr& type, const Decoding& d) {
  const bool text = type->id() == arrow::Type::STRING_VIEW && d.check_utf8;
  bool outside = false;
  ARROW_ASSIGN_OR_RAISE(
      auto out, fixed<View16>(f, 0, type, d, [&](std::string_view v, View16& view, int64_t row) {
        if (v.size() < skip) return broken(row);
        v.remove_prefix(skip);
        if (text && !arrow::util::ValidateUTF8(reinterpret_cast<const uint8_t*>(v.data()), static_cast<int64_t>(v.size()))) {
          return base::data_error("text is not valid UTF-8", {}, row);
        }
        view.size = static_cast<uint32_t>(v.size());
        if (view.is_inline()) {
          std::memcpy(view.inlined, v.data(), v.size());
          return arrow::Status::OK();
        }
        std::memcpy(view.ref.prefix, v.data(), 4);
        view.ref.buffer = 0;
        view.ref.offset = static_cast<int32_t>(v.data() - f.data());
        outside = true;
        return arrow::Status::OK();
      }));
  if (outside) out->buffers.push_back(f.bytes);
  return out;
}

// Texts that are made here: `write(bytes, row, out)` appends one.
template <typename Write>
arrow::Result<ArrayPtr> made_text(const Fields& f, const column::TypePtr& type, const Decoding& d, Write write) {
  std::string all;
  std::vector<std::pair<size_t, size_t>> places(static_cast<size_t>(f.rows));
  for (int64_t i = 0; i < f.rows; ++i) {
    const std::string_view v = f.value(i);
    if (v.data() == nullptr) continue;
    const size_t begin = all.size();
    ARROW_RETURN_NOT_OK(write(v, i, all));
    places[static_cast<size_t>(i)] = {begin, all.size() - begin};
    if (all.size() > static_cast<size_t>(INT32_MAX)) return base::data_error("texts of one batch are longer than 2 GiB", {}, i);
  }
  ARROW_ASSIGN_OR_RAISE(auto text, column::allocate_buffer(static_cast<int64_t>(all.size()), d.pool));
  std::memcpy(text->mutable_data(), all.data(), all.size());
  ARROW_ASSIGN_OR_RAISE(auto out, fixed<View16>(f, 0, type, d, [&](std::string_view, View16& view, int64_t row) {
                          const auto [begin, size] = places[static_cast<size_t>(row)];
                          view.size = static_cast<uint32_t>(size);
                          std::memcpy(view.inlined, all.data() + begin, std::min<size_t>(size, 12));
                          if (!view.is_inline()) {
                            view.ref.buffer = 0;
                            view.ref.offset = static_cast<int32_t>(begin);
                          }
                          return arrow::Status::OK();
                        }));
  out->buffers.push_back(std::move(text));
  return out;
}

arrow::Status write_uuid(std::string_view v, int64_t row, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  if (v.size() != 16) return broken(row);
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[static_cast<uint8_t>(v[i]) >> 4];
    out += kHex[static_cast<uint8_t>(v[i]) & 15];
  }
  return arrow::Status::OK();
}

arrow::Result<ArrayPtr> decode_numeric(const Fields& f, const PostgresType& from, const column::TypePtr& type, const Decoding& d) {
  if (type->id() == arrow::Type::STRING_VIEW) {
    return made_text(f, type, d, [](std::string_view v, int64_t row, std::string& out) {
      if (numeric_form(v) == NumericForm::kBroken) return broken(row);
      append_numeric_text(v, out);
      return arrow::Status::OK();
    });
  }
  if (type->id() == arrow::Type::DOUBLE) {
    std::string text;
    return fixed<double>(f, 0, type, d, [&](std::string_view v, double& out, int64_t row) {
      if (numeric_form(v) == NumericForm::kBroken) return broken(row);
      text.clear();
      append_numeric_text(v, text);
      out = std::strtod(text.c_str(), nullptr);
      return arrow::Status::OK();
    });
  }
  return fixed<__int128>(f, 0, type, d, [&](std::string_view v, __int128& out, int64_t row) {
    const NumericForm form = numeric_form(v);
    if (form == NumericForm::kBroken) return broken(row);
    if (form == NumericForm::kNumber && numeric_to_decimal(v, from.precision, from.scale, &out)) return arrow::Status::OK();
    std::string text;
    append_numeric_text(v, text);
    return base::data_error("the value does not fit " + column::type_text(*type), text, row);
  });
}

arrow::Result<ArrayPtr> decode_date(const Fields& f, const column::TypePtr& type, const Decoding& d) {
  return fixed<int32_t>(f, 4, type, d, [](std::string_view v, int32_t& out, int64_t row) {
    const int32_t days = read_i32(v.data());
    if (days == INT32_MAX || days == INT32_MIN)
      return base::data_error("a date without end cannot be held", days > 0 ? "infinity" : "-infinity", row);
    const int64_t shifted = days + kPostgresEpochDays;
    if (shifted > INT32_MAX)
      return base::data_error("the date is beyond what date can hold", std::to_string(days) + " days after 2000-01-01", row);
    out = static_cast<int32_t>(shifted);
    return arrow::Status::OK();
  });
}

arrow::Result<ArrayPtr> decode_time(const Fields& f, const column::TypePtr& type, const Decoding& d) {
  return fixed<int64_t>(f, 8, type, d, [](std::string_view v, int64_t& out, int64_t row) {
    out = read_i64(v.data());
    if (out >= 0 && out < 86'400'000'000) return arrow::Status::OK();
    return base::data_error("a time of day ends before 24:00", out == 86'400'000'000 ? "24:00:00" : std::to_string(out) + " microseconds",
                            row);
  });
}

arrow::Result<ArrayPtr> decode_timestamp(const Fields& f, const column::TypePtr& type, const Decoding& d) {
  return fixed<int64_t>(f, 8, type, d, [](std::string_view v, int64_t& out, int64_t row) {
    const int64_t micros = read_i64(v.data());
    if (micros == INT64_MAX || micros == INT64_MIN) {
      return base::data_error("a time without end cannot be held", micros > 0 ? "infinity" : "-infinity", row);
    }
    if (__builtin_add_overflow(micros, kPostgresEpochMicros, &out)) {
      return base::data_error("the time is beyond what a timestamp can hold", std::to_string(micros) + " microseconds after 2000-01-01",
                              row);
    }
    return arrow::Status::OK();
  });
}

arrow::Result<ArrayPtr> decode(const Fields& f, const PostgresType& from, const column::TypePtr& type, const Decoding& d);

// Elements are fields like others: their positions are gathered, then they are decoded as one column.
arrow::Result<ArrayPtr> decode_array(const Fields& f, const PostgresType& from, const column::TypePtr& type, const Decoding& d) {
  ARROW_ASSIGN_OR_RAISE(Validity valid, validity_of(f, d.pool));
  ARROW_ASSIGN_OR_RAISE(auto offsets, column::allocate_buffer((f.rows + 1) * 4, d.pool));
  auto* ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
  std::vector<int32_t> at;
  std::vector<int64_t> row_of;
  ends[0] = 0;
  for (int64_t i = 0; i < f.rows; ++i) {
    const std::string_view v = f.value(i);
    if (v.data() != nullptr) {
      if (v.size() < 12) return broken(i);
      const int32_t dimensions = read_i32(v.data());
      if (dimensions > 1) return base::data_error("an array of " + std::to_string(dimensions) + " dimensions; only one is carried", {}, i);
      if (dimensions == 1) {
        if (v.size() < 20) return broken(i);
        size_t p = 20;
        for (int32_t n = read_i32(v.data() + 12); n > 0; --n) {
          if (p + 4 > v.size()) return broken(i);
          at.push_back(static_cast<int32_t>(v.data() + p - f.data()));
          row_of.push_back(i);
          p += 4 + static_cast<size_t>(std::max(0, read_i32(v.data() + p)));
        }
        if (p != v.size()) return broken(i);
      }
    }
    ends[i + 1] = static_cast<int32_t>(at.size());
  }
  const auto& list = static_cast<const arrow::ListType&>(*type);
  const Fields elements{f.bytes, at.data(), 1, static_cast<int64_t>(at.size())};
  auto child = decode(elements, *from.element, list.value_type(), d);
  if (!child.ok()) {
    auto detail = base::error_detail(child.status());
    if (detail == nullptr || detail->batch_row < 0) return child.status();
    base::ErrorDetail placed = *detail;
    placed.batch_row = row_of[static_cast<size_t>(placed.batch_row)];
    return base::with_detail(child.status(), placed);
  }
  auto out = column::make_array(type, f.rows, std::move(valid.bits), valid.nulls, std::move(offsets));
  out->child_data = {std::move(*child)};
  return out;
}

template <typename T, typename Read>
arrow::Result<ArrayPtr> plain(const Fields& f, const column::TypePtr& type, const Decoding& d, Read read) {
  return fixed<T>(f, sizeof(T), type, d, [read](std::string_view v, T& out, int64_t) {
    out = std::bit_cast<T>(read(v.data()));
    return arrow::Status::OK();
  });
}

arrow::Result<ArrayPtr> decode(const Fields& f, const PostgresType& from, const column::TypePtr& type, const Decoding& d) {
  switch (from.wire) {
    case Wire::kBool: return decode_bool(f, type, d);
    case Wire::kInt2: return plain<int16_t>(f, type, d, read_i16);
    case Wire::kInt4: return plain<int32_t>(f, type, d, read_i32);
    case Wire::kOid: return plain<uint32_t>(f, type, d, read_i32);
    case Wire::kTime: return decode_time(f, type, d);
    case Wire::kInt8: return plain<int64_t>(f, type, d, read_i64);
    case Wire::kFloat4: return plain<float>(f, type, d, read_i32);
    case Wire::kFloat8: return plain<double>(f, type, d, read_i64);
    case Wire::kNumeric: return decode_numeric(f, from, type, d);
    case Wire::kText:
    case Wire::kBytes: return decode_views(f, 0, type, d);
    case Wire::kJsonb: return decode_views(f, 1, type, d);
    case Wire::kDate: return decode_date(f, type, d);
    case Wire::kTimestamp:
    case Wire::kTimestampZone: return decode_timestamp(f, type, d);
    case Wire::kUuid: return made_text(f, type, d, write_uuid);
    case Wire::kArray: return decode_array(f, from, type, d);
    case Wire::kInterval:
    case Wire::kOther: break;
  }
  return base::internal_error("a column of a type that is not carried was read");
}

// Position of every field's length word, row by row.
arrow::Status find_fields(const arrow::Buffer& bytes, int64_t rows, size_t columns, std::vector<int32_t>& at) {
  at.resize(static_cast<size_t>(rows) * columns);
  const char* data = reinterpret_cast<const char*>(bytes.data());
  int64_t p = 0;
  const int64_t end = bytes.size();
  size_t k = 0;
  for (int64_t r = 0; r < rows; ++r) {
    if (p + 2 > end || read_i16(data + p) != static_cast<int16_t>(columns)) return broken(r);
    p += 2;
    for (size_t c = 0; c < columns; ++c) {
      if (p + 4 > end) return broken(r);
      at[k++] = static_cast<int32_t>(p);
      p += 4 + std::max(0, read_i32(data + p));
      if (p > end) return broken(r);
    }
  }
  return p == end ? arrow::Status::OK() : broken(rows - 1);
}

}  // namespace

arrow::Result<column::Batch> decode_copied(const std::shared_ptr<arrow::Buffer>& bytes, int64_t rows,
                                           const std::vector<DecodeColumn>& columns, bool check_utf8, arrow::MemoryPool* pool) {
  std::vector<int32_t> at;
  ARROW_RETURN_NOT_OK(find_fields(*bytes, rows, columns.size(), at));
  column::Batch out;
  out.rows = rows;
  arrow::Status first;  // of several columns' errors that of the smallest row
  for (size_t c = 0; c < columns.size(); ++c) {
    const Fields fields{bytes, at.data() + c, static_cast<int64_t>(columns.size()), rows};
    auto decoded = decode(fields, columns[c].from, columns[c].to, {check_utf8, pool});
    if (decoded.ok()) {
      out.columns.push_back(column::Column::flat(std::move(*decoded)));
      continue;
    }
    const auto detail = base::error_detail(decoded.status());
    if (detail == nullptr || detail->batch_row < 0) return decoded.status();
    if (!first.ok() && base::error_detail(first)->batch_row <= detail->batch_row) continue;
    base::ErrorDetail named = *detail;
    named.column = columns[c].name;
    first = base::with_detail(decoded.status(), named);
  }
  ARROW_RETURN_NOT_OK(first);
  return out;
}

}  // namespace gristmill::io
