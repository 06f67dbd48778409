// One value at a time through Arrow's scalars: printing is never the slow part of a query whose result is printed.
//
// Numbers print with the digits that read back to the same value; text is quoted where its format needs it.

#include "cli/print.h"

#include <cmath>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "io/text_format.h"

namespace gristmill::cli {
namespace {

// 300000, not 3e+05; whole numbers without a point.
template <typename T>
std::string digits(T v) {
  std::string out;
  io::append_float(v, -1, out);
  return out.ends_with(".0") ? out.substr(0, out.size() - 2) : out;
}

std::string shortest(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "Infinity" : "-Infinity";
  return digits(v);
}

std::string shortest(float v) { return std::isfinite(v) ? digits(v) : shortest(static_cast<double>(v)); }

bool is_number(const arrow::DataType& t) { return arrow::is_integer(t.id()) || arrow::is_floating(t.id()) || arrow::is_decimal(t.id()); }

std::string json_of(const arrow::Array& a, int64_t i);

std::string text_of(const arrow::Array& a, int64_t i) {
  switch (a.type_id()) {
    case arrow::Type::DOUBLE: return shortest(static_cast<const arrow::DoubleArray&>(a).Value(i));
    case arrow::Type::FLOAT: return shortest(static_cast<const arrow::FloatArray&>(a).Value(i));
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
    case arrow::Type::MAP: return json_of(a, i);
    default: {
      auto scalar = a.GetScalar(i);
      return scalar.ok() ? (*scalar)->ToString() : "?";
    }
  }
}

void append_quoted_json(const std::string& s, std::string& out) {
  out += '"';
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      static constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[(c >> 4) & 15];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string json_items(const arrow::Array& items) {
  std::string out = "[";
  for (int64_t i = 0; i < items.length(); ++i) out += (i > 0 ? "," : "") + json_of(items, i);
  return out + "]";
}

std::string json_struct(const arrow::StructArray& a, int64_t i) {
  std::string out = "{";
  for (int f = 0; f < a.num_fields(); ++f) {
    if (f > 0) out += ',';
    append_quoted_json(a.type()->field(f)->name(), out);
    out += ':' + json_of(*a.field(f), i);
  }
  return out + "}";
}

// An object; keys that are no text are written as their text.
std::string json_map(const arrow::MapArray& a, int64_t i) {
  std::string out = "{";
  for (int64_t k = a.value_offset(i); k < a.value_offset(i + 1); ++k) {
    if (out.size() > 1) out += ',';
    append_quoted_json(text_of(*a.keys(), k), out);
    out += ':' + json_of(*a.items(), k);
  }
  return out + "}";
}

std::string json_of(const arrow::Array& a, int64_t i) {
  if (!a.IsValid(i)) return "null";
  switch (a.type_id()) {
    case arrow::Type::LIST: return json_items(*static_cast<const arrow::ListArray&>(a).value_slice(i));
    case arrow::Type::LARGE_LIST: return json_items(*static_cast<const arrow::LargeListArray&>(a).value_slice(i));
    case arrow::Type::FIXED_SIZE_LIST: return json_items(*static_cast<const arrow::FixedSizeListArray&>(a).value_slice(i));
    case arrow::Type::STRUCT: return json_struct(static_cast<const arrow::StructArray&>(a), i);
    case arrow::Type::MAP: return json_map(static_cast<const arrow::MapArray&>(a), i);
    default: break;
  }
  const std::string s = text_of(a, i);
  if ((is_number(*a.type()) && s != "NaN" && s != "Infinity" && s != "-Infinity") || a.type_id() == arrow::Type::BOOL) return s;
  std::string out;
  append_quoted_json(s, out);
  return out;
}

void append_field(const std::string& s, std::string& out) {
  if (s.find_first_of(",\"\r\n") == std::string::npos && !s.empty()) {
    out += s;
    return;
  }
  out += '"';
  for (char c : s) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

std::string value_text(const arrow::Array& a, int64_t row) { return text_of(a, row); }

namespace {

// A cell holds no line breaks and no bare bars.
void append_cell(const std::string& s, std::string& out) {
  for (const char c : s) {
    if (c == '|' || c == '\\') out += '\\';
    if (c == '\n')
      out += "<br>";
    else if (c != '\r')
      out += c;
  }
}

}  // namespace

std::string markdown_header(const arrow::Schema& schema) {
  std::string names = "|", rule = "|";
  for (const auto& f : schema.fields()) {
    names += ' ';
    append_cell(f->name(), names);
    names += " |";
    rule += is_number(*f->type()) ? " ---: |" : " --- |";
  }
  return names + "\n" + rule + "\n";
}

void append_markdown(const arrow::RecordBatch& batch, std::string& out) {
  for (int64_t r = 0; r < batch.num_rows(); ++r) {
    out += '|';
    for (int c = 0; c < batch.num_columns(); ++c) {
      out += ' ';
      if (batch.column(c)->IsValid(r)) append_cell(text_of(*batch.column(c), r), out);
      out += " |";
    }
    out += '\n';
  }
}

std::string csv_header(const arrow::Schema& schema) {
  std::string out;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (i > 0) out += ',';
    append_field(schema.field(i)->name(), out);
  }
  return out + "\n";
}

void append_csv(const arrow::RecordBatch& batch, std::string& out) {
  for (int64_t r = 0; r < batch.num_rows(); ++r) {
    for (int c = 0; c < batch.num_columns(); ++c) {
      if (c > 0) out += ',';
      if (batch.column(c)->IsValid(r)) append_field(text_of(*batch.column(c), r), out);
    }
    out += '\n';
  }
}

void append_json(const arrow::RecordBatch& batch, std::string& out) {
  for (int64_t r = 0; r < batch.num_rows(); ++r) {
    out += '{';
    for (int c = 0; c < batch.num_columns(); ++c) {
      if (c > 0) out += ',';
      append_quoted_json(batch.schema()->field(c)->name(), out);
      out += ':';
      out += json_of(*batch.column(c), r);
    }
    out += "}\n";
  }
}

}  // namespace gristmill::cli
