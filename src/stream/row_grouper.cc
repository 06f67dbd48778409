// As exec/aggregate_local.cc does it, without its partitions and spilling: tables here are small, and those who hold them spill.

#include "stream/row_grouper.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "column/types.h"
#include "exec/group_find.h"
#include "exec/group_hash.h"
#include "exec/group_merge.h"
#include "exec/portable_rows.h"
#include "stream/key_group.h"

namespace gristmill::stream {

using exec::Blob;
using exec::GroupTable;
using exec::KeyForm;
using exec::load;
using exec::RowLayout;
using exec::RowOrders;
using exec::store;
using exec::TableSet;

// The values of `rows`, one behind the other, flat.
arrow::Result<column::Column> RowGrouper::dense(const expr::Bound& e, const column::Batch& batch, std::span<const uint16_t> rows) {
  ARROW_ASSIGN_OR_RAISE(column::Column values, evaluator_.evaluate(e, batch));
  if (!(whole_ && rows.size() == physical_.size())) {
    ARROW_ASSIGN_OR_RAISE(values, column::take(values, rows, plan_.pool()));
  }
  return values;
}

arrow::Status RowGrouper::evaluate_argument(const exec::AggregateArgument& a, const column::Batch& batch, Argument* out) {
  out->places.clear();
  out->values = nullptr;
  out->filtered = a.filter != nullptr;
  column::Batch seen;
  const column::Batch* at = &batch;
  std::span<const uint16_t> rows = physical_;
  if (a.filter) {
    ARROW_ASSIGN_OR_RAISE(const column::Mask mask, evaluator_.mask(*a.filter, batch));
    seen = batch;
    seen.selection = batch.selection.intersect(mask);
    at = &seen;
    out->physical.clear();
    for (size_t j = 0; j < physical_.size(); ++j) {
      if (!mask.get(physical_[j])) continue;
      out->places.push_back(static_cast<int32_t>(j));
      out->physical.push_back(physical_[j]);
    }
    rows = out->physical;
  }
  if (a.values.empty() || rows.empty()) return arrow::Status::OK();
  const auto n = static_cast<int64_t>(rows.size());
  if (a.values.size() == 1) {
    ARROW_ASSIGN_OR_RAISE(column::Column values, dense(*a.values[0], *at, rows));
    ARROW_ASSIGN_OR_RAISE(values, column::flatten(values, n, plan_.pool()));
    out->values = values.values;
    return arrow::Status::OK();
  }
  auto packed = std::make_shared<arrow::ArrayData>(a.packed, n, std::vector<std::shared_ptr<arrow::Buffer>>{nullptr}, 0);
  for (const auto& value : a.values) {
    ARROW_ASSIGN_OR_RAISE(column::Column values, dense(*value, *at, rows));
    ARROW_ASSIGN_OR_RAISE(values, column::flatten(values, n, plan_.pool()));
    packed->child_data.push_back(values.values);
  }
  out->values = std::move(packed);
  return arrow::Status::OK();
}

arrow::Status RowGrouper::evaluate(const column::Batch& batch, std::span<const uint16_t> rows, uint64_t order_base, Use use) {
  physical_.assign(rows.begin(), rows.end());
  n_ = static_cast<int64_t>(rows.size());
  order_base_ = order_base;
  uint16_t elsewhere = 0;  // no early end: the loop is of the processor's widest steps then
  for (size_t j = 0; j < physical_.size(); ++j) elsewhere |= static_cast<uint16_t>(physical_[j] ^ j);
  whole_ = n_ == batch.rows && elsewhere == 0;
  keys_.clear();
  for (const auto& key : plan_.spec.keys) {
    ARROW_ASSIGN_OR_RAISE(column::Column values, dense(*key, batch, physical_));
    keys_.push_back(std::move(values));
  }
  arguments_.resize(plan_.arguments.size());
  for (size_t a = 0; a < plan_.arguments.size(); ++a) ARROW_RETURN_NOT_OK(evaluate_argument(plan_.arguments[a], batch, &arguments_[a]));
  normalised_ = false;
  near_ = use == Use::kAddAscending && layout_.form == KeyForm::kWords && keys_.size() == 1 && near_keys_.see(keys_[0], n_);
  return near_ ? arrow::Status::OK() : normalise();
}

arrow::Status RowGrouper::normalise() {
  if (normalised_ || layout_.form == KeyForm::kNone || n_ == 0) return arrow::Status::OK();
  normalised_ = true;
  return normaliser_.normalise(plan_.keys, keys_, n_, plan_.pool(), &key_batch_);
}

arrow::Status RowGrouper::find_around_nulls(int64_t begin, int64_t n, TableSet* tables, uint8_t** rows) {
  uint64_t words[TableSet::kSpan];
  uint64_t hashes[TableSet::kSpan];
  int64_t place[TableSet::kSpan];
  uint8_t* found[TableSet::kSpan];
  int64_t keyed = 0;
  GroupTable& table = tables->table(0);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t j = begin + k;
    if (key_batch_.apart.valid(j)) {
      words[keyed] = key_batch_.words[0][j];
      hashes[keyed] = key_batch_.hashes[j];
      place[keyed++] = k;
      continue;
    }
    if (table.null_row == nullptr) {
      ARROW_ASSIGN_OR_RAISE(table.null_row, table.append());
      store<uint64_t>(table.null_row + layout_.order_offset, order(j) | RowLayout::kNullKey);
    }
    rows[k] = table.null_row;
  }
  const uint64_t* const all = words;
  ARROW_RETURN_NOT_OK(exec::find_groups(layout_, exec::WordKeys<1>(&all, 0), hashes, keyed, tables, found,
                                        [&](int64_t i) { return order(begin + place[i]); }));
  for (int64_t i = 0; i < keyed; ++i) rows[place[i]] = found[i];
  return arrow::Status::OK();
}

