// The CSV table source and its scan.
//
// Rows of a block are read range by range. Where a field is bad the range is read again up to its row, so that what comes before it
// goes on first and the smallest bad row is the error, whichever column was read first. With on_error = skip the bad rows of a block are
// looked for in every column, once there is one: where a query reads every column anyway, good blocks are read once.

#include "io/csv_scan.h"

#include <algorithm>
#include <numeric>
#include <set>

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
#include "io/text_shown.h"

namespace gristmill::io {
namespace {

using PlanPtr = std::shared_ptr<const CsvPlan>;

class CsvLocal final : public plan::ScanLocal {
 public:
  explicit CsvLocal(arrow::MemoryPool* pool) : evaluator(pool), fields(pool) {}
  expr::Evaluator evaluator;
  FieldTable fields;
};

// What is wrong with one row.
struct RowProblem {
  int64_t row = -1;  // of the block
  int column = -1;   // of the source; -1: the number of fields
  FieldProblem field;
  int64_t fields = 0;
};

// One block while it is read.
struct BlockWork {
  const TextBlock& block;
  const CsvFile& file;
  CsvLocal& local;
  bool utf8_known = true;
  std::vector<uint32_t> rows;  // those that are good, when not all are
  bool some = false;           // only `rows`
  bool checked = false;        // none of those is bad
  int64_t count = 0;

  const uint32_t* rows_from(int64_t first) const { return some ? rows.data() + first : nullptr; }
  int64_t row_at(int64_t i) const { return some ? rows[i] : i; }
};

class CsvScan final : public BlockScan {
 public:
  CsvScan(PlanPtr plan, const plan::ScanRequest& request)
      : BlockScan(plan->text_files(), plan->rules, request, plan->options.on_error == OnError::kSkip),
        plan_(std::move(plan)),
        reads_all_(conjuncts_.empty() &&
                   std::ssize(std::set<int>(request.columns.begin(), request.columns.end())) == std::ssize(plan_->types)) {}

