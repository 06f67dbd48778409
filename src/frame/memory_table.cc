// Scans of tables in memory.
//
// Invariant: the batches of a morsel are its rows in order, once each, and first_row is the row of the table; where
// batches end depends on chunks and batch_rows, which no result may show.

#include "frame/memory_table.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <arrow/array/array_base.h>
#include <arrow/table.h>
#include <arrow/util/byte_size.h>

#include "base/status.h"
#include "column/kernels.h"
#include "frame/chunked_column.h"

namespace gristmill::frame {
namespace {

using column::Column;

constexpr int64_t kLeastMorselRows = 8192;
constexpr int64_t kMostMorselRows = 16 * kLeastMorselRows;
constexpr int64_t kMorselsPerWorker = 4;

// What all scans of one table share.
struct TableData {
  std::shared_ptr<arrow::Table> table;
  std::shared_ptr<arrow::Schema> schema;  // as users see it
  std::vector<ChunkedColumn> columns;
};

class MemoryScan final : public plan::Scan {
 public:
  MemoryScan(std::shared_ptr<const TableData> data, const plan::ScanRequest& request) : data_(std::move(data)), columns_(request.columns) {
    memory_ = request.memory;
    rows_ = data_->table->num_rows();
    morsel_rows_ = request.morsel_rows > 0 ? request.morsel_rows : auto_morsel_rows(rows_, request.workers);
    if (request.limit && !request.predicate) rows_ = std::min(rows_, std::max<int64_t>(*request.limit, 0));
    batch_rows_ = request.batch_rows > 0 ? std::min(request.batch_rows, column::kMaxBatchRows) : column::kDefaultBatchRows;
  }

  int64_t num_morsels() const override { return (rows_ + morsel_rows_ - 1) / morsel_rows_; }
  bool numbers_rows() const override { return true; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }

  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const int64_t begin = static_cast<int64_t>(seq) * morsel_rows_, end = std::min(begin + morsel_rows_, rows_);
    std::vector<std::vector<Piece>> pieces;
    for (const int c : columns_) {
      ARROW_ASSIGN_OR_RAISE(auto of_column, data_->columns[static_cast<size_t>(c)].read(begin, end, pool()));
      pieces.push_back(std::move(of_column));
    }
    std::vector<size_t> at(columns_.size(), 0);  // first piece of each column that reaches beyond `row`
    for (int64_t row = begin; row < end;) {
      const int64_t to = batch_end(pieces, at, row, end);
      ARROW_ASSIGN_OR_RAISE(column::Batch batch, cut(pieces, at, row, to));
      counts.rows += to - row;
      row = to;
      ARROW_RETURN_NOT_OK(emit(std::move(batch)));
    }
    return arrow::Status::OK();
  }

 private:
  arrow::MemoryPool* pool() const { return memory_ ? memory_->pool() : arrow::default_memory_pool(); }

  // Even batches up to the next chunk border, or across it where that would make a crumb.
  int64_t batch_end(const std::vector<std::vector<Piece>>& pieces, const std::vector<size_t>& at, int64_t row, int64_t end) const {
    int64_t border = end;
    for (size_t c = 0; c < pieces.size(); ++c) border = std::min(border, pieces[c][at[c]].end);
    const int64_t left = border - row;
    if (left < batch_rows_ / 4) return std::min(row + batch_rows_, end);
    const int64_t batches = (left + batch_rows_ - 1) / batch_rows_;
    return row + (left + batches - 1) / batches;
  }

  arrow::Result<column::Batch> cut(const std::vector<std::vector<Piece>>& pieces, std::vector<size_t>& at, int64_t from, int64_t to) const {
    column::Batch batch;
    batch.rows = to - from;
    batch.origin.first_row = from;
    for (size_t c = 0; c < pieces.size(); ++c) {
      ARROW_ASSIGN_OR_RAISE(Column values, gather(pieces[c], at[c], from, to));
      batch.columns.push_back(std::move(values));
    }
    return batch;
  }

  // Rows [from, to) of one column; moves `at` to the piece where the next batch begins.
  arrow::Result<Column> gather(const std::vector<Piece>& pieces, size_t& at, int64_t from, int64_t to) const {
    std::vector<Column> parts;
    std::vector<int64_t> rows;
    while (from < to) {
      const Piece& p = pieces[at];
      const int64_t until = std::min(to, p.end);
      ARROW_ASSIGN_OR_RAISE(Column part, p.read(from, until, pool()));
      parts.push_back(std::move(part));
      rows.push_back(until - from);
      from = until;
      if (from == p.end) ++at;
    }
    if (parts.size() == 1) return parts[0];
    return column::concat(parts, rows, pool());
  }

