// Predicates as masks: comparisons, and, or, not, null tests and membership never make a bool column.
//
// "and" asks its later arguments only for rows that are still open (true so far, or not false so far when false rows are
// wanted too), "or" likewise; so a fallible argument never sees a row that the earlier ones have decided.

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "expr/evaluation.h"
#include "expr/functions/comparison.h"
#include "expr/mask_ops.h"
#include "expr/membership.h"

namespace gristmill::expr {

using column::Column;
using column::CompareOp;
using column::Mask;
using column::Selection;

namespace {

Mask none(int64_t rows) { return Mask(rows, false); }

Mask selected(const Selection& rows, int64_t n) { return rows.all() ? Mask(n, true) : rows.mask(n); }

// Rows of a bool expression that is true where `yes`, null where not `known`.
Truth from_known(Mask yes, Mask known, const Selection& rows, bool want_no) {
  Truth t;
  restrict_to(yes, rows);
  if (want_no) {
    t.no = std::move(known);
    and_not_into(t.no, yes);
    restrict_to(t.no, rows);
  }
  t.yes = std::move(yes);
  return t;
}

}  // namespace

arrow::Result<Truth> Evaluation::truth(const Bound& e, const Selection& rows, bool want_no) {
  if (rows.empty(batch_.rows)) return Truth{none(batch_.rows), want_no ? none(batch_.rows) : Mask()};
  ARROW_ASSIGN_OR_RAISE(auto by_entry, truth_by_entry(e, rows, want_no));
  if (by_entry) return std::move(*by_entry);
  return plain_truth(e, rows, want_no);
}

arrow::Result<Truth> Evaluation::plain_truth(const Bound& e, const Selection& rows, bool want_no) {
  if (e.kind != BoundKind::kCall) return truth_of_column(e, rows, want_no);
  switch (e.function->special) {
    case Special::kAnd: return chain(e, rows, want_no, true);
    case Special::kOr: return chain(e, rows, want_no, false);
    case Special::kNot: {
      ARROW_ASSIGN_OR_RAISE(Truth t, truth(*e.args[0], rows, true));
      std::swap(t.yes, t.no);
      return t;
    }
    case Special::kCompare: return comparison(e, rows, want_no);
    case Special::kDistinct: return distinct(e, rows, want_no);
    case Special::kBetween: return between(e, rows, want_no);
    case Special::kIsNull:
    case Special::kIsNotNull: return nullness(e, rows, want_no);
    case Special::kIsIn: return membership(e, rows, want_no);
    default: return truth_of_column(e, rows, want_no);
  }
}

// A conjunction is true where all are true and false where one is false; a disjunction is its mirror.
arrow::Result<Truth> Evaluation::chain(const Bound& e, const Selection& rows, bool want_no, bool conjunction) {
  const int64_t n = batch_.rows;
  ARROW_ASSIGN_OR_RAISE(Truth all, truth(*e.args[0], rows, want_no));
  for (size_t i = 1; i < e.args.size(); ++i) {
    Mask open = conjunction && !want_no ? all.yes : selected(rows, n);
    if (conjunction && want_no) and_not_into(open, all.no);
    if (!conjunction) and_not_into(open, all.yes);
    const Selection still = Selection::from_mask(std::move(open));
    if (still.empty(n)) break;
    ARROW_ASSIGN_OR_RAISE(Truth t, truth(*e.args[i], still, want_no));
    if (conjunction) {
      and_into(all.yes, t.yes);
      if (want_no) or_into(all.no, t.no);
    } else {
      or_into(all.yes, t.yes);
      if (want_no) and_into(all.no, t.no);
    }
  }
  return all;
}

arrow::Result<Truth> Evaluation::comparison(const Bound& e, const Selection& rows, bool want_no) {
  ARROW_ASSIGN_OR_RAISE(Column a, column(*e.args[0], rows));
  ARROW_ASSIGN_OR_RAISE(Column b, column(*e.args[1], rows));
  const CompareOp op = static_cast<const CompareState&>(*e.state).op;
  ARROW_ASSIGN_OR_RAISE(Mask yes, column::compare(op, a, b, batch_.rows));
  Mask known;
  if (want_no) {
    known = column::validity_mask(a, batch_.rows);
    if (column::has_nulls(b)) and_into(known, column::validity_mask(b, batch_.rows));
  }
  return from_known(std::move(yes), std::move(known), rows, want_no);
}

arrow::Result<Truth> Evaluation::distinct(const Bound& e, const Selection& rows, bool want_no) {
  ARROW_ASSIGN_OR_RAISE(Column a, column(*e.args[0], rows));
  ARROW_ASSIGN_OR_RAISE(Column b, column(*e.args[1], rows));
  const Mask va = column::validity_mask(a, batch_.rows), vb = column::validity_mask(b, batch_.rows);
  ARROW_ASSIGN_OR_RAISE(Mask yes, column::compare(CompareOp::kNe, a, b, batch_.rows));
  for (size_t w = 0; w < yes.words.size(); ++w) yes.words[w] |= va.words[w] ^ vb.words[w];
  if (static_cast<const CompareState&>(*e.state).op == CompareOp::kEq) invert(yes);
  return from_known(std::move(yes), want_no ? Mask(batch_.rows, true) : Mask(), rows, want_no);
}

// low <= x and x <= high; a null bound leaves "false" to the other one.
arrow::Result<Truth> Evaluation::between(const Bound& e, const Selection& rows, bool want_no) {
  ARROW_ASSIGN_OR_RAISE(Column x, column(*e.args[0], rows));
  ARROW_ASSIGN_OR_RAISE(Column low, column(*e.args[1], rows));
  ARROW_ASSIGN_OR_RAISE(Column high, column(*e.args[2], rows));
  Truth t;
  ARROW_ASSIGN_OR_RAISE(t.yes, column::compare(CompareOp::kGe, x, low, batch_.rows));
  ARROW_ASSIGN_OR_RAISE(Mask below, column::compare(CompareOp::kLe, x, high, batch_.rows));
  and_into(t.yes, below);
  restrict_to(t.yes, rows);
  if (want_no) {
    ARROW_ASSIGN_OR_RAISE(t.no, column::compare(CompareOp::kLt, x, low, batch_.rows));
    ARROW_ASSIGN_OR_RAISE(Mask above, column::compare(CompareOp::kGt, x, high, batch_.rows));
    or_into(t.no, above);
    restrict_to(t.no, rows);
  }
  return t;
}

// x in (a, b, null): true if one is equal, else NULL because of the null, else false.
arrow::Result<Truth> Evaluation::membership(const Bound& e, const Selection& rows, bool want_no) {
  ARROW_ASSIGN_OR_RAISE(Column x, column(*e.args[0], rows));
  const Mask known = column::validity_mask(x, batch_.rows);
  const auto* set = static_cast<const MemberSet*>(e.state.get());
  if (set && !x.is_constant()) {
    if (x.is_dictionary()) {
      ARROW_ASSIGN_OR_RAISE(x, column::flatten(x, batch_.rows, pool_));
    }
    Mask yes = set->find(x, known, batch_.rows);
    return from_known(std::move(yes), set->holds_null() ? none(batch_.rows) : known, rows, want_no);
  }
  Truth t{none(batch_.rows), known};
  for (size_t i = 1; i < e.args.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(Column v, column(*e.args[i], rows));
    ARROW_ASSIGN_OR_RAISE(Mask same, column::compare(CompareOp::kEq, x, v, batch_.rows));
    or_into(t.yes, same);
    if (column::has_nulls(v)) and_into(t.no, column::validity_mask(v, batch_.rows));
  }
  and_not_into(t.no, t.yes);
  restrict_to(t.yes, rows);
  restrict_to(t.no, rows);
  return t;
}

arrow::Result<Truth> Evaluation::nullness(const Bound& e, const Selection& rows, bool want_no) {
  ARROW_ASSIGN_OR_RAISE(Column x, column(*e.args[0], rows));
  Mask yes = column::validity_mask(x, batch_.rows);
  if (e.function->special == Special::kIsNull) invert(yes);
  return from_known(std::move(yes), want_no ? Mask(batch_.rows, true) : Mask(), rows, want_no);
}

arrow::Result<Truth> Evaluation::truth_of_column(const Bound& e, const Selection& rows, bool want_no) {
  ARROW_ASSIGN_OR_RAISE(Column c, column(e, rows));
  if (c.type()->id() == arrow::Type::NA) return Truth{none(batch_.rows), want_no ? none(batch_.rows) : Mask()};
  if (c.is_constant()) {
    const bool null = column::is_null_at(c, 0);
    const bool value = !null && column::bit_at(c.values->buffers[1]->data(), c.values->offset);
    return Truth{value ? selected(rows, batch_.rows) : none(batch_.rows),
                 want_no ? (!null && !value ? selected(rows, batch_.rows) : none(batch_.rows)) : Mask()};
  }
  if (c.is_dictionary()) {
    ARROW_ASSIGN_OR_RAISE(c, column::flatten(c, batch_.rows, pool_));
  }
  Mask yes = mask_of_bits(c.values->buffers[1]->data(), c.values->offset, batch_.rows);
  Mask known;
  if (want_no || column::has_nulls(c)) {
    known = column::validity_mask(c, batch_.rows);
    and_into(yes, known);
  }
  return from_known(std::move(yes), std::move(known), rows, want_no);
}

}  // namespace gristmill::expr
