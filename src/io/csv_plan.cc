// Options to rules, headers to columns.

#include "io/csv_plan.h"

#include <algorithm>
#include <set>

#include <arrow/type.h>

#include "base/status.h"
#include "io/csv_infer.h"
#include "io/reader_source.h"

namespace gristmill::io {
namespace {

arrow::Status check(const CsvOptions& o) {
  const auto wrong = [](const std::string& what, std::string hint = {}) { return base::plan_error(what, std::move(hint)); };
  if (o.encoding != "utf8")
    return wrong("encoding \"" + o.encoding + "\" is not supported", "convert the file to UTF-8, for example with iconv");
  const auto plain = [](char c) { return c != '\n' && c != '\r' && c != '\0'; };
  if (!plain(o.separator) || (o.quote_char && !plain(*o.quote_char)) || (o.escape_char && !plain(*o.escape_char))) {
    return wrong("separator, quote_char and escape_char cannot be a line end");
  }
  if (o.quote_char == o.separator || o.escape_char == o.separator) return wrong("separator, quote_char and escape_char must differ");
  if (o.decimal_comma && o.separator == ',')
    return wrong("decimal_comma needs a separator other than the comma", "for example separator=\";\"");
  if (o.skip_rows < 0) return wrong("skip_rows must be 0 or more");
  if (o.infer_rows && *o.infer_rows < 0) return wrong("infer_rows must be 0 or more, or nothing for the whole first file");
  if (o.block_bytes < 1 || o.block_bytes > (int64_t{1} << 28)) return wrong("block_bytes must lie between 1 and 256 MiB");
  if (!o.schema.empty() && !o.column_names.empty()) return wrong("give schema or column_names, not both");
  if (!o.schema.empty() && !o.schema_overrides.empty()) return wrong("give schema or schema_overrides, not both");
  return arrow::Status::OK();
}

void set_rules(CsvPlan& plan) {
  const CsvOptions& o = plan.options;
  CsvDialect& d = plan.rules.dialect;
  d.separator = o.separator;
  d.quote = o.quote_char ? static_cast<uint8_t>(*o.quote_char) : -1;
  d.escape = o.escape_char && o.escape_char != o.quote_char ? static_cast<uint8_t>(*o.escape_char) : -1;
  d.comment = o.comment_prefix;
  plan.rules.skip_lines = o.skip_rows;
  plan.rules.header = o.has_header.value_or(true);
  plan.rules.block_bytes = o.block_bytes;
  CsvValues& v = plan.values;
  v.set_nulls(o.null_values);
  v.empty_is_null = o.empty_is_null;
  v.trues = o.true_values;
  v.falses = o.false_values;
  v.decimal_comma = o.decimal_comma;
  v.trim = o.trim;
}

std::vector<std::string> fields_of(std::string_view record, const CsvDialect& dialect) {
  std::vector<std::string> out;
  std::vector<uint32_t> ends;
  std::string padded(record);
  while (!padded.empty() && (padded.back() == '\n' || padded.back() == '\r')) padded.pop_back();
  CsvDialect one = dialect;
  one.skip_blank = false;
  one.comment.clear();
  if (padded.empty()) return {""};
  walk_record(reinterpret_cast<const uint8_t*>(padded.data()), std::ssize(padded), 0, one, &ends);
  uint32_t begin = 0;
  std::string room;
  for (const uint32_t end : ends) {
    out.emplace_back(field_value(std::string_view(padded).substr(begin, end - begin), dialect, room).text);
    begin = end + 1;
  }
  return out;
}

// The first record: the header where there is one.
arrow::Result<std::optional<std::vector<std::string>>> first_record(const TextFile& file, BlockRules rules, bool header) {
  rules.header = header;
  rules.block_bytes = std::min<int64_t>(rules.block_bytes, 1 << 16);
  rules.most_records = 1;
  rules.only_look = true;
  BlockCutter cutter({file}, rules, arrow::default_memory_pool());
  const auto block = cutter.next();
  if (header && !cutter.header().empty()) return fields_of(cutter.header(), rules.dialect);
  if (!block.has_value()) return std::nullopt;
  ARROW_RETURN_NOT_OK(block->error);
  std::string_view text(reinterpret_cast<const char*>(block->text()), static_cast<size_t>(block->size));
  // Comments and empty lines before it.
  int64_t at = 0;
  while (at < block->size) {
    const RecordWalk r = walk_record(block->text(), block->size, at, rules.dialect, nullptr);
    if (r.record) return fields_of(text.substr(at, r.next - at), rules.dialect);
    at = r.next;
  }
  return std::nullopt;
}

std::vector<std::string> numbered_names(size_t n) {
  std::vector<std::string> out;
  for (size_t i = 0; i < n; ++i) out.push_back("column_" + std::to_string(i + 1));
  return out;
}

// A header is texts only, where some column below has another type; texts above texts are taken for one.
arrow::Result<bool> has_header(const CsvPlan& plan, const CsvFile& file, const std::vector<std::string>& first) {
  std::set<std::string> names;
  for (const std::string& s : first) {
    bool nanos = false;
    if (s.empty() || !names.insert(s).second || TypeGuess::kinds_of(s, plan.values, true, nanos) != 0) return false;
  }
  return true;
}

struct Names {
  std::vector<std::string> names;
  bool given = false;  // by position, whatever the headers say
};

arrow::Result<Names> column_names(CsvPlan& plan, CsvFile& first) {
  const CsvOptions& o = plan.options;
  ARROW_ASSIGN_OR_RAISE(auto record, first_record(first.file, plan.rules, plan.rules.header));
  if (!record.has_value() && o.schema.empty() && o.column_names.empty())
    return base::io_error("empty CSV file: " + first.path(), first.path());
  if (!o.has_header.has_value() && record.has_value()) {
    ARROW_ASSIGN_OR_RAISE(plan.rules.header, has_header(plan, first, *record));
  }
  Names out;
  for (const auto& [name, type] : o.schema) out.names.push_back(name);
  if (!o.column_names.empty()) out.names = o.column_names;
  out.given = !out.names.empty();
  if (!out.given) out.names = plan.rules.header ? *record : numbered_names(record->size());
  if (!out.given && plan.rules.header) {
    for (size_t i = 0; i < out.names.size(); ++i) {
      if (out.names[i].empty()) out.names[i] = "column_" + std::to_string(i + 1);
    }
  }
  first.fields = static_cast<int>(record.has_value() ? record->size() : out.names.size());
  std::set<std::string> seen;
  for (const std::string& name : out.names) {
    if (!seen.insert(name).second) {
      return base::io_error("two columns of " + first.path() + " are named \"" + name + "\"", first.path(),
                            "column_names gives other names");
    }
  }
  plan.rules.dialect.skip_blank = first.fields > 1;
  return out;
}

arrow::Status wrong_count(const CsvFile& file, size_t names) {
  return base::io_error(file.path() + " has " + std::to_string(file.fields) + " columns, not " + std::to_string(names), file.path(),
                        static_cast<size_t>(file.fields) < names ? "missing_columns=True makes those that are missing null"
                                                                 : "extra_columns=True leaves out those beyond");
}

arrow::Status map_by_position(const CsvPlan& plan, CsvFile& file, size_t names) {
  const auto fields = static_cast<size_t>(file.fields);
  if ((fields < names && !plan.options.missing_columns) || (fields > names && !plan.options.extra_columns)) return wrong_count(file, names);
  for (size_t i = 0; i < names; ++i) file.of_column.push_back(i < fields ? static_cast<int>(i) : -1);
  return arrow::Status::OK();
}

arrow::Status map_by_name(const CsvPlan& plan, CsvFile& file, const std::vector<std::string>& names,
                          const std::vector<std::string>& found) {
  const std::string& first = plan.files[0].path();
  for (const std::string& name : names) {
    const auto at = std::find(found.begin(), found.end(), name);
    if (at == found.end() && !plan.options.missing_columns) {
      return base::io_error("mixed schemas: " + file.path() + " has no column \"" + name + "\", which " + first + " has", file.path());
    }
    file.of_column.push_back(at == found.end() ? -1 : static_cast<int>(at - found.begin()));
  }
  for (const std::string& name : found) {
    if (std::find(names.begin(), names.end(), name) == names.end() && !plan.options.extra_columns) {
      return base::io_error("mixed schemas: " + file.path() + " has a column \"" + name + "\", which " + first + " has not", file.path());
    }
  }
  return arrow::Status::OK();
}

arrow::Status set_types(CsvPlan& plan, const std::vector<std::string>& names) {
  ARROW_ASSIGN_OR_RAISE(const auto whole, parse_column_types(plan.options.schema, "schema"));
  ARROW_ASSIGN_OR_RAISE(const auto some, parse_column_types(plan.options.schema_overrides, "schema_overrides"));
  std::vector<column::TypePtr> types(names.size());
  for (const auto& [name, type] : whole.empty() ? some : whole) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end())
      return base::plan_error("no column \"" + name + "\" in " + plan.files[0].path(), base::suggest_name(name, names));
    if (!is_csv_type(*type)) {
      return base::plan_error("column \"" + name + "\" of type " + column::type_text(*type) + " cannot be read from CSV",
                              "read it as string");
    }
    types[at - names.begin()] = type;
  }
  plan.inferred.assign(names.size(), false);
  if (std::any_of(types.begin(), types.end(), [](const auto& t) { return t == nullptr; })) {
    ARROW_ASSIGN_OR_RAISE(const auto guesses, guess_types(plan, plan.files[0], plan.rules));
    for (size_t i = 0; i < names.size(); ++i) {
      if (types[i] != nullptr) continue;
      const int field = plan.files[0].of_column[i];
      types[i] = field < 0 ? arrow::utf8_view() : guesses[field].type();
      plan.inferred[i] = true;
    }
  }
  arrow::FieldVector fields;
  for (size_t i = 0; i < names.size(); ++i) fields.push_back(arrow::field(names[i], border_of(types[i])));
  plan.schema = arrow::schema(std::move(fields));
  plan.types = std::move(types);
  return arrow::Status::OK();
}

}  // namespace

