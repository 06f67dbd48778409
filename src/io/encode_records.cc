// JSON objects and bytes as they are.

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "io/ndjson_write.h"
#include "io/record_encoder.h"

namespace gristmill::io {
namespace {

class JsonRecords final : public RecordEncoder {
 public:
  explicit JsonRecords(std::shared_ptr<const LineEncoder> lines) : lines_(std::move(lines)) {}
  arrow::Result<bool> encode(const column::Batch& flat, int64_t row, std::string& out) const override {
    ARROW_RETURN_NOT_OK(lines_->encode(flat, row, 1, out));
    if (!out.empty() && out.back() == '\n') out.pop_back();
    return true;
  }

 private:
  const std::shared_ptr<const LineEncoder> lines_;
};

class RawRecords final : public RecordEncoder {
 public:
  arrow::Result<bool> encode(const column::Batch& flat, int64_t row, std::string& out) const override {
    const arrow::ArrayData& d = *flat.columns[0].values;
    if (!column::validity_of(d).valid(row)) return false;
    out += column::view_at(d, row);
    return true;
  }
};

}  // namespace

arrow::Result<RecordEncoderPtr> json_encoder(std::shared_ptr<arrow::Schema> schema, bool omit_nulls) {
  ARROW_ASSIGN_OR_RAISE(auto lines, ndjson_encoder("a message", std::move(schema), {.omit_nulls = omit_nulls}));
  return std::make_shared<JsonRecords>(std::move(lines));
}

arrow::Result<RecordEncoderPtr> raw_encoder(std::shared_ptr<arrow::Schema> schema) {
  if (schema->num_fields() != 1 || !column::is_viewed(*column::canonical_type(schema->field(0)->type()))) {
    return base::plan_error("raw messages are one column of bytes or text", "select it, or write JSON, Avro or IPC");
  }
  return std::make_shared<RawRecords>();
}

}  // namespace gristmill::io
