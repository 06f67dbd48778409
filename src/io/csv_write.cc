// Rows to CSV, field by field, straight into the buffer that is written: room for a row's values is asked for once, for texts as they come.

#include "io/csv_write.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <arrow/buffer_builder.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/column.h"
#include "column/float_digits.h"
#include "column/integer_digits.h"
#include "column/types.h"
#include "io/batch_file_sink.h"
#include "io/scalar_text.h"
#include "io/text_format.h"
#include "io/text_sink.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;

constexpr int64_t kValueRoom = 64;  // of a value that is put(), with what stands around it

// Text that grows. Whoever writes keeps its end in a register and asks before there may be too little room.
class Growing {
 public:
  explicit Growing(arrow::BufferBuilder& out) : out_(out) {}
  char* begin() {
    begin_ = reinterpret_cast<char*>(out_.mutable_data()) + out_.length();
    end_ = begin_ + (out_.capacity() - out_.length());
    return begin_;
  }
  bool has(const char* at, int64_t bytes) const { return end_ - at >= bytes; }
  // Where to go on, with room for so many bytes.
  arrow::Result<char*> grow(const char* at, int64_t bytes) {
    settle(at);
    ARROW_RETURN_NOT_OK(out_.Reserve(bytes));
    return begin();
  }
  void settle(const char* at) { out_.UnsafeAdvance(at - begin_); }

 private:
  arrow::BufferBuilder& out_;
  char* begin_ = nullptr;
  char* end_ = nullptr;
};

// A column while its rows are written.
struct Field {
  const ArrayData* data;
  column::ValidityBits valid;
  char* (*put)(const Field&, int64_t row, char* out);  // values of at most column::kFloatRoom bytes; null: another way
  bool nothing;                                        // all null
  bool text;
  bool quoted;
};

template <typename T>
char* put_integer(const Field& f, int64_t row, char* out) {
  using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
  return column::write_digits(static_cast<Wide>(column::values_of<T>(*f.data)[row]), out);
}

template <typename T>
char* put_shortest(const Field& f, int64_t row, char* out) {
  return put_float(column::values_of<T>(*f.data)[row], out);
}

char* put_bool(const Field& f, int64_t row, char* out) {
  const bool v = column::bit_at(f.data->buffers[1]->data(), f.data->offset + row);
  std::memcpy(out, v ? "true    " : "false   ", 8);
  return out + (v ? 4 : 5);
}

auto put_of(arrow::Type::type type, bool shortest) -> decltype(Field::put) {
  switch (type) {
    case arrow::Type::BOOL: return put_bool;
    case arrow::Type::INT8: return put_integer<int8_t>;
    case arrow::Type::INT16: return put_integer<int16_t>;
    case arrow::Type::INT32: return put_integer<int32_t>;
    case arrow::Type::INT64: return put_integer<int64_t>;
    case arrow::Type::UINT8: return put_integer<uint8_t>;
    case arrow::Type::UINT16: return put_integer<uint16_t>;
    case arrow::Type::UINT32: return put_integer<uint32_t>;
    case arrow::Type::UINT64: return put_integer<uint64_t>;
    case arrow::Type::FLOAT: return shortest ? put_shortest<float> : nullptr;
    case arrow::Type::DOUBLE: return shortest ? put_shortest<double> : nullptr;
    default: return nullptr;
  }
}

