// Avro's binary form to columns: each message is checked from end to end, then appended, so a bad one leaves nothing behind.

#include <cstring>

#include <arrow/array/array_base.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_decimal.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/builder_time.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/batch.h"
#include "io/avro_schema.h"
#include "io/reader_source.h"
#include "io/record_decoder.h"

namespace gristmill::io {
namespace {

constexpr int64_t kMostEmptyItems = int64_t{1} << 20;  // of a type without bytes, in one array
constexpr int kDecimalBytes = 16;

// Bytes not yet read. What the check has passed is read without another.
struct Unread {
  const uint8_t* p;
  const uint8_t* end;

  bool take_long(int64_t& out) {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p >= end) return false;
      const uint8_t b = *p++;
      if (shift == 63 && b > 1) return false;
      v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) {
        out = static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
        return true;
      }
    }
    return false;
  }
  int64_t next_long() {
    int64_t out = 0;
    take_long(out);
    return out;
  }
  bool pass(int64_t n) {
    if (n < 0 || n > end - p) return false;
    p += n;
    return true;
  }
  std::string_view next_bytes(int64_t n) {
    const std::string_view out(reinterpret_cast<const char*>(p), static_cast<size_t>(n));
    p += n;
    return out;
  }
  template <typename T>
  T next() {
    T out;
    std::memcpy(&out, p, sizeof out);
    p += sizeof out;
    return out;
  }
};

bool check(Unread& in, const AvroType& t, const char** why);

bool check_decimal(std::string_view bytes, const AvroType& t) {
  if (bytes.empty() || bytes.size() > kDecimalBytes) return false;
  const auto v = arrow::Decimal128::FromBigEndian(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int32_t>(bytes.size()));
  return v.ok() && v->FitsInPrecision(t.precision);
}

bool check_bytes(Unread& in, const AvroType& t, const char** why) {
  int64_t n = t.size;
  if (t.kind != AvroKind::kFixed && !in.take_long(n)) return false;
  const char* begin = reinterpret_cast<const char*>(in.p);
  if (!in.pass(n)) return false;
  if (t.kind == AvroKind::kString && !simdjson::validate_utf8(begin, static_cast<size_t>(n))) {
    *why = "a string is not valid UTF-8";
    return false;
  }
  if (t.logical == AvroLogical::kDecimal && !check_decimal({begin, static_cast<size_t>(n)}, t)) {
    *why = "a decimal has more digits than its schema says";
    return false;
  }
  return true;
}

// Blocks of items up to an empty one.
bool check_items(Unread& in, const AvroType& t, const char** why) {
  static const AvroType kKey = [] {
    AvroType out;
    out.kind = AvroKind::kString;
    return out;
  }();
  int64_t total = 0;
  while (true) {
    int64_t n = 0;
    if (!in.take_long(n)) return false;
    if (n == 0) return true;
    if (n < 0) {
      int64_t bytes = 0;
      if (n == INT64_MIN || !in.take_long(bytes) || bytes < 0 || bytes > in.end - in.p) return false;
      n = -n;
    }
    total += n;
    if (n > (in.end - in.p) + kMostEmptyItems || total > INT32_MAX) return false;
    for (int64_t i = 0; i < n; ++i) {
      if (t.kind == AvroKind::kMap && !check(in, kKey, why)) return false;
      if (!check(in, *t.parts[0], why)) return false;
    }
  }
}

bool check(Unread& in, const AvroType& t, const char** why) {
  int64_t v = 0;
  switch (t.kind) {
    case AvroKind::kNull: return true;
    case AvroKind::kBoolean:
      if (in.p >= in.end || *in.p > 1) return false;
      ++in.p;
      return true;
    case AvroKind::kInt: return in.take_long(v) && v >= INT32_MIN && v <= INT32_MAX;
    case AvroKind::kLong: return in.take_long(v);
    case AvroKind::kFloat: return in.pass(4);
    case AvroKind::kDouble: return in.pass(8);
    case AvroKind::kBytes:
    case AvroKind::kString:
    case AvroKind::kFixed: return check_bytes(in, t, why);
    case AvroKind::kEnum: return in.take_long(v) && v >= 0 && v < std::ssize(t.names);
    case AvroKind::kRecord:
      for (const auto& part : t.parts) {
        if (!check(in, *part, why)) return false;
      }
      return true;
    case AvroKind::kArray:
    case AvroKind::kMap: return check_items(in, t, why);
    case AvroKind::kUnion: return in.take_long(v) && v >= 0 && v < std::ssize(t.parts) && check(in, *t.parts[static_cast<size_t>(v)], why);
  }
  return false;
}

