// The CSV table source.
//
// Arrow reports a bad value by column and record number in its message; that is taken apart here, and on this path
// only the file is read again to find the line on which the record begins.

#include "io/csv_scan.h"

#include <algorithm>
#include <optional>
#include <regex>

#include <arrow/csv/options.h>
#include <arrow/csv/reader.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "io/files.h"
#include "io/json.h"
#include "io/open_input.h"
#include "io/reader_source.h"
#include "io/stream_scan.h"

namespace gristmill::io {
namespace {

using ReaderPtr = std::shared_ptr<arrow::csv::StreamingReader>;

// The line (from 1) on which the `record`-th record (from 1) begins. Empty lines are no records.
arrow::Result<int64_t> line_of_record(const Input& input, int64_t record) {
  ARROW_ASSIGN_OR_RAISE(const auto in, input.stream(arrow::default_memory_pool()));
  int64_t line = 1, begin = 1, seen = 0;
  bool quoted = false, empty = true;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto block, in->Read(1 << 20));
    if (block->size() == 0) return begin;
    for (int64_t i = 0; i < block->size(); ++i) {
      const char c = static_cast<char>(block->data()[i]);
      if (c == '"') quoted = !quoted;
      if (c == '\n' && !quoted) {
        if (!empty && ++seen == record) return begin;
        empty = true;
        begin = line + 1;
      } else if (c != '\r') {
        empty = false;
      }
      if (c == '\n') ++line;
    }
  }
}

// A bad value or a row of another width, as the user should see it.
arrow::Status csv_error(const Input& input, const arrow::Status& status, const CsvReadOptions& options,
                        const std::vector<std::string>& names) {
  if (status.ok() || status.IsOutOfMemory() || status.IsCancelled() || base::error_detail(status) != nullptr) return status;
  const std::string& path = input.path();
  const std::string text = status.message();
  static const std::regex kValue(
      "In CSV column #(\\d+): (?:Row #(\\d+): )?CSV conversion error to ([^:]*): (?:invalid value '([^]*)'|([^]*))");
  static const std::regex kWidth("CSV parse error: Row #(\\d+): Expected (\\d+) columns, got (\\d+)[^]*");
  base::ErrorDetail d;
  d.file = path;
  const auto at_record = [&](const std::string& number) {
    if (number.empty()) return;
    const int64_t record = std::stoll(number);
    d.line = line_of_record(input, record).ValueOr(-1);
    d.row = record - (options.header ? 2 : 1);
  };
  std::smatch m;
  if (std::regex_match(text, m, kValue)) {
    d.kind = base::ErrorKind::kData;
    const size_t column = std::stoull(m[1]);
    if (column < names.size()) d.column = names[column];
    at_record(m[2]);
    d.value = m[4];
    const std::string why = m[5].matched ? m[5].str() : "cannot read the value as " + m[3].str();
    return base::with_detail(base::data_error(why), d);
  }
  if (std::regex_match(text, m, kWidth)) {
    d.kind = base::ErrorKind::kData;
    at_record(m[1]);
    return base::with_detail(base::data_error("expected " + m[2].str() + " columns, found " + m[3].str()), d);
  }
  return base::io_error("cannot read " + path + ": " + text.substr(0, text.find('\n')), path);
}

struct CsvPlan {
  CsvReadOptions options;
  std::vector<std::string> paths;
  std::vector<InputPtr> inputs;           // one for each path
  std::vector<std::string> names;         // columns of the first file
  std::shared_ptr<arrow::Schema> schema;  // their types, strings as utf8
};

arrow::Result<ReaderPtr> open_csv(const CsvPlan& plan, const Input& input, const std::vector<std::string>& include,
                                  arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const auto opened, input.open(pool));
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  read.block_size = static_cast<int32_t>(std::clamp<int64_t>(plan.options.block_bytes, 16, int64_t{1} << 30));
  read.autogenerate_column_names = !plan.options.header;
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.delimiter = plan.options.delimiter;
  parse.newlines_in_values = true;
  auto convert = arrow::csv::ConvertOptions::Defaults();
  if (!plan.options.null_values.empty()) {
    convert.null_values = plan.options.null_values;
    convert.strings_can_be_null = true;
  }
  convert.include_columns = include;
  const auto& types = plan.schema != nullptr ? plan.schema : plan.options.types;
  if (types != nullptr) {
    for (const auto& f : types->fields()) convert.column_types[f->name()] = f->type();
  }
  auto made = arrow::csv::StreamingReader::Make(arrow::io::IOContext(pool), opened, read, parse, convert);
  if (!made.ok()) {
    if (made.status().message() == "Empty CSV file") return base::io_error("empty CSV file: " + input.path(), input.path());
    return csv_error(input, made.status(), plan.options, plan.names);
  }
  return made;
}

// utf8 where the parser or the user said something the parser cannot make.
column::TypePtr parsed_type(const column::TypePtr& t) {
  switch (t->id()) {
    case arrow::Type::NA:
    case arrow::Type::STRING_VIEW: return arrow::utf8();
    case arrow::Type::BINARY_VIEW: return arrow::binary();
    default: return t;
  }
}

// The files one after another. Lives in the scan; called by one thread at a time.
class CsvFiles {
 public:
  CsvFiles(std::shared_ptr<const CsvPlan> plan, std::vector<std::string> include, arrow::MemoryPool* pool)
      : plan_(std::move(plan)), include_(std::move(include)), pool_(pool) {}

