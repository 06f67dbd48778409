// The NDJSON table source and its scan.
//
// Fields of a line go to the columns by name. With on_error = skip every column of the schema is read, so that the same lines are left out
// whatever a query asks for. A bad line is undone in every column, so columns always have equally many rows.
//
// Where there is a predicate, values of columns that it does not read are only checked for form at first; of the rows it passes they are
// read when a batch is full.

#include "io/ndjson_scan.h"

#include <algorithm>
#include <cstring>

#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "expr/evaluate.h"
#include "io/bad_records.h"
#include "io/block_scan.h"
#include "io/count_scan.h"
#include "io/csv_json.h"
#include "io/csv_plan.h"
#include "io/json_columns.h"
#include "io/ndjson_plan.h"
#include "io/text_shown.h"

namespace gristmill::io {
namespace {

using PlanPtr = std::shared_ptr<const NdjsonPlan>;

// A value's JSON; nothing: the line has no such field.
struct Span {
  const char* begin = nullptr;
  const char* end = nullptr;
};

// The columns of one worker; some may be the schema's but not the query's.
class NdjsonLocal final : public plan::ScanLocal {
 public:
  NdjsonLocal(const NdjsonPlan& plan, const plan::ScanRequest& request, bool all, arrow::MemoryPool* pool)
      : fields(plan.schema->field_names()),
        columns(plan.types.size()),
        late(plan.types.size(), false),
        spans(plan.types.size()),
        evaluator(pool) {
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
  std::vector<bool> late;                            // read when the predicate has passed the row
  std::vector<std::vector<Span>> spans;              // of these, a value a row
  expr::Evaluator evaluator;
  std::vector<std::pair<const char*, int64_t>> begins;  // where there is a late column: line and record of each row
  bool any_late = false;
  int64_t rows = 0;
  std::vector<int64_t> lines;  // the records that the rows are, when some were skipped
};

class NdjsonScan final : public BlockScan {
 public:
  NdjsonScan(PlanPtr plan, const plan::ScanRequest& request)
      : BlockScan(plan->files, plan->rules, request, plan->options.on_error == OnError::kSkip), plan_(std::move(plan)) {}