arrow::Status RowGrouper::find(int64_t begin, int64_t n, TableSet* tables, uint8_t** rows) {
  if (layout_.form == KeyForm::kNone) {
    GroupTable& table = tables->table(0);
    if (table.empty()) {
      ARROW_ASSIGN_OR_RAISE(uint8_t* const row, table.append());
      store<uint64_t>(row + layout_.order_offset, order(begin));
    }
    std::fill(rows, rows + n, const_cast<uint8_t*>(table.first()));
    return arrow::Status::OK();
  }
  for (int64_t at = 0; at < n; at += TableSet::kSpan) {
    const int64_t here = std::min(TableSet::kSpan, n - at);
    const int64_t from = begin + at;
    if (key_batch_.apart.bits) {
      ARROW_RETURN_NOT_OK(find_around_nulls(from, here, tables, rows + at));
      continue;
    }
    const auto order_at = [&](int64_t j) { return order(from + j); };
    const uint64_t* const hashes = key_batch_.hashes + from;
    if (key_batch_.blobs) {
      ARROW_RETURN_NOT_OK(
          exec::find_groups(layout_, exec::BlobKeys{key_batch_.blobs + from, hashes}, hashes, here, tables, rows + at, order_at));
    } else {
      ARROW_RETURN_NOT_OK(exec::find_word_groups(layout_, key_batch_.words, from, hashes, here, tables, rows + at, order_at));
    }
  }
  return arrow::Status::OK();
}