  std::shared_ptr<const TableData> data_;
  std::vector<int> columns_;
  std::shared_ptr<base::QueryMemory> memory_;
  int64_t rows_ = 0, morsel_rows_ = 0, batch_rows_ = 0;
};

int64_t bytes_of(const arrow::Table& table) {
  int64_t bytes = 0;
  for (const auto& column : table.columns()) {
    const arrow::ArrayData* before = nullptr;
    for (const auto& chunk : column->chunks()) {
      const arrow::ArrayData& d = *chunk->data();
      if (!d.child_data.empty() || d.dictionary) return arrow::util::TotalBufferSize(table);
      for (size_t i = 0; i < d.buffers.size(); ++i) {
        const arrow::Buffer* b = d.buffers[i].get();
        // Pieces of one array follow one another: 100 of nine columns take 5 us so, 200 when all buffers are held against all.
        const bool again = before != nullptr && i < before->buffers.size() && before->buffers[i] && b != nullptr &&
                           before->buffers[i]->address() == b->address();
        if (b != nullptr && !again) bytes += b->size();
      }
      before = &d;
    }
  }
  return bytes;
}

class MemoryTable final : public plan::TableSource {
 public:
  explicit MemoryTable(std::shared_ptr<const TableData> data) : data_(std::move(data)) {
    static std::atomic<int64_t> next{1};
    id_ = next.fetch_add(1);
    bytes_ = bytes_of(*data_->table);
  }

  std::string kind() const override { return "memory"; }
  std::string name() const override {
    const auto counted = [](int64_t n, const char* noun) { return std::to_string(n) + " " + noun + (n == 1 ? "" : "s"); };
    return "table (" + counted(data_->table->num_columns(), "column") + ", " + counted(data_->table->num_rows(), "row") + ")";
  }
  std::shared_ptr<arrow::Schema> schema() const override { return data_->schema; }
  plan::TableEstimate estimate() const override { return {data_->table->num_rows(), true, bytes_}; }
  std::string to_json() const override { return "{\"id\":" + std::to_string(id_) + "}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    return std::make_shared<MemoryScan>(data_, request);
  }

  const TableData& data() const { return *data_; }

 private:
  std::shared_ptr<const TableData> data_;
  int64_t id_ = 0;
  int64_t bytes_ = 0;
};

// Chunks without rows say nothing, and views among them are not valid after Arrow's import: their buffers are left out there,
// their offset is not.
std::shared_ptr<arrow::Table> without_empty_chunks(const std::shared_ptr<arrow::Table>& table) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& column : table->columns()) {
    arrow::ArrayVector chunks;
    for (const auto& chunk : column->chunks()) {
      if (chunk->length() > 0) chunks.push_back(chunk);
    }
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type()));
  }
  return arrow::Table::Make(table->schema(), std::move(columns), table->num_rows());
}

}  // namespace

MemoryData memory_data(const plan::TableSource& source) {
  const auto* memory = dynamic_cast<const MemoryTable*>(&source);
  return memory ? MemoryData{memory->data().table, memory->data().schema} : MemoryData{};
}

int64_t auto_morsel_rows(int64_t rows, int workers) {
  const int64_t share = rows / (kMorselsPerWorker * std::max(workers, 1)) / kLeastMorselRows * kLeastMorselRows;
  return std::clamp(share, kLeastMorselRows, kMostMorselRows);
}

arrow::Result<plan::TableSourcePtr> make_memory_table(std::shared_ptr<arrow::Table> table) {
  if (!table) return base::plan_error("there is no table");
  auto schema = table->schema();
  return make_memory_table(std::move(table), std::move(schema));
}

arrow::Result<plan::TableSourcePtr> make_memory_table(std::shared_ptr<arrow::Table> table, std::shared_ptr<arrow::Schema> schema) {
  table = without_empty_chunks(table);
  if (const auto valid = table->Validate(); !valid.ok()) return base::plan_error("not a valid Arrow table: " + valid.message());
  return make_valid_memory_table(std::move(table), std::move(schema));
}

plan::TableSourcePtr make_valid_memory_table(std::shared_ptr<arrow::Table> table, std::shared_ptr<arrow::Schema> schema) {
  auto data = std::make_shared<TableData>();
  for (int i = 0; i < table->num_columns(); ++i) {
    data->columns.emplace_back(*table->column(i), !table->field(i)->type()->Equals(*schema->field(i)->type()));
  }
  data->table = std::move(table);
  data->schema = std::move(schema);
  return std::make_shared<MemoryTable>(std::move(data));
}

}  // namespace gristmill::frame
