// Metadata columns beside the decoder's.

#include "stream/kafka_columns.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <arrow/array/data.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::stream {
namespace {

struct Named {
  const char* name;
  MessageColumn what;
};
constexpr Named kNames[] = {{"topic", MessageColumn::kTopic},   {"partition", MessageColumn::kPartition},
                            {"offset", MessageColumn::kOffset}, {"timestamp", MessageColumn::kTimestamp},
                            {"key", MessageColumn::kKey},       {"headers", MessageColumn::kHeaders}};

std::shared_ptr<arrow::DataType> type_of(MessageColumn what, bool text_keys) {
  switch (what) {
    case MessageColumn::kTopic: return arrow::utf8();
    case MessageColumn::kPartition: return arrow::int32();
    case MessageColumn::kOffset: return arrow::int64();
    case MessageColumn::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
    case MessageColumn::kKey: return text_keys ? arrow::utf8() : arrow::binary();
    default: return arrow::list(arrow::struct_({arrow::field("name", arrow::utf8()), arrow::field("value", arrow::binary())}));
  }
}

arrow::Result<column::Column> constant(const arrow::Scalar& value, arrow::MemoryPool* pool) { return column::constant_of(value, pool); }

arrow::Result<column::Column> numbers(const column::TypePtr& type, std::span<const GmKafkaMessage> all,
                                      const std::vector<int32_t>& messages, bool offsets, arrow::MemoryPool* pool) {
  const int64_t n = std::ssize(messages);
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_zeroed(n * 8, pool));
  auto* to = reinterpret_cast<int64_t*>(values->mutable_data());
  std::shared_ptr<arrow::Buffer> valid;
  int64_t nulls = 0;
  for (int64_t i = 0; i < n; ++i) {
    const GmKafkaMessage& m = all[static_cast<size_t>(messages[static_cast<size_t>(i)])];
    to[i] = offsets ? m.offset : std::max<int64_t>(m.timestamp_ms, 0);
    nulls += !offsets && m.timestamp_ms < 0;
  }
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(valid, column::allocate_bits(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (all[static_cast<size_t>(messages[static_cast<size_t>(i)])].timestamp_ms >= 0) {
        valid->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
      }
    }
  }
  return column::Column::flat(column::make_array(type, n, std::move(valid), nulls, std::move(values)));
}

}  // namespace

arrow::Result<KafkaColumns> KafkaColumns::make(io::RecordDecoderPtr decoder, std::string topic, const std::vector<std::string>& metadata,
                                               bool text_keys) {
  KafkaColumns out;
  out.decoder_ = std::move(decoder);
  out.topic_ = std::move(topic);
  out.text_keys_ = text_keys;
  arrow::FieldVector fields = out.decoder_->schema()->fields();
  for (const std::string& name : metadata) {
    const auto* const found = std::find_if(std::begin(kNames), std::end(kNames), [&](const Named& n) { return name == n.name; });
    if (found == std::end(kNames)) {
      return base::plan_error("a message of Kafka has no \"" + name + "\"",
                              base::suggest_name(name, {"key", "partition", "offset", "timestamp", "headers", "topic"}));
    }
    out.metadata_.push_back(found->what);
    out.checks_keys_ = out.checks_keys_ || (text_keys && found->what == MessageColumn::kKey);
    fields.push_back(arrow::field("_" + name, type_of(found->what, text_keys)));
  }
  std::set<std::string> seen;
  for (const auto& f : fields) {
    if (!seen.insert(f->name()).second) return base::plan_error("two columns are named \"" + f->name() + "\"");
  }
  out.schema_ = arrow::schema(fields);
  return out;
}

