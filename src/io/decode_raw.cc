// Messages as they are: bytes, or text.

#include <algorithm>
#include <cstring>

#include <arrow/array/data.h>
#include <arrow/type.h>
#include <simdjson.h>

#include "base/status.h"
#include "column/buffers.h"
#include "io/record_decoder.h"
#include "io/text_shown.h"
#include "io/text_views.h"

namespace gristmill::io {
namespace {

constexpr int64_t kSlack = 64;

class RawDecoder final : public RecordDecoder {
 public:
  explicit RawDecoder(bool text) : text_(text), schema_(arrow::schema({arrow::field("value", text ? arrow::utf8() : arrow::binary())})) {}
  std::string format() const override { return text_ ? "text" : "raw"; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Result<DecodedRows> decode(std::span<const RecordBytes> records, arrow::MemoryPool* pool) const override {
    DecodedRows out;
    std::vector<RecordBytes> good;
    for (size_t i = 0; i < records.size(); ++i) {
      const RecordBytes& r = records[i];
      if (text_ && r.data != nullptr && !simdjson::validate_utf8(r.data, static_cast<size_t>(r.size))) {
        out.bad.push_back(
            {static_cast<int64_t>(i),
             base::data_error("the text is not valid UTF-8", shown_value({r.data, static_cast<size_t>(std::min<int64_t>(r.size, 40))}))});
        continue;
      }
      good.push_back(r);
      out.record_of.push_back(static_cast<int32_t>(i));
    }
    if (out.bad.empty()) out.record_of.clear();
    out.rows = std::ssize(good);
    ARROW_ASSIGN_OR_RAISE(auto column, bytes_column(good, text_, pool));
    out.columns.push_back(std::move(column));
    return out;
  }

 private:
  const bool text_;
  const std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

RecordDecoderPtr raw_decoder(bool text) { return std::make_shared<RawDecoder>(text); }

arrow::Result<column::Column> bytes_column(std::span<const RecordBytes> values, bool text, arrow::MemoryPool* pool) {
  int64_t total = 0, nulls = 0;
  for (const RecordBytes& v : values) {
    total += v.size;
    nulls += v.data == nullptr;
  }
  if (total > INT32_MAX - kSlack) return base::data_error("messages of more than 2 GiB at once");
  const int64_t n = std::ssize(values);
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> block, column::allocate_buffer(total + kSlack, pool));
  ARROW_ASSIGN_OR_RAISE(auto views, column::allocate_zeroed(n * 16, pool));
  std::shared_ptr<arrow::Buffer> valid;
  if (nulls > 0) {
    ARROW_ASSIGN_OR_RAISE(valid, column::allocate_bits(n, pool));
  }
  auto* to = reinterpret_cast<char*>(block->mutable_data());
  auto* view = reinterpret_cast<column::View16*>(views->mutable_data());
  ViewTexts texts;
  texts.base = to;
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    const RecordBytes& v = values[static_cast<size_t>(i)];
    if (v.data == nullptr) continue;
    if (valid != nullptr) valid->mutable_data()[i >> 3] |= static_cast<uint8_t>(1 << (i & 7));
    std::memcpy(to + at, v.data, static_cast<size_t>(v.size));
    texts.set(view[i], to + at, v.size);
    at += v.size;
  }
  ARROW_ASSIGN_OR_RAISE(auto behind, texts.finish(view, n, block, pool));
  auto out = column::make_array(text ? arrow::utf8_view() : arrow::binary_view(), n, std::move(valid), nulls, std::move(views));
  out->buffers.insert(out->buffers.end(), behind.begin(), behind.end());
  return column::Column::flat(std::move(out));
}

}  // namespace gristmill::io
