// Tables as a person reads them: names, types below, first and last rows, numbers to the right.
//
//   ┌────────┬─────────┐
//   │ zone   │    fare │
//   │ string │ float64 │
//   ├────────┼─────────┤
//   │ JFK    │    52.5 │
//   │ …      │       … │
//   └────────┴─────────┘
//   1000 rows, 2 columns
//
// Long texts are cut, and columns in the middle left out, so that a line stays within the width asked for.

#include "frame/table_text.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "column/types.h"
#include "frame/text_width.h"
#include "gristmill/frame.h"
#include "io/text_format.h"

namespace gristmill {
namespace {

constexpr int64_t kValueCells = 36;
constexpr const char* kEllipsis = "…";

std::string value_text(const arrow::Scalar& v);

template <typename T>
std::string number_text(T v) {
  std::string out;
  io::append_float(v, -1, out);
  return out;
}

// -178d 18h 12m 25.5s
std::string duration_text(int64_t count, arrow::TimeUnit::type unit) {
  constexpr uint64_t kPerSecond[] = {1, 1'000, 1'000'000, 1'000'000'000};
  constexpr int kDigits[] = {0, 3, 6, 9};
  const uint64_t size = count < 0 ? uint64_t{0} - static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  const uint64_t seconds = size / kPerSecond[unit], within = size % kPerSecond[unit];
  std::string out = count < 0 ? "-" : "";
  const auto part = [&](uint64_t n, char name) {
    if (n > 0) out += std::to_string(n) + name + " ";
  };
  part(seconds / 86'400, 'd');
  part(seconds / 3'600 % 24, 'h');
  part(seconds / 60 % 60, 'm');
  if (seconds % 60 == 0 && within == 0 && size > 0) {
    out.pop_back();
    return out;
  }
  out += std::to_string(seconds % 60);
  if (within > 0) {
    const std::string digits = std::to_string(within);
    out += "." + std::string(static_cast<size_t>(kDigits[unit]) - digits.size(), '0') + digits;
    out.erase(out.find_last_not_of('0') + 1);
  }
  return out + "s";
}

std::string list_text(const arrow::Array& items) {
  std::string out = "[";
  for (int64_t i = 0; i < items.length() && frame::text_width(out) <= kValueCells; ++i) {
    if (i > 0) out += ", ";
    const auto item = items.GetScalar(i);
    out += item.ok() ? value_text(**item) : "?";
  }
  return out += ']';
}

std::string struct_text(const arrow::StructScalar& v) {
  std::string out = "{";
  for (size_t i = 0; i < v.value.size(); ++i) {
    if (i > 0) out += ", ";
    out += v.type->field(static_cast<int>(i))->name();
    out.append(": ").append(value_text(*v.value[i]));
  }
  return out += '}';
}

std::string map_text(const arrow::Array& entries) {
  const auto& pairs = static_cast<const arrow::StructArray&>(entries);
  std::string out = "{";
  for (int64_t i = 0; i < pairs.length() && frame::text_width(out) <= kValueCells; ++i) {
    if (i > 0) out += ", ";
    const auto key = pairs.field(0)->GetScalar(i), item = pairs.field(1)->GetScalar(i);
    if (key.ok() && item.ok()) out.append(value_text(**key)).append(": ").append(value_text(**item));
  }
  return out += '}';
}

std::string value_text(const arrow::Scalar& v) {
  using arrow::Type;
  if (!v.is_valid) return "null";
  switch (v.type->id()) {
    case Type::FLOAT: return number_text(static_cast<const arrow::FloatScalar&>(v).value);
    case Type::DOUBLE: return number_text(static_cast<const arrow::DoubleScalar&>(v).value);
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY: return std::string(static_cast<const arrow::BaseBinaryScalar&>(v).view());
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST: return list_text(*static_cast<const arrow::BaseListScalar&>(v).value);
    case Type::MAP: return map_text(*static_cast<const arrow::BaseListScalar&>(v).value);
    case Type::STRUCT: return struct_text(static_cast<const arrow::StructScalar&>(v));
    case Type::DICTIONARY: {
      const auto decoded = static_cast<const arrow::DictionaryScalar&>(v).GetEncodedValue();
      return decoded.ok() ? value_text(**decoded) : "?";
    }
    case Type::DURATION:
      return duration_text(static_cast<const arrow::DurationScalar&>(v).value, static_cast<const arrow::DurationType&>(*v.type).unit());
    case Type::EXTENSION: return value_text(*static_cast<const arrow::ExtensionScalar&>(v).value);
    default: return v.ToString();
  }
}

// One printed column: name, type, then a cell for every shown row.
struct Printed {
  std::vector<std::string> cells;
  bool right = false;
  int64_t width = 0;
};

// Rows shown: the first and the last ones; -1 stands for those between.
std::vector<int64_t> shown_rows(int64_t rows, int max_rows) {
  std::vector<int64_t> out;
  const int64_t most = std::max(max_rows, 1);
  const int64_t first = rows <= most ? rows : (most + 1) / 2;
  for (int64_t i = 0; i < first; ++i) out.push_back(i);
  if (rows <= most) return out;
  out.push_back(-1);
  for (int64_t i = rows - (most - first); i < rows; ++i) out.push_back(i);
  return out;
}

Printed print_column(const arrow::Field& field, const arrow::ChunkedArray& column, const std::vector<int64_t>& rows) {
  Printed out;
  const auto inside = column::canonical_type(field.type());
  out.right = column::is_numeric(*inside) || inside->id() == arrow::Type::DURATION;
  out.cells = {frame::printable(field.name(), kValueCells), frame::printable(column::type_text(*field.type()), kValueCells)};
  for (const int64_t row : rows) {
    if (row < 0) {
      out.cells.emplace_back(kEllipsis);
      continue;
    }
    const auto value = column.GetScalar(row);
    out.cells.push_back(value.ok() ? frame::printable(value_text(**value), kValueCells) : "?");
  }
  for (const std::string& cell : out.cells) out.width = std::max(out.width, frame::text_width(cell));
  return out;
}

Printed gap_column(size_t cells) {
  Printed out;
  out.cells.assign(cells, kEllipsis);
  out.width = 1;
  return out;
}

// As many columns from both ends as fit on a line, a gap between them.
std::vector<Printed> fit_line(std::vector<Printed> columns, int64_t most) {
  int64_t total = 1;
  for (const Printed& c : columns) total += c.width + 3;
  if (total <= most || columns.size() <= 2) return columns;
  std::vector<Printed> left, right;
  int64_t used = 1 + 4;
  size_t a = 0, b = columns.size();
  while (a < b) {
    Printed& next = left.size() <= right.size() ? columns[a] : columns[b - 1];
    used += next.width + 3;
    if (used > most && !left.empty() && !right.empty()) break;
    const bool from_left = left.size() <= right.size();
    (from_left ? left : right).push_back(std::move(next));
    from_left ? ++a : --b;
  }
  if (a < b) left.push_back(gap_column(left.front().cells.size()));
  left.insert(left.end(), std::make_move_iterator(right.rbegin()), std::make_move_iterator(right.rend()));
  return left;
}

void append_times(std::string& out, const char* piece, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out += piece;
}

void append_rule(const std::vector<Printed>& columns, const char* left, const char* cross, const char* right, std::string& out) {
  for (size_t i = 0; i < columns.size(); ++i) {
    out += i == 0 ? left : cross;
    append_times(out, "─", columns[i].width + 2);
  }
  out.append(right).append("\n");
}

void append_line(const std::vector<Printed>& columns, size_t line, std::string& out) {
  for (const Printed& c : columns) {
    const std::string& cell = c.cells[line];
    const int64_t blanks = c.width - frame::text_width(cell);
    out += "│ ";
    if (c.right) append_times(out, " ", blanks);
    out += cell;
    if (!c.right) append_times(out, " ", blanks);
    out += " ";
  }
  out += "│\n";
}

std::string number_of(int64_t n, const char* noun) { return std::to_string(n) + " " + noun + (n == 1 ? "" : "s"); }

}  // namespace

std::string frame::table_text(const arrow::Table& data, const arrow::Schema& schema, int max_rows, int64_t most_cells) {
  const std::string size = number_of(data.num_rows(), "row") + ", " + number_of(data.num_columns(), "column") + "\n";
  if (data.num_columns() == 0) return size;
  const std::vector<int64_t> rows = shown_rows(data.num_rows(), max_rows);
  std::vector<Printed> columns;
  for (int i = 0; i < data.num_columns(); ++i) columns.push_back(print_column(*schema.field(i), *data.column(i), rows));
  columns = fit_line(std::move(columns), most_cells);
  std::string out;
  append_rule(columns, "┌", "┬", "┐", out);
  append_line(columns, 0, out);
  append_line(columns, 1, out);
  append_rule(columns, "├", "┼", "┤", out);
  for (size_t line = 2; line < rows.size() + 2; ++line) append_line(columns, line, out);
  append_rule(columns, "└", "┴", "┘", out);
  return out + size;
}

std::string Table::to_string(int max_rows) const { return frame::table_text(*data(), *schema(), max_rows, frame::kLineCells); }

}  // namespace gristmill