column::TypePtr border_of(const column::TypePtr& canonical) {
  switch (canonical->id()) {
    case arrow::Type::NA:
    case arrow::Type::STRING_VIEW: return arrow::utf8();
    case arrow::Type::BINARY_VIEW: return arrow::binary();
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListType&>(*canonical);
      return arrow::list(list.value_field()->WithType(border_of(list.value_type())));
    }
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& f : canonical->fields()) fields.push_back(f->WithType(border_of(f->type())));
      return arrow::struct_(std::move(fields));
    }
    default: return canonical;
  }
}

arrow::Result<std::vector<std::pair<std::string, column::TypePtr>>> parse_column_types(const ColumnTypes& given, const char* option) {
  std::vector<std::pair<std::string, column::TypePtr>> out;
  for (const auto& [name, text] : given) {
    auto type = column::parse_type(text);
    if (!type.ok()) {
      const auto detail = base::error_detail(type.status());
      return base::plan_error(std::string(option) + " of column \"" + name + "\": " + type.status().message(), detail ? detail->hint : "");
    }
    out.emplace_back(name, std::move(*type));
  }
  return out;
}

std::vector<TextFile> CsvPlan::text_files() const {
  std::vector<TextFile> out;
  for (const CsvFile& f : files) out.push_back(f.file);
  return out;
}

