// Messages to rows: what a source of records (a topic) does with the bytes of each.
//
// A decoder is immutable and used by many workers at once. A record that cannot be read is given back with its error and leaves no row
// behind; all others become rows in their order. A record without a value (a tombstone) is a row of nulls, so that keys of what was deleted
// are not lost.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/column.h"
#include "gristmill/text_options.h"

namespace gristmill::io {

struct RecordBytes {
  const char* data = nullptr;  // null: none
  int64_t size = 0;
};

struct BadMessage {
  int64_t record = 0;  // of those given
  arrow::Status error;
};

struct DecodedRows {
  int64_t rows = 0;
  std::vector<column::Column> columns;  // flat, canonical
  std::vector<int32_t> record_of;       // of each row; empty: row i is record i
  std::vector<BadMessage> bad;          // by record
};

class RecordDecoder {
 public:
  virtual ~RecordDecoder() = default;
  virtual std::string format() const = 0;
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;  // border types, nullable
  virtual arrow::Result<DecodedRows> decode(std::span<const RecordBytes> records, arrow::MemoryPool* pool) const = 0;
};
using RecordDecoderPtr = std::shared_ptr<const RecordDecoder>;

// One JSON object a record. Types as in NdjsonOptions::schema.
arrow::Result<RecordDecoderPtr> json_decoder(const ColumnTypes& schema, bool extra_fields = true);
// The columns that these records have; records that are no JSON objects say nothing.
arrow::Result<ColumnTypes> guess_json_columns(std::span<const RecordBytes> records, bool dates);

// What stands before the Avro bytes of a record: nothing; the mark and the four bytes of a schema registry's number, which is not looked
// up; or the mark and the fingerprint of a single object.
enum class AvroFraming : uint8_t { kNone, kRegistry, kSingleObject };
// Avro's binary form, by the schema it was written with (JSON).
arrow::Result<RecordDecoderPtr> avro_decoder(const std::string& schema_json, AvroFraming framing);

// A whole Arrow IPC stream a record; every one has the schema given.
arrow::Result<RecordDecoderPtr> ipc_decoder(std::shared_ptr<arrow::Schema> schema);
arrow::Result<std::shared_ptr<arrow::Schema>> ipc_schema_of(const RecordBytes& record);

// One column "value": bytes, or text that must be UTF-8.
RecordDecoderPtr raw_decoder(bool text);

// The values as a column of views (text or bytes); those without data are null. The bytes are copied.
arrow::Result<column::Column> bytes_column(std::span<const RecordBytes> values, bool text, arrow::MemoryPool* pool);

}  // namespace gristmill::io
