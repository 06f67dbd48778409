// Sealing happens where a row comes in, so that rows of several tables can be finished together.

#include "stream/window_rows.h"

#include <algorithm>
#include <utility>

#include "exec/group_order.h"
#include "stream/event_time.h"

namespace gristmill::stream {
namespace {

constexpr size_t kRowsOut = 16384;

}  // namespace

arrow::Status WindowRows::add_window(exec::TableSet tables, int64_t start, int64_t end, Emitter& out) {
  held_.push_back(std::make_unique<exec::TableSet>(std::move(tables)));
  exec::GroupTable& table = held_.back()->table(0);
  std::vector<exec::GroupEntry> entries;
  entries.reserve(static_cast<size_t>(table.groups()));
  const bool seals = plan_.seals();
  ARROW_RETURN_NOT_OK(table.for_each([&](uint8_t* const* rows, int64_t n) -> arrow::Status {
    for (const auto& f : plan_.functions) {
      if (seals) ARROW_RETURN_NOT_OK(f->seal(rows, n, table, plan_.pool()));
    }
    for (int64_t j = 0; j < n; ++j) entries.push_back({order_of(plan_.layout, rows[j]), rows[j]});
    return arrow::Status::OK();
  }));
  const auto ascending = [](const exec::GroupEntry& a, const exec::GroupEntry& b) { return a.key < b.key; };
  if (!std::is_sorted(entries.begin(), entries.end(), ascending)) {
    std::vector<exec::GroupEntry> scratch(entries.size());
    exec::sort_entries(entries.data(), scratch.data(), static_cast<int64_t>(entries.size()));
  }
  for (size_t at = 0; at < entries.size();) {
    const size_t here = std::min(kRowsOut - std::min(kRowsOut, rows_.size()), entries.size() - at);
    for (size_t k = 0; k < here; ++k) rows_.push_back(entries[at + k].row);
    starts_.insert(starts_.end(), here, start);
    ends_.insert(ends_.end(), here, end);
    at += here;
    if (rows_.size() < kRowsOut) continue;
    // The table at hand stays: more of its rows may follow.
    auto mine = std::move(held_.back());
    held_.pop_back();
    ARROW_RETURN_NOT_OK(flush(out));
    held_.push_back(std::move(mine));
  }
  return arrow::Status::OK();
}

arrow::Status WindowRows::add_copy(const uint8_t* row, exec::GroupTable& table, int64_t start, int64_t end, Emitter& out) {
  if (!copies_) copies_ = std::make_unique<exec::GroupTable>(&plan_.layout, plan_.pool());
  ARROW_ASSIGN_OR_RAISE(uint8_t* const copy, append_copy(plan_, row, table, copies_.get()));
  if (plan_.seals()) {
    for (const auto& f : plan_.functions) ARROW_RETURN_NOT_OK(f->seal(&copy, 1, *copies_, plan_.pool()));
  }
  rows_.push_back(copy);
  starts_.push_back(start);
  ends_.push_back(end);
  return rows_.size() < kRowsOut ? arrow::Status::OK() : flush(out);
}

arrow::Status WindowRows::flush(Emitter& out) {
  if (rows_.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(std::vector<column::Column> columns, plan_.finish(rows_));
  const size_t keys = plan_.spec.keys.size();
  column::Batch batch;
  batch.rows = static_cast<int64_t>(rows_.size());
  if (!shape_.outputs.empty()) {
    column::Batch groups;
    groups.rows = batch.rows;
    groups.columns = columns;
    columns.resize(keys);
    for (const auto& e : shape_.outputs) {
      ARROW_ASSIGN_OR_RAISE(column::Column c, evaluator_.evaluate(*e, groups));
      columns.push_back(std::move(c));
    }
  }
  batch.columns.assign(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(keys));
  if (shape_.time) {
    for (const auto* ticks : {&starts_, &ends_}) {
      ARROW_ASSIGN_OR_RAISE(column::Column c, time_column(*ticks, shape_.time, plan_.pool()));
      batch.columns.push_back(std::move(c));
    }
  }
  batch.columns.insert(batch.columns.end(), columns.begin() + static_cast<std::ptrdiff_t>(keys), columns.end());
  ARROW_RETURN_NOT_OK(out.rows(std::move(batch)));
  rows_.clear();
  starts_.clear();
  ends_.clear();
  held_.clear();
  copies_.reset();
  return arrow::Status::OK();
}

}  // namespace gristmill::stream