uint8_t* RowGrouper::look_up(int64_t j, TableSet* tables) const {
  GroupTable& table = tables->table(0);
  if (table.empty()) return nullptr;
  if (layout_.form == KeyForm::kNone) return const_cast<uint8_t*>(table.first());
  if (key_batch_.apart.bits && !key_batch_.apart.valid(j)) return table.null_row;
  const uint64_t hash = key_batch_.hashes[j];
  const auto equal = [&](const uint8_t* row) {
    if (key_batch_.blobs) return load<Blob>(row) == key_batch_.blobs[j];
    for (int w = 0; w < layout_.words; ++w) {
      if (load<uint64_t>(row + w * 8) != key_batch_.words[w][j]) return false;
    }
    return true;
  };
  const uint64_t* const slots = table.slots();
  for (uint64_t at = hash & table.mask(); slots[at] != 0; at = (at + 1) & table.mask()) {
    if (!exec::slot::may_be(slots[at], hash)) continue;
    uint8_t* const row = exec::slot::row(slots[at]);
    if (equal(row)) return row;
  }
  return nullptr;
}

arrow::Status RowGrouper::update(uint8_t* const* rows, int64_t begin, int64_t n, TableSet* tables) {
  for (size_t f = 0; f < plan_.functions.size(); ++f) {
    const Argument& a = arguments_[static_cast<size_t>(plan_.argument_of[f])];
    int64_t done = 0;
    if (!a.filtered) {
      const RowOrders orders{order_base_, physical_.data()};
      for (int64_t at = 0; at < n; at += TableSet::kSpan) {
        const int64_t here = std::min(TableSet::kSpan, n - at);
        ARROW_RETURN_NOT_OK(plan_.functions[f]->update({rows + at, a.values.get(), begin + at, here, orders, tables, &done}));
      }
      continue;
    }
    const auto from = std::lower_bound(a.places.begin(), a.places.end(), begin) - a.places.begin();
    const auto to = std::lower_bound(a.places.begin(), a.places.end(), begin + n) - a.places.begin();
    const RowOrders orders{order_base_, a.physical.data()};
    uint8_t* some[TableSet::kSpan];
    for (int64_t at = from; at < to; at += TableSet::kSpan) {
      const int64_t here = std::min<int64_t>(TableSet::kSpan, to - at);
      for (int64_t k = 0; k < here; ++k) some[k] = rows[a.places[static_cast<size_t>(at + k)] - begin];
      ARROW_RETURN_NOT_OK(plan_.functions[f]->update({some, a.values.get(), at, here, orders, tables, &done}));
    }
  }
  return arrow::Status::OK();
}

arrow::Status RowGrouper::add_global(int64_t begin, int64_t n, TableSet* tables) {
  uint8_t* row = nullptr;
  ARROW_RETURN_NOT_OK(find(begin, 1, tables, &row));
  uint64_t first = order_of(layout_, row);
  for (int64_t j = begin; j < begin + n; ++j) first = std::min(first, order(j));
  store<uint64_t>(row + layout_.order_offset, first);
  for (size_t f = 0; f < plan_.functions.size(); ++f) {
    const Argument& a = arguments_[static_cast<size_t>(plan_.argument_of[f])];
    int64_t from = begin, to = begin + n;
    if (a.filtered) {
      from = std::lower_bound(a.places.begin(), a.places.end(), from) - a.places.begin();
      to = std::lower_bound(a.places.begin(), a.places.end(), to) - a.places.begin();
    }
    if (from == to) continue;
    const RowOrders orders{order_base_, a.filtered ? a.physical.data() : physical_.data()};
    ARROW_RETURN_NOT_OK(plan_.functions[f]->update_one(row, {nullptr, a.values.get(), from, to - from, orders, tables}));
  }
  return arrow::Status::OK();
}

