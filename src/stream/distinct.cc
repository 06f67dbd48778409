// Keeps the first of equal rows over a stream that need not end.
//
// Workers encode the keys of a batch and drop what is double within it; in order, the rows whose key was never seen leave. The keys are
// kept as bytes, counted against the memory limit, which ends the run with an error when they do not fit: a stream whose keys never repeat
// must have a window, or a time to live, before it.
//
// Invariant: of equal rows the one that came first leaves, in its place.

#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/memory_budget.h"
#include "column/kernels.h"
#include "column/key_encoding.h"
#include "stream/key_group.h"
#include "stream/simple_operators.h"
#include "stream/snapshot.h"

namespace gristmill::stream {
namespace {

using column::Batch;

struct Keys final : Piece {
  Batch batch;
  column::EncodedKeys keys;
  std::vector<uint16_t> firsts;  // of equal rows of this batch
  int64_t bytes() const override { return column::retained_bytes(batch) + static_cast<int64_t>(keys.bytes.size()); }
};

std::string_view text(std::span<const uint8_t> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// FNV-1a over the bytes, spread by a last multiplication: the same in every process.
uint64_t hash_of(std::string_view bytes) {
  uint64_t h = 14695981039346656037ull;
  for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  h ^= h >> 32;
  return h * 0x9E3779B97F4A7C15ull;
}

class Distinct final : public StatefulOperator {
 public:
  Distinct(std::shared_ptr<arrow::Schema> schema, std::vector<int> columns) : schema_(std::move(schema)), columns_(std::move(columns)) {
    for (const int c : columns_) label_ += (label_.empty() ? "" : ", ") + schema_->field(c)->name();
  }
  std::string name() const override { return "distinct " + label_; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return schema_; }
  std::vector<std::string> partition_keys() const override {
    std::vector<std::string> out;
    for (const int c : columns_) out.push_back(schema_->field(c)->name());
    return out;
  }

  arrow::Status open(const OperatorContext& context) override {
    query_ = context.query;
    return arrow::Status::OK();
  }

  arrow::Result<std::unique_ptr<Piece>> prepare(Batch batch, const MorselPart&, exec::LocalState&) const override {
    auto piece = std::make_unique<Keys>();
    ARROW_ASSIGN_OR_RAISE(piece->batch, column::compact(std::move(batch), query_->pool()));
    std::vector<column::Column> keys;
    for (const int c : columns_) keys.push_back(piece->batch.columns[static_cast<size_t>(c)]);
    const std::vector<column::SortKey> order(keys.size());
    ARROW_ASSIGN_OR_RAISE(piece->keys, column::encode_keys(keys, order, piece->batch.rows));
    std::unordered_set<std::string_view> seen;
    for (int64_t i = 0; i < piece->batch.rows; ++i) {
      if (seen.insert(text(piece->keys.row(i))).second) piece->firsts.push_back(static_cast<uint16_t>(i));
    }
    return piece;
  }

  arrow::Status apply(std::unique_ptr<Piece> raw, const MorselPart&, Emitter& out) override {
    Keys& piece = static_cast<Keys&>(*raw);
    std::vector<uint16_t> kept;
    for (const uint16_t i : piece.firsts) {
      const std::string_view key = text(piece.keys.row(i));
      if (seen_.contains(key)) continue;
      ARROW_RETURN_NOT_OK(remember(key));
      kept.push_back(i);
    }
    if (kept.empty()) return arrow::Status::OK();
    piece.batch.selection = column::Selection::from_indices(std::move(kept), piece.batch.rows);
    return out.rows(std::move(piece.batch));
  }
  arrow::Status on_watermark(int, int64_t ticks, Emitter& out) override { return out.watermark(ticks); }

  int64_t bytes() const override { return bytes_; }
  std::map<std::string, int64_t> stats() const override { return {{"keys", static_cast<int64_t>(seen_.size())}}; }

  arrow::Status snapshot(SnapshotWriter& writer) override {
    writer.describe("distinct", 1, fingerprint());
    std::vector<std::vector<std::string_view>> groups(kKeyGroups);
    for (const std::string& key : seen_) groups[static_cast<size_t>(key_group(hash_of(key)))].push_back(key);
    for (int g = 0; g < kKeyGroups; ++g) {
      arrow::BinaryBuilder builder(writer.pool());
      for (const std::string_view key : groups[static_cast<size_t>(g)]) ARROW_RETURN_NOT_OK(builder.Append(key));
      ARROW_ASSIGN_OR_RAISE(auto keys, builder.Finish());
      const auto rows = arrow::RecordBatch::Make(arrow::schema({arrow::field("key", arrow::binary())}), keys->length(), {keys});
      ARROW_RETURN_NOT_OK(writer.put("seen", g, *rows));
    }
    return arrow::Status::OK();
  }

  arrow::Status restore(SnapshotReader& reader) override {
    ARROW_RETURN_NOT_OK(reader.check("distinct", 1, fingerprint()));
    return reader.each("seen", [this](int, const RecordBatchPtr& rows) -> arrow::Status {
      const auto& keys = static_cast<const arrow::BinaryArray&>(*rows->column(0));
      for (int64_t i = 0; i < keys.length(); ++i) ARROW_RETURN_NOT_OK(remember(keys.GetView(i)));
      return arrow::Status::OK();
    });
  }

  std::string fingerprint() const override {
    std::string out;
    for (const int c : columns_) out += schema_->field(c)->ToString() + ";";
    return out;
  }

 private:
  static constexpr int64_t kStep = 1 << 20;  // reservations grow by this
  static constexpr int64_t kEntry = 64;      // what an entry takes beside its bytes

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return static_cast<size_t>(hash_of(key)); }
  };

  arrow::Status remember(std::string_view key) {
    if (!seen_.emplace(key).second) return arrow::Status::OK();
    bytes_ += kEntry + static_cast<int64_t>(key.size());
    if (bytes_ <= reserved_.bytes()) return arrow::Status::OK();
    if (reserved_.bytes() == 0) {
      ARROW_ASSIGN_OR_RAISE(reserved_, query_->memory->reserve(kStep, "distinct"));
      return arrow::Status::OK();
    }
    return reserved_.grow_to(bytes_ + bytes_ / 4 + kStep);
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<int> columns_;
  std::string label_;
  const exec::QueryContext* query_ = nullptr;
  std::unordered_set<std::string, Hash, std::equal_to<>> seen_;
  base::Reservation reserved_;
  int64_t bytes_ = 0;
};

}  // namespace

StatefulSpec distinct_spec(std::shared_ptr<arrow::Schema> schema, std::vector<int> columns) {
  return {"distinct", schema, false,
          [schema, columns]() -> arrow::Result<StatefulOperatorPtr> { return std::make_shared<Distinct>(schema, columns); }};
}

}  // namespace gristmill::stream
