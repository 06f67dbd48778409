// Rows to CSV, field by field.

#include "io/csv_write.h"

#include <algorithm>
#include <array>

#include <arrow/type.h>

#include "base/status.h"
#include "column/column.h"
#include "column/types.h"
#include "io/batch_file_sink.h"
#include "io/scalar_text.h"
#include "io/text_sink.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;

class CsvEncoder final : public TextEncoder {
 public:
  CsvEncoder(std::string path, std::shared_ptr<arrow::Schema> schema, const CsvWriteOptions& options)
      : path_(std::move(path)), schema_(std::move(schema)), options_(options) {
    special_.fill(false);
    for (const char c : {options.separator, options.quote_char, '\n', '\r'}) special_[static_cast<uint8_t>(c)] = true;
  }

  std::string head() const override {
    if (!options_.include_header) return {};
    std::string out;
    for (int c = 0; c < schema_->num_fields(); ++c) {
      if (c > 0) out += options_.separator;
      const std::string& name = schema_->field(c)->name();
      if (options_.quote_style == QuoteStyle::kAlways || options_.quote_style == QuoteStyle::kNonNumeric || needs_quotes(name)) {
        append_quoted(name, out);
      } else {
        out += name;
      }
    }
    return out + options_.line_terminator;
  }

  arrow::Status encode(const column::Batch& batch, int64_t first, int64_t n, std::string& out) const override {
    for (int64_t row = first; row < first + n; ++row) {
      for (size_t c = 0; c < batch.columns.size(); ++c) {
        if (c > 0) out += options_.separator;
        const ArrayData& d = *batch.columns[c].values;
        if (d.type->id() == arrow::Type::NA || !column::validity_of(d).valid(row)) {
          if (!schema_->field(static_cast<int>(c))->nullable()) return null_refused(*schema_->field(static_cast<int>(c)), path_);
          out += options_.null_value;
        } else {
          ARROW_RETURN_NOT_OK(append_value(d, row, static_cast<int>(c), out));
        }
      }
      out += options_.line_terminator;
    }
    return arrow::Status::OK();
  }

 private:
  bool needs_quotes(std::string_view s) const {
    if (s.empty() || s == options_.null_value) return true;
    return std::any_of(s.begin(), s.end(), [&](char c) { return special_[static_cast<uint8_t>(c)]; });
  }

  void append_quoted(std::string_view s, std::string& out) const {
    out += options_.quote_char;
    for (const char c : s) {
      if (c == options_.quote_char) out += c;
      out += c;
    }
    out += options_.quote_char;
  }

  arrow::Status append_text(std::string_view s, int c, std::string& out) const {
    switch (options_.quote_style) {
      case QuoteStyle::kAlways:
      case QuoteStyle::kNonNumeric: append_quoted(s, out); break;
      case QuoteStyle::kNecessary:
        if (needs_quotes(s)) {
          append_quoted(s, out);
        } else {
          out += s;
        }
        break;
      case QuoteStyle::kNever:
        if (std::any_of(s.begin(), s.end(), [&](char x) { return special_[static_cast<uint8_t>(x)]; })) {
          base::ErrorDetail d;
          d.kind = base::ErrorKind::kData;
          d.column = schema_->field(c)->name();
          d.value = s.substr(0, 100);
          return base::with_detail(base::data_error("a text that needs quotes, with quote_style=\"never\""), d);
        }
        out += s;
        break;
    }
    return arrow::Status::OK();
  }

  arrow::Status append_value(const ArrayData& d, int64_t row, int c, std::string& out) const {
    if (column::is_viewed(*d.type)) return append_text(column::view_at(d, row), c, out);
    const bool number = column::is_numeric(*d.type);
    const bool quoted = options_.quote_style == QuoteStyle::kAlways || (options_.quote_style == QuoteStyle::kNonNumeric && !number);
    if (quoted) out += options_.quote_char;
    append_scalar_text(d, row, options_.float_precision.value_or(-1), ' ', out);
    if (quoted) out += options_.quote_char;
    return arrow::Status::OK();
  }

  const std::string path_;  // for errors
  const std::shared_ptr<arrow::Schema> schema_;
  const CsvWriteOptions options_;
  std::array<bool, 256> special_;
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
