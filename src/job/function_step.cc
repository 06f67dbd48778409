#include "job/function_step.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "column/types.h"
#include "job/record_view.h"

namespace gristmill::job {
namespace {

using SchemaPtr = std::shared_ptr<arrow::Schema>;
using RecordBatchPtr = std::shared_ptr<arrow::RecordBatch>;

// What the user sees of a type: text as utf8, bytes as binary.
std::shared_ptr<arrow::DataType> plain_type(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() == arrow::Type::STRING_VIEW) return arrow::utf8();
  if (type->id() == arrow::Type::BINARY_VIEW) return arrow::binary();
  return type;
}

arrow::Result<arrow::FieldVector> fields_of(const ColumnTypes& types) {
  arrow::FieldVector out;
  for (const auto& [name, text] : types) {
    ARROW_ASSIGN_OR_RAISE(const auto type, column::parse_type(text));
    out.push_back(arrow::field(name, plain_type(type)));
  }
  return out;
}

struct FunctionLocal final : StepLocal {
  explicit FunctionLocal(arrow::MemoryPool* p) : pool(p) {}
  arrow::MemoryPool* pool;
};

class FunctionStep : public Transform {
 public:
  explicit FunctionStep(std::string name) : name_(std::move(name)) {}
  std::string name() const final { return name_; }
  arrow::Result<std::unique_ptr<StepLocal>> make_local(const StepContext& context) const final {
    return std::make_unique<FunctionLocal>(context.pool());
  }

  arrow::Status process(column::Batch& batch, StepLocal& local, RowErrors& errors) const final {
    arrow::MemoryPool* pool = local.as<FunctionLocal>().pool;
    const auto selected = batch.selection.indices(batch.rows);
    const std::vector<int64_t> rows(selected.begin(), selected.end());
    column::Batch dense = batch;
    ARROW_ASSIGN_OR_RAISE(dense, column::compact(std::move(dense), pool));
    ARROW_ASSIGN_OR_RAISE(const RecordBatchPtr came, column::export_batch(dense, input_, pool));
    Pieces pieces;
    ARROW_RETURN_NOT_OK(call(came, 0, rows, errors, pieces));
    return put_back(pieces, rows, batch, pool);
  }

 protected:
  virtual arrow::Result<BatchOutcome> run(const RecordBatchPtr& rows) const = 0;
  SchemaPtr input_, output_;

 private:
  // What came back, and which of the dense rows it is.
  struct Pieces {
    std::vector<RecordBatchPtr> rows;
    std::vector<int64_t> places;
    bool stopped = false;  // under fail: no row behind this one is wanted
  };

  // `first`: where the piece begins among the dense rows.
  arrow::Status call(const RecordBatchPtr& piece, int64_t first, const std::vector<int64_t>& rows, RowErrors& errors, Pieces& out) const {
    if (piece->num_rows() == 0 || out.stopped) return arrow::Status::OK();
    auto outcome = run(piece);
    if (outcome.ok()) return take(*outcome, *piece, first, rows, errors, out);
    const arrow::Status& failed = outcome.status();
    const auto kind = base::error_kind(failed);
    if (kind == base::ErrorKind::kCancelled || kind == base::ErrorKind::kMemory || kind == base::ErrorKind::kPlan) return failed;
    if (piece->num_rows() == 1) {
      errors.reject(rows[static_cast<size_t>(first)], failed);
      out.stopped = !errors.wants_all();
      return arrow::Status::OK();
    }
    const int64_t half = piece->num_rows() / 2;
    ARROW_RETURN_NOT_OK(call(piece->Slice(0, half), first, rows, errors, out));
    return call(piece->Slice(half), first + half, rows, errors, out);
  }

  arrow::Status take(BatchOutcome& outcome, const arrow::RecordBatch& piece, int64_t first, const std::vector<int64_t>& rows,
                     RowErrors& errors, Pieces& out) const {
    int64_t limit = piece.num_rows();
    for (const auto& [row, why] : outcome.bad) {
      if (row < 0 || row >= piece.num_rows()) return base::plan_error("function " + name_ + " names a bad row that it was not given");
      errors.reject(rows[static_cast<size_t>(first + row)], base::data_error(why));
      if (!errors.wants_all()) {
        out.stopped = true;
        limit = std::min(limit, row);
      }
    }
    if (outcome.rows == nullptr) return base::plan_error("function " + name_ + " gave no batch");
    if (!outcome.places) {
      outcome.places.emplace();
      size_t bad = 0;
      for (int64_t i = 0; i < piece.num_rows(); ++i) {
        if (bad < outcome.bad.size() && outcome.bad[bad].first == i) {
          ++bad;
        } else {
          outcome.places->push_back(i);
        }
      }
    }
    if (static_cast<int64_t>(outcome.places->size()) != outcome.rows->num_rows()) {
      return base::plan_error("function " + name_ + " was given " + std::to_string(piece.num_rows()) + " rows and gave back " +
                                  std::to_string(outcome.rows->num_rows()),
                              "row i of the result must be row i of the argument; a filter step drops rows");
    }
    if (!outcome.rows->schema()->Equals(*output_, false)) {
      return base::plan_error(
          "function " + name_ + " gave columns (" + outcome.rows->schema()->ToString() + "), not (" + output_->ToString() + ")",
          "declare what it gives");
    }
    const auto kept = std::lower_bound(outcome.places->begin(), outcome.places->end(), limit) - outcome.places->begin();
    for (int64_t i = 0; i < kept; ++i) out.places.push_back(first + (*outcome.places)[static_cast<size_t>(i)]);
    out.rows.push_back(kept == outcome.rows->num_rows() ? std::move(outcome.rows) : outcome.rows->Slice(0, kept));
    return arrow::Status::OK();
  }

