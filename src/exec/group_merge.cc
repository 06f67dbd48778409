// A row either is new, and is taken over or copied as bytes, or meets its group, and every function merges the states of
// the whole span at once.
//
// Taking over needs an index that does not grow meanwhile: it would look for rows in chunks that are not there yet. And it keeps all the
// memory of the other table, that of rows which met their group too: where most do, as when both workers saw all groups, the few new ones
// are copied and the other table goes.

#include "exec/group_merge.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "exec/value_chain.h"
#include "exec/value_map.h"

namespace gristmill::exec {
namespace {

// Keys of rows, compared with rows.
struct WordKeys {
  uint8_t* const* rows;
  int bytes;
  bool equal(const uint8_t* row, int64_t j) const { return std::memcmp(row, rows[j], static_cast<size_t>(bytes)) == 0; }
};
struct BlobKeys {
  uint8_t* const* rows;
  bool equal(const uint8_t* row, int64_t j) const { return load<Blob>(row) == load<Blob>(rows[j]); }
};

class Merger {
 public:
  Merger(const AggregatePlan& plan, TableSet* into, GroupTable& from) : plan_(plan), layout_(plan.layout), into_(into), from_(from) {}

  // New rows are taken over from now on. Not undone: groups then point into `from`.
  void adopt() { adopt_ = true; }

  arrow::Status merge(uint8_t* const* rows, int64_t n) {
    for (int64_t at = 0; at < n; at += TableSet::kSpan) ARROW_RETURN_NOT_OK(merge_span(rows + at, std::min(TableSet::kSpan, n - at)));
    return arrow::Status::OK();
  }
  int64_t taken() const { return taken_; }  // over

 private:
  uint64_t order(const uint8_t* row) const { return load<uint64_t>(row + layout_.order_offset); }

  arrow::Status merge_span(uint8_t* const* all, int64_t n) {
    uint8_t* rows[TableSet::kSpan] = {};
    int64_t keyed = 0;
    for (int64_t j = 0; j < n; ++j) {
      if ((order(all[j]) & RowLayout::kNullKey) != 0) {
        ARROW_RETURN_NOT_OK(merge_null(all[j]));
      } else {
        rows[keyed++] = all[j];
      }
    }
    uint64_t hashes[TableSet::kSpan];
    row_hashes(layout_, rows, keyed, hashes);
    uint8_t* found[TableSet::kSpan];
    bool fresh[TableSet::kSpan] = {};
    const auto new_row = [&](int64_t j, GroupTable&) -> arrow::Result<uint8_t*> {
      ARROW_ASSIGN_OR_RAISE(uint8_t* const row, take(rows[j]));
      fresh[j] = true;
      return row;
    };
    if (layout_.form == KeyForm::kWords) {
      ARROW_RETURN_NOT_OK(into_->resolve(WordKeys{rows, layout_.words * 8}, hashes, keyed, found, new_row));
    } else {
      ARROW_RETURN_NOT_OK(into_->resolve(BlobKeys{rows}, hashes, keyed, found, new_row));
    }
    uint8_t* into[TableSet::kSpan];
    uint8_t* from[TableSet::kSpan];
    int64_t meet = 0;
    for (int64_t j = 0; j < keyed; ++j) {
      if (fresh[j]) continue;
      into[meet] = found[j];
      from[meet++] = rows[j];
    }
    return join(into, from, meet);
  }

  // A row of `from` becomes a group of `into`.
  arrow::Result<uint8_t*> take(uint8_t* row) {
    if (adopt_) {
      ARROW_RETURN_NOT_OK(bring_moments(row, row));
      ++taken_;
      return row;
    }
    GroupTable& table = into_->table(0);
    ARROW_ASSIGN_OR_RAISE(uint8_t* const copy, table.append());
    std::memcpy(copy, row, static_cast<size_t>(layout_.stride));
    for (const RowReference& r : layout_.references) {
      uint8_t* const field = copy + r.offset;
      if (r.kind == RowReference::kBlob) {
        const Blob b = load<Blob>(field);
        if (!b.is_long()) continue;
        ARROW_ASSIGN_OR_RAISE(uint8_t* const data, table.arena().store(b.bytes(), table.pool()));
        store(field, Blob::of({reinterpret_cast<const char*>(data), b.size}));
      } else if (r.kind == RowReference::kWide) {
        const auto link = load<uint64_t>(field);
        if ((link & ~kTag) == 0) continue;
        column::WideSum* const wide = table.make_wide();
        *wide = *reinterpret_cast<const column::WideSum*>(link & ~kTag);
        store<uint64_t>(field, reinterpret_cast<uint64_t>(wide) | (link & kTag));
      } else if (r.grows()) {
        ARROW_RETURN_NOT_OK(bring_values(r, row, copy, table));
      }
    }
    ARROW_RETURN_NOT_OK(bring_moments(row, copy));
    return copy;
  }