  arrow::Status make_placeholders() {
    for (const int c : request_.columns) {
      ARROW_ASSIGN_OR_RAISE(auto null, column::null_column(plan_->types[c], pool_));
      placeholders_.push_back(std::move(null));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<CsvLocal>(pool_); }

 protected:
  arrow::Status read_block(TextBlock& block, plan::ScanLocal& scan_local, const plan::BatchConsumer& emit,
                           plan::ScanCounts& counts) override {
    const bool skipping = plan_->options.on_error == OnError::kSkip;
    if (request_.columns.empty() && conjuncts_.empty() && !skipping) return count_rows(block, emit, counts);
    BlockWork work{block, plan_->files[block.input], static_cast<CsvLocal&>(scan_local)};
    ARROW_RETURN_NOT_OK(work.local.fields.find(block, plan_->rules.dialect, work.file.fields));
    if (work.local.fields.rows() != block.records)
      return base::internal_error("a block of " + file_of(block.input) + " has another number of records than were counted");
    work.count = block.records;
    work.utf8_known =
        !reads_text(skipping) || simdjson::validate_utf8(reinterpret_cast<const char*>(block.text()), static_cast<size_t>(block.size));
    RowProblem problem;
    ARROW_RETURN_NOT_OK(judge_widths(work, problem));
    if (skipping && (!reads_all_ || has_bad_width(work))) ARROW_RETURN_NOT_OK(leave_out_bad_rows(work, counts));
    if (problem.row >= 0) work.count = problem.row;
    for (int64_t at = 0; at < work.count; at += batch_rows_) {
      ARROW_RETURN_NOT_OK(request_.cancel.check());
      const int64_t n = std::min(batch_rows_, work.count - at);
      if (skipping && !work.checked) {
        ARROW_ASSIGN_OR_RAISE(const bool good, read_if_good(work, at, n, emit, counts));
        if (!good) {  // rows before `at` were good
          ARROW_RETURN_NOT_OK(leave_out_bad_rows(work, counts));
          at -= batch_rows_;
        }
        continue;
      }
      ARROW_RETURN_NOT_OK(read_range(work, at, n, emit, counts));
    }
    return problem.row >= 0 ? error_of(work, problem) : arrow::Status::OK();
  }

 private:
  bool reads_text(bool all) const {
    if (all) return std::any_of(plan_->types.begin(), plan_->types.end(), [](const auto& t) { return column::is_text(*t); });
    return std::any_of(request_.columns.begin(), request_.columns.end(), [&](int c) { return column::is_text(*plan_->types[c]); });
  }

  bool bad_width(const CsvFile& file, int64_t fields) const {
    return fields < file.fields ? !plan_->options.missing_columns : !plan_->options.extra_columns;
  }

  // The first row of a wrong width, if that is an error.
  arrow::Status judge_widths(BlockWork& work, RowProblem& problem) {
    for (const RaggedRow& r : work.local.fields.ragged()) {
      if (!bad_width(work.file, r.fields)) continue;
      if (plan_->options.on_error == OnError::kNull) {
        ++nulled_;
      } else if (plan_->options.on_error == OnError::kFail) {
        problem.row = r.row;
        problem.fields = r.fields;
        break;
      }
    }
    return arrow::Status::OK();
  }

  bool has_bad_width(const BlockWork& work) const {
    const auto& ragged = work.local.fields.ragged();
    return std::any_of(ragged.begin(), ragged.end(), [&](const RaggedRow& r) { return bad_width(work.file, r.fields); });
  }

  arrow::Status leave_out_bad_rows(BlockWork& work, plan::ScanCounts& counts) {
    ARROW_RETURN_NOT_OK(keep_good_rows(work));
    work.checked = true;
    const int64_t bad = work.block.records - work.count;
    work.some = bad > 0;
    counts.rows += bad;
    counts.skipped += bad;
    skipped_ += bad;
    return arrow::Status::OK();
  }

  // The rows of a range as they are, if none is bad; nothing otherwise.
  arrow::Result<bool> read_if_good(const BlockWork& work, int64_t first, int64_t n, const plan::BatchConsumer& emit,
                                   plan::ScanCounts& counts) {
    RowProblem found;
    int64_t nulled = 0;
    ARROW_ASSIGN_OR_RAISE(column::Batch batch, fill(work, first, n, found, nulled));
    if (found.row >= 0) return false;
    counts.rows += n;
    ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    return true;
  }

  // What is wrong with a row, of several things the first: its width, then its columns in order.
  arrow::Status tell_bad_rows(const BlockWork& work, const std::vector<int64_t>& bad) {
    const OnBadRecord* const listener = BadRecordScope::current();
    if (listener == nullptr) return arrow::Status::OK();
    const uint8_t* text = work.block.text();
    for (const int64_t row : bad) {
      RowProblem problem{row, -1, {}, 0};
      for (const RaggedRow& r : work.local.fields.ragged()) {
        if (r.row == row && bad_width(work.file, r.fields)) problem.fields = r.fields;
      }
      for (size_t c = 0; c < plan_->types.size() && problem.fields == 0 && problem.column < 0; ++c) {
        if (work.file.of_column[c] < 0) continue;
        ConvertCall call = call_for(work, static_cast<int>(c));
        const auto one = static_cast<uint32_t>(row);
        call.rows = &one;
        call.count = 1;
        ARROW_ASSIGN_OR_RAISE(Converted converted, convert_fields(call));
        if (converted.problem.row < 0) continue;
        problem.column = static_cast<int>(c);
        problem.field = std::move(converted.problem);
      }
      const arrow::Status error = error_of(work, problem);
      const auto detail = base::error_detail(error);
      const int64_t begin = work.local.fields.row_begin(row);
      int64_t end = row + 1 < work.local.fields.rows() ? work.local.fields.row_begin(row + 1) : work.block.size;
      while (end > begin && (text[end - 1] == '\n' || text[end - 1] == '\r')) --end;
      (*listener)({work.block.input, detail->row, detail->line,
                   std::string(reinterpret_cast<const char*>(text) + begin, static_cast<size_t>(end - begin)), detail->column,
                   detail->value, error.message(), work.file.names});
    }
    return arrow::Status::OK();
  }

  // Looks at every column that the query may or may not need.
  arrow::Status keep_good_rows(BlockWork& work) {
    std::vector<int64_t> bad;
    for (const RaggedRow& r : work.local.fields.ragged()) {
      if (bad_width(work.file, r.fields)) bad.push_back(r.row);
    }
    for (size_t c = 0; c < plan_->types.size(); ++c) {
      if (work.file.of_column[c] < 0 || (work.utf8_known && column::is_viewed(*plan_->types[c]))) continue;
      ConvertCall call = call_for(work, static_cast<int>(c));
      call.count = work.count;
      call.bad_is_null = true;
      call.bad_rows = &bad;
      ARROW_RETURN_NOT_OK(convert_fields(call).status());
    }
    if (bad.empty()) return arrow::Status::OK();
    std::sort(bad.begin(), bad.end());
    bad.erase(std::unique(bad.begin(), bad.end()), bad.end());
    ARROW_RETURN_NOT_OK(tell_bad_rows(work, bad));
    size_t next = 0;
    for (int64_t r = 0; r < work.count; ++r) {
      if (next < bad.size() && bad[next] == r) {
        ++next;
      } else {
        work.rows.push_back(static_cast<uint32_t>(r));
      }
    }
    work.count = std::ssize(work.rows);
    return arrow::Status::OK();
  }

  ConvertCall call_for(const BlockWork& work, int c) const {
    return {&plan_->rules.dialect,
            &plan_->values,
            plan_->types[c],
            work.local.fields.column(work.file.of_column[c]),
            nullptr,
            0,
            0,
            &work.block,
            work.utf8_known,
            plan_->options.on_error == OnError::kNull,
            nullptr,
            pool_};
  }

  // Rows [first, first + n) of what is to be read; an error in them after the rows before it.
  arrow::Status read_range(const BlockWork& work, int64_t first, int64_t n, const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
    RowProblem problem;
    while (true) {
      RowProblem found;
      int64_t nulled = 0;
      ARROW_ASSIGN_OR_RAISE(column::Batch batch, fill(work, first, n, found, nulled));
      if (found.row < 0) {
        nulled_ += nulled;
        counts.rows += n;
        counts.filtered += n - batch.selected();
        if (batch.selected() > 0) ARROW_RETURN_NOT_OK(emit(std::move(batch)));
        return problem.row < 0 ? arrow::Status::OK() : error_of(work, problem);
      }
      problem = std::move(found);
      // Rows ascend, so what lies before the bad one is a shorter range.
      n = work.some ? std::lower_bound(work.rows.begin() + first, work.rows.begin() + first + n, problem.row) - (work.rows.begin() + first)
                    : problem.row - first;
    }
  }

  arrow::Result<column::Batch> fill(const BlockWork& work, int64_t first, int64_t n, RowProblem& problem, int64_t& nulled) {
    column::Batch batch;
    batch.rows = n;
    batch.columns = placeholders_;
    batch.origin = origin_of(work.block, first);
    const uint32_t* rows = work.rows_from(first);
    if (rows != nullptr) ARROW_RETURN_NOT_OK(set_origin(work.block, rows, n, batch.origin));
    std::vector<bool> done(batch.columns.size(), false);
    int64_t from = first;
    const auto convert = [&](int i) -> arrow::Status {
      const int c = request_.columns[i];
      if (done[i] || work.file.of_column[c] < 0 || problem.row >= 0) return arrow::Status::OK();
      done[i] = true;
      ConvertCall call = call_for(work, c);
      call.rows = rows;
      call.first_row = from;
      call.count = batch.rows;
      ARROW_ASSIGN_OR_RAISE(Converted converted, convert_fields(call));
      nulled += converted.nulled;
      if (converted.problem.row >= 0) {
        problem = {converted.problem.row, c, std::move(converted.problem), 0};
      } else {
        batch.columns[i] = std::move(converted.column);
      }
      return arrow::Status::OK();
    };
    for (const BlockConjunct& c : conjuncts_) {
      for (const int i : c.inputs) ARROW_RETURN_NOT_OK(convert(i));
      if (problem.row >= 0) return batch;
      ARROW_ASSIGN_OR_RAISE(const column::Mask keep, work.local.evaluator.mask(*c.predicate, batch));
      batch.selection = batch.selection.intersect(keep);
      if (batch.selection.empty(batch.rows)) return batch;
    }
    std::vector<uint32_t> kept;
    if (!batch.selection.all() && std::find(done.begin(), done.end(), false) != done.end()) {
      for (const uint16_t i : batch.selection.indices(batch.rows)) kept.push_back(static_cast<uint32_t>(work.row_at(first + i)));
      ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), pool_, true));
      rows = kept.data();
    }
    for (size_t i = 0; i < done.size(); ++i) ARROW_RETURN_NOT_OK(convert(static_cast<int>(i)));
    return batch;
  }