template <typename B>
B& as(arrow::ArrayBuilder& b) {
  return static_cast<B&>(b);
}

arrow::Status append(Unread& in, const AvroType& t, arrow::ArrayBuilder& b);

arrow::Status append_bytes(std::string_view bytes, const AvroType& t, arrow::ArrayBuilder& b) {
  if (t.logical == AvroLogical::kDecimal) {
    ARROW_ASSIGN_OR_RAISE(
        const auto v, arrow::Decimal128::FromBigEndian(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int32_t>(bytes.size())));
    return as<arrow::Decimal128Builder>(b).Append(v);
  }
  if (t.logical == AvroLogical::kDuration) {
    auto& s = as<arrow::StructBuilder>(b);
    ARROW_RETURN_NOT_OK(s.Append());
    for (int i = 0; i < 3; ++i) {
      uint32_t v;
      std::memcpy(&v, bytes.data() + 4 * i, 4);
      ARROW_RETURN_NOT_OK(as<arrow::UInt32Builder>(*s.field_builder(i)).Append(v));
    }
    return arrow::Status::OK();
  }
  return t.kind == AvroKind::kString ? as<arrow::StringBuilder>(b).Append(bytes) : as<arrow::BinaryBuilder>(b).Append(bytes);
}

arrow::Status append_items(Unread& in, const AvroType& t, arrow::ArrayBuilder& b) {
  const bool map = t.kind == AvroKind::kMap;
  arrow::ArrayBuilder* items;
  if (map) {
    ARROW_RETURN_NOT_OK(as<arrow::MapBuilder>(b).Append());
    items = as<arrow::MapBuilder>(b).item_builder();
  } else {
    ARROW_RETURN_NOT_OK(as<arrow::ListBuilder>(b).Append());
    items = as<arrow::ListBuilder>(b).value_builder();
  }
  while (true) {
    int64_t n = in.next_long();
    if (n == 0) return arrow::Status::OK();
    if (n < 0) {
      in.next_long();
      n = -n;
    }
    for (int64_t i = 0; i < n; ++i) {
      if (map) {
        const int64_t size = in.next_long();
        ARROW_RETURN_NOT_OK(as<arrow::StringBuilder>(*as<arrow::MapBuilder>(b).key_builder()).Append(in.next_bytes(size)));
      }
      ARROW_RETURN_NOT_OK(append(in, *t.parts[0], *items));
    }
  }
}

arrow::Status append_union(Unread& in, const AvroType& t, arrow::ArrayBuilder& b) {
  const int at = static_cast<int>(in.next_long());
  if (at == t.null_at) return b.AppendNull();
  const AvroType& part = *t.parts[static_cast<size_t>(at)];
  if (t.plain_union()) return append(in, part, b);
  auto& s = as<arrow::StructBuilder>(b);
  ARROW_RETURN_NOT_OK(s.Append());
  const int member = t.null_at >= 0 && at > t.null_at ? at - 1 : at;
  for (int i = 0; i < s.num_fields(); ++i) {
    ARROW_RETURN_NOT_OK(i == member ? append(in, part, *s.field_builder(i)) : s.field_builder(i)->AppendNull());
  }
  return arrow::Status::OK();
}

arrow::Status append(Unread& in, const AvroType& t, arrow::ArrayBuilder& b) {
  switch (t.kind) {
    case AvroKind::kNull: return b.AppendNull();
    case AvroKind::kBoolean: return as<arrow::BooleanBuilder>(b).Append(in.next<uint8_t>() != 0);
    case AvroKind::kInt: {
      const auto v = static_cast<int32_t>(in.next_long());
      if (t.logical == AvroLogical::kDate) return as<arrow::Date32Builder>(b).Append(v);
      if (t.logical == AvroLogical::kTimeMillis) return as<arrow::Time32Builder>(b).Append(v);
      return as<arrow::Int32Builder>(b).Append(v);
    }
    case AvroKind::kLong: {
      const int64_t v = in.next_long();
      if (t.logical == AvroLogical::kTimeMicros) return as<arrow::Time64Builder>(b).Append(v);
      if (t.logical != AvroLogical::kNone) return as<arrow::TimestampBuilder>(b).Append(v);
      return as<arrow::Int64Builder>(b).Append(v);
    }
    case AvroKind::kFloat: return as<arrow::FloatBuilder>(b).Append(in.next<float>());
    case AvroKind::kDouble: return as<arrow::DoubleBuilder>(b).Append(in.next<double>());
    case AvroKind::kBytes:
    case AvroKind::kString: {
      const int64_t n = in.next_long();
      return append_bytes(in.next_bytes(n), t, b);
    }
    case AvroKind::kFixed: return append_bytes(in.next_bytes(t.size), t, b);
    case AvroKind::kEnum: return as<arrow::StringBuilder>(b).Append(t.names[static_cast<size_t>(in.next_long())]);
    case AvroKind::kRecord: {
      auto& s = as<arrow::StructBuilder>(b);
      ARROW_RETURN_NOT_OK(s.Append());
      for (size_t i = 0; i < t.parts.size(); ++i) {
        ARROW_RETURN_NOT_OK(append(in, *t.parts[i], *s.field_builder(static_cast<int>(i))));
      }
      return arrow::Status::OK();
    }
    case AvroKind::kArray:
    case AvroKind::kMap: return append_items(in, t, b);
    case AvroKind::kUnion: return append_union(in, t, b);
  }
  return base::internal_error("a kind of Avro");
}