  arrow::Status make_placeholders() {
    for (const int c : request_.columns) {
      ARROW_ASSIGN_OR_RAISE(auto null, column::null_column(plan_->types[c], pool_));
      placeholders_.push_back(std::move(null));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override {
    const bool all = plan_->options.on_error == OnError::kSkip;
    auto local = std::make_unique<NdjsonLocal>(*plan_, request_, all, pool_);
    if (plan_->options.on_error != OnError::kFail || conjuncts_.empty()) return local;
    for (const int c : request_.columns) local->late[c] = true;
    for (const BlockConjunct& c : conjuncts_) {
      for (const int i : c.inputs) local->late[request_.columns[i]] = false;
    }
    local->any_late = std::find(local->late.begin(), local->late.end(), true) != local->late.end();
    return local;
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
      for (size_t c = 0; c < local.columns.size(); ++c) {
        if (local.late[c]) {
          local.spans[c].resize(static_cast<size_t>(local.rows));
        } else if (local.columns[c] != nullptr && local.columns[c]->rows() < local.rows) {
          local.columns[c]->append_null();
        }
      }
      if (local.any_late) local.begins.emplace_back(line, record);
      if (plan_->options.on_error == OnError::kSkip) local.lines.push_back(record);
      return arrow::Status::OK();
    }
    for (size_t c = 0; c < local.columns.size(); ++c) {
      if (local.columns[c] != nullptr) local.columns[c]->truncate(local.late[c] ? 0 : local.rows);
      if (local.late[c]) local.spans[c].resize(static_cast<size_t>(local.rows));
    }
    if (plan_->options.on_error == OnError::kSkip) {
      if (const OnBadRecord* listener = BadRecordScope::current()) {
        const arrow::Status error = error_of(block, line, record, problem);
        const auto detail = base::error_detail(error);
        (*listener)({block.input, detail->row, detail->line, std::string(line, static_cast<size_t>(size)), detail->column, detail->value,
                     error.message(), nullptr});
      }
      return arrow::Status::OK();
    }
    if (plan_->options.on_error == OnError::kNull) {
      ++nulled_;
      ++local.rows;
      for (size_t c = 0; c < local.columns.size(); ++c) {
        if (local.late[c]) {
          local.spans[c].emplace_back();
        } else if (local.columns[c] != nullptr) {
          local.columns[c]->append_null();
        }
      }
      if (local.any_late) local.begins.emplace_back(line, record);
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
      int field = local.fields.take_expected(in, place);
      if (field == JsonFields::kOther) {
        bool escaped;
        if (!in.take_text(key, escaped) || !in.take(':')) return wrong();
        field = local.fields.find(key, escaped, place);
      }
      ++place;
      if (field < 0) {
        if (!plan_->options.extra_columns) {
          problem.path = key.data() != nullptr ? std::string(key) : local.fields.raw_at(place - 1);
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
      std::vector<Span>& spans = local.spans[field];
      if (column->rows() > local.rows || std::ssize(spans) > local.rows) {
        problem.path = plan_->schema->field(field)->name();
        problem.why = "a field comes twice";
        return false;
      }
      if (local.late[field]) {
        spans.resize(static_cast<size_t>(local.rows));
        in.peek();
        const char* const begin = in.at();
        if (!in.skip_value()) return wrong();
        spans.push_back({begin, in.at()});
        continue;
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
    counts.skipped += skipped;
    skipped_ += skipped;
    if (skipped > 0 && batch.rows > 0) {
      ARROW_ASSIGN_OR_RAISE(batch.origin.rows, column::allocate_buffer(batch.rows * 8, pool_));
      auto* to = reinterpret_cast<int64_t*>(batch.origin.rows->mutable_data());
      for (int64_t i = 0; i < batch.rows; ++i) to[i] = block.first_row + local.lines[i];
    }
    ARROW_RETURN_NOT_OK(finish_columns(local, batch, false));
    arrow::Status bad;
    if (batch.rows > 0 && request_.predicate != nullptr) {
      ARROW_ASSIGN_OR_RAISE(const column::Mask keep, local.evaluator.mask(*request_.predicate, batch));
      batch.selection = batch.selection.intersect(keep);
      if (local.any_late) {
        ARROW_RETURN_NOT_OK(read_late(block, local, batch, bad));
      }
    }
    counts.rows += local.rows + skipped;
    counts.filtered += local.rows - batch.selected();
    local.rows = 0;
    local.lines.clear();
    local.begins.clear();
    for (auto& spans : local.spans) spans.clear();
    if (batch.selected() > 0) ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    return bad;
  }

  // The columns that are late, or those that are not, into their places; the others of a new batch stand for nulls.
  arrow::Status finish_columns(NdjsonLocal& local, column::Batch& batch, bool late) {
    std::vector<column::Column> read(local.columns.size());
    for (size_t c = 0; c < read.size(); ++c) {
      if (local.columns[c] == nullptr || local.late[c] != late) continue;
      nulled_ += local.columns[c]->nulled();
      ARROW_ASSIGN_OR_RAISE(auto data, local.columns[c]->finish());
      read[c] = column::Column::flat(std::move(data));
    }
    if (!late) batch.columns = placeholders_;
    for (size_t i = 0; i < request_.columns.size(); ++i) {
      const int c = request_.columns[i];
      if (local.late[c] == late) batch.columns[i] = read[c];
    }
    return arrow::Status::OK();
  }

  // Of the rows that the predicate passed; the batch is dense then. A value that does not fit: the rows before it, and `bad`.
  arrow::Status read_late(const TextBlock& block, NdjsonLocal& local, column::Batch& batch, arrow::Status& bad) {
    std::vector<uint16_t> kept;
    for (const uint16_t row : batch.selection.indices(batch.rows)) {
      JsonProblem problem;
      if (!append_late(local, row, problem)) {
        const auto& [line, record] = local.begins[row];
        bad = error_of(block, line, record, problem);
        break;
      }
      kept.push_back(row);
    }
    for (size_t c = 0; c < local.columns.size(); ++c) {
      if (local.late[c]) local.columns[c]->truncate(std::ssize(kept));
    }
    batch.selection = column::Selection::from_indices(kept, batch.rows);
    ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), pool_, true));
    return finish_columns(local, batch, true);
  }

  bool append_late(NdjsonLocal& local, uint16_t row, JsonProblem& problem) const {
    for (size_t c = 0; c < local.columns.size(); ++c) {
      if (!local.late[c]) continue;
      const Span& span = local.spans[c][row];
      if (span.begin == nullptr) {
        local.columns[c]->append_null();
        continue;
      }
      JsonCursor in(span.begin, span.end);
      if (local.columns[c]->append(in, 1, problem)) continue;
      if (!problem.malformed) problem.path = plan_->schema->field(static_cast<int>(c))->name() + problem.path;
      return false;
    }
    return true;
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
  std::vector<column::Column> placeholders_;  // constant nulls where a column is late
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
    if (plan_->options.on_error != OnError::kSkip) {
      if (auto count = make_count_scan(plan_->files, plan_->rules, request)) return count;
    }
    auto scan = std::make_shared<NdjsonScan>(plan_, request);
    ARROW_RETURN_NOT_OK(scan->make_placeholders());
    return scan;
  }

 private:
  const PlanPtr plan_;
};

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options) {
  ARROW_ASSIGN_OR_RAISE(auto plan, plan_ndjson(patterns, std::move(options)));
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
