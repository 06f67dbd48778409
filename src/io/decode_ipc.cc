// Messages that are Arrow IPC streams: a schema and any number of record batches each.
//
// What comes in is checked in full before a row of it counts: messages are somebody else's bytes.

#include <cstring>

#include <arrow/array/util.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/batch.h"
#include "column/buffers.h"
#include "io/reader_source.h"
#include "io/record_decoder.h"

namespace gristmill::io {
namespace {

// A copy, aligned as its writer meant it.
arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> open_stream(const RecordBytes& r, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes, column::allocate_buffer(r.size, pool));
  if (r.size > 0) std::memcpy(bytes->mutable_data(), r.data, static_cast<size_t>(r.size));
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(std::make_shared<arrow::io::BufferReader>(bytes), options));
  return reader;
}

arrow::Result<arrow::RecordBatchVector> read_stream(const RecordBytes& r, const arrow::Schema& schema, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(const auto reader, open_stream(r, pool));
  const arrow::Schema& here = *reader->schema();
  bool same = here.num_fields() == schema.num_fields();
  for (int i = 0; same && i < schema.num_fields(); ++i) {
    same = here.field(i)->name() == schema.field(i)->name() && here.field(i)->type()->Equals(*schema.field(i)->type());
  }
  if (!same) return arrow::Status::Invalid("it has another schema: ", here.ToString());
  arrow::RecordBatchVector out;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
    if (batch == nullptr) return out;
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    if (batch->num_rows() > 0) out.push_back(std::move(batch));
  }
}

class IpcDecoder final : public RecordDecoder {
 public:
  IpcDecoder(std::shared_ptr<arrow::Schema> written, std::shared_ptr<arrow::Schema> border)
      : written_(std::move(written)), border_(std::move(border)) {}
  std::string format() const override { return "ipc"; }
  std::shared_ptr<arrow::Schema> schema() const override { return border_; }

  arrow::Result<DecodedRows> decode(std::span<const RecordBytes> records, arrow::MemoryPool* pool) const override {
    DecodedRows out;
    arrow::RecordBatchVector all;
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].data == nullptr) {
        ARROW_ASSIGN_OR_RAISE(auto nulls, nulls_row(pool));
        all.push_back(std::move(nulls));
        out.record_of.push_back(static_cast<int32_t>(i));
        continue;
      }
      auto batches = read_stream(records[i], *written_, pool);
      if (!batches.ok()) {
        if (batches.status().IsOutOfMemory()) return batches.status();
        const std::string& why = batches.status().message();
        out.bad.push_back({static_cast<int64_t>(i),
                           base::data_error("the message is not the Arrow IPC stream it should be: " + why.substr(0, why.find('\n')))});
        continue;
      }
      for (auto& b : *batches) {
        out.record_of.insert(out.record_of.end(), static_cast<size_t>(b->num_rows()), static_cast<int32_t>(i));
        all.push_back(std::move(b));
      }
    }
    out.rows = std::ssize(out.record_of);
    std::shared_ptr<arrow::RecordBatch> whole;
    if (all.empty()) {
      ARROW_ASSIGN_OR_RAISE(whole, arrow::RecordBatch::MakeEmpty(written_, pool));
    } else if (all.size() == 1) {
      whole = all[0];
    } else {
      ARROW_ASSIGN_OR_RAISE(whole, arrow::ConcatenateRecordBatches(all, pool));
    }
    ARROW_ASSIGN_OR_RAISE(column::Batch batch, column::import_batch(*whole, pool));
    for (const column::Column& c : batch.columns) {
      ARROW_ASSIGN_OR_RAISE(auto flat, column::flatten(c, out.rows, pool));
      out.columns.push_back(std::move(flat));
    }
    return out;
  }

 private:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> nulls_row(arrow::MemoryPool* pool) const {
    arrow::ArrayVector arrays;
    for (const auto& f : written_->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto one, arrow::MakeArrayOfNull(f->type(), 1, pool));
      arrays.push_back(std::move(one));
    }
    return arrow::RecordBatch::Make(written_, 1, std::move(arrays));
  }

  const std::shared_ptr<arrow::Schema> written_;  // as messages have it
  const std::shared_ptr<arrow::Schema> border_;
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> ipc_schema_of(const RecordBytes& record) {
  const auto reader = open_stream(record, arrow::default_memory_pool());
  if (!reader.ok()) return base::data_error("the message is no Arrow IPC stream: " + reader.status().message());
  return (*reader)->schema();
}

arrow::Result<RecordDecoderPtr> ipc_decoder(std::shared_ptr<arrow::Schema> schema) {
  if (schema->num_fields() == 0) return base::plan_error("Arrow IPC messages need a schema with a column");
  arrow::FieldVector nullable;
  for (const auto& f : schema->fields()) nullable.push_back(f->WithNullable(true));
  const auto written = arrow::schema(nullable);
  ARROW_ASSIGN_OR_RAISE(auto border, border_schema(*written, "Arrow IPC messages"));
  return std::make_shared<IpcDecoder>(written, std::move(border));
}

}  // namespace gristmill::io
