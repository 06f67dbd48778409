// What a prober does for joins that are more than equal keys: pairs under a residual, the nearest row, build rows without a match.

#include <algorithm>

#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "exec/join_prober.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kWalkShare = 8;  // of a batch's rows one in so many must be selected for all to be walked past
constexpr uint64_t kBehindAll = uint64_t{1} << 63;  // orders of probe rows are below

column::Column orders(int64_t rows, std::shared_ptr<arrow::Buffer> values) {
  return column::Column::flat(column::make_array(arrow::uint64(), rows, nullptr, 0, std::move(values)));
}

}  // namespace

arrow::Status JoinProber::pick_near(const BuildRows& build, const column::Batch& batch, const column::Column& on) {
  ARROW_RETURN_NOT_OK(near_.read(on, batch.rows, pool_));
  const bool nulls = column::has_nulls(on);
  const column::Mask there = nulls ? column::validity_mask(on, batch.rows) : column::Mask();
  if (cursors_of_ != build.near->serial()) cursors_->forget();
  cursors_of_ = build.near->serial();
  const bool only_back = rule_.only_back(), exact = rule_.exact();
  if (!nulls && build.near->one_chain()) {
    // What is not selected may have any row.
    const bool many = batch.selected() * kWalkShare >= batch.rows;
    if (many && build.near->walk(near_, batch.rows, rule_, *cursors_, places_, first_.data())) return arrow::Status::OK();
    if (only_back && batch.selection.all()) {
      build.near->find_back_all(near_, batch.rows, exact, *cursors_, first_.data());
      return arrow::Status::OK();
    }
  }
  for (int64_t i = 0; i < batch.rows; ++i) {
    int32_t& row = first_[static_cast<size_t>(i)];
    if (row < 0) continue;
    if (only_back && (!nulls || there.get(i))) {
      row = build.near->find_back(row, near_[i], exact, *cursors_);
      continue;
    }
    const uint64_t word = near_[i];
    const NearPair found = nulls && !there.get(i) ? NearPair{} : build.near->find(row, word, rule_, *cursors_);
    const NearRow* chosen = rule_.choose(word, found);
    row = chosen ? chosen->row : kNoRow;
  }
  return arrow::Status::OK();
}

arrow::Status JoinProber::probe_pairs(const BuildRows& build, column::Batch batch, const int32_t* first, BuildMarks* marks,
                                      const Emit& emit) {
  if (shape_.filters()) {
    column::Mask kept(batch.rows, false);
    const bool wanted = shape_.spec.kind == plan::JoinKind::kSemi;
    PairFilter::Visitor visitor;
    visitor.first_of_probe = true;
    visitor.pair = [](int32_t, int32_t) { return arrow::Status::OK(); };
    visitor.end = [&](int32_t row, bool any) {
      if (any == wanted) kept.set(row);
      return arrow::Status::OK();
    };
    ARROW_RETURN_NOT_OK(pairs_->run(build, batch, first, visitor));
    batch.selection = column::Selection::from_mask(std::move(kept));
    return emit_unmatched(std::move(batch), emit);
  }
  return emit_pairs(build, batch, first, marks, nullptr, emit);
}

arrow::Status JoinProber::emit_pairs(const BuildRows& build, const column::Batch& batch, const int32_t* first, BuildMarks* marks,
                                     column::Mask* hits, const Emit& emit) {
  const bool shown = shape_.shows_pairs();
  const bool alone = shape_.keeps_probe() && !hits;  // rows without a pair leave here
  probe_rows_.clear();
  build_rows_.clear();
  PairFilter::Visitor visitor;
  visitor.first_of_probe = shape_.filters();
  visitor.first_of_build = shape_.marks_only() ? marks : nullptr;
  visitor.pair = [&](int32_t probe_row, int32_t build_row) {
    if (marks) marks->mark(build_row);
    return shown ? add_pair(build, batch, probe_row, build_row, emit) : arrow::Status::OK();
  };
  visitor.end = [&](int32_t row, bool any) {
    if (hits && any) hits->set(row);
    return !any && alone ? add_pair(build, batch, row, kNoRow, emit) : arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(pairs_->run(build, batch, first, visitor));
  return probe_rows_.empty() ? arrow::Status::OK() : flush_pairs(build, batch, emit);
}

arrow::Status JoinProber::add_pair(const BuildRows& build, const column::Batch& batch, int32_t probe_row, int32_t build_row,
                                   const Emit& emit) {
  probe_rows_.push_back(probe_row);
  build_rows_.push_back(build_row);
  return static_cast<int64_t>(probe_rows_.size()) == batch_rows_ ? flush_pairs(build, batch, emit) : arrow::Status::OK();
}

arrow::Status JoinProber::emit_build(const BuildRows& build, const column::Mask& rows, int64_t begin, int64_t end, const Emit& emit) {
  build_rows_.clear();
  for (int64_t i = begin; i < end; ++i) {
    if (rows.get(i)) build_rows_.push_back(static_cast<int32_t>(i));
    if (static_cast<int64_t>(build_rows_.size()) == batch_rows_) ARROW_RETURN_NOT_OK(emit_build_rows(build, emit));
  }
  return build_rows_.empty() ? arrow::Status::OK() : emit_build_rows(build, emit);
}

arrow::Status JoinProber::emit_build_rows(const BuildRows& build, const Emit& emit) {
  column::Batch out;
  out.rows = static_cast<int64_t>(build_rows_.size());
  for (size_t i = 0; i < output_.size(); ++i) {
    column::Column c;
    if (output_[i].from == OutputColumn::kOrder) {
      ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer(out.rows * 8, pool_));
      const auto* order = column::values_of<uint64_t>(*build.columns.back().values);
      auto* to = reinterpret_cast<uint64_t*>(values->mutable_data());
      for (size_t j = 0; j < build_rows_.size(); ++j) to[j] = order[build_rows_[j]] | kBehindAll;
      c = orders(out.rows, std::move(values));
    } else if (output_[i].from == OutputColumn::kProbe) {
      ARROW_ASSIGN_OR_RAISE(c, column::null_column(types_[i], pool_));
    } else {
      ARROW_ASSIGN_OR_RAISE(c, build_column(build, output_[i], build_rows_));
    }
    out.columns.push_back(std::move(c));
  }
  build_rows_.clear();
  return emit(std::move(out));
}

arrow::Status JoinProber::emit_nothing(uint64_t order, const Emit& emit) {
  column::Batch out;
  out.rows = 1;
  for (size_t i = 0; i < output_.size(); ++i) {
    column::Column c;
    if (output_[i].from == OutputColumn::kOrder) {
      ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_buffer(8, pool_));
      *reinterpret_cast<uint64_t*>(values->mutable_data()) = order;
      c = orders(1, std::move(values));
    } else {
      ARROW_ASSIGN_OR_RAISE(c, column::null_column(i < types_.size() ? types_[i] : arrow::uint64(), pool_));
    }
    out.columns.push_back(std::move(c));
  }
  return emit(std::move(out));
}

}  // namespace gristmill::exec
