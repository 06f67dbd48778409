// Gathering takes the wanted rows out of each batch once, puts these pieces together and then brings them into order: it costs what the
// rows cost, however many batches they come from.

#include "stream/kept_batch.h"

#include <unordered_map>
#include <utility>

#include <arrow/array/data.h>
#include <arrow/type.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "column/kernels.h"
#include "stream/event_time.h"

namespace gristmill::stream {

arrow::Result<KeptBatchPtr> keep(const column::Batch& batch, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(column::Batch dense, column::compact(batch, pool));
  auto out = std::make_shared<KeptBatch>();
  out->rows = dense.rows;
  for (const column::Column& c : dense.columns) {
    ARROW_ASSIGN_OR_RAISE(column::Column flat, column::flatten(c, dense.rows, pool));
    ARROW_ASSIGN_OR_RAISE(flat, column::compact_views(flat, dense.rows, pool));
    out->columns.push_back(std::move(flat));
  }
  return out;
}

arrow::Result<std::vector<column::Column>> gather(std::span<const KeptRow> rows, std::span<const column::TypePtr> types,
                                                  std::span<const int> columns, arrow::MemoryPool* pool) {
  std::unordered_map<const KeptBatch*, size_t> numbers;
  std::vector<const KeptBatch*> batches;
  std::vector<std::vector<int32_t>> wanted;
  std::vector<std::pair<size_t, int32_t>> places(rows.size());
  bool any_null = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    const KeptBatch* const b = rows[i].batch.get();
    if (b == nullptr) {
      any_null = true;
      continue;
    }
    const auto [at, fresh] = numbers.emplace(b, batches.size());
    if (fresh) {
      batches.push_back(b);
      wanted.emplace_back();
    }
    std::vector<int32_t>& mine = wanted[at->second];
    places[i] = {at->second, static_cast<int32_t>(mine.size())};
    mine.push_back(rows[i].row);
  }
  std::vector<int32_t> starts(batches.size());
  std::vector<int64_t> counts(batches.size());
  int32_t total = 0;
  for (size_t b = 0; b < batches.size(); ++b) {
    starts[b] = total;
    counts[b] = static_cast<int64_t>(wanted[b].size());
    total += static_cast<int32_t>(wanted[b].size());
  }
  std::vector<int32_t> order(rows.size());
  bool straight = !any_null;
  for (size_t i = 0; i < rows.size(); ++i) {
    order[i] = rows[i].batch ? starts[places[i].first] + places[i].second : -1;
    straight = straight && order[i] == static_cast<int32_t>(i);
  }
  std::vector<column::Column> out;
  for (const int c : columns) {
    if (batches.empty()) {
      ARROW_ASSIGN_OR_RAISE(column::Column none, column::null_column(types[static_cast<size_t>(c)], pool));
      out.push_back(std::move(none));
      continue;
    }
    std::vector<column::Column> parts;
    for (size_t b = 0; b < batches.size(); ++b) {
      ARROW_ASSIGN_OR_RAISE(column::Column part,
                            column::take(batches[b]->columns[static_cast<size_t>(c)], std::span<const int32_t>(wanted[b]), pool));
      parts.push_back(std::move(part));
    }
    column::Column whole = parts[0];
    if (parts.size() > 1) {
      ARROW_ASSIGN_OR_RAISE(whole, column::concat(parts, counts, pool));
    }
    if (!straight) {
      ARROW_ASSIGN_OR_RAISE(whole, column::take(whole, std::span<const int32_t>(order), pool));
    }
    out.push_back(std::move(whole));
  }
  return out;
}

void store_row(const KeptRow& row, std::vector<uint8_t>* out) {
  for (const column::Column& c : row.batch->columns) exec::encode_value(*c.values, row.row, out);
}

arrow::Result<KeptBatchPtr> stored_rows(std::vector<const uint8_t*> begins, std::span<const column::TypePtr> types,
                                        arrow::MemoryPool* pool) {
  auto out = std::make_shared<KeptBatch>();
  out->rows = static_cast<int64_t>(begins.size());
  for (const column::TypePtr& type : types) {
    ARROW_ASSIGN_OR_RAISE(auto values, exec::decode_values(type, begins, pool));
    out->columns.push_back(column::Column::flat(std::move(values)));
  }
  return out;
}

uint64_t hash_key(std::string_view key) { return XXH3_64bits(key.data(), key.size()); }

arrow::Status encode_keys(std::span<const expr::BoundPtr> keys, const column::Batch& batch, std::span<const uint16_t> rows,
                          expr::Evaluator& evaluator, KeyRows* out) {
  const auto n = static_cast<int64_t>(rows.size());
  out->null.assign(rows.size(), false);
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const auto& key : keys) {
    ARROW_ASSIGN_OR_RAISE(column::Column c, evaluator.evaluate(*key, batch));
    ARROW_ASSIGN_OR_RAISE(c, column::take(c, rows, evaluator.pool()));
    ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, n, evaluator.pool()));
    if (c.values->type->id() == arrow::Type::NA) {
      out->null.assign(rows.size(), true);
    } else {
      const column::ValidityBits valid = column::validity_of(*c.values);
      for (int64_t j = 0; valid.bits && j < n; ++j) {
        if (!valid.valid(j)) out->null[static_cast<size_t>(j)] = true;
      }
    }
    columns.push_back(c.values);
  }
  if (keys.empty()) {
    out->bytes.bytes.clear();
    out->bytes.offsets.assign(rows.size() + 1, 0);
  } else {
    exec::encode_key_rows(columns, n, &out->bytes);
  }
  out->hashes.resize(rows.size());
  for (int64_t j = 0; j < n; ++j) out->hashes[static_cast<size_t>(j)] = hash_key(out->key(j));
  return arrow::Status::OK();
}

}  // namespace gristmill::stream
