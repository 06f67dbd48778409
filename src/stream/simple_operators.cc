#include "stream/simple_operators.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"
#include "stream/snapshot.h"

namespace gristmill::stream {
namespace {

using column::Batch;

// Rows as they came.
struct Rows final : Piece {
  explicit Rows(Batch b) : batch(std::move(b)) {}
  int64_t bytes() const override { return column::retained_bytes(batch); }
  Batch batch;
};

class Limit final : public StatefulOperator {
 public:
  Limit(std::shared_ptr<arrow::Schema> schema, int64_t rows) : schema_(std::move(schema)), rows_(rows), left_(rows) {}
  std::string name() const override { return "limit " + std::to_string(rows_); }
  std::shared_ptr<arrow::Schema> output_schema() const override { return schema_; }
  bool enough() const override { return left_ == 0; }
  arrow::Result<std::unique_ptr<Piece>> prepare(Batch batch, const MorselPart&, exec::LocalState&) const override {
    return std::make_unique<Rows>(std::move(batch));
  }
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart&, Emitter& out) override {
    Batch& batch = static_cast<Rows&>(*piece).batch;
    batch.selection = batch.selection.first(left_, batch.rows);
    left_ -= batch.selected();
    return out.rows(std::move(batch));
  }
  arrow::Status on_watermark(int, int64_t ticks, Emitter& out) override { return out.watermark(ticks); }
  arrow::Status snapshot(SnapshotWriter& writer) override {
    writer.describe("limit", 1, name());
    writer.number("left", left_);
    return arrow::Status::OK();
  }
  arrow::Status restore(SnapshotReader& reader) override {
    ARROW_RETURN_NOT_OK(reader.check("limit", 1, name()));
    left_ = reader.number("left", rows_);
    return arrow::Status::OK();
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  const int64_t rows_;
  int64_t left_;
};

class Reduce final : public StatefulOperator {
 public:
  Reduce(std::shared_ptr<arrow::Schema> input, std::shared_ptr<arrow::Schema> schema, ReduceFunction function)
      : input_(std::move(input)), schema_(std::move(schema)), function_(std::move(function)) {}
  std::string name() const override { return "reduce"; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return schema_; }
  bool needs_end() const override { return true; }
  arrow::Status open(const OperatorContext& context) override {
    query_ = context.query;
    return arrow::Status::OK();
  }
  arrow::Result<std::unique_ptr<Piece>> prepare(Batch batch, const MorselPart&, exec::LocalState&) const override {
    ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), query_->pool()));
    return std::make_unique<Rows>(std::move(batch));
  }
  arrow::Status apply(std::unique_ptr<Piece> piece, const MorselPart&, Emitter&) override {
    ARROW_ASSIGN_OR_RAISE(auto rows, column::export_batch(static_cast<Rows&>(*piece).batch, input_, query_->pool()));
    ARROW_ASSIGN_OR_RAISE(state_, function_(std::move(state_), std::move(rows)));
    if (state_ && !state_->schema()->Equals(*schema_, false)) {
      return base::data_error("the function of reduce gave a batch of another schema: " + state_->schema()->ToString() + " instead of " +
                              schema_->ToString());
    }
    return arrow::Status::OK();
  }
  arrow::Status on_end(Emitter& out) override {
    if (!state_) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(Batch all, column::import_batch(*state_, query_->pool()));
    for (int64_t at = 0; at < all.rows; at += column::kMaxBatchRows) {
      ARROW_RETURN_NOT_OK(out.rows(column::slice(all, at, std::min(column::kMaxBatchRows, all.rows - at))));
    }
    return arrow::Status::OK();
  }
  arrow::Status snapshot(SnapshotWriter& writer) override {
    writer.describe("reduce", 1, schema_->ToString());
    return state_ ? writer.put("state", kNoKeyGroup, *state_) : arrow::Status::OK();
  }
  arrow::Status restore(SnapshotReader& reader) override {
    ARROW_RETURN_NOT_OK(reader.check("reduce", 1, schema_->ToString()));
    return reader.each("state", [this](int, const RecordBatchPtr& rows) {
      state_ = rows;
      return arrow::Status::OK();
    });
  }

 private:
  const std::shared_ptr<arrow::Schema> input_, schema_;
  const ReduceFunction function_;
  const exec::QueryContext* query_ = nullptr;
  RecordBatchPtr state_;
};

}  // namespace

StatefulSpec limit_spec(std::shared_ptr<arrow::Schema> schema, int64_t rows) {
  return {"limit", schema, false, [schema, rows]() -> arrow::Result<StatefulOperatorPtr> { return std::make_shared<Limit>(schema, rows); }};
}

StatefulSpec reduce_spec(std::shared_ptr<arrow::Schema> input, std::shared_ptr<arrow::Schema> schema, ReduceFunction function) {
  return {"reduce", schema, true,
          [input, schema, function]() -> arrow::Result<StatefulOperatorPtr> { return std::make_shared<Reduce>(input, schema, function); }};
}

}  // namespace gristmill::stream
