// An as-of join of one key whose build rows do not fit: they come in parts, and the best row of all parts must be known before
// one is emitted.
//
// Probe rows are taken some at a time. Once through all parts finds the best row of each, known by its order; once more
// through them emits it. Of equal values backward takes the later part's, forward the earlier one's: parts ascend by order.

#include <algorithm>

#include "column/kernels.h"
#include "exec/join_partition.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kRowsAtOnce = int64_t{1} << 18;

uint64_t order_of(const BuildRows& part, int32_t row) { return column::values_of<uint64_t>(*part.columns.back().values)[row]; }

}  // namespace

// The best so far; `order` of none is kNone.
struct PartitionJoin::Nearest {
  static constexpr uint64_t kNone = ~uint64_t{0};
  struct One {
    uint64_t word = 0, order = kNone;
  };
  One back, forward;
  uint64_t word = 0;

  // Of both, by the rule: the order of the row, or kNone.
  uint64_t chosen(const NearRule& rule) const {
    const NearPair pair{{back.order == kNone ? kNoRow : 0, back.word}, {forward.order == kNone ? kNoRow : 1, forward.word}};
    const NearRow* best = rule.choose(word, pair);
    return !best ? kNone : best->row == 0 ? back.order : forward.order;
  }
};

arrow::Status PartitionJoin::nearest_in_parts(const JoinBlocks& build, const JoinBlocks& probe) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<uint64_t> cuts, sample_orders(build));
  for (size_t from = 0; from < probe.size();) {
    JoinBlocks some;
    for (; from < probe.size() && (some.empty() || rows_of(some) + probe[from].rows <= kRowsAtOnce); ++from) some.push_back(probe[from]);
    ARROW_ASSIGN_OR_RAISE(const base::Reservation promised,
                          memory_.reserve(rows_of(some) * static_cast<int64_t>(sizeof(Nearest)), "as-of join partition"));
    std::vector<Nearest> best(static_cast<size_t>(rows_of(some)));
    ARROW_RETURN_NOT_OK(for_each_part(build, cuts, [&](const BuildRows& part) { return find_nearest(part, some, best); }));
    ARROW_RETURN_NOT_OK(for_each_part(build, cuts, [&](const BuildRows& part) { return emit_nearest(part, some, best); }));
    ARROW_RETURN_NOT_OK(emit_without(some, [&](int64_t row) { return best[static_cast<size_t>(row)].chosen(rule_) != Nearest::kNone; }));
  }
  return arrow::Status::OK();
}

arrow::Status PartitionJoin::find_nearest(const BuildRows& part, const JoinBlocks& probe, std::vector<Nearest>& best) {
  if (part.rows == 0) return arrow::Status::OK();
  NearWords words;
  NearCursors cursors;
  return for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>& keys, int64_t number) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const int32_t* first, prober_.find(part, batch, std::span(keys).first(shape_.probe.equal_keys)));
    ARROW_RETURN_NOT_OK(words.read(keys.back(), batch.rows, pool_));
    const column::Mask there = column::validity_mask(keys.back(), batch.rows);
    for (int64_t i = 0; i < batch.rows; ++i) {
      if (first[i] < 0 || !there.get(i)) continue;
      Nearest& mine = best[static_cast<size_t>(number + i)];
      mine.word = words[i];
      const NearPair found = part.near->find(first[i], mine.word, rule_, cursors);
      if (found.back.row >= 0 && (mine.back.order == Nearest::kNone || found.back.word >= mine.back.word))
        mine.back = {found.back.word, order_of(part, found.back.row)};
      if (found.forward.row >= 0 && (mine.forward.order == Nearest::kNone || found.forward.word < mine.forward.word))
        mine.forward = {found.forward.word, order_of(part, found.forward.row)};
    }
    return arrow::Status::OK();
  });
}

arrow::Status PartitionJoin::emit_nearest(const BuildRows& part, const JoinBlocks& probe, const std::vector<Nearest>& best) {
  if (part.rows == 0) return arrow::Status::OK();
  const auto* const orders = column::values_of<uint64_t>(*part.columns.back().values);
  std::vector<int32_t> rows;
  return for_each_probe(probe, [&](column::Batch batch, const std::vector<column::Column>&, int64_t number) {
    rows.assign(static_cast<size_t>(batch.rows), kNoRow);
    column::Mask hit(batch.rows, false);
    for (int64_t i = 0; i < batch.rows; ++i) {
      const uint64_t order = best[static_cast<size_t>(number + i)].chosen(rule_);
      const uint64_t* at = std::lower_bound(orders, orders + part.rows, order);
      if (order == Nearest::kNone || at == orders + part.rows || *at != order) continue;
      rows[static_cast<size_t>(i)] = static_cast<int32_t>(at - orders);
      hit.set(i);
    }
    batch.selection = column::Selection::from_mask(std::move(hit));
    if (batch.selection.empty(batch.rows)) return arrow::Status::OK();
    return prober_.emit_matches(part, std::move(batch), rows.data(), emit_);
  });
}

}  // namespace gristmill::exec