  // `copy` holds what `row` does; its chains and maps become its table's own.
  arrow::Status bring_values(const RowReference& r, const uint8_t* row, uint8_t* copy, GroupTable& table) {
    if (r.kind == RowReference::kChain) {
      ValueChain chain;
      ARROW_RETURN_NOT_OK(chain.copy(load<ValueChain>(row + r.offset), table.arena(), table.pool()));
      store(copy + r.offset, chain);
      return arrow::Status::OK();
    }
    uint64_t map = 0;
    ARROW_RETURN_NOT_OK(ValueMap::each(r.shape, reinterpret_cast<const uint8_t*>(load<uint64_t>(row + r.offset)), [&](const MapEntry& e) {
      return ValueMap::add(r.shape, &map, e, false, table.arena(), table.pool());
    }));
    store(copy + r.offset, map);
    return arrow::Status::OK();
  }

  arrow::Status bring_moments(const uint8_t* row, uint8_t* copy) {
    for (const RowReference& r : layout_.references) {
      if (!r.moments()) continue;
      const auto group = load<uint32_t>(row + r.offset);
      if (group == 0) continue;
      GroupTable& table = into_->table(0);
      const auto bring = [&](const auto& other, auto& moments) {
        const auto made = static_cast<uint32_t>(moments.size());
        moments.resize(made + 1);
        moments.merge_group(made, other, group - 1);
        store<uint32_t>(copy + r.offset, made + 1);
      };
      if (r.kind == RowReference::kPowers) {
        bring(*from_.find_powers(r.function), table.powers(r.function, from_.find_powers(r.function)->units()));
      } else if (r.kind == RowReference::kPairs) {
        bring(*from_.find_pairs(r.function), table.pairs(r.function, from_.find_pairs(r.function)->units()));
      } else {
        bring(*from_.find_moments(r.function), table.moments(r.function, from_.find_moments(r.function)->units()));
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status merge_null(uint8_t* row) {
    GroupTable& table = into_->table(0);
    if (table.null_row == nullptr) {
      ARROW_ASSIGN_OR_RAISE(table.null_row, take(row));
      return arrow::Status::OK();
    }
    return join(&table.null_row, &row, 1);
  }

  arrow::Status join(uint8_t* const* into, uint8_t* const* from, int64_t n) {
    if (n == 0) return arrow::Status::OK();
    const MergeSpan span{into, from, n, into_->table(0), from_, adopt_};
    for (const auto& f : plan_.functions) ARROW_RETURN_NOT_OK(f->merge(span));
    for (int64_t j = 0; j < n; ++j) {
      store(into[j] + layout_.order_offset, std::min(order(into[j]), order(from[j])));
      if (adopt_) store(from[j] + layout_.order_offset, RowLayout::kNoOrder);
    }
    return arrow::Status::OK();
  }

  static constexpr uint64_t kTag = 7;  // low bits of a wide reference

  const AggregatePlan& plan_;
  const RowLayout& layout_;
  TableSet* into_;
  GroupTable& from_;
  bool adopt_ = false;
  int64_t taken_ = 0;
};

}  // namespace

arrow::Status merge_table(const AggregatePlan& plan, TableSet* into, GroupTable from) {
  constexpr int64_t kTrial = 256;  // rows that are copied to see how many are new
  GroupTable& table = into->table(0);
  const int64_t groups = table.groups(), trial = plan.keeps_values() ? 0 : kTrial;
  Merger merger(plan, into, from);
  int64_t tried = 0;
  bool adopts = false;
  const auto judge = [&]() -> arrow::Status {
    adopts = (table.groups() - groups) * 2 >= tried;
    if (!adopts) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(table.reserve(table.groups() + from.groups() - tried));
    into->refresh(0);
    merger.adopt();
    return arrow::Status::OK();
  };
  bool judged = false;
  ARROW_RETURN_NOT_OK(from.for_each([&](uint8_t* const* rows, int64_t n) -> arrow::Status {
    const int64_t first = std::min(n, trial - tried);
    if (first > 0) {
      ARROW_RETURN_NOT_OK(merger.merge(rows, first));
      for (int64_t j = 0; j < first; ++j) store(rows[j] + plan.layout.order_offset, RowLayout::kNoOrder);
      tried += first;
    }
    if (first == n) return arrow::Status::OK();
    if (!std::exchange(judged, true)) ARROW_RETURN_NOT_OK(judge());
    return merger.merge(rows + first, n - first);
  }));
  if (adopts) table.adopt(std::move(from), merger.taken());
  return arrow::Status::OK();
}

arrow::Status merge_rows(const AggregatePlan& plan, TableSet* into, uint8_t* const* rows, int64_t n, GroupTable& from) {
  return Merger(plan, into, from).merge(rows, n);
}

arrow::Status merge_global(const AggregatePlan& plan, GroupTable* into, GroupTable from) {
  uint8_t* target = nullptr;
  ARROW_RETURN_NOT_OK(into->for_each([&](uint8_t* const* rows, int64_t) {
    target = rows[0];
    return arrow::Status::OK();
  }));
  ARROW_RETURN_NOT_OK(from.for_each([&](uint8_t* const* rows, int64_t n) -> arrow::Status {
    const MergeSpan span{&target, rows, n, *into, from, true};
    for (const auto& f : plan.functions) ARROW_RETURN_NOT_OK(f->merge(span));
    store(rows[0] + plan.layout.order_offset, RowLayout::kNoOrder);
    return arrow::Status::OK();
  }));
  into->adopt(std::move(from), 0);
  return arrow::Status::OK();
}

}  // namespace gristmill::exec
