// Records: the order of the row and its values. A lone argument of fixed width is a word or two behind it, with its null in the top bit
// of the order (orders stay below it); anything else is encoded, with the record's length.
//
//   order 8 | value                           or          order 8 | bytes 4 | values, encoded

#include "exec/kept_rows.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "column/key_encoding.h"
#include "exec/group_codec.h"
#include "exec/group_values.h"
#include "exec/value_chain.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::Physical;
using ArrayResult = arrow::Result<std::shared_ptr<ArrayData>>;

constexpr uint64_t kNullBit = uint64_t{1} << 63;

struct Record {
  uint64_t order;
  const uint8_t* value;
};

// A vector of the query's memory.
class Records {
 public:
  static arrow::Result<Records> make(int64_t n, arrow::MemoryPool* pool) {
    Records r;
    ARROW_ASSIGN_OR_RAISE(r.memory_, PoolBytes::allocate(std::max<int64_t>(n, 1) * static_cast<int64_t>(sizeof(Record)), pool));
    return r;
  }
  Record* begin() const { return reinterpret_cast<Record*>(memory_.data()); }

 private:
  PoolBytes memory_;
};

// State: a ValueChain.
class KeptRows final : public AggregateFunction {
 public:
  KeptRows(std::vector<column::TypePtr> types, std::vector<expr::AggregateOrder> order, bool skip_nulls,
           std::unique_ptr<GroupFinisher> finisher)
      : types_(std::move(types)), order_(std::move(order)), skip_nulls_(skip_nulls), finisher_(std::move(finisher)) {
    const Physical p = column::physical_unchecked(*types_[0]);
    if (types_.size() > 1 || p == Physical::kNull || p == Physical::kView || p == Physical::kNested) return;
    width_ = p == Physical::kBool ? 1 : column::byte_width(p);
  }
  int state_bytes() const override { return sizeof(ValueChain); }

