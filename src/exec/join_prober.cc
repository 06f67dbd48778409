// first_[i] is the first build row of physical probe row i. All that follows reads it in row order, so the order of
// the output needs no care.

#include "exec/join_prober.h"

#include <algorithm>

#include <arrow/buffer.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/join_order.h"

namespace gristmill::exec {
namespace {

using plan::JoinKind;

constexpr int64_t kMostEntries = 1 << 16;  // larger dictionaries are looked up row by row

column::Mask matched_rows(const int32_t* first, int64_t rows) {
  column::Mask m(rows, false);
  for (int64_t w = 0; w * 64 < rows; ++w) {
    const int64_t here = std::min<int64_t>(64, rows - w * 64);
    const int32_t* at = first + w * 64;
    uint64_t bits = 0;
    for (int64_t j = 0; j < here; ++j) bits |= static_cast<uint64_t>(at[j] >= 0) << j;
    m.words[static_cast<size_t>(w)] = bits;
  }
  return m;
}

column::Mask without(column::Mask keep, const column::Mask& drop) {
  for (size_t w = 0; w < keep.words.size(); ++w) keep.words[w] &= ~drop.words[w];
  return keep;
}

bool from_probe(const OutputColumn& c) { return c.from == OutputColumn::kProbe || c.from == OutputColumn::kOrder; }

}  // namespace

JoinProber::JoinProber(const JoinShape& shape, std::vector<OutputColumn> output, std::vector<std::pair<int, OutputColumn>> residual,
                       int64_t batch_rows, base::CancelToken cancel, arrow::MemoryPool* pool)
    : shape_(shape),
      layout_(shape.layout),
      output_(std::move(output)),
      types_(output_types(shape)),
      batch_rows_(std::clamp<int64_t>(batch_rows, 1, column::kMaxBatchRows)),
      pool_(pool) {
  const int width = static_cast<int>(shape.spec.left_types.size() + shape.spec.right_types.size());
  if (shape.spec.residual) pairs_.emplace(shape.spec.residual, width, std::move(residual), batch_rows_, std::move(cancel), pool);
  if (!shape.spec.asof) return;
  rule_ = NearRule(*shape.spec.asof, column::is_float(*shape.spec.asof->left_on->type));
  cursors_.emplace();
}

arrow::Status JoinProber::probe(const BuildRows& build, column::Batch batch, std::span<const column::Column> keys, BuildMarks* marks,
                                const Emit& emit) {
  ARROW_ASSIGN_OR_RAISE(const int32_t* first, find(build, batch, keys.first(shape_.probe.equal_keys)));
  if (shape_.spec.asof && build.rows > 0) ARROW_RETURN_NOT_OK(pick_near(build, batch, keys.back()));
  if (pairs_ && build.rows > 0) return probe_pairs(build, std::move(batch), first, marks, emit);
  for (int64_t i = 0; marks && i < batch.rows; ++i) {
    if (first[i] >= 0) marks->mark(first[i]);
  }
  if (shape_.marks_only()) return arrow::Status::OK();
  if (!shape_.filters()) return emit_matches(build, std::move(batch), first, emit);
  const column::Mask hit = matched_rows(first, batch.rows);
  batch.selection =
      column::Selection::from_mask(shape_.spec.kind == JoinKind::kSemi ? hit : without(batch.selection.mask(batch.rows), hit));
  return emit_unmatched(std::move(batch), emit);
}

arrow::Result<const int32_t*> JoinProber::find(const BuildRows& build, const column::Batch& batch, std::span<const column::Column> keys) {
  first_.resize(static_cast<size_t>(batch.rows));
  if (build.rows == 0) {
    std::fill(first_.begin(), first_.end(), kNoRow);
    return first_.data();
  }
  if (keys.empty()) {  // all rows of the build side are one chain
    std::fill(first_.begin(), first_.end(), batch.selection.all() ? 0 : kNoRow);
    if (!batch.selection.all()) {
      for (const uint16_t i : batch.selection.indices(batch.rows)) first_[i] = 0;
    }
    return first_.data();
  }
  if (keys.size() == 1 && by_entries(batch, keys[0])) {
    ARROW_RETURN_NOT_OK(find_entries(build, batch, keys[0]));
    return first_.data();
  }
  const column::Selection live = layout_.nulls_equal() ? batch.selection : non_null_rows(keys, batch.rows, batch.selection);
  std::vector<column::Column> flat;
  LookupKeys lookup;
  if (layout_.form() == JoinKeyForm::kColumns) {
    for (const auto& k : keys) {
      ARROW_ASSIGN_OR_RAISE(column::Column f, column::flatten(k, batch.rows, pool_));
      flat.push_back(std::move(f));
    }
  } else {
    ARROW_RETURN_NOT_OK(layout_.words(keys, batch.rows, pool_, words_));
  }
  look_up(build, lookup, flat.empty() ? keys : std::span<const column::Column>(flat), batch.rows, live);
  return first_.data();
}

void JoinProber::look_up(const BuildRows& build, LookupKeys& keys, std::span<const column::Column> columns, int64_t rows,
                         const column::Selection& live) {
  const bool by_columns = layout_.form() == JoinKeyForm::kColumns;
  const bool all = live.all();
  const auto at = live.indices(rows);
  keys.n = static_cast<int64_t>(at.size());
  keys.low = words_.low;
  keys.high = words_.high;
  if (!all && !by_columns) {
    low_.resize(at.size());
    for (size_t j = 0; j < at.size(); ++j) low_[j] = words_.low[at[j]];
    keys.low = low_.data();
    if (words_.high) {
      high_.resize(at.size());
      for (size_t j = 0; j < at.size(); ++j) high_[j] = words_.high[at[j]];
      keys.high = high_.data();
    }
  }
  if (build.table->hashed()) {
    hash_.resize(at.size());
    keys.hash = hash_.data();
    if (!by_columns) {
      hash_key_words(keys.low, layout_.form() == JoinKeyForm::kPair ? keys.high : nullptr, keys.n, hash_.data());
    } else if (all) {
      column::hash_rows(columns, rows, live, hash_.data());
    } else {
      all_hash_.resize(static_cast<size_t>(rows));
      column::hash_rows(columns, rows, live, all_hash_.data());
      for (size_t j = 0; j < at.size(); ++j) hash_[j] = all_hash_[at[j]];
    }
  }
  if (by_columns) {
    keys.columns = columns;
    keys.rows = all ? nullptr : at.data();
  }
  if (all) return build.table->find(keys, lookup_, first_.data());
  dense_first_.resize(at.size());
  build.table->find(keys, lookup_, dense_first_.data());
  std::fill(first_.begin(), first_.end(), kNoRow);
  for (size_t j = 0; j < at.size(); ++j) first_[at[j]] = dense_first_[j];
}

bool JoinProber::by_entries(const column::Batch& batch, const column::Column& key) {
  if (!key.is_dictionary() || key.dictionary->length > kMostEntries) return false;
  const bool again = key.dictionary == last_entries_;
  last_entries_ = key.dictionary;
  return again || key.dictionary->length <= batch.selected();
}

// A dictionary's entries are looked up once, whichever batches share it.
arrow::Status JoinProber::find_entries(const BuildRows& build, const column::Batch& batch, const column::Column& key) {
  if (known_entries_ != key.dictionary || known_table_ != build.table->serial()) {
    known_entries_ = nullptr;
    column::Batch entries;
    entries.rows = key.dictionary->length;
    const column::Column column = column::Column::flat(key.dictionary);
    first_.swap(entry_first_);
    const arrow::Result<const int32_t*> found = find(build, entries, {&column, 1});
    first_.swap(entry_first_);
    ARROW_RETURN_NOT_OK(found.status());
    known_entries_ = key.dictionary;
    known_table_ = build.table->serial();
  }
  const int32_t* entry = column::values_of<int32_t>(*key.values);
  first_.resize(static_cast<size_t>(batch.rows));
  std::fill(first_.begin(), first_.end(), kNoRow);
  if (!column::has_nulls(key)) {
    for (uint16_t i : batch.selection.indices(batch.rows)) first_[i] = entry_first_[entry[i]];
    return arrow::Status::OK();
  }
  const column::ValidityBits valid = column::validity_of(*key.values);
  int32_t of_null = kNoRow;
  if (layout_.nulls_equal()) {
    ARROW_ASSIGN_OR_RAISE(const column::Column null, column::null_column(key.type(), pool_));
    column::Batch one;
    one.rows = 1;
    const std::vector<int32_t> keep = first_;
    ARROW_ASSIGN_OR_RAISE(const int32_t* found, find(build, one, {&null, 1}));
    of_null = found[0];
    first_ = keep;
  }
  for (uint16_t i : batch.selection.indices(batch.rows)) first_[i] = valid.valid(i) ? entry_first_[entry[i]] : of_null;
  return arrow::Status::OK();
}

arrow::Status JoinProber::emit_matches(const BuildRows& build, column::Batch batch, const int32_t* first, const Emit& emit) {
  if (build.rows == 0) {
    if (shape_.needs_match()) return arrow::Status::OK();
    return emit_unmatched(std::move(batch), emit);
  }
  if (!shape_.spec.asof && build.table->next()) return emit_chains(build, batch, first, emit);
  return emit_single(build, std::move(batch), first, emit);
}

arrow::Status JoinProber::emit_single(const BuildRows& build, column::Batch batch, const int32_t* first, const Emit& emit) {
  column::Batch out;
  out.rows = batch.rows;
  const int64_t rows = batch.rows;
  build_rows_.clear();
  if (shape_.keeps_probe()) {
    out.selection = batch.selection;
    if (!batch.selection.all()) {  // what is not selected must not look like a missing match
      build_rows_.resize(static_cast<size_t>(rows));
      const column::Mask& live = batch.selection.mask(rows);
      for (int64_t i = 0; i < rows; ++i) build_rows_[static_cast<size_t>(i)] = live.get(i) ? first[i] : 0;
    }
  } else {
    column::Mask hit = matched_rows(first, rows);
    const int64_t matches = hit.count();
    if (matches == 0) return arrow::Status::OK();
    if (matches * 2 < rows) {
      const column::Selection s = column::Selection::from_mask(std::move(hit));
      const auto at = s.indices(rows);
      probe_rows_.assign(at.begin(), at.end());
      build_rows_.resize(at.size());
      for (size_t j = 0; j < at.size(); ++j) build_rows_[j] = first[at[j]];
      return flush_pairs(build, batch, emit);
    }
    out.selection = column::Selection::from_mask(std::move(hit));
    build_rows_.resize(static_cast<size_t>(rows));
    for (int64_t i = 0; i < rows; ++i) build_rows_[static_cast<size_t>(i)] = std::max(first[i], 0);
  }
  const std::span<const int32_t> taken_rows = build_rows_.empty() ? std::span(first, static_cast<size_t>(rows)) : build_rows_;
  for (const OutputColumn& c : output_) {
    if (from_probe(c)) {
      out.columns.push_back(batch.columns[static_cast<size_t>(c.index)]);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(column::Column taken, build_column(build, c, taken_rows));
    out.columns.push_back(std::move(taken));
  }
  build_rows_.clear();
  probe_rows_.clear();
  return emit(std::move(out));
}

arrow::Status JoinProber::emit_chains(const BuildRows& build, const column::Batch& batch, const int32_t* first, const Emit& emit) {
  const int32_t* const next = build.table->next();
  const auto live = batch.selection.indices(batch.rows);
  constexpr size_t kAhead = 48;
  probe_rows_.clear();
  build_rows_.clear();
  for (size_t j = 0; j < live.size(); ++j) {
    if (j + kAhead < live.size()) __builtin_prefetch(next + std::max(first[live[j + kAhead]], 0));
    int32_t row = first[live[j]];
    if (row < 0 && !shape_.keeps_probe()) continue;
    do {
      probe_rows_.push_back(live[j]);
      build_rows_.push_back(row);
      if (static_cast<int64_t>(probe_rows_.size()) == batch_rows_) ARROW_RETURN_NOT_OK(flush_pairs(build, batch, emit));
      row = row < 0 ? kNoRow : next[row];
    } while (row >= 0);
  }
  return probe_rows_.empty() ? arrow::Status::OK() : flush_pairs(build, batch, emit);
}

arrow::Status JoinProber::flush_pairs(const BuildRows& build, const column::Batch& batch, const Emit& emit) {
  column::Batch out;
  out.rows = static_cast<int64_t>(probe_rows_.size());
  for (const OutputColumn& c : output_) {
    if (from_probe(c)) {
      ARROW_ASSIGN_OR_RAISE(column::Column taken,
                            column::take(batch.columns[static_cast<size_t>(c.index)], std::span<const int32_t>(probe_rows_), pool_));
      out.columns.push_back(std::move(taken));
    } else {
      ARROW_ASSIGN_OR_RAISE(column::Column taken, build_column(build, c, build_rows_));
      out.columns.push_back(std::move(taken));
    }
  }
  probe_rows_.clear();
  build_rows_.clear();
  return emit(std::move(out));
}

arrow::Result<column::Column> JoinProber::build_column(const BuildRows& build, const OutputColumn& c, std::span<const int32_t> rows) {
  if (c.from == OutputColumn::kBuild) return column::take(build.columns[static_cast<size_t>(c.index)], rows, pool_);
  ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(static_cast<int64_t>(rows.size()) * 8, pool_));
  auto* out = reinterpret_cast<uint64_t*>(buffer->mutable_data());
  for (size_t i = 0; i < rows.size(); ++i) out[i] = static_cast<uint64_t>(rows[i]);
  return column::Column::flat(column::make_array(arrow::uint64(), static_cast<int64_t>(rows.size()), nullptr, 0, std::move(buffer)));
}

arrow::Status JoinProber::emit_unmatched(column::Batch batch, const Emit& emit) {
  if (batch.selection.empty(batch.rows)) return arrow::Status::OK();
  column::Batch out;
  out.rows = batch.rows;
  out.selection = batch.selection;
  for (size_t i = 0; i < output_.size(); ++i) {
    if (from_probe(output_[i])) {
      out.columns.push_back(batch.columns[static_cast<size_t>(output_[i].index)]);
    } else {
      ARROW_ASSIGN_OR_RAISE(column::Column null, column::null_column(types_[i], pool_));
      out.columns.push_back(std::move(null));
    }
  }
  return emit(std::move(out));
}

}  // namespace gristmill::exec