  arrow::Result<std::optional<StreamedBatch>> next() {
    while (true) {
      if (reader_ == nullptr) {
        if (++input_ >= std::ssize(plan_->paths)) return std::nullopt;
        row_ = 0;
        ARROW_ASSIGN_OR_RAISE(reader_, open_csv(*plan_, *plan_->inputs[input_], include_, pool_));
      }
      StreamedBatch out;
      ARROW_RETURN_NOT_OK(csv_error(*plan_->inputs[input_], reader_->ReadNext(&out.rows), plan_->options, plan_->names));
      if (out.rows == nullptr) {
        reader_.reset();
        continue;
      }
      out.input = static_cast<int32_t>(input_);
      out.first_row = row_;
      row_ += out.rows->num_rows();
      return out;
    }
  }

 private:
  const std::shared_ptr<const CsvPlan> plan_;
  const std::vector<std::string> include_;
  arrow::MemoryPool* const pool_;
  ReaderPtr reader_;
  int64_t input_ = -1;
  int64_t row_ = 0;
};

class CsvSource final : public plan::TableSource {
 public:
  CsvSource(std::shared_ptr<const CsvPlan> plan, std::vector<std::string> patterns, int64_t bytes)
      : plan_(std::move(plan)), patterns_(std::move(patterns)), bytes_(bytes) {}

  std::string kind() const override { return "csv"; }
  std::string name() const override { return files_text(patterns_, plan_->paths.size()); }
  std::shared_ptr<arrow::Schema> schema() const override { return plan_->schema; }
  plan::TableEstimate estimate() const override { return {std::nullopt, false, bytes_}; }

  std::string to_json() const override {
    JsonWriter json;
    json.add("paths", plan_->paths);
    json.add("delimiter", std::string_view(&plan_->options.delimiter, 1));
    json.add("header", plan_->options.header);
    json.add("null_values", plan_->options.null_values);
    json.add("block_bytes", plan_->options.block_bytes);
    std::vector<std::string> types;
    for (const auto& f : plan_->schema->fields()) types.push_back(column::type_text(*column::canonical_type(f->type())));
    json.add("names", plan_->schema->field_names());
    json.add("types", types);
    return json.finish();
  }

  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    StreamScanSpec spec;
    std::vector<std::string> include;  // none would mean all
    for (const int c : request.columns) {
      spec.columns.push_back(static_cast<int>(include.size()));
      include.push_back(plan_->schema->field(c)->name());
      spec.types.push_back(column::canonical_type(plan_->schema->field(c)->type()));
    }
    if (include.empty()) include.push_back(plan_->schema->field(0)->name());
    spec.files = plan_->paths;
    spec.pull = [files = std::make_shared<CsvFiles>(plan_, std::move(include), request.memory->pool())] { return files->next(); };
    return make_stream_scan(std::move(spec), request);
  }

 private:
  const std::shared_ptr<const CsvPlan> plan_;
  const std::vector<std::string> patterns_;
  const int64_t bytes_;
};

arrow::Status check_names(const CsvPlan& plan, const std::string& path, const arrow::Schema& found) {
  for (const std::string& name : plan.names) {
    if (found.GetFieldIndex(name) < 0) {
      return base::io_error("mixed schemas: " + path + " has no column \"" + name + "\", which " + plan.paths[0] + " has", path);
    }
  }
  for (const std::string& name : found.field_names()) {
    if (plan.schema->GetFieldIndex(name) < 0) {
      return base::io_error("mixed schemas: " + path + " has a column \"" + name + "\", which " + plan.paths[0] + " has not", path);
    }
  }
  return arrow::Status::OK();
}

arrow::Status infer(CsvPlan& plan, const arrow::Schema& found) {
  if (plan.options.types != nullptr) {
    for (const auto& f : plan.options.types->fields()) {
      if (found.GetFieldIndex(f->name()) < 0) {
        return base::plan_error("no column \"" + f->name() + "\" in " + plan.paths[0], base::suggest_name(f->name(), found.field_names()));
      }
    }
  }
  arrow::FieldVector fields;
  for (const auto& f : found.fields()) fields.push_back(arrow::field(f->name(), parsed_type(f->type())));
  ARROW_ASSIGN_OR_RAISE(plan.schema, border_schema(arrow::Schema(fields), plan.paths[0], plan.paths[0]));
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_csv(const std::vector<std::string>& patterns, CsvReadOptions options) {
  auto plan = std::make_shared<CsvPlan>();
  plan->options = std::move(options);
  if (plan->options.types != nullptr) {
    arrow::FieldVector fields;
    for (const auto& f : plan->options.types->fields()) fields.push_back(f->WithType(parsed_type(f->type())));
    plan->options.types = arrow::schema(std::move(fields));
  }
  ARROW_ASSIGN_OR_RAISE(plan->paths, expand_files(patterns, {".csv", ".tsv", ".txt"}));
  int64_t bytes = 0;
  for (const std::string& path : plan->paths) {
    ARROW_ASSIGN_OR_RAISE(const InputPtr input, find_input(path));
    plan->inputs.push_back(input);
    bytes += input->stamp().bytes;
    ARROW_ASSIGN_OR_RAISE(const ReaderPtr reader, open_csv(*plan, *input, {}, arrow::default_memory_pool()));
    if (plan->schema == nullptr) {
      plan->names = reader->schema()->field_names();
      ARROW_RETURN_NOT_OK(infer(*plan, *reader->schema()));
    } else {
      ARROW_RETURN_NOT_OK(check_names(*plan, path, *reader->schema()));
    }
  }
  return std::make_shared<CsvSource>(std::move(plan), patterns, bytes);
}

}  // namespace gristmill::io
