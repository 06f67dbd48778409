// Batches of a function of the user's as morsels: next() takes a batch and cuts it, read() imports a piece.
//
// next() is called in order, one at a time, so the function is never called twice at once; it may be called by any of the workers.
//
// Invariant: morsels are the function's rows in order, once each. A batch of another schema is an error that says so.

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include <arrow/chunked_array.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include "frame/memory_table.h"
#include "stream/bind.h"
#include "stream/rows.h"

namespace gristmill::stream {
namespace {

struct Part {
  RecordBatchPtr rows;
  int64_t first_row = 0;
};

class PullScan final : public plan::Scan {
 public:
  PullScan(Stream::NextBatch pull, std::string name, std::shared_ptr<arrow::Schema> given, const plan::ScanRequest& request, bool whole,
           int64_t morsel_rows, int64_t morsel_bytes)
      : pull_(std::move(pull)),
        name_(std::move(name)),
        given_(std::move(given)),
        columns_(request.columns),
        memory_(request.memory),
        whole_(whole),
        morsel_rows_(morsel_rows),
        morsel_bytes_(morsel_bytes) {}

  int64_t num_morsels() const override { return -1; }
  bool numbers_rows() const override { return true; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }

  arrow::Result<Next> next(uint64_t seq) override {
    while (!current_ || at_ == current_->num_rows()) {
      ARROW_ASSIGN_OR_RAISE(current_, pull_());
      at_ = 0;
      if (!current_) {
        pull_ = [] { return arrow::Result<RecordBatchPtr>(RecordBatchPtr()); };  // whoever asks again gets the end again
        return Next{true, nullptr};
      }
      if (!same_columns(*current_->schema(), *given_)) return other_columns(name_, *current_->schema(), *given_);
      rows_ = whole_ ? std::max<int64_t>(1, current_->num_rows()) : rows_of_morsel(*current_, morsel_rows_, morsel_bytes_);
    }
    Part part{current_->Slice(at_, rows_), first_row_};
    at_ += part.rows->num_rows();
    first_row_ += part.rows->num_rows();
    std::lock_guard lock(mutex_);
    parts_.emplace(seq, std::move(part));
    return Next{};
  }

  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    Part part;
    {
      std::lock_guard lock(mutex_);
      auto found = parts_.extract(seq);
      if (!found) return base::internal_error("a batch of " + name_ + " was read twice");
      part = std::move(found.mapped());
    }
    arrow::MemoryPool* pool = memory_ ? memory_->pool() : arrow::default_memory_pool();
    return emit_rows(*part.rows, columns_, part.first_row, pool, emit, counts);
  }

 private:
  Stream::NextBatch pull_;
  const std::string name_;
  const std::shared_ptr<arrow::Schema> given_;
  const std::vector<int> columns_;
  const std::shared_ptr<base::QueryMemory> memory_;
  const bool whole_;
  const int64_t morsel_rows_, morsel_bytes_;
  RecordBatchPtr current_;
  int64_t at_ = 0, rows_ = 0, first_row_ = 0;

  std::mutex mutex_;
  std::unordered_map<uint64_t, Part> parts_;
};

class BoundPull final : public plan::TableSource {
 public:
  BoundPull(const PullTable& table, bool whole, int64_t morsel_rows, int64_t morsel_bytes)
      : name_(table.name()),
        schema_(table.schema()),
        given_(table.given()),
        again_(table.again()),
        whole_(whole),
        morsel_rows_(morsel_rows),
        morsel_bytes_(morsel_bytes) {}
  std::string kind() const override { return "batches"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    ARROW_ASSIGN_OR_RAISE(Stream::NextBatch pull, again_());
    return std::make_shared<PullScan>(std::move(pull), name_, given_, request, whole_, morsel_rows_, morsel_bytes_);
  }

 private:
  const std::string name_;
  const std::shared_ptr<arrow::Schema> schema_, given_;
  const PullTable::Again again_;
  const bool whole_;
  const int64_t morsel_rows_, morsel_bytes_;
};

}  // namespace

arrow::Result<plan::TableSourcePtr> bind_whole_list(const PullTable& table) {
  if (!table.all() || !table.given()->Equals(*table.schema(), /*check_metadata=*/false)) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const std::vector<RecordBatchPtr> batches, table.all()());
  std::vector<arrow::ArrayVector> chunks(static_cast<size_t>(table.given()->num_fields()));
  int64_t rows = 0;
  const arrow::Schema* known = nullptr;
  for (const RecordBatchPtr& b : batches) {
    if (b->schema().get() != known && !same_columns(*b->schema(), *table.given())) return nullptr;
    known = b->schema().get();
    if (b->num_rows() == 0) continue;
    for (size_t c = 0; c < chunks.size(); ++c) chunks[c].push_back(b->column(static_cast<int>(c)));
    rows += b->num_rows();
  }
  arrow::ChunkedArrayVector columns;
  for (size_t c = 0; c < chunks.size(); ++c) {
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks[c]), table.given()->field(static_cast<int>(c))->type()));
  }
  return frame::make_valid_memory_table(arrow::Table::Make(table.schema(), std::move(columns), rows), table.schema());
}

plan::TableSourcePtr bind_pull_table(const PullTable& table, bool whole, int64_t morsel_rows, int64_t morsel_bytes) {
  return std::make_shared<BoundPull>(table, whole, morsel_rows, morsel_bytes);
}

}  // namespace gristmill::stream