  arrow::Status update(const UpdateSpan& span) const override {
    std::vector<const ArrayData*> arguments;
    if (types_.size() == 1) {
      arguments.push_back(span.values);
    } else {
      for (const auto& child : span.values->child_data) arguments.push_back(child.get());
    }
    const ArrayData& first = *arguments[0];
    const column::ValidityBits valid = column::validity_of(first);
    const bool typeless = first.type->id() == arrow::Type::NA;
    std::vector<uint8_t> bytes;
    for (int64_t k = 0; k < span.n; ++k) {
      const int64_t i = span.begin + k;
      const bool there = !typeless && valid.valid(i);
      if (!there && skip_nulls_) continue;
      arrow::Status status;
      if (width_ > 0) {
        status = keep_fixed(span, k, there);
      } else {
        bytes.clear();
        for (const ArrayData* a : arguments) encode_value(*a, i, &bytes);
        status = keep_encoded(span, k, bytes);
      }
      if (status.ok()) continue;
      if (span.done) *span.done = k;
      return status;
    }
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override { return merge_chains(span, state_); }

  ArrayResult finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type, arrow::MemoryPool* pool) const override {
    GroupRows all;
    ARROW_ASSIGN_OR_RAISE(const Records records, gather(rows, &all.offsets, pool));
    if (all.offsets.back() > std::numeric_limits<int32_t>::max()) {
      return base::data_error("a group keeps more than 2147483647 rows, which no list holds");
    }
    ARROW_RETURN_NOT_OK(decode({records.begin(), static_cast<size_t>(all.offsets.back())}, &all.arguments, pool));
    ARROW_RETURN_NOT_OK(sort_group_rows(order_, &all, pool));
    return finisher_->finish(all, type, pool);
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kChain, state_, number_}); }

  arrow::Result<uint8_t*> append(const UpdateSpan& span, int64_t k, int64_t n) const {
    uint8_t* const row = span.rows[k];
    GroupTable& table = span.tables->owner(row);
    auto chain = load<ValueChain>(row + state_);
    ARROW_ASSIGN_OR_RAISE(uint8_t* const record, chain.append(n, table.arena(), table.pool()));
    store(row + state_, chain);
    return record;
  }

  arrow::Status keep_fixed(const UpdateSpan& span, int64_t k, bool there) const {
    const int64_t i = span.begin + k;
    ARROW_ASSIGN_OR_RAISE(uint8_t* const record, append(span, k, 8 + width_));
    store<uint64_t>(record, span.orders.at(i) | (there ? 0 : kNullBit));
    const ArrayData& values = *span.values;
    if (column::physical_unchecked(*types_[0]) == Physical::kBool) {
      record[8] = there && column::bit_at(values.buffers[1]->data(), values.offset + i);
    } else if (there) {
      std::memcpy(record + 8, values.buffers[1]->data() + (values.offset + i) * width_, static_cast<size_t>(width_));
    } else {
      std::memset(record + 8, 0, static_cast<size_t>(width_));
    }
    return arrow::Status::OK();
  }

  arrow::Status keep_encoded(const UpdateSpan& span, int64_t k, const std::vector<uint8_t>& bytes) const {
    ARROW_ASSIGN_OR_RAISE(uint8_t* const record, append(span, k, 12 + static_cast<int64_t>(bytes.size())));
    store<uint64_t>(record, span.orders.at(span.begin + k));
    store<uint32_t>(record + 8, static_cast<uint32_t>(bytes.size()));
    std::memcpy(record + 12, bytes.data(), bytes.size());
    return arrow::Status::OK();
  }

  // f(record) for those of a chain.
  template <typename F>
  void each_record(const ValueChain& chain, F&& f) const {
    (void)chain.each_block([&](const uint8_t* at, int64_t n) {
      const uint8_t* const end = at + n;
      while (at < end) {
        f(at);
        at += width_ > 0 ? 8 + width_ : 12 + load<uint32_t>(at + 8);
      }
      return arrow::Status::OK();
    });
  }

  // Of each group in order.
  arrow::Result<Records> gather(std::span<const uint8_t* const> rows, std::vector<int64_t>* offsets, arrow::MemoryPool* pool) const {
    offsets->assign(1, 0);
    for (const uint8_t* const row : rows) {
      const auto chain = load<ValueChain>(row + state_);
      int64_t n = 0;
      if (width_ > 0) {
        n = static_cast<int64_t>(chain.bytes) / (8 + width_);
      } else {
        each_record(chain, [&](const uint8_t*) { ++n; });
      }
      offsets->push_back(offsets->back() + n);
    }
    ARROW_ASSIGN_OR_RAISE(Records records, Records::make(offsets->back(), pool));
    Record* to = records.begin();
    for (const uint8_t* const row : rows) {
      Record* const first = to;
      each_record(load<ValueChain>(row + state_), [&](const uint8_t* at) { *to++ = {load<uint64_t>(at), at + (width_ > 0 ? 8 : 12)}; });
      const auto before = [](const Record& a, const Record& b) { return (a.order & ~kNullBit) < (b.order & ~kNullBit); };
      if (!std::is_sorted(first, to, before)) std::sort(first, to, before);
    }
    return records;
  }

  arrow::Status decode(std::span<const Record> records, std::vector<std::shared_ptr<ArrayData>>* out, arrow::MemoryPool* pool) const {
    if (width_ == 0) {
      std::vector<const uint8_t*> cursors(records.size());
      for (size_t i = 0; i < records.size(); ++i) cursors[i] = records[i].value;
      for (const auto& type : types_) {
        ARROW_ASSIGN_OR_RAISE(auto values, decode_values(type, cursors, pool));
        out->push_back(std::move(values));
      }
      return arrow::Status::OK();
    }
    const auto n = static_cast<int64_t>(records.size());
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    for (int64_t i = 0; i < n; ++i) {
      if (records[static_cast<size_t>(i)].order & kNullBit) validity.set_null(i);
    }
    std::shared_ptr<arrow::Buffer> data;
    if (column::physical_unchecked(*types_[0]) == Physical::kBool) {
      ARROW_ASSIGN_OR_RAISE(data, column::allocate_bits(n, pool));
      for (int64_t i = 0; i < n; ++i) {
        if (*records[static_cast<size_t>(i)].value) data->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
      }
    } else {
      ARROW_ASSIGN_OR_RAISE(data, column::allocate_buffer(n * width_, pool));
      uint8_t* to = data->mutable_data();
      for (const Record& r : records) {
        std::memcpy(to, r.value, static_cast<size_t>(width_));
        to += width_;
      }
    }
    const int64_t nulls = validity.nulls();
    out->push_back(column::make_array(types_[0], n, std::move(validity).take(), nulls, std::move(data)));
    return arrow::Status::OK();
  }

  std::vector<column::TypePtr> types_;
  std::vector<expr::AggregateOrder> order_;
  bool skip_nulls_;
  std::unique_ptr<GroupFinisher> finisher_;
  int width_ = 0;  // of the one value; 0: encoded
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_kept_rows(const expr::BoundAggregate& a, bool skip_nulls,
                                                   std::unique_ptr<GroupFinisher> finisher) {
  std::vector<column::TypePtr> types;
  for (const auto& x : a.args) types.push_back(x->type);
  for (const auto& by : a.order) types.push_back(by.key->type);
  for (const auto& t : types) ARROW_RETURN_NOT_OK(column::physical_of(*t).status());
  return std::make_unique<KeptRows>(std::move(types), a.order, skip_nulls, std::move(finisher));
}

arrow::Status sort_group_rows(std::span<const expr::AggregateOrder> order, GroupRows* rows, arrow::MemoryPool* pool) {
  if (order.empty()) return arrow::Status::OK();
  const size_t values = rows->arguments.size() - order.size();
  const int64_t n = rows->offsets.back();
  std::vector<column::Column> keys;
  std::vector<column::SortKey> by;
  for (size_t i = 0; i < order.size(); ++i) {
    keys.push_back(column::Column::flat(rows->arguments[values + i]));
    by.push_back({order[i].descending, order[i].nulls_first, true});
  }
  ARROW_ASSIGN_OR_RAISE(const column::EncodedKeys encoded, column::encode_keys(keys, by, n));
  std::vector<int64_t> sorted(static_cast<size_t>(n));
  std::iota(sorted.begin(), sorted.end(), 0);
  const auto before = [&](int64_t a, int64_t b) {
    const auto x = encoded.row(a), y = encoded.row(b);
    const int c = std::memcmp(x.data(), y.data(), std::min(x.size(), y.size()));
    return c != 0 ? c < 0 : x.size() < y.size();
  };
  for (int64_t g = 0; g < rows->groups(); ++g) {
    std::stable_sort(sorted.begin() + rows->offsets[static_cast<size_t>(g)], sorted.begin() + rows->offsets[static_cast<size_t>(g) + 1],
                     before);
  }
  rows->arguments.resize(values);
  for (auto& a : rows->arguments) {
    ARROW_ASSIGN_OR_RAISE(const column::Column taken, column::take(column::Column::flat(a), std::span<const int64_t>(sorted), pool));
    a = taken.values;
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::exec