  // The results at the physical rows that they belong to.
  arrow::Status put_back(const Pieces& pieces, const std::vector<int64_t>& rows, column::Batch& batch, arrow::MemoryPool* pool) const {
    if (pieces.places.empty()) {
      batch.selection = column::Selection::from_indices({}, batch.rows);
      batch.columns.clear();
      for (const auto& f : output_->fields()) {
        ARROW_ASSIGN_OR_RAISE(auto none, column::null_column(column::canonical_type(f->type()), pool));
        batch.columns.push_back(std::move(none));
      }
      return arrow::Status::OK();
    }
    ARROW_ASSIGN_OR_RAISE(const auto table, arrow::Table::FromRecordBatches(output_, pieces.rows));
    ARROW_ASSIGN_OR_RAISE(const auto whole, table->CombineChunksToBatch(pool));
    ARROW_ASSIGN_OR_RAISE(column::Batch made, column::import_batch(*whole, pool));
    std::vector<int64_t> from(static_cast<size_t>(batch.rows), column::kNullIndex);
    std::vector<uint16_t> selected;
    for (size_t i = 0; i < pieces.places.size(); ++i) {
      const int64_t row = rows[static_cast<size_t>(pieces.places[i])];
      from[static_cast<size_t>(row)] = static_cast<int64_t>(i);
      selected.push_back(static_cast<uint16_t>(row));
    }
    const bool in_place = std::ssize(selected) == batch.rows;
    for (column::Column& c : made.columns) {
      if (!in_place) {
        ARROW_ASSIGN_OR_RAISE(c, column::take(c, std::span<const int64_t>(from), pool));
      }
    }
    batch.columns = std::move(made.columns);
    batch.selection = column::Selection::from_indices(std::move(selected), batch.rows);
    return arrow::Status::OK();
  }

  const std::string name_;
};

class BatchStep final : public FunctionStep {
 public:
  bool shows_batches() const override { return true; }
  BatchStep(std::string name, BatchFunction function, ColumnTypes gives)
      : FunctionStep(std::move(name)), function_(std::move(function)), gives_(std::move(gives)) {}

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    input_ = output_ = plain_schema(*input);
    if (gives_.empty()) return output_;
    ARROW_ASSIGN_OR_RAISE(auto fields, fields_of(gives_));
    return output_ = arrow::schema(std::move(fields));
  }

  static SchemaPtr plain_schema(const arrow::Schema& schema) {
    arrow::FieldVector fields;
    for (const auto& f : schema.fields()) fields.push_back(arrow::field(f->name(), plain_type(f->type())));
    return arrow::schema(std::move(fields));
  }

 protected:
  arrow::Result<BatchOutcome> run(const RecordBatchPtr& rows) const override { return function_(rows); }

 private:
  const BatchFunction function_;
  const ColumnTypes gives_;
};

class RecordStep final : public FunctionStep {
 public:
  RecordStep(std::string name, RecordFunction function, ColumnTypes writes)
      : FunctionStep(std::move(name)), function_(std::move(function)), writes_(std::move(writes)) {}

  arrow::Result<SchemaPtr> bind(const SchemaPtr& input) override {
    input_ = BatchStep::plain_schema(*input);
    arrow::FieldVector fields = input_->fields();
    ARROW_ASSIGN_OR_RAISE(const auto written, fields_of(writes_));
    for (const auto& f : written) {
      const int at = input_->GetFieldIndex(f->name());
      if (at >= 0) {
        fields[static_cast<size_t>(at)] = f;
        places_.push_back(at);
      } else {
        places_.push_back(static_cast<int>(fields.size()));
        fields.push_back(f);
      }
    }
    return output_ = arrow::schema(std::move(fields));
  }

 protected:
  arrow::Result<BatchOutcome> run(const RecordBatchPtr& rows) const override {
    ARROW_ASSIGN_OR_RAISE(auto view, RecordView::make(*rows, *output_, places_));
    BatchOutcome out;
    out.places.emplace();
    for (int64_t i = 0; i < rows->num_rows(); ++i) {
      view->move_to(i);
      const bool keep = function_(*view);
      if (const std::string* why = view->failure()) {
        out.bad.emplace_back(i, *why);
      } else if (keep) {
        ARROW_RETURN_NOT_OK(view->keep());
        out.places->push_back(i);
      }
    }
    ARROW_ASSIGN_OR_RAISE(out.rows, view->finish(output_, *out.places));
    return out;
  }

 private:
  const RecordFunction function_;
  const ColumnTypes writes_;
  std::vector<int> places_;  // of the written columns in the output
};

}  // namespace

std::unique_ptr<Transform> make_record_step(std::string name, RecordFunction function, ColumnTypes writes) {
  return std::make_unique<RecordStep>(std::move(name), std::move(function), std::move(writes));
}

std::unique_ptr<Transform> make_batch_step(std::string name, BatchFunction function, ColumnTypes gives) {
  return std::make_unique<BatchStep>(std::move(name), std::move(function), std::move(gives));
}

}  // namespace gristmill::job
