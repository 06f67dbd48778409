// The NDJSON table source and its scan.
//
// Fields of a line go to the columns by name. With on_error = skip every column of the schema is read, so that the same lines are left out
// whatever a query asks for. A bad line is undone in every column, so columns always have equally many rows.

#include "io/ndjson_scan.h"

#include <algorithm>
#include <cstring>

#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/block_scan.h"
#include "io/csv_json.h"
#include "io/csv_plan.h"
#include "io/json_columns.h"
#include "io/json_infer.h"
#include "io/reader_source.h"
#include "io/text_shown.h"

namespace gristmill::io {
namespace {

struct NdjsonPlan {
  NdjsonOptions options;
  std::vector<std::string> patterns;
  BlockRules rules;
  std::vector<TextFile> files;
  std::shared_ptr<arrow::Schema> schema;  // border types
  std::vector<column::TypePtr> types;     // canonical
  std::vector<bool> inferred;
  int64_t bytes = 0;
};
using PlanPtr = std::shared_ptr<const NdjsonPlan>;

// The columns of one worker; some may be the schema's but not the query's.
class NdjsonLocal final : public plan::ScanLocal {
 public:
  NdjsonLocal(const NdjsonPlan& plan, const plan::ScanRequest& request, bool all, arrow::MemoryPool* pool)
      : fields(plan.schema->field_names()), columns(plan.types.size()) {
    context.rules = {plan.options.extra_columns, plan.options.on_error == OnError::kNull};
    context.pool = pool;
    for (size_t c = 0; c < columns.size(); ++c) {
      const bool wanted = std::find(request.columns.begin(), request.columns.end(), static_cast<int>(c)) != request.columns.end();
      if (wanted || all) columns[c] = make_json_column(plan.types[c], context);
    }
  }
  JsonColumnContext context;
  JsonFields fields;
  std::vector<std::unique_ptr<JsonColumn>> columns;  // null: not read
  int64_t rows = 0;
  std::vector<int64_t> lines;  // the records that the rows are, when some were skipped
};

class NdjsonScan final : public BlockScan {
 public:
  NdjsonScan(PlanPtr plan, const plan::ScanRequest& request)
      : BlockScan(plan->files, plan->rules, request, plan->options.on_error == OnError::kSkip), plan_(std::move(plan)) {}

  bool filters_exactly() const override { return false; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    return std::make_unique<NdjsonLocal>(*plan_, request_, plan_->options.on_error == OnError::kSkip, pool_);
  }

 protected:
  arrow::Status read_block(TextBlock& block, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit,
                           plan::ScanCounts& counts) override {
    if (request_.columns.empty() && plan_->options.on_error != OnError::kSkip) return count_rows(block, emit, counts);
    auto& local = static_cast<NdjsonLocal&>(scan_local);
    local.context.block = block.buffer;
    const auto* text = reinterpret_cast<const char*>(block.text());
    const bool utf8 = simdjson::validate_utf8(text, static_cast<size_t>(block.size));
    int64_t record = 0, first = 0;
    arrow::Status status;
    for (int64_t at = 0; at < block.size && status.ok();) {
      const auto* stop = static_cast<const char*>(std::memchr(text + at, '\n', static_cast<size_t>(block.size - at)));
      const int64_t end = stop == nullptr ? block.size : stop - text;
      int64_t size = end - at;
      if (size > 0 && text[end - 1] == '\r') --size;
      if (size > 0) {
        status = take_line(block, local, text + at, size, utf8, record);
        ++record;
        if (status.ok() && local.rows == batch_rows_) {
          ARROW_RETURN_NOT_OK(flush(block, local, first, record, emit, counts));
          first = record;
          ARROW_RETURN_NOT_OK(request_.cancel.check());
        }
      }
      at = end + 1;
    }
    ARROW_RETURN_NOT_OK(flush(block, local, first, status.ok() ? record : record - 1, emit, counts));
    local.context.block.reset();
    return status;
  }

