// A counting sort by partition, columns taken in that order; reading goes span by span through resolve().

#include "exec/group_pending.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "column/kernels.h"
#include "exec/group_find.h"

namespace gristmill::exec {
namespace {

using column::Physical;

constexpr int64_t kWriteRows = 2048;

RowOrders orders_of(const PendingBatch& batch) { return {batch.base, reinterpret_cast<const uint16_t*>(batch.offsets.data())}; }

const uint64_t* word_of(const PendingBatch& batch, size_t w) { return reinterpret_cast<const uint64_t*>(batch.words[w].data()); }
const Blob* blobs_of(const PendingBatch& batch) { return reinterpret_cast<const Blob*>(batch.blobs.data()); }
const uint64_t* hashes_of(const PendingBatch& batch) { return reinterpret_cast<const uint64_t*>(batch.hashes.data()); }

arrow::Result<PoolBytes> allocate_each(int64_t n, size_t size, PendingBatch* batch, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(PoolBytes bytes, PoolBytes::allocate(n * static_cast<int64_t>(size), pool));
  batch->bytes += bytes.size();
  return bytes;
}

arrow::Status sort_words(const KeyBatch& keys, int words, std::span<const uint16_t> sorted, PendingBatch* batch, arrow::MemoryPool* pool) {
  for (int w = 0; w < words; ++w) {
    ARROW_ASSIGN_OR_RAISE(PoolBytes bytes, allocate_each(keys.n, sizeof(uint64_t), batch, pool));
    auto* const to = reinterpret_cast<uint64_t*>(bytes.data());
    for (size_t k = 0; k < sorted.size(); ++k) to[k] = keys.words[w][sorted[k]];
    batch->words.push_back(std::move(bytes));
  }
  return arrow::Status::OK();
}

// Texts are copied as they come: groups leave in the order of their first rows, and so does what they are read from.
arrow::Status sort_blobs(const KeyBatch& keys, std::span<const uint16_t> sorted, PendingBatch* batch, arrow::MemoryPool* pool) {
  const int64_t n = keys.n;
  int64_t size = 0;
  for (int64_t j = 0; j < n; ++j) size += keys.blobs[j].is_long() ? keys.blobs[j].size : 0;
  ARROW_ASSIGN_OR_RAISE(batch->blobs, allocate_each(n, sizeof(Blob), batch, pool));
  ARROW_ASSIGN_OR_RAISE(batch->hashes, allocate_each(n, sizeof(uint64_t), batch, pool));
  ARROW_ASSIGN_OR_RAISE(PoolBytes texts, allocate_each(size, 1, batch, pool));
  uint8_t* at = texts.data();
  std::vector<const uint8_t*> copies(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) {
    const Blob& key = keys.blobs[j];
    if (!key.is_long()) continue;
    std::memcpy(at, key.data(), key.size);
    copies[static_cast<size_t>(j)] = at;
    at += key.size;
  }
  auto* const blobs = reinterpret_cast<Blob*>(batch->blobs.data());
  auto* const hashes = reinterpret_cast<uint64_t*>(batch->hashes.data());
  for (size_t k = 0; k < sorted.size(); ++k) {
    blobs[k] = keys.blobs[sorted[k]];
    if (blobs[k].is_long()) blobs[k].tail = reinterpret_cast<uint64_t>(copies[sorted[k]]);
    hashes[k] = keys.hashes[sorted[k]];
  }
  batch->texts = std::make_shared<const PoolBytes>(std::move(texts));
  return arrow::Status::OK();
}

arrow::Status update_all(const AggregatePlan& plan, const PendingBatch& batch, uint8_t* const* rows, int64_t begin, int64_t n,
                         TableSet* tables) {
  for (size_t f = 0; f < plan.functions.size(); ++f) {
    const auto& values = batch.values[static_cast<size_t>(plan.argument_of[f])];
    ARROW_RETURN_NOT_OK(plan.functions[f]->update({rows, values.get(), begin, n, orders_of(batch), tables}));
  }
  return arrow::Status::OK();
}

}  // namespace

bool can_wait(const AggregatePlan& plan) {
  if (plan.layout.form == KeyForm::kNone || plan.keeps_values()) return false;
  return std::all_of(plan.arguments.begin(), plan.arguments.end(), [](const AggregateArgument& a) {
    if (a.filter) return false;
    if (a.values.empty()) return true;
    if (a.values.size() > 1) return false;
    const Physical p = column::physical_unchecked(*a.values[0]->type);
    return p != Physical::kNull && p != Physical::kNested && p != Physical::kView;
  });
}

arrow::Result<std::shared_ptr<const PendingBatch>> put_off(const AggregatePlan& plan, const KeyBatch& keys,
                                                           std::span<const std::shared_ptr<arrow::ArrayData>> values, RowOrders orders,
                                                           arrow::MemoryPool* pool) {
  auto batch = std::make_shared<PendingBatch>();
  const int64_t n = keys.n;
  std::array<int32_t, kPartitions> at{};
  for (int64_t j = 0; j < n; ++j) ++at[static_cast<size_t>(partition_of(keys.hashes[j]))];
  int32_t start = 0;
  for (size_t p = 0; p < kPartitions; ++p) {
    batch->starts[p] = start;
    start += std::exchange(at[p], start);
  }
  batch->starts[kPartitions] = start;
  std::vector<uint16_t> sorted(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) {
    sorted[static_cast<size_t>(at[static_cast<size_t>(partition_of(keys.hashes[j]))]++)] = static_cast<uint16_t>(j);
  }
  batch->base = orders.base;
  ARROW_ASSIGN_OR_RAISE(batch->offsets, PoolBytes::allocate(n * static_cast<int64_t>(sizeof(uint16_t)), pool));
  auto* const offsets = reinterpret_cast<uint16_t*>(batch->offsets.data());
  for (int64_t k = 0; k < n; ++k) {
    const uint16_t j = sorted[static_cast<size_t>(k)];
    offsets[k] = orders.physical ? orders.physical[j] : j;
  }
  batch->bytes = batch->offsets.size();
  if (keys.blobs) {
    ARROW_RETURN_NOT_OK(sort_blobs(keys, sorted, batch.get(), pool));
  } else {
    ARROW_RETURN_NOT_OK(sort_words(keys, plan.layout.words, sorted, batch.get(), pool));
  }
  for (const auto& v : values) {
    column::Column taken;
    if (v) {
      ARROW_ASSIGN_OR_RAISE(taken, column::take(column::Column::flat(v), std::span<const uint16_t>(sorted), pool));
      batch->bytes += column::retained_bytes(taken);
    }
    batch->values.push_back(std::move(taken.values));
  }
  return batch;
}

arrow::Status feed_pending(const AggregatePlan& plan, const PendingSlice& slice, TableSet* into) {
  const PendingBatch& batch = *slice.batch;
  const RowOrders orders = orders_of(batch);
  const uint64_t* words[RowLayout::kMaxWords] = {};
  uint64_t hashes[TableSet::kSpan];
  uint8_t* rows[TableSet::kSpan];
  if (batch.texts) into->table(0).hold(batch.texts, batch.texts->size() * slice.n / std::max<int64_t>(batch.starts.back(), 1));
  for (int64_t done = 0; done < slice.n; done += TableSet::kSpan) {
    const int64_t begin = slice.begin + done;
    const int64_t n = std::min<int64_t>(TableSet::kSpan, slice.n - done);
    const auto order_of = [&](int64_t j) { return orders.at(begin + j); };
    if (batch.texts) {
      const uint64_t* const known = hashes_of(batch) + begin;
      ARROW_RETURN_NOT_OK(find_groups(plan.layout, BlobKeys{blobs_of(batch) + begin, known, true}, known, n, into, rows, order_of));
    } else {
      for (size_t w = 0; w < batch.words.size(); ++w) words[w] = word_of(batch, w) + begin;
      hash_words(words, plan.layout.words, n, hashes);
      ARROW_RETURN_NOT_OK(find_word_groups(plan.layout, words, 0, hashes, n, into, rows, order_of));
    }
    lower_orders(plan.layout, rows, orders, begin, n);
    ARROW_RETURN_NOT_OK(update_all(plan, batch, rows, begin, n, into));
  }
  return arrow::Status::OK();
}

arrow::Status write_pending(const AggregatePlan& plan, std::span<const PendingSlice> slices, base::SpillFile& file,
                            std::vector<GroupBlock>* out) {
  TableSet tables(&plan.layout, plan.pool(), 1);
  GroupTable& table = tables.table(0);
  std::vector<uint8_t*> rows;
  const auto write = [&]() -> arrow::Status {
    ARROW_RETURN_NOT_OK(write_table(plan.layout, table, file, out));
    table.clear();
    return arrow::Status::OK();
  };
  for (const PendingSlice& slice : slices) {
    const RowOrders orders = orders_of(*slice.batch);
    for (int64_t done = 0; done < slice.n; done += TableSet::kSpan) {
      const int64_t begin = slice.begin + done;
      const int64_t n = std::min<int64_t>(TableSet::kSpan, slice.n - done);
      rows.clear();
      for (int64_t j = begin; j < begin + n; ++j) {
        ARROW_ASSIGN_OR_RAISE(uint8_t* const row, table.append());
        if (slice.batch->texts) {
          store(row, blobs_of(*slice.batch)[j]);
          store(row + sizeof(Blob), hashes_of(*slice.batch)[j]);
        }
        for (size_t w = 0; w < slice.batch->words.size(); ++w) store(row + w * 8, word_of(*slice.batch, w)[j]);
        store<uint64_t>(row + plan.layout.order_offset, orders.at(j));
        rows.push_back(row);
      }
      ARROW_RETURN_NOT_OK(update_all(plan, *slice.batch, rows.data(), begin, n, &tables));
      if (table.groups() >= kWriteRows) ARROW_RETURN_NOT_OK(write());
    }
  }
  return table.empty() ? arrow::Status::OK() : write();
}

// As if every group were as frequent as any other: the number D of them with D (1 - e^(-seen / D)) = groups.
int64_t expected_groups(int64_t groups, int64_t seen, int64_t rows) {
  if (rows <= seen || groups == 0) return groups;
  const auto d = static_cast<double>(groups), s = static_cast<double>(seen);
  if (d > 0.999 * s) return rows;
  double low = d, high = d * 1000;
  for (int step = 0; step < 40; ++step) {
    const double middle = (low + high) / 2;
    (middle * -std::expm1(-s / middle) < d ? low : high) = middle;
  }
  return std::min(rows, static_cast<int64_t>(high * -std::expm1(-static_cast<double>(rows) / high)) + 1);
}

}  // namespace gristmill::exec
