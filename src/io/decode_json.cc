// JSON messages by the NDJSON reader's columns: the whole object is one value of a struct type.

#include <algorithm>
#include <cstring>

#include <arrow/array/data.h>
#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/csv_plan.h"
#include "io/json_columns.h"
#include "io/json_infer.h"
#include "io/reader_source.h"
#include "io/record_decoder.h"
#include "io/text_shown.h"

namespace gristmill::io {
namespace {

constexpr int64_t kSlack = 64;  // readers look so far beyond a text

// The records one behind the other in one buffer that values may point into.
struct Block {
  std::shared_ptr<arrow::Buffer> buffer;
  std::vector<int64_t> begins;
  bool utf8 = false;  // all of it
};

arrow::Result<Block> join(std::span<const RecordBytes> records, arrow::MemoryPool* pool) {
  Block out;
  int64_t total = 0;
  for (const RecordBytes& r : records) total += r.size;
  if (total > INT32_MAX - kSlack) return base::data_error("messages of more than 2 GiB at once");
  ARROW_ASSIGN_OR_RAISE(out.buffer, column::allocate_buffer(total + kSlack, pool));
  auto* to = reinterpret_cast<char*>(out.buffer->mutable_data());
  out.begins.reserve(records.size());
  int64_t at = 0;
  for (const RecordBytes& r : records) {
    out.begins.push_back(at);
    if (r.size > 0) std::memcpy(to + at, r.data, static_cast<size_t>(r.size));
    at += r.size;
  }
  std::memset(to + at, 0, kSlack);
  out.utf8 = simdjson::validate_utf8(to, static_cast<size_t>(total));
  return out;
}

class JsonDecoder final : public RecordDecoder {
 public:
  JsonDecoder(std::shared_ptr<arrow::Schema> schema, column::TypePtr type, bool extra_fields)
      : schema_(std::move(schema)), type_(std::move(type)), extra_fields_(extra_fields) {}
  std::string format() const override { return "json"; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Result<DecodedRows> decode(std::span<const RecordBytes> records, arrow::MemoryPool* pool) const override {
    DecodedRows out;
    ARROW_ASSIGN_OR_RAISE(const Block block, join(records, pool));
    JsonColumnContext context{block.buffer, {extra_fields_, false}, pool};
    const auto root = make_json_column(type_, context);
    const auto* text = reinterpret_cast<const char*>(block.buffer->data());
    for (size_t i = 0; i < records.size(); ++i) {
      if (records[i].data == nullptr) {
        root->append_null();
      } else {
        const char* const begin = text + block.begins[i];
        const arrow::Status status = take(*root, begin, begin + records[i].size, block.utf8);
        if (!status.ok()) {
          if (out.bad.empty()) {
            for (size_t j = 0; j < i; ++j) out.record_of.push_back(static_cast<int32_t>(j));
          }
          out.bad.push_back({static_cast<int64_t>(i), status});
          continue;
        }
      }
      if (!out.bad.empty()) out.record_of.push_back(static_cast<int32_t>(i));
    }
    out.rows = root->rows();
    ARROW_ASSIGN_OR_RAISE(const auto rows, root->finish());
    for (const auto& child : rows->child_data) out.columns.push_back(column::Column::flat(child));
    return out;
  }

 private:
  arrow::Status take(JsonColumn& root, const char* begin, const char* end, bool utf8) const {
    if (!utf8 && !simdjson::validate_utf8(begin, static_cast<size_t>(end - begin))) return base::data_error("the text is not valid UTF-8");
    JsonProblem problem;
    JsonCursor in(begin, end);
    const int64_t before = root.rows();
    const bool object = in.peek() == JsonKind::kObject;
    if (object && root.append(in, 0, problem) && in.at_end()) return arrow::Status::OK();
    root.truncate(before);
    base::ErrorDetail d;
    d.kind = base::ErrorKind::kData;
    if (!object || problem.malformed || problem.why.empty()) {
      if (problem.value.empty()) problem.value.assign(in.at(), static_cast<size_t>(std::min<int64_t>(end - in.at(), 40)));
      d.value = shown_value(problem.value);
      return base::with_detail(base::data_error("the message is not a JSON object, from here on"), d);
    }
    d.value = shown_value(problem.value);
    d.column = shown_value(problem.path.starts_with('.') ? problem.path.substr(1) : problem.path);
    return base::with_detail(base::data_error(problem.why), d);
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const column::TypePtr type_;  // a struct of them
  const bool extra_fields_;
};

}  // namespace

arrow::Result<RecordDecoderPtr> json_decoder(const ColumnTypes& given, bool extra_fields) {
  ARROW_ASSIGN_OR_RAISE(const auto columns, parse_column_types(given, "schema"));
  if (columns.empty()) return base::plan_error("JSON messages need a schema with a column", "schema={\"id\": \"int64\", ...}");
  arrow::FieldVector border, inside;
  const JsonColumnContext none;
  for (const auto& [name, type] : columns) {
    const auto canonical = column::canonical_type(type);
    if (make_json_column(canonical, none) == nullptr) {
      return base::plan_error("column \"" + name + "\" of type " + column::type_text(*canonical) + " cannot be read from JSON",
                              "read it as string");
    }
    inside.push_back(arrow::field(name, canonical));
    border.push_back(arrow::field(name, border_of(canonical)));
  }
  ARROW_ASSIGN_OR_RAISE(auto schema, border_schema(arrow::Schema(border), "JSON messages"));
  return std::make_shared<JsonDecoder>(std::move(schema), arrow::struct_(inside), extra_fields);
}

arrow::Result<ColumnTypes> guess_json_columns(std::span<const RecordBytes> records, bool dates) {
  ARROW_ASSIGN_OR_RAISE(const Block block, join(records, arrow::default_memory_pool()));
  const auto* text = reinterpret_cast<const char*>(block.buffer->data());
  JsonGuess guess;
  for (size_t i = 0; i < records.size(); ++i) {
    const char* const begin = text + block.begins[i];
    if (!simdjson::validate_utf8(begin, static_cast<size_t>(records[i].size))) continue;
    JsonCursor in(begin, begin + records[i].size);
    if (in.peek() == JsonKind::kObject) guess.add(in, dates);
  }
  ColumnTypes out;
  for (const auto& f : guess.fields()) out.emplace_back(f.name, column::type_text(*f.guess->type()));
  return out;
}

}  // namespace gristmill::io