arrow::Result<KafkaColumns::Rows> KafkaColumns::rows_of(const MessageRange& range, const std::vector<int>& wanted,
                                                        arrow::MemoryPool* pool) const {
  const auto messages = range.messages();
  Rows out;
  std::vector<io::RecordBytes> values;
  std::vector<int32_t> used;  // messages, where some are left out
  values.reserve(messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    const GmKafkaMessage& m = messages[i];
    if (checks_keys_ && m.key != nullptr && !simdjson::validate_utf8(m.key, static_cast<size_t>(m.key_size))) {
      for (size_t j = 0; out.bad.empty() && j < i; ++j) used.push_back(static_cast<int32_t>(j));
      out.bad.push_back({static_cast<int64_t>(i), base::data_error("the key is not valid UTF-8; keys=\"raw\" reads keys as bytes")});
      continue;
    }
    if (!out.bad.empty()) used.push_back(static_cast<int32_t>(i));
    values.push_back({m.value, m.value == nullptr ? 0 : m.value_size});
  }
  const bool all = out.bad.empty();
  ARROW_ASSIGN_OR_RAISE(io::DecodedRows decoded, decoder_->decode(values, pool));
  out.rows = decoded.rows;
  const auto message = [&](int64_t record) { return all ? record : used[static_cast<size_t>(record)]; };
  for (io::BadMessage& b : decoded.bad) out.bad.push_back({message(b.record), std::move(b.error)});
  std::sort(out.bad.begin(), out.bad.end(), [](const io::BadMessage& a, const io::BadMessage& b) { return a.record < b.record; });
  out.message_of = std::move(decoded.record_of);
  if (!all && out.message_of.empty()) {
    out.message_of = std::move(used);
  } else if (!all) {
    for (int32_t& m : out.message_of) m = used[static_cast<size_t>(m)];
  }
  std::vector<int32_t> each = out.message_of;
  const int own = decoder_->schema()->num_fields();
  for (const int c : wanted) {
    if (c < own) {
      out.columns.push_back(decoded.columns[static_cast<size_t>(c)]);
      continue;
    }
    if (each.empty()) {
      for (int64_t i = 0; i < out.rows; ++i) each.push_back(static_cast<int32_t>(i));
    }
    ARROW_ASSIGN_OR_RAISE(auto column, metadata_of(metadata_[static_cast<size_t>(c - own)], range, each, pool));
    out.columns.push_back(std::move(column));
  }
  return out;
}

arrow::Result<column::Column> KafkaColumns::metadata_of(MessageColumn what, const MessageRange& range, const std::vector<int32_t>& messages,
                                                        arrow::MemoryPool* pool) const {
  const auto all = range.messages();
  switch (what) {
    case MessageColumn::kTopic: return constant(arrow::StringViewScalar(topic_), pool);
    case MessageColumn::kPartition: return constant(arrow::Int32Scalar(range.batch->partition()), pool);
    case MessageColumn::kOffset: return numbers(arrow::int64(), all, messages, true, pool);
    case MessageColumn::kTimestamp: return numbers(type_of(what, true), all, messages, false, pool);
    case MessageColumn::kHeaders: return headers_of(range, messages, pool);
    default: break;
  }
  std::vector<io::RecordBytes> keys;
  for (const int32_t i : messages) {
    const GmKafkaMessage& m = all[static_cast<size_t>(i)];
    keys.push_back({m.key, m.key == nullptr ? 0 : m.key_size});
  }
  return io::bytes_column(keys, text_keys_, pool);
}

arrow::Result<column::Column> KafkaColumns::headers_of(const MessageRange& range, const std::vector<int32_t>& messages,
                                                       arrow::MemoryPool* pool) const {
  // What headers point to lasts as long as the batch, so texts may be gathered before they are copied.
  std::vector<io::RecordBytes> names, values;
  const int64_t n = std::ssize(messages);
  ARROW_ASSIGN_OR_RAISE(auto offsets, column::allocate_buffer((n + 1) * 4, pool));
  auto* to = reinterpret_cast<int32_t*>(offsets->mutable_data());
  to[0] = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (const GmKafkaHeader& h : range.batch->headers(range.first + messages[static_cast<size_t>(i)])) {
      const auto size = static_cast<int64_t>(std::strlen(h.name));
      if (!simdjson::validate_utf8(h.name, static_cast<size_t>(size))) return base::data_error("the name of a header is not valid UTF-8");
      names.push_back({h.name, size});
      values.push_back({h.value, h.value == nullptr ? 0 : h.value_size});
    }
    to[i + 1] = static_cast<int32_t>(names.size());
  }
  ARROW_ASSIGN_OR_RAISE(const auto name, io::bytes_column(names, true, pool));
  ARROW_ASSIGN_OR_RAISE(const auto value, io::bytes_column(values, false, pool));
  const auto pair = arrow::struct_({arrow::field("name", arrow::utf8_view()), arrow::field("value", arrow::binary_view())});
  auto pairs = arrow::ArrayData::Make(pair, std::ssize(names), {nullptr}, {name.values, value.values}, 0);
  return column::Column::flat(arrow::ArrayData::Make(arrow::list(pair), n, {nullptr, std::move(offsets)}, {std::move(pairs)}, 0));
}

}  // namespace gristmill::stream