  arrow::Status set_origin(const TextBlock& block, const uint32_t* rows, int64_t n, column::Origin& origin) const {
    ARROW_ASSIGN_OR_RAISE(origin.rows, column::allocate_buffer(n * 8, pool_));
    auto* to = reinterpret_cast<int64_t*>(origin.rows->mutable_data());
    for (int64_t i = 0; i < n; ++i) to[i] = block.first_row + rows[i];
    return arrow::Status::OK();
  }

  arrow::Status error_of(const BlockWork& work, const RowProblem& problem) const {
    base::ErrorDetail d;
    d.kind = base::ErrorKind::kData;
    d.file = file_of(work.block.input);
    d.row = work.block.first_row + problem.row;
    const uint8_t* text = work.block.text();
    d.line = work.block.first_line + std::count(text, text + work.local.fields.row_begin(problem.row), uint8_t{'\n'});
    if (problem.column < 0) {
      d.hint = problem.fields < work.file.fields
                   ? "missing_columns=True makes the missing values null, on_error=\"skip\" leaves the row out"
               : work.file.fields == 1
                   ? "if the header has several columns, separator= says what stands between them; extra_columns=True ignores the values "
                     "beyond, on_error=\"skip\" leaves the row out"
                   : "extra_columns=True ignores the values beyond, on_error=\"skip\" leaves the row out";
      const std::string expected = std::to_string(work.file.fields) + (work.file.fields == 1 ? " column" : " columns");
      return base::with_detail(base::data_error("expected " + expected + ", found " + std::to_string(problem.fields)), d);
    }
    d.column = plan_->schema->field(problem.column)->name();
    d.value = shown_value(problem.field.value);
    if (problem.field.bad_text) {
      d.hint = "read the column as binary, or on_error=\"null\" or \"skip\"";
      return base::with_detail(base::data_error("the text is not valid UTF-8"), d);
    }
    const std::string type = column::type_text(*plan_->types[problem.column]);
    d.hint = plan_->inferred[problem.column]
                 ? "the type was inferred: schema_overrides names another, a greater infer_rows looks at more rows, null_values names "
                   "texts that mean null, on_error=\"null\" or \"skip\" goes on"
                 : "null_values names texts that mean null, on_error=\"null\" or \"skip\" goes on";
    return base::with_detail(base::data_error("cannot read the value as " + type), d);
  }

