// Guessing and checking columns; finding files.

#include "io/ndjson_plan.h"

#include <cstring>

#include <arrow/type.h>

#include "base/status.h"
#include "io/csv_plan.h"
#include "io/files.h"
#include "io/json_columns.h"
#include "io/json_infer.h"
#include "io/reader_source.h"
#include "io/text_input.h"

namespace gristmill::io {
namespace {

// The columns of the first lines of the first file.
arrow::Result<arrow::FieldVector> guess_fields(const NdjsonPlan& plan) {
  BlockRules looking = plan.rules;
  looking.only_look = true;
  BlockCutter cutter({plan.files[0]}, looking, arrow::default_memory_pool());
  JsonGuess guess;
  int64_t left = plan.options.infer_rows.value_or(INT64_MAX);
  bool fine = true;
  bool array = false;  // the first value opens one
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
      array = array || (guess.fields().empty() && in.peek() == JsonKind::kList);
      --left;
      // A bad line says nothing about types; the scan will say what is wrong with it.
      if (in.peek() == JsonKind::kObject) guess.add(in, plan.options.try_parse_dates);
    }
  }
  arrow::FieldVector out;
  for (const auto& f : guess.fields()) out.push_back(arrow::field(f.name, f.guess->type()));
  if (out.empty()) {
    const std::string& path = plan.files[0].input->path();
    if (array) {
      return base::io_error("the file is a JSON array, not NDJSON: " + path, path,
                            "NDJSON has one object a line: jq -c '.[]' FILE.json > FILE.ndjson");
    }
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

arrow::Result<std::shared_ptr<NdjsonPlan>> plan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options) {
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
  return plan;
}

}  // namespace gristmill::io