 private:
  // One more row, or none when the line is bad and skipped.
  arrow::Status take_line(const TextBlock& block, NdjsonLocal& local, const char* line, int64_t size, bool utf8, int64_t record) {
    JsonProblem problem;
    JsonCursor in(line, line + size);
    bool fine = utf8 || simdjson::validate_utf8(line, static_cast<size_t>(size));
    if (!fine) problem.why = "the text is not valid UTF-8";
    if (fine) fine = take_fields(local, in, problem);
    if (fine) {
      ++local.rows;
      for (auto& c : local.columns) {
        if (c != nullptr && c->rows() < local.rows) c->append_null();
      }
      if (plan_->options.on_error == OnError::kSkip) local.lines.push_back(record);
      return arrow::Status::OK();
    }
    for (auto& c : local.columns) {
      if (c != nullptr) c->truncate(local.rows);
    }
    if (plan_->options.on_error == OnError::kSkip) return arrow::Status::OK();
    if (plan_->options.on_error == OnError::kNull) {
      ++nulled_;
      ++local.rows;
      for (auto& c : local.columns) {
        if (c != nullptr) c->append_null();
      }
      return arrow::Status::OK();
    }
    return error_of(block, line, record, problem);
  }

  bool take_fields(NdjsonLocal& local, JsonCursor& in, JsonProblem& problem) {
    const auto wrong = [&] {
      problem.malformed = true;
      problem.value.assign(in.at(), static_cast<size_t>(std::min<int64_t>(in.end() - in.at(), 40)));
      return false;
    };
    if (!in.take('{')) return wrong();
    if (in.take('}')) return in.at_end() || wrong();
    size_t place = 0;
    do {
      std::string_view key;
      bool escaped;
      if (!in.take_text(key, escaped) || !in.take(':')) return wrong();
      const int field = local.fields.find(key, escaped, place++);
      if (field < 0) {
        if (!plan_->options.extra_columns) {
          problem.path = std::string(key);
          problem.why = "a field that the schema has not";
          return false;
        }
        if (!in.skip_value()) return wrong();
        continue;
      }
      JsonColumn* column = local.columns[field].get();
      if (column == nullptr) {
        if (!in.skip_value()) return wrong();
        continue;
      }
      if (column->rows() > local.rows) {
        problem.path = plan_->schema->field(field)->name();
        problem.why = "a field comes twice";
        return false;
      }
      if (!column->append(in, 1, problem)) {
        if (!problem.malformed) problem.path = plan_->schema->field(field)->name() + problem.path;
        return false;
      }
    } while (in.take(','));
    return (in.take('}') && in.at_end()) || wrong();
  }

  // The rows so far, which are records [first, next) of the block less those skipped.
  arrow::Status flush(const TextBlock& block, NdjsonLocal& local, int64_t first, int64_t next, const plan::BatchConsumer& emit,
                      plan::ScanCounts& counts) {
    column::Batch batch;
    batch.rows = local.rows;
    batch.origin = origin_of(block, first);
    const int64_t skipped = plan_->options.on_error == OnError::kSkip ? next - first - local.rows : 0;
    counts.rows += local.rows + skipped;
    counts.skipped += skipped;
    skipped_ += skipped;
    for (const auto& c : local.columns) nulled_ += c == nullptr ? 0 : c->nulled();
    if (skipped > 0 && batch.rows > 0) {
      ARROW_ASSIGN_OR_RAISE(batch.origin.rows, column::allocate_buffer(batch.rows * 8, pool_));
      auto* to = reinterpret_cast<int64_t*>(batch.origin.rows->mutable_data());
      for (int64_t i = 0; i < batch.rows; ++i) to[i] = block.first_row + local.lines[i];
    }
    std::vector<column::Column> read(local.columns.size());
    for (size_t c = 0; c < read.size(); ++c) {
      if (local.columns[c] == nullptr) continue;
      ARROW_ASSIGN_OR_RAISE(auto data, local.columns[c]->finish());
      read[c] = column::Column::flat(std::move(data));
    }
    for (const int c : request_.columns) batch.columns.push_back(read[c]);
    local.rows = 0;
    local.lines.clear();
    return batch.rows > 0 ? emit(std::move(batch)) : arrow::Status::OK();
  }

