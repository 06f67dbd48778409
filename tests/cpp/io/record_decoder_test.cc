// Messages to rows and back: what was written is read, and damaged bytes are bad messages or other rows, never a crash.

#include <gtest/gtest.h>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <random>

#include "column/batch.h"
#include "io/avro_schema.h"
#include "io/record_decoder.h"
#include "io/record_encoder.h"

namespace gristmill::io {
namespace {

std::shared_ptr<arrow::RecordBatch> sample(int64_t rows) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  arrow::DoubleBuilder numbers;
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(ids.Append(i * 1'000'003 - 7).ok());
    EXPECT_TRUE((i % 3 == 0 ? texts.AppendNull() : texts.Append(std::string(static_cast<size_t>(i % 40), 'x'))).ok());
    EXPECT_TRUE(numbers.Append(static_cast<double>(i) / 3).ok());
  }
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("s", arrow::utf8()), arrow::field("x", arrow::float64())});
  return arrow::RecordBatch::Make(schema, rows, {*ids.Finish(), *texts.Finish(), *numbers.Finish()});
}

column::Batch flat_of(const arrow::RecordBatch& rows) {
  column::Batch b = column::import_batch(rows, arrow::default_memory_pool()).ValueOrDie();
  for (column::Column& c : b.columns) c = column::flatten(c, b.rows, arrow::default_memory_pool()).ValueOrDie();
  return b;
}

std::vector<std::string> encoded(const RecordEncoder& encoder, const column::Batch& flat) {
  std::vector<std::string> out(static_cast<size_t>(flat.rows));
  for (int64_t i = 0; i < flat.rows; ++i) EXPECT_TRUE(encoder.encode(flat, i, out[static_cast<size_t>(i)]).ValueOrDie());
  return out;
}

std::vector<RecordBytes> bytes_of(const std::vector<std::string>& messages) {
  std::vector<RecordBytes> out;
  for (const std::string& m : messages) out.push_back({m.data(), std::ssize(m)});
  return out;
}

std::shared_ptr<arrow::RecordBatch> exported(DecodedRows rows, const std::shared_ptr<arrow::Schema>& schema) {
  column::Batch b;
  b.rows = rows.rows;
  b.columns = std::move(rows.columns);
  auto out = column::export_batch(b, schema, arrow::default_memory_pool()).ValueOrDie();
  EXPECT_TRUE(out->ValidateFull().ok());
  return out;
}

struct Form {
  RecordDecoderPtr decoder;
  std::vector<std::string> messages;
};

Form json_form(const std::shared_ptr<arrow::RecordBatch>& rows) {
  const auto encoder = json_encoder(rows->schema(), false).ValueOrDie();
  return {json_decoder({{"id", "int64"}, {"s", "string"}, {"x", "float64"}}).ValueOrDie(), encoded(*encoder, flat_of(*rows))};
}

Form avro_form(const std::shared_ptr<arrow::RecordBatch>& rows) {
  const auto encoder = avro_encoder(rows->schema(), "", AvroFraming::kNone, 0).ValueOrDie();
  const std::string schema = avro_schema_for(*rows->schema(), "row").ValueOrDie();
  return {avro_decoder(schema, AvroFraming::kNone).ValueOrDie(), encoded(*encoder, flat_of(*rows))};
}

Form ipc_form(const std::shared_ptr<arrow::RecordBatch>& rows) {
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(out, rows->schema()).ValueOrDie();
  EXPECT_TRUE(writer->WriteRecordBatch(*rows).ok() && writer->Close().ok());
  return {ipc_decoder(rows->schema()).ValueOrDie(), {out->Finish().ValueOrDie()->ToString()}};
}

TEST(RecordDecoder, what_was_encoded_comes_back) {
  const auto rows = sample(500);
  for (const Form& f : {json_form(rows), avro_form(rows), ipc_form(rows)}) {
    DecodedRows decoded = f.decoder->decode(bytes_of(f.messages), arrow::default_memory_pool()).ValueOrDie();
    EXPECT_TRUE(decoded.bad.empty());
    EXPECT_TRUE(exported(std::move(decoded), f.decoder->schema())->Equals(*rows)) << f.decoder->format();
  }
}

TEST(RecordDecoder, a_bad_record_leaves_no_row_and_the_others_know_theirs) {
  const auto rows = sample(20);
  for (Form f : {json_form(rows), avro_form(rows)}) {
    f.messages[3] = "\x01";
    f.messages[19].pop_back();
    const DecodedRows decoded = f.decoder->decode(bytes_of(f.messages), arrow::default_memory_pool()).ValueOrDie();
    ASSERT_EQ(decoded.bad.size(), 2u) << f.decoder->format();
    EXPECT_EQ(decoded.bad[0].record, 3);
    EXPECT_EQ(decoded.bad[1].record, 19);
    EXPECT_EQ(decoded.rows, 18);
    ASSERT_EQ(decoded.record_of.size(), 18u);
    EXPECT_EQ(decoded.record_of[2], 2);
    EXPECT_EQ(decoded.record_of[3], 4);
  }
}

TEST(RecordDecoder, damaged_bytes_are_bad_records_or_other_rows) {
  constexpr uint64_t kSeed = 20260131;
  std::mt19937_64 random(kSeed);
  const auto rows = sample(40);
  int64_t bad = 0, rounds = 0;
  for (const Form& f : {json_form(rows), avro_form(rows), ipc_form(rows)}) {
    for (int round = 0; round < 300; ++round) {
      auto damaged = f.messages;
      for (std::string& m : damaged) {
        const int changes = static_cast<int>(random() % 4);
        for (int i = 0; i < changes && !m.empty(); ++i) {
          switch (random() % 3) {
            case 0: m[random() % m.size()] = static_cast<char>(random()); break;
            case 1: m.resize(random() % (m.size() + 1)); break;
            default: m.insert(random() % (m.size() + 1), 1, static_cast<char>(random()));
          }
        }
      }
      DecodedRows decoded = f.decoder->decode(bytes_of(damaged), arrow::default_memory_pool()).ValueOrDie();
      bad += std::ssize(decoded.bad);
      ++rounds;
      exported(std::move(decoded), f.decoder->schema());
    }
  }
  EXPECT_GT(bad, rounds);
}

TEST(AvroSchema, names_and_logical_types) {
  const auto t = parse_avro(R"({"type":"record","name":"a.r","fields":[
      {"name":"p","type":{"type":"fixed","name":"f","size":3}},{"name":"q","type":["null","f"]},{"name":"z","type":["null","a.f"]},
      {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
      {"name":"odd","type":{"type":"string","logicalType":"something"}}]})")
                     .ValueOrDie();
  EXPECT_EQ(avro_columns(*t)->ToString(), "p: binary\nq: binary\nz: binary\nd: decimal128(9, 2)\nodd: string");
  for (const char* wrong : {"{", "[]", R"({"type":"record","name":"r"})", R"("nothing")", R"({"type":"fixed","name":"f","size":-1})",
                            R"([["null"]])", R"({"type":"bytes","logicalType":"decimal","precision":39,"scale":0})"}) {
    EXPECT_FALSE(parse_avro(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace gristmill::io