  const PlanPtr plan_;
  std::vector<column::Column> placeholders_;
  const bool reads_all_;  // every column is looked at anyway
};

class CsvSource final : public plan::TableSource {
 public:
  explicit CsvSource(PlanPtr plan) : plan_(std::move(plan)) {}
  std::string kind() const override { return "csv"; }
  std::string name() const override { return files_text(plan_->patterns, plan_->files.size()); }
  std::shared_ptr<arrow::Schema> schema() const override { return plan_->schema; }
  plan::TableEstimate estimate() const override { return {std::nullopt, false, plan_->bytes}; }
  std::string to_json() const override { return csv_to_json(*plan_); }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    if (plan_->options.on_error != OnError::kSkip) {
      if (auto count = make_count_scan(plan_->text_files(), plan_->rules, request)) return count;
    }
    auto scan = std::make_shared<CsvScan>(plan_, request);
    ARROW_RETURN_NOT_OK(scan->make_placeholders());
    return scan;
  }

 private:
  const PlanPtr plan_;
};

}  // namespace

arrow::Result<plan::TableSourcePtr> scan_csv(const std::vector<std::string>& patterns, CsvOptions options) {
  ARROW_ASSIGN_OR_RAISE(auto plan, plan_csv(patterns, std::move(options)));
  return std::make_shared<CsvSource>(std::move(plan));
}

arrow::Result<plan::TableSourcePtr> make_csv(const JsonReader& json) {
  ARROW_ASSIGN_OR_RAISE(auto options, csv_from_json(json));
  ARROW_ASSIGN_OR_RAISE(const auto paths, json.texts("paths"));
  return scan_csv(paths, std::move(options));
}

}  // namespace gristmill::io