// Some rows, `begin` + missing[i], by the table's index.
arrow::Status RowGrouper::find_missing(int64_t begin, const uint16_t* missing, int64_t n, TableSet* tables, uint8_t** rows) {
  int32_t places[TableSet::kSpan];
  for (int64_t i = 0; i < n; ++i) places[i] = static_cast<int32_t>(begin + missing[i]);
  ARROW_ASSIGN_OR_RAISE(const column::Column some,
                        column::take(keys_[0], std::span<const int32_t>(places, static_cast<size_t>(n)), plan_.pool()));
  exec::KeyBatch keys;
  ARROW_RETURN_NOT_OK(near_normaliser_.normalise(plan_.keys, std::span(&some, 1), n, plan_.pool(), &keys));
  const auto order_at = [&](int64_t i) { return order(places[i]); };
  ARROW_RETURN_NOT_OK(exec::find_word_groups(layout_, keys.words, 0, keys.hashes, n, tables, rows, order_at));
  // Later rows of this call come later in every respect.
  for (int64_t i = 0; i < n; ++i) {
    uint8_t* const at = rows[i] + layout_.order_offset;
    const auto old = load<uint64_t>(at);
    store<uint64_t>(at, std::min(old & ~RowLayout::kNullKey, order_at(i)) | (old & RowLayout::kNullKey));
    near_keys_.remember(places[i], rows[i]);
  }
  return arrow::Status::OK();
}

arrow::Status RowGrouper::add_near(int64_t begin, int64_t n, TableSet* tables) {
  constexpr int64_t kHere = TableSet::kSpan / 2;  // until all keys have come a span has much to look up
  near_keys_.forget();
  uint8_t* rows[kHere];
  uint8_t* found[kHere];
  uint16_t missing[kHere];
  for (int64_t at = 0; at < n; at += kHere) {
    const int64_t here = std::min(kHere, n - at);
    const int64_t lost = near_keys_.look_up(begin + at, here, rows, missing);
    if (lost > 0) {
      ARROW_RETURN_NOT_OK(find_missing(begin + at, missing, lost, tables, found));
      for (int64_t i = 0; i < lost; ++i) rows[missing[i]] = found[i];
    }
    ARROW_RETURN_NOT_OK(update(rows, begin + at, here, tables));
  }
  return arrow::Status::OK();
}

arrow::Status RowGrouper::add(int64_t begin, int64_t n, TableSet* tables) {
  if (n == 0) return arrow::Status::OK();
  if (layout_.form == KeyForm::kNone) return add_global(begin, n, tables);
  if (near_ && near_keys_.range() <= n) return add_near(begin, n, tables);
  ARROW_RETURN_NOT_OK(normalise());
  uint8_t* rows[TableSet::kSpan];
  for (int64_t at = 0; at < n; at += TableSet::kSpan) {
    const int64_t here = std::min(TableSet::kSpan, n - at);
    ARROW_RETURN_NOT_OK(find(begin + at, here, tables, rows));
    exec::lower_orders(layout_, rows, {order_base_, physical_.data()}, begin + at, here);
    ARROW_RETURN_NOT_OK(update(rows, begin + at, here, tables));
  }
  return arrow::Status::OK();
}

arrow::Status fold_row(const exec::AggregatePlan& plan, uint8_t* into, GroupTable& into_table, uint8_t* from, GroupTable& from_table) {
  uint8_t* const to[1] = {into};
  uint8_t* const source[1] = {from};
  const exec::MergeSpan span{to, source, 1, into_table, from_table, false};
  for (const auto& f : plan.functions) ARROW_RETURN_NOT_OK(f->merge(span));
  uint8_t* const order = into + plan.layout.order_offset;
  store(order, std::min(load<uint64_t>(order), load<uint64_t>(from + plan.layout.order_offset)));
  return arrow::Status::OK();
}

arrow::Status copy_row(const exec::AggregatePlan& plan, uint8_t* to, const uint8_t* row, GroupTable& from, GroupTable* into) {
  const RowLayout& layout = plan.layout;
  // Key and order; the state is merged into the empty one.
  std::memcpy(to, row, static_cast<size_t>(layout.order_offset) + sizeof(uint64_t));
  if (layout.form == KeyForm::kBlob) {
    const Blob key = load<Blob>(row);
    if (key.is_long()) {
      ARROW_ASSIGN_OR_RAISE(uint8_t* const data, into->arena().store(key.bytes(), into->pool()));
      store(to, Blob::of({reinterpret_cast<const char*>(data), key.size}));
    }
  }
  return fold_row(plan, to, *into, const_cast<uint8_t*>(row), from);
}

