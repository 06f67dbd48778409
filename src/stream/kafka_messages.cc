// A message: partition, timestamp, key, value, headers; lengths before bytes, -1 for none.

#include "stream/kafka_messages.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "io/scalar_text.h"

namespace gristmill::stream {
namespace {

template <typename T>
void put(T v, std::string& out) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

void put_bytes(std::string_view bytes, std::string& out) {
  put(static_cast<int64_t>(bytes.size()), out);
  out += bytes;
}

bool null_at(const arrow::ArrayData& d, int64_t row) { return d.type->id() == arrow::Type::NA || !column::validity_of(d).valid(row); }

arrow::Status refused(const std::string& why, int64_t row) {
  base::ErrorDetail d;
  d.kind = base::ErrorKind::kData;
  d.batch_row = row;
  return base::with_detail(base::data_error(why), d);
}

int64_t whole_at(const arrow::ArrayData& d, int64_t row) {
  return d.type->id() == arrow::Type::INT64 ? column::values_of<int64_t>(d)[row] : column::values_of<int32_t>(d)[row];
}

arrow::Result<int> column_of(const arrow::Schema& schema, const std::string& name, const char* option) {
  if (name.empty()) return -1;
  const int at = schema.GetFieldIndex(name);
  if (at >= 0) return at;
  return base::plan_error(std::string(option) + "=\"" + name + "\" is no column", base::suggest_name(name, schema.field_names()));
}

bool are_headers(const arrow::DataType& t) {
  if (t.id() != arrow::Type::LIST) return false;
  const arrow::DataType& pair = *t.field(0)->type();
  return pair.id() == arrow::Type::STRUCT && pair.num_fields() == 2 && column::is_text(*pair.field(0)->type()) &&
         column::is_viewed(*pair.field(1)->type());
}

arrow::Status check_types(const arrow::Schema& schema, int key, int partition, int timestamp, int headers) {
  const auto type = [&](int c) { return column::canonical_type(schema.field(c)->type()); };
  if (key >= 0 && !column::is_viewed(*type(key)) && !io::has_scalar_text(*type(key))) {
    return base::plan_error("a key is text, bytes or a plain value; \"" + schema.field(key)->name() + "\" is " +
                            column::type_text(*type(key)));
  }
  if (partition >= 0 && type(partition)->id() != arrow::Type::INT64 && type(partition)->id() != arrow::Type::INT32) {
    return base::plan_error("the column of partitions holds int32 or int64");
  }
  if (timestamp >= 0 && type(timestamp)->id() != arrow::Type::TIMESTAMP)
    return base::plan_error("the column of timestamps holds timestamps");
  if (headers >= 0 && !are_headers(*type(headers))) {
    return base::plan_error("the column of headers is list<struct<name:string,value:binary>>");
  }
  return arrow::Status::OK();
}

arrow::Result<io::RecordEncoderPtr> encoder_of(const std::shared_ptr<arrow::Schema>& values, const KafkaSinkOptions& o) {
  if (values->num_fields() == 0) return base::plan_error("no column is left for the values of messages", "only_metadata=False keeps them");
  if (o.format == "json") return io::json_encoder(values, o.omit_nulls);
  if (o.format == "avro") return io::avro_encoder(values, o.avro_schema, o.avro_framing, o.registry_id);
  if (o.format == "raw") return io::raw_encoder(values);
  if (o.format == "ipc") {
    if (o.ipc_rows < 1) return base::plan_error("ipc_rows is at least 1");
    if (o.key.empty() && o.partition.empty() && o.timestamp.empty() && o.headers.empty()) return nullptr;
    return base::plan_error("a message of many rows has no key, partition, timestamp or headers of one", "write JSON or Avro");
  }
  return base::plan_error("unknown format of messages \"" + o.format + "\"", base::suggest_name(o.format, {"json", "avro", "ipc", "raw"}));
}

}  // namespace

arrow::Result<MessageWriter> MessageWriter::make(const arrow::Schema& schema, const KafkaSinkOptions& o) {
  MessageWriter out;
  ARROW_ASSIGN_OR_RAISE(out.key_, column_of(schema, o.key, "key"));
  ARROW_ASSIGN_OR_RAISE(out.partition_, column_of(schema, o.partition, "partition"));
  ARROW_ASSIGN_OR_RAISE(out.timestamp_, column_of(schema, o.timestamp, "timestamp"));
  ARROW_ASSIGN_OR_RAISE(out.headers_, column_of(schema, o.headers, "headers"));
  ARROW_RETURN_NOT_OK(check_types(schema, out.key_, out.partition_, out.timestamp_, out.headers_));
  if (out.timestamp_ >= 0) {
    switch (static_cast<const arrow::TimestampType&>(*schema.field(out.timestamp_)->type()).unit()) {
      case arrow::TimeUnit::SECOND: out.ticks_ = 1; break;
      case arrow::TimeUnit::MILLI: out.ticks_ = 1000; break;
      case arrow::TimeUnit::MICRO: out.ticks_ = 1'000'000; break;
      case arrow::TimeUnit::NANO: out.ticks_ = 1'000'000'000; break;
    }
  }
  const std::set<int> said = {out.key_, out.partition_, out.timestamp_, out.headers_};
  arrow::FieldVector fields;
  for (int c = 0; c < schema.num_fields(); ++c) {
    if (o.only_metadata && said.contains(c)) continue;
    if (c == out.headers_) continue;  // their bytes have no form in most formats
    fields.push_back(schema.field(c));
    out.value_columns_.push_back(c);
  }
  out.values_ = arrow::schema(fields);
  ARROW_ASSIGN_OR_RAISE(out.encoder_, encoder_of(out.values_, o));
  return out;
}

column::Batch MessageWriter::values_of(const column::Batch& flat) const {
  column::Batch out;
  out.rows = flat.rows;
  out.origin = flat.origin;
  for (const int c : value_columns_) out.columns.push_back(flat.columns[static_cast<size_t>(c)]);
  return out;
}

arrow::Status MessageWriter::append(const column::Batch& flat, const column::Batch& values, int64_t row, std::string& out) const {
  const auto data = [&](int c) -> const arrow::ArrayData& { return *flat.columns[static_cast<size_t>(c)].values; };
  int64_t partition = -1, at = -1;
  if (partition_ >= 0 && !null_at(data(partition_), row)) {
    partition = whole_at(data(partition_), row);
    if (partition < 0 || partition > INT32_MAX) return refused("there is no partition " + std::to_string(partition), row);
  }
  if (timestamp_ >= 0 && !null_at(data(timestamp_), row)) {
    const int64_t ticks = column::values_of<int64_t>(data(timestamp_))[row];
    at = ticks_ == 1 ? ticks * 1000 : ticks / (ticks_ / 1000);
    if (ticks < 0 || (ticks_ == 1 && ticks > INT64_MAX / 1000)) return refused("a message's timestamp lies in 1970 or later", row);
  }
  const size_t begin = out.size();
  put(static_cast<int32_t>(partition), out);
  put(at, out);
  if (key_ < 0 || null_at(data(key_), row)) {
    put(int64_t{-1}, out);
  } else if (column::is_viewed(*data(key_).type)) {
    put_bytes(column::view_at(data(key_), row), out);
  } else {
    std::string text;
    io::append_scalar_text(data(key_), row, -1, 'T', text);
    put_bytes(text, out);
  }
  const size_t length = out.size();
  put(int64_t{-1}, out);
  const auto some = encoder_->encode(values, row, out);
  if (!some.ok()) {
    out.resize(begin);
    return some.status();
  }
  if (*some) {
    const auto bytes = static_cast<int64_t>(out.size() - length - sizeof(int64_t));
    std::memcpy(out.data() + length, &bytes, sizeof bytes);
  }
  return append_headers(flat, row, out);
}

arrow::Status MessageWriter::append_headers(const column::Batch& flat, int64_t row, std::string& out) const {
  if (headers_ < 0) {
    put(int32_t{0}, out);
    return arrow::Status::OK();
  }
  const arrow::ArrayData& d = *flat.columns[static_cast<size_t>(headers_)].values;
  if (null_at(d, row)) {
    put(int32_t{0}, out);
    return arrow::Status::OK();
  }
  const int32_t* offsets = column::values_of<int32_t>(d);
  put(offsets[row + 1] - offsets[row], out);
  const arrow::ArrayData& pairs = *d.child_data[0];
  for (int32_t i = offsets[row]; i < offsets[row + 1]; ++i) {
    const arrow::ArrayData &name = *pairs.child_data[0], &value = *pairs.child_data[1];
    if (null_at(pairs, i) || null_at(name, pairs.offset + i)) return refused("a header without a name", row);
    put_bytes(column::view_at(name, pairs.offset + i), out);
    if (null_at(value, pairs.offset + i)) {
      put(int64_t{-1}, out);
    } else {
      put_bytes(column::view_at(value, pairs.offset + i), out);
    }
  }
  return arrow::Status::OK();
}

bool MessageReader::next(GmKafkaOutgoing& out) {
  if (at_ >= piece_.size()) return false;
  const auto take = [&](auto& v) {
    std::memcpy(&v, piece_.data() + at_, sizeof v);
    at_ += sizeof v;
  };
  const auto bytes = [&](const char*& data, int64_t& size) {
    take(size);
    data = size < 0 ? nullptr : piece_.data() + at_;
    size = std::max<int64_t>(size, 0);
    at_ += static_cast<size_t>(size);
  };
  out = {};
  take(out.partition);
  take(out.timestamp_ms);
  bytes(out.key, out.key_size);
  bytes(out.value, out.value_size);
  int32_t n = 0;
  take(n);
  headers_.clear();
  names_.clear();
  names_.reserve(static_cast<size_t>(n));  // so that their texts stay where they are
  for (int32_t i = 0; i < n; ++i) {
    const char* name = nullptr;
    int64_t size = 0;
    bytes(name, size);
    names_.emplace_back(name, static_cast<size_t>(size));
    GmKafkaHeader h{names_.back().c_str(), nullptr, 0};
    bytes(h.value, h.value_size);
    headers_.push_back(h);
  }
  out.headers = headers_.data();
  out.header_count = n;
  return true;
}

}  // namespace gristmill::stream