class AvroDecoder final : public RecordDecoder {
 public:
  AvroDecoder(AvroTypePtr type, std::shared_ptr<arrow::Schema> schema, AvroFraming framing)
      : type_(std::move(type)), schema_(std::move(schema)), framing_(framing) {}
  std::string format() const override { return "avro"; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Result<DecodedRows> decode(std::span<const RecordBytes> records, arrow::MemoryPool* pool) const override {
    DecodedRows out;
    std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders;
    for (const auto& f : schema_->fields()) {
      ARROW_ASSIGN_OR_RAISE(auto b, arrow::MakeBuilder(f->type(), pool));
      builders.push_back(std::move(b));
    }
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].data == nullptr) {
        for (auto& b : builders) ARROW_RETURN_NOT_OK(b->AppendNull());
      } else {
        Unread in{};
        const arrow::Status status = open(records[i], in);
        if (!status.ok()) {
          out.bad.push_back({static_cast<int64_t>(i), status});
          continue;
        }
        if (type_->kind == AvroKind::kRecord) {
          for (size_t c = 0; c < builders.size(); ++c) ARROW_RETURN_NOT_OK(append(in, *type_->parts[c], *builders[c]));
        } else {
          ARROW_RETURN_NOT_OK(append(in, *type_, *builders[0]));
        }
      }
      out.record_of.push_back(static_cast<int32_t>(i));
    }
    out.rows = std::ssize(out.record_of);
    if (out.bad.empty()) out.record_of.clear();
    for (auto& b : builders) {
      std::shared_ptr<arrow::ArrayData> data;
      ARROW_RETURN_NOT_OK(b->FinishInternal(&data));
      ARROW_ASSIGN_OR_RAISE(auto column, column::import_array(data, pool));
      out.columns.push_back(std::move(column));
    }
    return out;
  }

 private:
  // Checks the message; `in` stands at its first value then.
  arrow::Status open(const RecordBytes& r, Unread& in) const {
    const auto* begin = reinterpret_cast<const uint8_t*>(r.data);
    in = {begin, begin + r.size};
    constexpr int64_t kRegistryBytes = 5, kSingleBytes = 10;
    if (framing_ == AvroFraming::kRegistry && (r.size < kRegistryBytes || begin[0] != 0)) {
      return base::data_error("the message does not begin with the number of a schema registry");
    }
    if (framing_ == AvroFraming::kSingleObject && (r.size < kSingleBytes || begin[0] != 0xc3 || begin[1] != 0x01)) {
      return base::data_error("the message is no single object of Avro");
    }
    in.p += framing_ == AvroFraming::kRegistry ? kRegistryBytes : framing_ == AvroFraming::kSingleObject ? kSingleBytes : 0;
    Unread look = in;
    const char* why = "the bytes are not what the Avro schema says";
    if (!check(look, *type_, &why)) return base::data_error(std::string(why) + " (near byte " + std::to_string(look.p - begin) + ")");
    if (look.p != look.end) {
      return base::data_error("the message has " + std::to_string(look.end - look.p) + " bytes more than the Avro schema says");
    }
    return arrow::Status::OK();
  }

  const AvroTypePtr type_;
  const std::shared_ptr<arrow::Schema> schema_;
  const AvroFraming framing_;
};

}  // namespace

arrow::Result<RecordDecoderPtr> avro_decoder(const std::string& schema_json, AvroFraming framing) {
  ARROW_ASSIGN_OR_RAISE(auto type, parse_avro(schema_json));
  ARROW_ASSIGN_OR_RAISE(auto schema, border_schema(*avro_columns(*type), "Avro messages"));
  if (schema->num_fields() == 0) return base::plan_error("the Avro schema has no fields");
  return std::make_shared<AvroDecoder>(std::move(type), std::move(schema), framing);
}

}  // namespace gristmill::io
