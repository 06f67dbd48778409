// Collecting: the producing worker makes a morsel's batches dense and joins them into one, so that the
// ordered part only appends a pointer.
//
// Invariant: the concatenation of the record batches is the query's result, row for row, in order.

#include "exec/collect.h"

#include <optional>

#include <arrow/array/data.h>
#include <arrow/record_batch.h>

#include "column/compact_together.h"
#include "column/kernels.h"
#include "exec/tail_work.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kChunkRows = 8192;  // batches of so many rows stay chunks of their own: joining them would copy every value once more

bool adjacent(const column::Column& a, int64_t a_rows, const column::Column& b) {
  if (a.encoding != b.encoding || a.dictionary != b.dictionary) return false;
  if (a.is_constant()) return a.values == b.values;
  const arrow::ArrayData &x = *a.values, &y = *b.values;
  return x.buffers == y.buffers && x.child_data == y.child_data && x.offset + a_rows == y.offset;
}

// One column over all parts: widened when the parts lie side by side, else copied together.
arrow::Result<column::Column> join_columns(std::vector<column::Column> parts, const std::vector<int64_t>& rows, arrow::MemoryPool* pool) {
  bool side_by_side = true;
  int64_t total = rows[0];
  for (size_t i = 1; i < parts.size() && side_by_side; ++i) {
    side_by_side = adjacent(parts[i - 1], rows[i - 1], parts[i]);
    total += rows[i];
  }
  if (!side_by_side) return column::concat(parts, rows, pool);
  column::Column wide = std::move(parts[0]);
  if (wide.is_constant()) return wide;
  wide.values = std::make_shared<arrow::ArrayData>(*wide.values);
  wide.values->length = total;
  wide.values->null_count = arrow::kUnknownNullCount;
  return wide;
}

// The worker that made the rows makes their arrays too. They travel as flat columns of border types, which only deliver() meets.
arrow::Result<column::Batch> to_border(column::Batch batch, const arrow::Schema& schema, arrow::MemoryPool* pool) {
  const bool sparse = !batch.selection.all();
  ARROW_ASSIGN_OR_RAISE(column::Batch dense, column::compact(std::move(batch), pool));
  for (int i = 0; i < schema.num_fields(); ++i) {
    column::Column& c = dense.columns[static_cast<size_t>(i)];
    if (sparse) {  // a few rows must not keep the text of all alive
      ARROW_ASSIGN_OR_RAISE(c, column::compact_views(c, dense.rows, pool));
    }
    ARROW_ASSIGN_OR_RAISE(auto array, column::export_array(c, dense.rows, schema.field(i)->type(), pool));
    c = column::Column::flat(std::move(array));
  }
  return dense;
}

std::shared_ptr<arrow::RecordBatch> record_batch(column::Batch batch, const std::shared_ptr<arrow::Schema>& schema) {
  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  arrays.reserve(batch.columns.size());
  for (auto& c : batch.columns) arrays.push_back(std::move(c.values));
  return arrow::RecordBatch::Make(schema, batch.rows, std::move(arrays));
}

class Collect final : public CollectSink {
 public:
  explicit Collect(std::shared_ptr<arrow::Schema> schema) : schema_(std::move(schema)) {}
  std::string name() const override { return "collect"; }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const QueryContext& context) override {
    if (batches.empty()) return batches;
    int64_t rows = 0;
    for (const auto& b : batches) rows += b.selected();
    if (rows / static_cast<int64_t>(batches.size()) < kChunkRows) {
      ARROW_ASSIGN_OR_RAISE(column::Batch one, join_batches(std::move(batches), context.pool()));
      batches.clear();
      batches.push_back(std::move(one));
    }
    for (auto& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, to_border(std::move(b), *schema_, context.pool()));
    }
    return batches;
  }

  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    for (auto& b : batches) {
      if (b.rows > 0) kept_.push_back(record_batch(std::move(b), schema_));
    }
    return Answer{};
  }

  arrow::Status finalize() override { return arrow::Status::OK(); }
  void abandon() override { kept_.clear(); }
  std::vector<std::shared_ptr<arrow::RecordBatch>> take() override { return std::move(kept_); }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::shared_ptr<arrow::RecordBatch>> kept_;
};

class Callback final : public OrderedSink {
 public:
  Callback(std::shared_ptr<arrow::Schema> schema, std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)> each)
      : schema_(std::move(schema)), each_(std::move(each)) {}
  std::string name() const override { return "batches"; }

  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const QueryContext& context) override {
    for (auto& b : batches) {
      ARROW_ASSIGN_OR_RAISE(b, to_border(std::move(b), *schema_, context.pool()));
    }
    return batches;
  }

  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    for (auto& b : batches) {
      if (b.rows > 0) ARROW_RETURN_NOT_OK(each_(record_batch(std::move(b), schema_)));
    }
    return Answer{};
  }
  arrow::Status finalize() override { return arrow::Status::OK(); }

 private:
  std::shared_ptr<arrow::Schema> schema_;
  std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)> each_;
};

