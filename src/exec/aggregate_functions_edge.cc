// first and last: the value, or null, of the group's row with the smallest or greatest order. The order travels with
// the value, so batches may come in any sequence.

#include <arrow/type.h>

#include "column/buffers.h"
#include "exec/aggregate_functions.h"
#include "exec/group_codec.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

// State: the kept row's order + 1, 8 (0: none yet) | what the subclass keeps; one flag byte: it is not null.
class Edge : public AggregateFunction {
 public:
  explicit Edge(bool last) : last_(last) {}
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const column::ValidityBits valid = column::validity_of(*span.values);
    const bool typeless = span.values->type->id() == arrow::Type::NA;
    for (int64_t k = 0; k < span.n; ++k) {
      uint8_t* const row = span.rows[k];
      const int64_t i = span.begin + k;
      const uint64_t order = span.orders.at(i) + 1;
      if (!wanted(row, order)) continue;
      const bool there = !typeless && valid.valid(i);
      if (there) ARROW_RETURN_NOT_OK(keep(row, *span.values, i, *span.tables));
      row[flag_] = there;
      store(row + state_, order);
    }
    return arrow::Status::OK();
  }

  arrow::Status update_one(uint8_t* row, const UpdateSpan& span) const override {
    if (span.n == 0) return arrow::Status::OK();
    UpdateSpan one = span;
    one.rows = &row;
    one.begin = last_ ? span.begin + span.n - 1 : span.begin;
    one.n = 1;
    return update(one);
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const auto order = load<uint64_t>(span.from[k] + state_);
      if (order == 0 || !wanted(span.into[k], order)) continue;
      ARROW_RETURN_NOT_OK(take_over(span.into[k], span.from[k], span));
      span.into[k][flag_] = span.from[k][flag_];
      store(span.into[k] + state_, order);
    }
    return arrow::Status::OK();
  }

 protected:
  virtual arrow::Status keep(uint8_t* row, const ArrayData& values, int64_t i, TableSet& tables) const = 0;
  virtual arrow::Status take_over(uint8_t* into, const uint8_t* from, const MergeSpan& span) const = 0;

  uint8_t* value(uint8_t* row) const { return row + state_ + 8; }
  const uint8_t* value(const uint8_t* row) const { return row + state_ + 8; }

  arrow::Result<Validity> validity(std::span<const uint8_t* const> rows, arrow::MemoryPool* pool) const {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(Validity v, Validity::make(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (!rows[static_cast<size_t>(i)][flag_]) v.set_null(i);
    }
    return v;
  }

 private:
  bool wanted(const uint8_t* row, uint64_t order) const {
    const auto have = load<uint64_t>(row + state_);
    return have == 0 || (last_ ? order > have : order < have);
  }

  bool last_;
};

// Fixed width up to 16 bytes; bool as a byte; no bytes for a column without type.
class FixedEdge final : public Edge {
 public:
  FixedEdge(bool last, Physical p) : Edge(last), physical_(p), width_(p == Physical::kBool ? 1 : column::byte_width(p)) {}
  int state_bytes() const override { return width_ > 8 ? 24 : 16; }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    if (physical_ == Physical::kNull) return column::make_null_array(type, n, pool);
    ARROW_ASSIGN_OR_RAISE(Validity valid, validity(rows, pool));
    std::shared_ptr<arrow::Buffer> data;
    if (physical_ == Physical::kBool) {
      ARROW_ASSIGN_OR_RAISE(data, column::allocate_bits(n, pool));
      for (int64_t i = 0; i < n; ++i) {
        if (valid.valid(i) && *value(rows[static_cast<size_t>(i)])) data->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
      }
    } else {
      ARROW_ASSIGN_OR_RAISE(data, column::allocate_zeroed(n * width_, pool));
      for (int64_t i = 0; i < n; ++i) {
        if (valid.valid(i))
          std::memcpy(data->mutable_data() + i * width_, value(rows[static_cast<size_t>(i)]), static_cast<size_t>(width_));
      }
    }
    const int64_t nulls = valid.nulls();
    return column::make_array(type, n, std::move(valid).take(), nulls, std::move(data));
  }

 private:
  arrow::Status keep(uint8_t* row, const ArrayData& values, int64_t i, TableSet&) const override {
    if (physical_ == Physical::kBool) {
      *value(row) = column::bit_at(values.buffers[1]->data(), values.offset + i);
    } else {
      std::memcpy(value(row), values.buffers[1]->data() + (values.offset + i) * width_, static_cast<size_t>(width_));
    }
    return arrow::Status::OK();
  }
  arrow::Status take_over(uint8_t* into, const uint8_t* from, const MergeSpan&) const override {
    std::memcpy(value(into), value(from), width_ > 8 ? 16 : 8);
    return arrow::Status::OK();
  }

  Physical physical_;
  int width_;
};

// Strings as they are, nested values encoded.
class BlobEdge final : public Edge {
 public:
  BlobEdge(bool last, bool nested) : Edge(last), nested_(nested) {}
  int state_bytes() const override { return 8 + sizeof(Blob); }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    const auto blob_of = [&](int64_t i) { return reinterpret_cast<const Blob*>(value(rows[static_cast<size_t>(i)])); };
    ARROW_ASSIGN_OR_RAISE(Validity valid, validity(rows, pool));
    if (!nested_) return make_views(type, n, [&](int64_t i) { return blob_of(i)->bytes(); }, std::move(valid), pool);
    static constexpr uint8_t kNullValue = 0;
    std::vector<const uint8_t*> cursors(rows.size());
    for (int64_t i = 0; i < n; ++i) cursors[static_cast<size_t>(i)] = valid.valid(i) ? blob_of(i)->data() : &kNullValue;
    return decode_values(type, cursors, pool);
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kBlob, state_ + 8, number_}); }

  arrow::Status keep(uint8_t* row, const ArrayData& values, int64_t i, TableSet& tables) const override {
    GroupTable& table = tables.owner(row);
    Blob* const blob = reinterpret_cast<Blob*>(value(row));
    if (!nested_) return table.arena().assign(blob, column::view_at(values, i), table.pool());
    std::vector<uint8_t> bytes;
    encode_value(values, i, &bytes);
    return table.arena().assign(blob, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, table.pool());
  }
  arrow::Status take_over(uint8_t* into, const uint8_t* from, const MergeSpan& span) const override {
    const Blob& x = *reinterpret_cast<const Blob*>(value(from));
    Blob* const blob = reinterpret_cast<Blob*>(value(into));
    if (!span.adopt) return span.into_table.arena().assign(blob, x.bytes(), span.into_table.pool());
    *blob = x;
    return arrow::Status::OK();
  }

  bool nested_;
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_edge(const expr::BoundAggregate& a, bool last) {
  ARROW_ASSIGN_OR_RAISE(const Physical p, column::physical_of(*a.args[0]->type));
  if (p == Physical::kView || p == Physical::kNested) return std::make_unique<BlobEdge>(last, p == Physical::kNested);
  return std::make_unique<FixedEdge>(last, p);
}

}  // namespace gristmill::exec
