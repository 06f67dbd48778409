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
  if (plan.layout.form != KeyForm::kWords || plan.keeps_values()) return false;
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
  for (int w = 0; w < plan.layout.words; ++w) {
    ARROW_ASSIGN_OR_RAISE(PoolBytes words, PoolBytes::allocate(n * static_cast<int64_t>(sizeof(uint64_t)), pool));
    auto* const to = reinterpret_cast<uint64_t*>(words.data());
    for (int64_t k = 0; k < n; ++k) to[k] = keys.words[w][sorted[static_cast<size_t>(k)]];
    batch->bytes += words.size();
    batch->words.push_back(std::move(words));
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
  for (int64_t done = 0; done < slice.n; done += TableSet::kSpan) {
    const int64_t begin = slice.begin + done;
    const int64_t n = std::min<int64_t>(TableSet::kSpan, slice.n - done);
    for (int w = 0; w < plan.layout.words; ++w)
      words[w] = reinterpret_cast<const uint64_t*>(batch.words[static_cast<size_t>(w)].data()) + begin;
    hash_words(words, plan.layout.words, n, hashes);
    ARROW_RETURN_NOT_OK(find_word_groups(plan.layout, words, 0, hashes, n, into, rows, [&](int64_t j) { return orders.at(begin + j); }));
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
        for (int w = 0; w < plan.layout.words; ++w) {
          store(row + w * 8, reinterpret_cast<const uint64_t*>(slice.batch->words[static_cast<size_t>(w)].data())[j]);
        }
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