// Short pieces in steps of fixed size, the last of which may lie over the one before it: no call, and nothing beyond `s` is read.
void copy_text(const char* s, size_t n, char* out) {
  if (n >= 16) {
    for (size_t at = 0; at + 16 <= n; at += 16) std::memcpy(out + at, s + at, 16);
    std::memcpy(out + n - 16, s + n - 16, 16);
  } else if (n >= 8) {
    std::memcpy(out, s, 8);
    std::memcpy(out + n - 8, s + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(out, s, 4);
    std::memcpy(out + n - 4, s + n - 4, 4);
  } else {
    for (size_t i = 0; i < n; ++i) out[i] = s[i];
  }
}

class CsvEncoder final : public TextEncoder {
 public:
  CsvEncoder(std::string path, std::shared_ptr<arrow::Schema> schema, const CsvWriteOptions& options)
      : path_(std::move(path)), schema_(std::move(schema)), options_(options) {
    const char special[] = {options.separator, options.quote_char, '\n', '\r'};
    for (size_t i = 0; i < special_.size(); ++i) std::memset(&special_[i], special[i], sizeof(Bytes16));
  }

  std::string head() const override {
    if (!options_.include_header) return {};
    std::string out;
    for (int c = 0; c < schema_->num_fields(); ++c) {
      if (c > 0) out += options_.separator;
      const std::string& name = schema_->field(c)->name();
      if (options_.quote_style == QuoteStyle::kAlways || options_.quote_style == QuoteStyle::kNonNumeric || needs_quotes(name)) {
        std::string quoted(2 * name.size() + 2, ' ');
        quoted.resize(static_cast<size_t>(put_quoted(name, quoted.data()) - quoted.data()));
        out += quoted;
      } else {
        out += name;
      }
    }
    return out + options_.line_terminator;
  }

  arrow::Status encode(const column::Batch& batch, arrow::BufferBuilder& text) const override {
    const std::vector<Field> fields = fields_of(batch);
    const int64_t row_room = std::ssize(fields) * (kValueRoom + std::ssize(options_.null_value)) + kValueRoom;
    Growing out(text);
    char* at = out.begin();
    std::string room;
    for (int64_t row = 0; row < batch.rows; ++row) {
      if (!out.has(at, row_room)) {
        ARROW_ASSIGN_OR_RAISE(at, out.grow(at, row_room));
      }
      for (size_t c = 0; c < fields.size(); ++c) {
        const Field& f = fields[c];
        if (c > 0) *at++ = options_.separator;
        if (f.nothing || !f.valid.valid(row)) {
          const arrow::Field& field = *schema_->field(static_cast<int>(c));
          if (!field.nullable()) return null_refused(field, path_);
          at = put_plain(options_.null_value, at);
        } else if (f.text) {
          const std::string_view s = column::view_at(*f.data, row);
          const int64_t wanted = 2 * std::ssize(s) + row_room;
          if (!out.has(at, wanted)) {
            ARROW_ASSIGN_OR_RAISE(at, out.grow(at, wanted));
          }
          at = put_text(s, at);
          if (at == nullptr) return needs_quotes_error(s, static_cast<int>(c));
        } else if (f.put != nullptr) {
          if (f.quoted) *at++ = options_.quote_char;
          at = f.put(f, row, at);
          if (f.quoted) *at++ = options_.quote_char;
        } else {
          room.assign(f.quoted ? 1 : 0, options_.quote_char);
          append_scalar_text(*f.data, row, options_.float_precision.value_or(-1), ' ', room);
          if (f.quoted) room += options_.quote_char;
          const int64_t wanted = std::ssize(room) + row_room;
          if (!out.has(at, wanted)) {
            ARROW_ASSIGN_OR_RAISE(at, out.grow(at, wanted));
          }
          at = put_plain(room, at);
        }
      }
      at = put_plain(options_.line_terminator, at);
    }
    out.settle(at);
    return arrow::Status::OK();
  }

 private:
  using Bytes16 __attribute__((vector_size(16))) = uint8_t;

  std::vector<Field> fields_of(const column::Batch& batch) const {
    std::vector<Field> out;
    for (const column::Column& column : batch.columns) {
      const ArrayData& d = *column.values;
      const bool quoted =
          options_.quote_style == QuoteStyle::kAlways || (options_.quote_style == QuoteStyle::kNonNumeric && !column::is_numeric(*d.type));
      out.push_back({&d, column::validity_of(d), put_of(d.type->id(), !options_.float_precision.has_value()),
                     d.type->id() == arrow::Type::NA, column::is_viewed(*d.type), quoted});
    }
    return out;
  }

  static char* put_plain(std::string_view s, char* out) {
    if (s.size() == 1) {
      *out = s[0];
    } else {
      std::memcpy(out, s.data(), s.size());
    }
    return out + s.size();
  }

  bool is_special(const Bytes16& some) const {
    const auto found = (some == special_[0]) | (some == special_[1]) | (some == special_[2]) | (some == special_[3]);
    uint64_t words[2];
    std::memcpy(words, &found, sizeof words);
    return (words[0] | words[1]) != 0;
  }

  // A separator, a quote or a line end. Short texts stand more than once in the bytes that are looked at.
  bool has_special(const char* s, size_t n) const {
    Bytes16 some;
    char* const to = reinterpret_cast<char*>(&some);
    if (n > sizeof some) {
      for (size_t at = 0; at + sizeof some < n; at += sizeof some) {
        std::memcpy(to, s + at, sizeof some);
        if (is_special(some)) return true;
      }
      std::memcpy(to, s + n - sizeof some, sizeof some);
    } else if (n >= 8) {
      std::memcpy(to, s, 8);
      std::memcpy(to + 8, s + n - 8, 8);
    } else if (n >= 4) {
      std::memcpy(to, s, 4);
      std::memcpy(to + 4, s + n - 4, 4);
      std::memcpy(to + 8, to, 8);
    } else {
      for (size_t i = 0; i < sizeof some; ++i) to[i] = s[i < n ? i : 0];
    }
    return is_special(some);
  }

  bool needs_quotes(std::string_view s) const { return s.empty() || s == options_.null_value || has_special(s.data(), s.size()); }

  char* put_quoted(std::string_view s, char* out) const {
    *out++ = options_.quote_char;
    for (const char c : s) {
      if (c == options_.quote_char) *out++ = c;
      *out++ = c;
    }
    *out++ = options_.quote_char;
    return out;
  }

  // There is room. Null: what needs quotes may have none.
  char* put_text(std::string_view s, char* out) const {
    switch (options_.quote_style) {
      case QuoteStyle::kAlways:
      case QuoteStyle::kNonNumeric: return put_quoted(s, out);
      case QuoteStyle::kNecessary:
        if (needs_quotes(s)) return put_quoted(s, out);
        break;
      case QuoteStyle::kNever:
        if (!s.empty() && has_special(s.data(), s.size())) return nullptr;
        break;
    }
    copy_text(s.data(), s.size(), out);
    return out + s.size();
  }

  arrow::Status needs_quotes_error(std::string_view s, int c) const {
    base::ErrorDetail d;
    d.kind = base::ErrorKind::kData;
    d.column = schema_->field(c)->name();
    d.value = s.substr(0, 100);
    return base::with_detail(base::data_error("a text that needs quotes, with quote_style=\"never\""), d);
  }

  const std::string path_;  // for errors
  const std::shared_ptr<arrow::Schema> schema_;
  const CsvWriteOptions options_;
  std::array<Bytes16, 4> special_;
};

}  // namespace

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_csv(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                            const CsvWriteOptions& options, std::shared_ptr<base::QueryMemory> memory,
                                                            const StoragePtr& storage) {
  for (const auto& f : schema->fields()) {
    const auto type = column::canonical_type(f->type());
    if (!has_scalar_text(*type) && !column::is_viewed(*type)) {
      return base::plan_error("column \"" + f->name() + "\" of type " + column::type_text(*f->type()) + " cannot be written as CSV",
                              "write Parquet or IPC, or turn it into text");
    }
  }
  if (options.separator == options.quote_char || options.separator == '\n' || options.quote_char == '\n') {
    return base::plan_error("separator and quote_char must differ, and neither can be a line end");
  }
  if (options.line_terminator != "\n" && options.line_terminator != "\r\n")
    return base::plan_error("line_terminator must be \"\\n\" or \"\\r\\n\"");
  if (options.float_precision && (*options.float_precision < 0 || *options.float_precision > 60)) {
    return base::plan_error("float_precision must lie between 0 and 60");
  }
  auto encoder = std::make_shared<CsvEncoder>(path, schema, options);
  return text_sink("csv", path, options.compression, options.compression_level, std::move(encoder), std::move(memory), storage);
}

}  // namespace gristmill::io
