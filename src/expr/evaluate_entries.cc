// An expression over one dictionary column runs once per entry and once for NULL; rows then look their answer up.
//
// Entries that no selected row uses may fail where no row would: such an expression goes row by row.

#include <cstring>

#include <arrow/buffer.h>

#include "base/status.h"
#include "column/bits.h"
#include "column/buffers.h"
#include "column/kernels.h"
#include "expr/evaluation.h"
#include "expr/level.h"
#include "expr/mask_ops.h"
#include "expr/registry.h"

namespace gristmill::expr {

using column::Column;
using column::Mask;
using column::Selection;

namespace {

// The entries as a flat column, followed by a null.
arrow::Result<Column> entries_and_null(const Column& c, arrow::MemoryPool* pool) {
  const int64_t n = c.dictionary->length;
  std::vector<int32_t> pick(static_cast<size_t>(n + 1));
  for (int64_t i = 0; i < n; ++i) pick[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  pick[static_cast<size_t>(n)] = static_cast<int32_t>(column::kNullIndex);
  return column::take(Column::flat(c.dictionary), std::span<const int32_t>(pick), pool);
}

// Entry of each row; null rows get the one behind the last.
std::span<const int32_t> entry_of_rows(const Column& c, int64_t rows, std::vector<int32_t>& scratch) {
  const int32_t* indices = column::values_of<int32_t>(*c.values);
  if (!column::has_nulls(c)) return {indices, static_cast<size_t>(rows)};
  const column::ValidityBits valid = column::validity_of(*c.values);
  const auto null_entry = static_cast<int32_t>(c.dictionary->length);
  scratch.resize(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) scratch[static_cast<size_t>(i)] = valid.valid(i) ? indices[i] : null_entry;
  return scratch;
}

// Up to 64 answers lie in one word, and a row's is a shift away.
void look_up_word(const int32_t* entry, int64_t rows, uint64_t answers, uint64_t* out) {
  at_best_level([=]() GRISTMILL_INLINE {
    for (int64_t at = 0; at < rows; at += 64) {
      const int64_t here = rows - at < 64 ? rows - at : 64;
      uint64_t w = 0;
      for (int64_t j = 0; j < here; ++j) w |= ((answers >> entry[at + j]) & 1) << j;
      out[at >> 6] = w;
    }
  });
}

Mask look_up(std::span<const int32_t> entry, const std::vector<uint8_t>& truths, int bit) {
  const auto rows = static_cast<int64_t>(entry.size());
  const uint8_t wanted = static_cast<uint8_t>(1 << bit);
  int64_t ones = 0, last = 0;
  uint64_t answers = 0;
  for (size_t i = 0; i < truths.size(); ++i) {
    if (!(truths[i] & wanted)) continue;
    ++ones;
    last = static_cast<int64_t>(i);
    if (i < 64) answers |= uint64_t{1} << i;
  }
  if (ones == 0) return Mask(rows, false);
  if (ones == static_cast<int64_t>(truths.size())) return Mask(rows, true);
  Mask m;
  m.rows = rows;
  m.words.resize(static_cast<size_t>(column::word_count(rows)));
  if (ones == 1) {
    const auto only = static_cast<int32_t>(last);
    column::simd::kernels().compare_const[column::simd::kI32][column::simd::kEq](entry.data(), &only, rows, m.words.data());
  } else if (truths.size() <= 64) {
    look_up_word(entry.data(), rows, answers, m.words.data());
  } else {
    for (int64_t i = 0; i < rows; ++i) {
      m.words[static_cast<size_t>(i >> 6)] |= static_cast<uint64_t>((truths[static_cast<size_t>(entry[static_cast<size_t>(i)])] >> bit) & 1)
                                              << (i & 63);
    }
  }
  return m;
}

}  // namespace

CachedEntries* Evaluation::entries_for(const Bound& e, const Selection& rows) {
  if (!entries_ || e.kind != BoundKind::kCall || e.sole_input < 0 || !e.deterministic) return nullptr;
  const Column& c = batch_.columns[static_cast<size_t>(e.sole_input)];
  if (!c.is_dictionary() || c.dictionary->length + 1 > column::kMaxBatchRows) return nullptr;
  CachedEntries& cached = entries_->at(e.serial, c.dictionary);
  cached.rows_seen += rows.count(batch_.rows);
  // Not worth it until as many rows have come as there are entries.
  return cached.failed || cached.rows_seen < c.dictionary->length ? nullptr : &cached;
}

arrow::Result<std::optional<Column>> Evaluation::column_by_entry(const Bound& e, const Selection& rows) {
  CachedEntries* cached = entries_for(e, rows);
  if (!cached) return std::nullopt;
  const Column& c = batch_.columns[static_cast<size_t>(e.sole_input)];
  if (!cached->values) {
    column::Batch entries;
    entries.columns.resize(batch_.columns.size());
    ARROW_ASSIGN_OR_RAISE(entries.columns[static_cast<size_t>(e.sole_input)], entries_and_null(c, pool_));
    entries.rows = c.dictionary->length + 1;
    auto values = Evaluation(entries, pool_, nullptr).column(e, Selection());
    if (!values.ok()) {
      if (!e.fallible || base::error_kind(values.status()) != base::ErrorKind::kData) return values.status();
      cached->failed = true;
      return std::nullopt;
    }
    cached->values = std::move(*values);
  }
  if (cached->values->is_constant()) return cached->values;
  std::vector<int32_t> scratch;
  ARROW_ASSIGN_OR_RAISE(Column out, column::take(*cached->values, entry_of_rows(c, batch_.rows, scratch), pool_));
  return out;
}

arrow::Result<std::optional<Truth>> Evaluation::truth_by_entry(const Bound& e, const Selection& rows, bool want_no) {
  if (e.kind == BoundKind::kCall && (e.function->special == Special::kIsNull || e.function->special == Special::kIsNotNull) &&
      e.args[0]->kind == BoundKind::kInput) {
    return std::nullopt;  // a look at the validity is cheaper
  }
  CachedEntries* cached = entries_for(e, rows);
  if (!cached) return std::nullopt;
  const Column& c = batch_.columns[static_cast<size_t>(e.sole_input)];
  if (cached->truths.empty()) {
    column::Batch entries;
    entries.columns.resize(batch_.columns.size());
    ARROW_ASSIGN_OR_RAISE(entries.columns[static_cast<size_t>(e.sole_input)], entries_and_null(c, pool_));
    entries.rows = c.dictionary->length + 1;
    auto truth = Evaluation(entries, pool_, nullptr).truth(e, Selection(), true);
    if (!truth.ok()) {
      if (!e.fallible || base::error_kind(truth.status()) != base::ErrorKind::kData) return truth.status();
      cached->failed = true;
      return std::nullopt;
    }
    cached->truths.resize(static_cast<size_t>(entries.rows));
    for (int64_t i = 0; i < entries.rows; ++i) {
      cached->truths[static_cast<size_t>(i)] = static_cast<uint8_t>(truth->yes.get(i) | (truth->no.get(i) << 1));
    }
  }
  std::vector<int32_t> scratch;
  const std::span<const int32_t> entry = entry_of_rows(c, batch_.rows, scratch);
  Truth t{look_up(entry, cached->truths, 0), want_no ? look_up(entry, cached->truths, 1) : Mask()};
  restrict_to(t.yes, rows);
  if (want_no) restrict_to(t.no, rows);
  return t;
}

}  // namespace gristmill::expr