arrow::Result<uint8_t*> append_copy(const exec::AggregatePlan& plan, const uint8_t* row, GroupTable& from, GroupTable* into) {
  ARROW_ASSIGN_OR_RAISE(uint8_t* const copy, into->append());
  ARROW_RETURN_NOT_OK(copy_row(plan, copy, row, from, into));
  return copy;
}

arrow::Status fold_rows(const exec::AggregatePlan& plan, TableSet* into, uint8_t* const* rows, int64_t n, GroupTable& from) {
  if (plan.layout.form != KeyForm::kNone) return exec::merge_rows(plan, into, rows, n, from);
  GroupTable& table = into->table(0);
  for (int64_t k = 0; k < n; ++k) {
    if (table.empty()) {
      ARROW_RETURN_NOT_OK(append_copy(plan, rows[k], from, &table).status());
    } else {
      ARROW_RETURN_NOT_OK(fold_row(plan, const_cast<uint8_t*>(table.first()), table, rows[k], from));
    }
  }
  return arrow::Status::OK();
}

arrow::Status fold_table(const exec::AggregatePlan& plan, TableSet* into, GroupTable& from) {
  return from.for_each([&](uint8_t* const* rows, int64_t n) { return fold_rows(plan, into, rows, n, from); });
}

void row_key_groups(const RowLayout& layout, uint8_t* const* rows, int64_t n, int* out) {
  const uint8_t* keyed[1024];
  uint64_t hashes[1024];
  int64_t count = 0;
  const auto has_key = [&](const uint8_t* row) {
    return layout.form != KeyForm::kNone && (load<uint64_t>(row + layout.order_offset) & RowLayout::kNullKey) == 0;
  };
  for (int64_t j = 0; j < n; ++j) {
    if (has_key(rows[j])) keyed[count++] = rows[j];
  }
  if (count > 0) exec::row_hashes(layout, keyed, count, hashes);
  count = 0;
  for (int64_t j = 0; j < n; ++j) out[j] = has_key(rows[j]) ? key_group(hashes[count++]) : 0;
}

int row_key_group(const RowLayout& layout, const uint8_t* row) {
  auto* const one = const_cast<uint8_t*>(row);
  int group = 0;
  row_key_groups(layout, &one, 1, &group);
  return group;
}

std::string key_bytes(const RowLayout& layout, const uint8_t* row) {
  switch (layout.form) {
    case KeyForm::kNone: return {};
    case KeyForm::kBlob: {
      const Blob blob = load<Blob>(row);
      std::string out(blob.is_null() ? "n" : "v");
      return out.append(blob.bytes());
    }
    case KeyForm::kWords: break;
  }
  const bool null = (load<uint64_t>(row + layout.order_offset) & RowLayout::kNullKey) != 0;
  if (null) return {};
  return {reinterpret_cast<const char*>(row), static_cast<size_t>(layout.words) * 8};
}

arrow::Result<std::vector<uint8_t>> portable_rows(const exec::AggregatePlan& plan, std::span<uint8_t* const> rows, GroupTable& table) {
  GroupTable scratch(&plan.layout, plan.pool());
  std::vector<const uint8_t*> copies;
  copies.reserve(rows.size());
  for (uint8_t* const row : rows) {
    ARROW_ASSIGN_OR_RAISE(uint8_t* const copy, append_copy(plan, row, table, &scratch));
    for (const auto& f : plan.functions) {
      if (const auto* bound = dynamic_cast<const exec::BoundState*>(f.get())) bound->make_portable(copy, scratch);
    }
    copies.push_back(copy);
  }
  return exec::encode_rows(plan.layout, copies.data(), static_cast<int64_t>(copies.size()), scratch);
}

}  // namespace gristmill::stream
