// Rows to messages: one message a row. Encoders are immutable and used by many workers at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "io/record_decoder.h"

namespace gristmill::io {

class RecordEncoder {
 public:
  virtual ~RecordEncoder() = default;
  // Appends the message of a row; `flat`: dense, flat canonical columns of the schema. A data error has its batch_row. False: the message
  // has no value.
  virtual arrow::Result<bool> encode(const column::Batch& flat, int64_t row, std::string& out) const = 0;
};
using RecordEncoderPtr = std::shared_ptr<const RecordEncoder>;

arrow::Result<RecordEncoderPtr> json_encoder(std::shared_ptr<arrow::Schema> schema, bool omit_nulls);
// By `schema_json`, or, where it is empty, by a schema made for the columns (avro_schema_for). `registry_id`: for the framing of a schema
// registry.
arrow::Result<RecordEncoderPtr> avro_encoder(std::shared_ptr<arrow::Schema> schema, const std::string& schema_json, AvroFraming framing,
                                             int32_t registry_id);
// The one column, bytes or text, as it is; null is no value.
arrow::Result<RecordEncoderPtr> raw_encoder(std::shared_ptr<arrow::Schema> schema);

}  // namespace gristmill::io
