// Rows to JSON objects, value by value.

#include <cmath>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/column.h"
#include "column/types.h"
#include "io/batch_file_sink.h"
#include "io/csv_write.h"
#include "io/ndjson_write.h"
#include "io/scalar_text.h"
#include "io/text_format.h"
#include "io/text_sink.h"

namespace gristmill::io {
namespace {

using arrow::ArrayData;

// A value in quotes: JSON has no moments.
bool is_quoted(arrow::Type::type id) {
  return id == arrow::Type::DATE32 || id == arrow::Type::TIME32 || id == arrow::Type::TIME64 || id == arrow::Type::TIMESTAMP;
}

bool is_null(const ArrayData& d, int64_t row) { return d.type->id() == arrow::Type::NA || !column::validity_of(d).valid(row); }

template <typename T>
void append_float_value(T value, const ArrayData& d, int64_t row, JsonForm form, std::string& out) {
  if (std::isfinite(value)) {
    append_scalar_text(d, row, -1, 'T', out);
  } else if (!form.names_floats) {
    out += "null";
  } else {
    out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  }
}

class JsonEncoder final : public LineEncoder {
 public:
  using LineEncoder::encode;
  JsonEncoder(std::string path, std::shared_ptr<arrow::Schema> schema, JsonForm form)
      : path_(std::move(path)), schema_(std::move(schema)), form_(form) {
    for (const auto& f : schema_->fields()) {
      keys_.emplace_back();
      append_json_text(f->name(), keys_.back());
      keys_.back() += ':';
    }
  }

  arrow::Status encode(const column::Batch& batch, int64_t first, int64_t n, std::string& out) const override {
    for (int64_t row = first; row < first + n; ++row) {
      char before = '{';
      for (size_t c = 0; c < batch.columns.size(); ++c) {
        const ArrayData& d = *batch.columns[c].values;
        const bool null = is_null(d, row);
        if (null && !schema_->field(static_cast<int>(c))->nullable()) return null_refused(*schema_->field(static_cast<int>(c)), path_);
        if (null && form_.omit_nulls) continue;
        out += before;
        before = ',';
        out += keys_[c];
        append_json_value(d, row, form_, out);
      }
      if (before == '{') out += '{';
      out += "}\n";
    }
    return arrow::Status::OK();
  }

 private:
  const std::string path_;  // for errors
  const std::shared_ptr<arrow::Schema> schema_;
  const JsonForm form_;
  std::vector<std::string> keys_;
};

}  // namespace

bool has_json(const arrow::DataType& t) {
  switch (t.id()) {
    case arrow::Type::LIST: return has_json(*static_cast<const arrow::ListType&>(t).value_type());
    case arrow::Type::MAP:
      return column::is_text(*static_cast<const arrow::MapType&>(t).key_type()) &&
             has_json(*static_cast<const arrow::MapType&>(t).item_type());
    case arrow::Type::STRUCT:
      for (const auto& f : t.fields()) {
        if (!has_json(*f->type())) return false;
      }
      return true;
    default: return column::is_text(t) || has_scalar_text(t);
  }
}

void append_json_value(const ArrayData& d, int64_t row, JsonForm form, std::string& out) {
  if (is_null(d, row)) {
    out += "null";
    return;
  }
  switch (d.type->id()) {
    case arrow::Type::LIST: {
      const int32_t* offsets = column::values_of<int32_t>(d);
      out += '[';
      for (int32_t i = offsets[row]; i < offsets[row + 1]; ++i) {
        if (i > offsets[row]) out += ',';
        append_json_value(*d.child_data[0], i, form, out);
      }
      out += ']';
      break;
    }
    case arrow::Type::MAP: {
      const int32_t* offsets = column::values_of<int32_t>(d);
      const ArrayData& entries = *d.child_data[0];
      char before = '{';
      for (int32_t i = offsets[row]; i < offsets[row + 1]; ++i) {
        out += before;
        before = ',';
        append_json_value(*entries.child_data[0], entries.offset + i, form, out);
        out += ':';
        append_json_value(*entries.child_data[1], entries.offset + i, form, out);
      }
      out += before == '{' ? "{}" : "}";
      break;
    }
    case arrow::Type::STRUCT: {
      char before = '{';
      for (size_t c = 0; c < d.child_data.size(); ++c) {
        if (form.omit_nulls && is_null(*d.child_data[c], d.offset + row)) continue;
        out += before;
        before = ',';
        append_json_text(d.type->field(static_cast<int>(c))->name(), out);
        out += ':';
        append_json_value(*d.child_data[c], d.offset + row, form, out);
      }
      out += before == '{' ? "{}" : "}";
      break;
    }
    case arrow::Type::STRING_VIEW: append_json_text(column::view_at(d, row), out); break;
    case arrow::Type::DOUBLE: append_float_value(column::values_of<double>(d)[row], d, row, form, out); break;
    case arrow::Type::FLOAT: append_float_value(column::values_of<float>(d)[row], d, row, form, out); break;
    default: {
      const bool quoted = is_quoted(d.type->id());
      if (quoted) out += '"';
      append_scalar_text(d, row, -1, 'T', out);
      if (quoted) out += '"';
    }
  }
}

arrow::Result<std::shared_ptr<const LineEncoder>> ndjson_encoder(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                                 JsonForm form) {
  for (const auto& f : schema->fields()) {
    if (!has_json(*column::canonical_type(f->type()))) {
      return base::plan_error("column \"" + f->name() + "\" of type " + column::type_text(*f->type()) + " cannot be written as JSON",
                              "write Parquet or IPC, or turn it into text");
    }
  }
  return std::make_shared<JsonEncoder>(path, std::move(schema), form);
}

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_ndjson(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                               const NdjsonWriteOptions& options, std::shared_ptr<base::QueryMemory> memory,
                                                               const StoragePtr& storage) {
  ARROW_ASSIGN_OR_RAISE(auto encoder, ndjson_encoder(path, std::move(schema), {.omit_nulls = options.omit_nulls}));
  return text_sink("ndjson", path, options.compression, options.compression_level, std::move(encoder), std::move(memory), storage);
}

}  // namespace gristmill::io
