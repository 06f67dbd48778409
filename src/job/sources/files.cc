// Files as sources: csv, ndjson, parquet, ipc, and what comes in by the standard input.
//
// Where records can be bad (text) every column is read whatever the steps need, and the policy decides about bad ones: fail, or left out
// and told.

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "gristmill/frame.h"
#include "job/sources/kinds.h"
#include "plan/logical.h"

namespace gristmill::job {
namespace {

using Keys = std::vector<Key>;

Keys joined(Keys a, const Keys& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Key path_key() {
  return {.name = "path", .kind = ValueKind::kTexts, .help = "A path, a pattern, a folder or a URL, or a list of them.", .required = true};
}

Keys common_keys() {
  return {{.name = "schema", .kind = ValueKind::kNames, .help = "All columns in order, `name: type`; nothing is guessed then."},
          {.name = "hive_partitioning",
           .kind = ValueKind::kBoolean,
           .help = "Whether folders named key=value are columns; found out if not said."},
          {.name = "storage",
           .kind = ValueKind::kNames,
           .help = "Of stores: endpoint, region, access_key, secret_key, ...; else the environment's.",
           .secret = true}};
}

Keys text_keys() {
  return {
      {.name = "types", .kind = ValueKind::kNames, .help = "Types of some columns, `name: type`; the others are guessed."},
      {.name = "infer_rows", .kind = ValueKind::kInteger, .help = "Rows that types are guessed from.", .least = 1, .fallback = "10000"},
      {.name = "compression", .help = "infer (by the name's ending), none, gzip, zstd, lz4, bz2, brotli or snappy.", .fallback = "infer"}};
}

Keys csv_keys() {
  return {
      {.name = "header", .kind = ValueKind::kBoolean, .help = "Whether the first record names the columns.", .fallback = "true"},
      {.name = "columns", .kind = ValueKind::kTexts, .help = "Names of the columns instead of the header's."},
      {.name = "separator", .help = "One character.", .fallback = ","},
      {.name = "quote", .help = "One character, or empty: there are no quotes.", .fallback = "\""},
      {.name = "escape", .help = "What follows this character is meant literally."},
      {.name = "comment", .help = "Records that begin so are left out."},
      {.name = "skip_rows", .kind = ValueKind::kInteger, .help = "Lines before the header.", .least = 0, .fallback = "0"},
      {.name = "null_values", .kind = ValueKind::kTexts, .help = "Texts that stand for NULL beside the empty field."},
      {.name = "empty_is_null", .kind = ValueKind::kBoolean, .help = "Whether empty text is NULL.", .fallback = "true"},
      {.name = "decimal_comma", .kind = ValueKind::kBoolean, .help = "1,5 is one and a half.", .fallback = "false"},
      {.name = "trim", .kind = ValueKind::kBoolean, .help = "Blanks around text go.", .fallback = "false"},
      {.name = "dates",
       .kind = ValueKind::kBoolean,
       .help = "Whether dates and times are guessed; else they are text.",
       .fallback = "false"},
      {.name = "missing_columns", .kind = ValueKind::kBoolean, .help = "What a short record does not have is NULL.", .fallback = "false"},
      {.name = "extra_columns", .kind = ValueKind::kBoolean, .help = "What a record has too much is ignored.", .fallback = "false"}};
}

Keys ndjson_keys() {
  return {{.name = "dates",
           .kind = ValueKind::kBoolean,
           .help = "Whether dates and times are guessed; else they are text.",
           .fallback = "false"},
          {.name = "extra_fields", .kind = ValueKind::kBoolean, .help = "Fields that the schema has not are ignored.", .fallback = "true"}};
}

arrow::Result<std::optional<char>> one_character(const Settings& s, const char* name, std::optional<char> fallback) {
  if (!s.has(name)) return fallback;
  const std::string text = s.text(name);
  if (text.empty()) return std::optional<char>();
  if (text == "\\t" || text == "tab") return std::optional<char>('\t');
  if (text.size() == 1) return std::optional<char>(text[0]);
  return s.error_at(name, std::string("\"") + name + "\" must be one character", "a tab is \"\\t\"");
}

FileOptions file_options(const Settings& s) {
  FileOptions out;
  for (const auto& [k, v] : s.names("storage")) out.storage[k] = v;
  if (s.has("hive_partitioning")) out.hive_partitioning = s.boolean("hive_partitioning");
  return out;
}

arrow::Result<CsvOptions> csv_options(const Settings& s, bool leave_out) {
  CsvOptions o;
  ARROW_ASSIGN_OR_RAISE(const auto separator, one_character(s, "separator", ','));
  if (!separator) return s.error_at("separator", "\"separator\" must be one character");
  o.separator = *separator;
  ARROW_ASSIGN_OR_RAISE(o.quote_char, one_character(s, "quote", '"'));
  ARROW_ASSIGN_OR_RAISE(o.escape_char, one_character(s, "escape", {}));
  o.comment_prefix = s.text("comment");
  o.has_header = s.boolean("header", true);
  o.skip_rows = s.integer("skip_rows");
  o.column_names = s.texts("columns");
  o.schema = s.names("schema");
  o.schema_overrides = s.names("types");
  o.null_values = s.texts("null_values");
  o.empty_is_null = s.boolean("empty_is_null", true);
  o.decimal_comma = s.boolean("decimal_comma");
  o.trim = s.boolean("trim");
  o.try_parse_dates = s.boolean("dates");
  o.missing_columns = s.boolean("missing_columns");
  o.extra_columns = s.boolean("extra_columns");
  o.infer_rows = s.integer("infer_rows", 10000);
  o.compression = s.text("compression", "infer");
  o.on_error = leave_out ? OnError::kSkip : OnError::kFail;
  o.files = file_options(s);
  return o;
}

NdjsonOptions ndjson_options(const Settings& s, bool leave_out) {
  NdjsonOptions o;
  o.schema = s.names("schema");
  o.schema_overrides = s.names("types");
  o.try_parse_dates = s.boolean("dates");
  o.extra_columns = s.boolean("extra_fields", true);
  o.infer_rows = s.integer("infer_rows", 10000);
  o.compression = s.text("compression", "infer");
  o.on_error = leave_out ? OnError::kSkip : OnError::kFail;
  o.files = file_options(s);
  return o;
}

// A file that says itself what its columns are has those that the job expects.
arrow::Status check_schema(const Settings& s, const arrow::Schema& there) {
  for (const auto& [name, text] : s.names("schema")) {
    ARROW_ASSIGN_OR_RAISE(const auto type, column::parse_type(text));
    const auto field = there.GetFieldByName(name);
    if (field == nullptr)
      return s.error_at("schema", "there is no column \"" + name + "\"" + base::suggest_name(name, there.field_names()));
    const auto found = column::canonical_type(field->type());
    if (!found->Equals(*column::canonical_type(type)))
      return s.error_at("schema", "column \"" + name + "\" is " + column::type_text(*found) + ", not " + text, "a cast step changes it");
  }
  return arrow::Status::OK();
}

using Scan = arrow::Result<Frame> (*)(const Settings& settings, const std::vector<std::string>& paths, bool leave_out);

class FileSource final : public Source {
 public:
  FileSource(std::string format, const Settings& settings, std::vector<std::string> paths, Scan scan)
      : format_(std::move(format)), settings_(settings), paths_(std::move(paths)), scan_(scan) {}

  std::string name() const override {
    std::string out = format_;
    for (const std::string& p : paths_) out += " " + (p == "-" ? std::string("stdin") : p);
    return out;
  }

  arrow::Result<plan::TableSourcePtr> open(const SourceContext& context) override {
    ARROW_ASSIGN_OR_RAISE(const Frame frame, scan_(settings_, paths_, context.leave_out_bad_records));
    ARROW_ASSIGN_OR_RAISE(auto source, source_of(frame, settings_));
    if (format_ == "parquet" || format_ == "ipc") ARROW_RETURN_NOT_OK(check_schema(settings_, *source->schema()));
    return source;
  }

 private:
  const std::string format_;
  const Settings settings_;
  const std::vector<std::string> paths_;
  const Scan scan_;
};

arrow::Result<Frame> scan_of_csv(const Settings& s, const std::vector<std::string>& paths, bool leave_out) {
  ARROW_ASSIGN_OR_RAISE(CsvOptions options, csv_options(s, leave_out));
  return scan_csv(paths, std::move(options));
}
arrow::Result<Frame> scan_of_ndjson(const Settings& s, const std::vector<std::string>& paths, bool leave_out) {
  return scan_ndjson(paths, ndjson_options(s, leave_out));
}
arrow::Result<Frame> scan_of_parquet(const Settings& s, const std::vector<std::string>& paths, bool) {
  return scan_parquet(paths, file_options(s));
}
arrow::Result<Frame> scan_of_ipc(const Settings& s, const std::vector<std::string>& paths, bool) {
  return scan_ipc(paths, file_options(s));
}

template <Scan scan>
arrow::Result<std::unique_ptr<Source>> make_files(const Settings& s) {
  return std::make_unique<FileSource>(s.key().name, s, s.texts("path"), scan);
}

}  // namespace

arrow::Result<plan::TableSourcePtr> source_of(const Frame& frame, const Settings& settings) {
  if (!frame.plan().ok()) return settings.at(frame.plan().status());
  const plan::PlanPtr plan = *frame.plan();
  if (plan->source == nullptr) return base::internal_error("a job's source is not one scan");
  return plan->source;
}

SourceKind csv_source_kind() {
  return {{.name = "csv",
           .kind = ValueKind::kSection,
           .help = "CSV files.",
           .keys = joined(joined(joined({path_key()}, common_keys()), text_keys()), csv_keys())},
          "csv: {path: \"in/*.csv\", schema: {id: int64, value: float64}}",
          make_files<scan_of_csv>};
}

SourceKind ndjson_source_kind() {
  return {{.name = "ndjson",
           .kind = ValueKind::kSection,
           .help = "Files with one JSON object a line.",
           .keys = joined(joined(joined({path_key()}, common_keys()), text_keys()), ndjson_keys())},
          "ndjson: {path: \"in/*.ndjson.gz\"}",
          make_files<scan_of_ndjson>};
}

SourceKind parquet_source_kind() {
  return {{.name = "parquet", .kind = ValueKind::kSection, .help = "Parquet files.", .keys = joined({path_key()}, common_keys())},
          "parquet: {path: \"s3://lake/orders/\"}",
          make_files<scan_of_parquet>};
}

SourceKind ipc_source_kind() {
  return {{.name = "ipc", .kind = ValueKind::kSection, .help = "Arrow IPC files.", .keys = joined({path_key()}, common_keys())},
          "ipc: {path: \"in/*.arrow\"}",
          make_files<scan_of_ipc>};
}

SourceKind stdin_source_kind() {
  Keys keys{{.name = "format", .help = "What comes in.", .required = true, .choices = {"csv", "ndjson", "ipc"}}};
  keys = joined(joined(std::move(keys), common_keys()), text_keys());
  for (const Key& k : csv_keys()) keys.push_back(k);
  keys.push_back(ndjson_keys().back());
  return {{.name = "stdin", .kind = ValueKind::kSection, .help = "The standard input; the keys of its format.", .keys = std::move(keys)},
          "stdin: {format: ndjson}",
          [](const Settings& s) -> arrow::Result<std::unique_ptr<Source>> {
            const std::string format = s.text("format");
            const Scan scan = format == "csv" ? scan_of_csv : format == "ndjson" ? scan_of_ndjson : scan_of_ipc;
            return std::make_unique<FileSource>(format, s, std::vector<std::string>{"-"}, scan);
          }};
}

}  // namespace gristmill::job