// Morsels come out as they went in.
class BufferedSource final : public Source {
 public:
  explicit BufferedSource(std::shared_ptr<std::vector<std::vector<column::Batch>>> kept) : kept_(std::move(kept)) {}
  std::string name() const override { return "buffered rows"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return static_cast<int64_t>(kept_->size()); }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }
  arrow::Status read(uint64_t seq, LocalState&, const Emit& emit, RowCounts& counts) override {
    for (auto& b : (*kept_)[seq]) {
      counts.in += b.selected();
      ARROW_RETURN_NOT_OK(emit(std::move(b)));
    }
    return arrow::Status::OK();
  }

 private:
  std::shared_ptr<std::vector<std::vector<column::Batch>>> kept_;
};

class Buffer final : public BufferSink {
 public:
  std::string name() const override { return "buffer"; }
  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    if (!batches.empty()) kept_->push_back(std::move(batches));
    return Answer{};
  }
  arrow::Status finalize() override { return arrow::Status::OK(); }
  void abandon() override { kept_->clear(); }
  std::shared_ptr<Source> source() override { return std::make_shared<BufferedSource>(kept_); }

 private:
  std::shared_ptr<std::vector<std::vector<column::Batch>>> kept_ = std::make_shared<std::vector<std::vector<column::Batch>>>();
};

class Counting final : public CountingSink, public TailWork {
 public:
  explicit Counting(std::shared_ptr<OrderedSink> inner) : inner_(std::move(inner)), tail_(std::dynamic_pointer_cast<TailWork>(inner_)) {}
  std::string name() const override { return inner_->name(); }
  arrow::Result<Answer> deliver(uint64_t seq, std::vector<column::Batch>& batches) override {
    int64_t rows = 0;
    for (const auto& b : batches) rows += b.selected();
    ARROW_ASSIGN_OR_RAISE(Answer answer, inner_->deliver(seq, batches));
    if (!answer.wait) rows_ += rows;
    return answer;
  }
  arrow::Status finalize() override { return inner_->finalize(); }
  void abandon() override { inner_->abandon(); }
  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const QueryContext& context) override {
    return inner_->stage(std::move(batches), context);
  }
  int64_t rows() const override { return rows_; }

  bool expect_tail() override { return tail_ && tail_->expect_tail(); }
  int64_t tail_pieces() override { return tail_->tail_pieces(); }
  arrow::Status run_piece() override { return tail_->run_piece(); }
  arrow::Status finish_tail() override { return tail_->finish_tail(); }

 private:
  std::shared_ptr<OrderedSink> inner_;
  std::shared_ptr<TailWork> tail_;  // the same one, where it has such work
  int64_t rows_ = 0;
};

}  // namespace

arrow::Result<column::Batch> join_batches(std::vector<column::Batch> batches, arrow::MemoryPool* pool) {
  if (batches.size() == 1) return column::compact(std::move(batches[0]), pool);
  std::vector<int64_t> rows;
  rows.reserve(batches.size());
  column::Batch out;
  bool dense = true;
  for (const auto& b : batches) {
    rows.push_back(b.selected());
    out.rows += rows.back();
    dense = dense && b.selection.all();
  }
  for (size_t c = 0; c < batches[0].columns.size(); ++c) {
    std::optional<column::Column> joined;
    if (!dense) {
      ARROW_ASSIGN_OR_RAISE(joined, column::compact_together(batches, c, out.rows, pool));
    }
    if (!joined) {
      std::vector<column::Column> parts;
      parts.reserve(batches.size());
      for (const auto& b : batches) {
        ARROW_ASSIGN_OR_RAISE(column::Column part, column::compact_column(b, c, pool));
        parts.push_back(std::move(part));
      }
      ARROW_ASSIGN_OR_RAISE(joined, join_columns(std::move(parts), rows, pool));
    }
    for (auto& b : batches) b.columns[c] = {};  // its memory is free for the next column
    out.columns.push_back(std::move(*joined));
  }
  return out;
}

std::shared_ptr<CollectSink> make_collect_sink(std::shared_ptr<arrow::Schema> schema) {
  return std::make_shared<Collect>(std::move(schema));
}

std::shared_ptr<OrderedSink> make_callback_sink(std::shared_ptr<arrow::Schema> schema,
                                                std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)> each) {
  return std::make_shared<Callback>(std::move(schema), std::move(each));
}

std::shared_ptr<CountingSink> make_counting_sink(std::shared_ptr<OrderedSink> inner) {
  return std::make_shared<Counting>(std::move(inner));
}

std::shared_ptr<BufferSink> make_buffer_sink() { return std::make_shared<Buffer>(); }

}  // namespace gristmill::exec