arrow::Result<std::shared_ptr<const CsvPlan>> plan_csv(const std::vector<std::string>& patterns, CsvOptions options) {
  ARROW_RETURN_NOT_OK(check(options));
  auto plan = std::make_shared<CsvPlan>();
  plan->options = std::move(options);
  plan->patterns = patterns;
  set_rules(*plan);
  ARROW_ASSIGN_OR_RAISE(const StoragePtr storage, storage_options(plan->options.files.storage));
  ARROW_ASSIGN_OR_RAISE(const auto paths, expand_files(patterns, with_codec_endings({".csv", ".tsv", ".txt"}), storage));
  for (const std::string& path : paths) {
    CsvFile f;
    ARROW_ASSIGN_OR_RAISE(f.file.input, find_input(path, storage));
    ARROW_ASSIGN_OR_RAISE(f.file.codec, text_codec(plan->options.compression, path));
    plan->bytes += f.file.input->stamp().bytes;
    plan->files.push_back(std::move(f));
  }
  ARROW_ASSIGN_OR_RAISE(const Names names, column_names(*plan, plan->files[0]));
  ARROW_RETURN_NOT_OK(map_by_position(*plan, plan->files[0], names.names.size()));
  const bool by_name = !names.given && plan->rules.header;
  if (by_name) plan->files[0].names = std::make_shared<const std::vector<std::string>>(names.names);
  for (size_t i = 1; i < plan->files.size(); ++i) {
    CsvFile& f = plan->files[i];
    ARROW_ASSIGN_OR_RAISE(auto record, first_record(f.file, plan->rules, plan->rules.header));
    if (!record.has_value() && plan->rules.header) return base::io_error("empty CSV file: " + f.path(), f.path());
    f.fields = record.has_value() ? static_cast<int>(record->size()) : plan->files[0].fields;
    ARROW_RETURN_NOT_OK(by_name ? map_by_name(*plan, f, names.names, *record) : map_by_position(*plan, f, names.names.size()));
    if (by_name) f.names = std::make_shared<const std::vector<std::string>>(std::move(*record));
  }
  ARROW_RETURN_NOT_OK(set_types(*plan, names.names));
  return plan;
}

}  // namespace gristmill::io
