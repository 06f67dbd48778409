#include "job/record_text.h"

#include "base/status.h"
#include "column/kernels.h"
#include "io/ndjson_write.h"

namespace gristmill::job {

arrow::Result<std::unique_ptr<RecordText>> RecordText::make(const std::shared_ptr<arrow::Schema>& schema, arrow::MemoryPool* pool) {
  auto encoder = io::ndjson_encoder("a record", schema, {.names_floats = true});
  if (!encoder.ok()) {
    return base::plan_error("dead letters are JSON: " + encoder.status().message(),
                            "policy skip or fail keeps no records; hex from binary makes text of bytes");
  }
  return std::unique_ptr<RecordText>(new RecordText(std::move(*encoder), pool));
}

arrow::Result<std::vector<std::string>> RecordText::of(const column::Batch& batch, const std::vector<int64_t>& rows) const {
  const auto n = static_cast<int64_t>(rows.size());
  column::Batch some;
  some.rows = n;
  for (const column::Column& c : batch.columns) {
    ARROW_ASSIGN_OR_RAISE(column::Column taken, column::take(c, std::span<const int64_t>(rows), pool_));
    ARROW_ASSIGN_OR_RAISE(taken, column::flatten(taken, n, pool_));
    some.columns.push_back(std::move(taken));
  }
  std::vector<std::string> out(rows.size());
  for (int64_t i = 0; i < n; ++i) {
    std::string& text = out[static_cast<size_t>(i)];
    ARROW_RETURN_NOT_OK(encoder_->encode(some, i, 1, text));
    text.pop_back();  // the end of the line
  }
  return out;
}

}  // namespace gristmill::job