  arrow::Status error_of(const TextBlock& block, const char* line, int64_t record, const JsonProblem& problem) const {
    base::ErrorDetail d;
    d.kind = base::ErrorKind::kData;
    d.file = file_of(block.input);
    d.row = block.first_row + record;
    d.line = block.first_line + std::count(reinterpret_cast<const char*>(block.text()), line, '\n');
    d.value = shown_value(problem.value);
    d.hint = "on_error=\"null\" or \"skip\" goes on";
    if (problem.malformed) return base::with_detail(base::data_error("the line is not a JSON object, from here on"), d);
    d.column = shown_value(problem.path);
    const int column = plan_->schema->GetFieldIndex(problem.path.substr(0, problem.path.find_first_of(".[")));
    if (column >= 0 && plan_->inferred[column]) {
      d.hint = "the type was inferred: schema_overrides names another, a greater infer_rows looks at more rows, " + d.hint;
    }
    return base::with_detail(base::data_error(problem.why), d);
  }

  const PlanPtr plan_;
};

class NdjsonSource final : public plan::TableSource {
 public:
  explicit NdjsonSource(PlanPtr plan) : plan_(std::move(plan)) {}
  std::string kind() const override { return "ndjson"; }
  std::string name() const override { return files_text(plan_->patterns, plan_->files.size()); }
  std::shared_ptr<arrow::Schema> schema() const override { return plan_->schema; }
  plan::TableEstimate estimate() const override { return {std::nullopt, false, plan_->bytes}; }
  std::string to_json() const override {
    JsonWriter json;
    std::vector<std::string> paths, types;
    for (const TextFile& f : plan_->files) paths.push_back(f.input->path());
    for (const auto& t : plan_->types) types.push_back(column::type_text(*t));
    json.add("paths", paths);
    json.add("names", plan_->schema->field_names());
    json.add("types", types);
    json.add("on_error", on_error_text(plan_->options.on_error));
    json.add("extra_columns", plan_->options.extra_columns);
    json.add("compression", plan_->options.compression);
    json.add("block_bytes", plan_->options.block_bytes);
    return json.finish();
  }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    return std::make_shared<NdjsonScan>(plan_, request);
  }

