// Rows of a binary COPY without a server: what the encoder writes the decoder reads, and broken bytes are errors, never more.

#include <random>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "io/connect/postgres_decode.h"
#include "io/connect/postgres_encode.h"
#include "io/connect/postgres_numeric.h"

namespace gristmill::io::test {
namespace {

struct Kind {
  column::TypePtr type;
  Wire wire;
  int precision = 0, scale = 0;
  Wire element = Wire::kOther;
};

std::vector<Kind> kinds() {
  return {{arrow::boolean(), Wire::kBool},
          {arrow::int16(), Wire::kInt2},
          {arrow::int32(), Wire::kInt4},
          {arrow::int64(), Wire::kInt8},
          {arrow::float32(), Wire::kFloat4},
          {arrow::float64(), Wire::kFloat8},
          {arrow::decimal128(38, 7), Wire::kNumeric, 38, 7},
          {arrow::decimal128(9, 9), Wire::kNumeric, 9, 9},
          {arrow::utf8(), Wire::kText},
          {arrow::utf8(), Wire::kJsonb},
          {arrow::binary(), Wire::kBytes},
          {arrow::date32(), Wire::kDate},
          {arrow::time64(arrow::TimeUnit::MICRO), Wire::kTime},
          {arrow::timestamp(arrow::TimeUnit::MICRO), Wire::kTimestamp},
          {arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"), Wire::kTimestampZone},
          {arrow::list(arrow::int32()), Wire::kArray, 0, 0, Wire::kInt4},
          {arrow::list(arrow::utf8()), Wire::kArray, 0, 0, Wire::kText}};
}

PostgresType wire_type(const Kind& k) {
  PostgresType out;
  out.wire = k.wire;
  out.name = "test type";
  out.precision = k.precision;
  out.scale = k.scale;
  if (k.wire == Wire::kArray) {
    out.element = std::make_shared<PostgresType>();
    out.element->wire = k.element;
    out.element->oid = 23;
  }
  return out;
}

class Values {
 public:
  explicit Values(uint64_t seed) : random_(seed) {}
  int64_t number(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  bool null() { return number(0, 4) == 0; }
  std::string text() { return std::string(static_cast<size_t>(number(0, 30)), static_cast<char>('a' + number(0, 25))); }

  arrow::Result<std::shared_ptr<arrow::Scalar>> scalar(const column::TypePtr& t) {
    if (null()) return arrow::MakeNullScalar(t);
    switch (t->id()) {
      case arrow::Type::BOOL: return arrow::MakeScalar(number(0, 1) == 1);
      case arrow::Type::INT16: return arrow::MakeScalar(static_cast<int16_t>(number(INT16_MIN, INT16_MAX)));
      case arrow::Type::INT32: return arrow::MakeScalar(static_cast<int32_t>(number(INT32_MIN, INT32_MAX)));
      case arrow::Type::INT64: return arrow::MakeScalar(number(INT64_MIN, INT64_MAX));
      case arrow::Type::FLOAT: return arrow::MakeScalar(static_cast<float>(number(-1000, 1000)) / 7);
      case arrow::Type::DOUBLE: return arrow::MakeScalar(static_cast<double>(number(INT64_MIN, INT64_MAX)) / 7);
      case arrow::Type::DECIMAL128: return decimal(static_cast<const arrow::Decimal128Type&>(*t));
      case arrow::Type::STRING: return arrow::MakeScalar(text());
      case arrow::Type::BINARY: return std::make_shared<arrow::BinaryScalar>(arrow::Buffer::FromString(text() + std::string(1, '\0')));
      case arrow::Type::DATE32: return arrow::MakeScalar(t, static_cast<int32_t>(number(-700'000, 2'900'000)));
      case arrow::Type::TIME64: return arrow::MakeScalar(t, number(0, 86'399'999'999));
      case arrow::Type::TIMESTAMP: return arrow::MakeScalar(t, number(-62'135'596'800'000'000, 253'402'300'799'999'999));
      default: return list(static_cast<const arrow::ListType&>(*t));
    }
  }

 private:
  std::shared_ptr<arrow::Scalar> decimal(const arrow::Decimal128Type& t) {
    std::string digits;
    for (int64_t n = number(1, t.precision()); n > 0; --n) digits += static_cast<char>('0' + number(0, 9));
    arrow::Decimal128 v(digits);
    return std::make_shared<arrow::Decimal128Scalar>(number(0, 1) == 0 ? v : -v, t.GetSharedPtr());
  }
  arrow::Result<std::shared_ptr<arrow::Scalar>> list(const arrow::ListType& t) {
    std::unique_ptr<arrow::ArrayBuilder> items;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilder(arrow::default_memory_pool(), t.value_type(), &items));
    for (int64_t n = number(0, 4); n > 0; --n) {
      ARROW_ASSIGN_OR_RAISE(const auto item, scalar(t.value_type()));
      ARROW_RETURN_NOT_OK(items->AppendScalar(*item));
    }
    ARROW_ASSIGN_OR_RAISE(const auto array, items->Finish());
    return std::make_shared<arrow::ListScalar>(array, t.GetSharedPtr());
  }
  std::mt19937_64 random_;
};

struct Coded {
  std::shared_ptr<arrow::RecordBatch> rows;
  std::string bytes;
  std::vector<DecodeColumn> columns;
};

Coded encode_random(uint64_t seed, int64_t rows) {
  Values values(seed);
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  Coded out;
  std::vector<RowEncoder::Target> targets;
  for (const Kind& k : kinds()) {
    const std::string name = "c" + std::to_string(fields.size());
    std::unique_ptr<arrow::ArrayBuilder> builder;
    EXPECT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), k.type, &builder).ok());
    for (int64_t i = 0; i < rows; ++i) EXPECT_TRUE(builder->AppendScalar(**values.scalar(k.type)).ok());
    arrays.push_back(*builder->Finish());
    fields.push_back(arrow::field(name, k.type));
    targets.push_back({name, k.type, wire_type(k)});
    out.columns.push_back({name, wire_type(k), column::canonical_type(k.type)});
  }
  out.rows = arrow::RecordBatch::Make(arrow::schema(fields), rows, arrays);
  const RowEncoder encoder = *RowEncoder::make(targets);
  const auto flat = *RowEncoder::flatten(*column::import_batch(*out.rows, arrow::default_memory_pool()), arrow::default_memory_pool());
  for (int64_t first = 0, done = 0; first < rows; first += done) EXPECT_TRUE(encoder.append(flat, first, SIZE_MAX, out.bytes, done).ok());
  return out;
}

TEST(PostgresCodec, WhatIsWrittenIsRead) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    const Coded coded = encode_random(seed, 300);
    const auto batch = decode_copied(arrow::Buffer::FromString(coded.bytes), 300, coded.columns, true, arrow::default_memory_pool());
    ASSERT_TRUE(batch.ok()) << base::describe_error(batch.status());
    const auto back = *column::export_batch(*batch, coded.rows->schema(), arrow::default_memory_pool());
    ASSERT_TRUE(back->ValidateFull().ok());
    EXPECT_TRUE(back->Equals(*coded.rows)) << "seed " << seed;
  }
}

TEST(PostgresCodec, BrokenBytesAreErrors) {
  const Coded coded = encode_random(7, 20);
  std::mt19937_64 random(20);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = coded.bytes;
    for (uint64_t n = random() % 4; n > 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 2 == 0) bytes.resize(random() % bytes.size());
    const auto batch = decode_copied(arrow::Buffer::FromString(bytes), 20, coded.columns, true, arrow::default_memory_pool());
    if (!batch.ok()) continue;  // or other values, but then whole ones
    const auto back = column::export_batch(*batch, coded.rows->schema(), arrow::default_memory_pool());
    ASSERT_TRUE(back.ok());
    ASSERT_TRUE((*back)->ValidateFull().ok()) << (*back)->ValidateFull().ToString() << "round " << round;
  }
}

std::string numeric_round_trip(const std::string& digits, int scale, bool negative) {
  std::string wire;
  append_numeric(negative, digits, scale, wire);
  std::string out;
  append_numeric_text(std::string_view(wire).substr(4), out);
  return out;
}

TEST(PostgresCodec, NumericsAreExact) {
  EXPECT_EQ(numeric_round_trip("0", 3, true), "0.000");
  EXPECT_EQ(numeric_round_trip("12", 5, false), "0.00012");
  EXPECT_EQ(numeric_round_trip("100000000", 0, true), "-100000000");
  EXPECT_EQ(numeric_round_trip("12345", 4, false), "1.2345");
  EXPECT_EQ(numeric_round_trip("1", -9, false), "1000000000");
  EXPECT_EQ(numeric_round_trip("99999999999999999999999999999999999999", 19, false), "9999999999999999999.9999999999999999999");
  EXPECT_EQ(integer_digits(__int128{99999}, 2), 3);
  EXPECT_EQ(integer_digits(__int128{1}, 2), 0);
  EXPECT_EQ(integer_digits(999999999999999.9), 16);  // its 15 digits round up
  EXPECT_EQ(integer_digits(0.5), 0);
  __int128 v = 0;
  std::string wire;
  append_numeric(false, "12345", 3, wire);
  EXPECT_FALSE(numeric_to_decimal(std::string_view(wire).substr(4), 38, 2, &v));
  EXPECT_TRUE(numeric_to_decimal(std::string_view(wire).substr(4), 7, 5, &v));
  EXPECT_EQ(static_cast<int64_t>(v), 1234500);
  EXPECT_FALSE(numeric_to_decimal(std::string_view(wire).substr(4), 6, 5, &v));
}

}  // namespace
}  // namespace gristmill::io::test
