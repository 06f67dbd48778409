// Keeps the first of equal rows over a stream that need not end.
//
// Workers encode the keys of a batch and drop what is double within it; in order, the rows whose key was never seen leave. The keys are
// kept as bytes. Where memory is short they go to disk, of each a place of 24 bytes stays (cold_states.h): a stream whose keys never repeat
// must have a window before it.
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

#include "column/kernels.h"
#include "column/key_encoding.h"
#include "stream/cold_states.h"
#include "stream/key_group.h"
#include "stream/simple_operators.h"
#include "stream/snapshot.h"
#include "stream/spill_gate.h"

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
    cold_ = std::make_unique<ColdStates>(query_->memory);
    const auto size = [this] { return SpillGate::Size{bytes_ + cold_->bytes(), bytes_}; };
    gate_ = std::make_unique<SpillGate>("distinct", *query_, size, [this] { return put_away(); });
    return gate_->open();
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
    ARROW_RETURN_NOT_OK(gate_->inside(piece.bytes() * 2, [&]() -> arrow::Status {
      ARROW_RETURN_NOT_OK(wake_keys_of(piece));
      for (const uint16_t i : piece.firsts) {
        if (remember(text(piece.keys.row(i)))) kept.push_back(i);
      }
      return arrow::Status::OK();
    }));
    if (kept.empty()) return arrow::Status::OK();
    piece.batch.selection = column::Selection::from_indices(std::move(kept), piece.batch.rows);
    return out.rows(std::move(piece.batch));
  }
  arrow::Status on_watermark(int, int64_t ticks, Emitter& out) override { return out.watermark(ticks); }

  int64_t bytes() const override { return gate_ ? gate_->bytes() : 0; }
  std::map<std::string, int64_t> stats() const override {
    if (!gate_) return {};
    return gate_->look([&]() -> std::map<std::string, int64_t> {
      return {{"keys", static_cast<int64_t>(seen_.size()) + cold_->keys()}, {"keys_on_disk", cold_->keys()}, {"spills", gate_->spills()}};
    });
  }

  arrow::Status snapshot(SnapshotWriter& writer) override {
    writer.describe("distinct", 1, fingerprint());
    return gate_->inside(0, [&]() -> arrow::Status {
      std::vector<std::vector<std::string>> groups(kKeyGroups);
      size_t waiting = 0;
      const auto add = [&](uint64_t hash, std::string_view key) -> arrow::Status {
        groups[static_cast<size_t>(key_group(hash))].emplace_back(key);
        waiting += key.size() + kEntry;
        return waiting > kMostWaiting ? (waiting = 0, put_groups(writer, groups)) : arrow::Status::OK();
      };
      for (const std::string& key : seen_) ARROW_RETURN_NOT_OK(add(hash_of(key), key));
      ARROW_RETURN_NOT_OK(cold_->each(add));
      return put_groups(writer, groups);
    });
  }

  arrow::Status restore(SnapshotReader& reader) override {
    ARROW_RETURN_NOT_OK(reader.check("distinct", 1, fingerprint()));
    return gate_->inside(0, [&] {
      return reader.each("seen", [this](int, const RecordBatchPtr& rows) -> arrow::Status {
        const auto& keys = static_cast<const arrow::BinaryArray&>(*rows->column(0));
        for (int64_t i = 0; i < keys.length(); ++i) remember(keys.GetView(i));
        return gate_->make_room();
      });
    });
  }

  std::string fingerprint() const override {
    std::string out;
    for (const int c : columns_) out += schema_->field(c)->ToString() + ";";
    return out;
  }

 private:
  static constexpr size_t kMostWaiting = size_t{8} << 20;  // bytes of a snapshot before they are handed on
  static constexpr int64_t kEntry = 64;                    // what an entry takes beside its bytes

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return static_cast<size_t>(hash_of(key)); }
  };

  // False: it is known.
  bool remember(std::string_view key) {
    if (seen_.contains(key)) return false;
    seen_.emplace(key);
    bytes_ += kEntry + static_cast<int64_t>(key.size());
    return true;
  }

  arrow::Status put_away() {
    for (const std::string& key : seen_) ARROW_RETURN_NOT_OK(cold_->put(hash_of(key), kAllTime, key));
    seen_ = decltype(seen_)();
    bytes_ = 0;
    return cold_->flush();
  }

  arrow::Status wake_keys_of(const Keys& piece) {
    if (cold_->empty()) return arrow::Status::OK();
    std::vector<uint64_t> hashes;
    for (const uint16_t i : piece.firsts) {
      const std::string_view key = text(piece.keys.row(i));
      if (!seen_.contains(key)) hashes.push_back(hash_of(key));
    }
    return cold_->take(std::move(hashes), [this](uint64_t, std::string_view key) {
      remember(key);
      return arrow::Status::OK();
    });
  }

  static arrow::Status put_groups(SnapshotWriter& writer, std::vector<std::vector<std::string>>& groups) {
    for (int g = 0; g < kKeyGroups; ++g) {
      auto& group = groups[static_cast<size_t>(g)];
      arrow::BinaryBuilder builder(writer.pool());
      for (const std::string& key : group) ARROW_RETURN_NOT_OK(builder.Append(key));
      group.clear();
      ARROW_ASSIGN_OR_RAISE(auto keys, builder.Finish());
      const auto rows = arrow::RecordBatch::Make(arrow::schema({arrow::field("key", arrow::binary())}), keys->length(), {keys});
      ARROW_RETURN_NOT_OK(writer.put("seen", g, *rows));
    }
    return arrow::Status::OK();
  }

  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<int> columns_;
  std::string label_;
  const exec::QueryContext* query_ = nullptr;
  std::unordered_set<std::string, Hash, std::equal_to<>> seen_;
  int64_t bytes_ = 0;
  std::unique_ptr<ColdStates> cold_;
  std::unique_ptr<SpillGate> gate_;
};

}  // namespace

StatefulSpec distinct_spec(std::shared_ptr<arrow::Schema> schema, std::vector<int> columns) {
  return {"distinct", schema, false,
          [schema, columns]() -> arrow::Result<StatefulOperatorPtr> { return std::make_shared<Distinct>(schema, columns); }};
}

}  // namespace gristmill::stream