 private:
  const PlanPtr plan_;
};

// The columns of the first lines of the first file.
arrow::Result<arrow::FieldVector> guess_fields(const NdjsonPlan& plan) {
  BlockRules looking = plan.rules;
  looking.only_look = true;
  BlockCutter cutter({plan.files[0]}, looking, arrow::default_memory_pool());
  JsonGuess guess;
  int64_t left = plan.options.infer_rows.value_or(INT64_MAX);
  bool fine = true;
  while (left > 0 && fine) {
    const auto block = cutter.next();
    if (!block.has_value()) break;
    ARROW_RETURN_NOT_OK(block->error);
    const auto* text = reinterpret_cast<const char*>(block->text());
    for (int64_t at = 0; at < block->size && left > 0 && fine;) {
      const auto* stop = static_cast<const char*>(std::memchr(text + at, '\n', static_cast<size_t>(block->size - at)));
      const int64_t end = stop == nullptr ? block->size : stop - text;
      JsonCursor in(text + at, text + end);
      at = end + 1;
      if (in.at_end()) continue;
      --left;
      // A bad line says nothing about types; the scan will say what is wrong with it.
      if (in.peek() == JsonKind::kObject) guess.add(in, plan.options.try_parse_dates);
    }
  }
  arrow::FieldVector out;
  for (const auto& f : guess.fields()) out.push_back(arrow::field(f.name, f.guess->type()));
  if (out.empty()) {
    const std::string& path = plan.files[0].input->path();
    return base::io_error("no JSON object with a field in " + path, path, "give the schema if the file may be empty");
  }
  return out;
}

arrow::Status set_schema(NdjsonPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(const auto whole, parse_column_types(plan.options.schema, "schema"));
  ARROW_ASSIGN_OR_RAISE(const auto some, parse_column_types(plan.options.schema_overrides, "schema_overrides"));
  arrow::FieldVector fields;
  for (const auto& [name, type] : whole) fields.push_back(arrow::field(name, type));
  plan.inferred.assign(fields.size(), false);
  if (fields.empty()) {
    ARROW_ASSIGN_OR_RAISE(fields, guess_fields(plan));
    plan.inferred.assign(fields.size(), true);
  }
  for (const auto& [name, type] : some) {
    size_t at = 0;
    while (at < fields.size() && fields[at]->name() != name) ++at;
    if (at == fields.size()) {  // a field that the sample has not
      fields.push_back(arrow::field(name, type));
      plan.inferred.push_back(false);
    } else {
      fields[at] = fields[at]->WithType(type);
      plan.inferred[at] = false;
    }
  }
  arrow::FieldVector border;
  const JsonColumnContext none;
  for (const auto& f : fields) {
    const auto canonical = column::canonical_type(f->type());
    if (make_json_column(canonical, none) == nullptr) {
      return base::plan_error("column \"" + f->name() + "\" of type " + column::type_text(*canonical) + " cannot be read from JSON",
                              "read it as string");
    }
    plan.types.push_back(canonical);
    border.push_back(f->WithType(border_of(canonical)));
  }
  ARROW_ASSIGN_OR_RAISE(plan.schema, border_schema(arrow::Schema(border), plan.files[0].input->path(), plan.files[0].input->path()));
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options) {
  if (options.block_bytes < 1 || options.block_bytes > (int64_t{1} << 28))
    return base::plan_error("block_bytes must lie between 1 and 256 MiB");
  if (options.infer_rows && *options.infer_rows < 1 && options.schema.empty()) {
    return base::plan_error("infer_rows must be 1 or more, or nothing for the whole first file");
  }
  auto plan = std::make_shared<NdjsonPlan>();
  plan->options = std::move(options);
  plan->patterns = patterns;
  plan->rules.dialect = {'\n', -1, -1, "", true};
  plan->rules.block_bytes = plan->options.block_bytes;
  ARROW_ASSIGN_OR_RAISE(const StoragePtr storage, storage_options(plan->options.files.storage));
  ARROW_ASSIGN_OR_RAISE(const auto paths, expand_files(patterns, with_codec_endings({".ndjson", ".jsonl", ".json"}), storage));
  for (const std::string& path : paths) {
    TextFile f;
    ARROW_ASSIGN_OR_RAISE(f.input, find_input(path, storage));
    ARROW_ASSIGN_OR_RAISE(f.codec, text_codec(plan->options.compression, path));
    plan->bytes += f.input->stamp().bytes;
    plan->files.push_back(std::move(f));
  }
  ARROW_RETURN_NOT_OK(set_schema(*plan));
  return std::make_shared<NdjsonSource>(std::move(plan));
}

arrow::Result<plan::TableSourcePtr> make_ndjson(const JsonReader& json) {
  NdjsonOptions o;
  ARROW_ASSIGN_OR_RAISE(const auto names, json.texts("names"));
  ARROW_ASSIGN_OR_RAISE(const auto types, json.texts("types"));
  if (names.size() != types.size()) return base::plan_error("source options \"names\" and \"types\" differ in length");
  for (size_t i = 0; i < names.size(); ++i) o.schema.emplace_back(names[i], types[i]);
  ARROW_ASSIGN_OR_RAISE(const auto on_error, json.text("on_error", "fail"));
  ARROW_ASSIGN_OR_RAISE(o.on_error, on_error_from(on_error));
  ARROW_ASSIGN_OR_RAISE(o.extra_columns, json.flag("extra_columns", true));
  ARROW_ASSIGN_OR_RAISE(o.compression, json.text("compression", "infer"));
  ARROW_ASSIGN_OR_RAISE(o.block_bytes, json.number("block_bytes", o.block_bytes));
  ARROW_ASSIGN_OR_RAISE(const auto paths, json.texts("paths"));
  return scan_ndjson(paths, std::move(o));
}

}  // namespace gristmill::io
