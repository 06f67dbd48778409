// Runs one hash join as the lowering would: build pipeline and phases, then probe or spilled join, then the reordering.
// Beside it the reference: two nested loops over equal_rows.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "column/kernels.h"
#include "column/random_columns.h"
#include "exec/join.h"
#include "exec/pipeline.h"
#include "expr/bind.h"
#include "sched/task.h"

namespace gristmill::exec::testing {

using column::Batch;
using column::Column;
using column::TypePtr;
using column::testing::ok;
using column::testing::RandomColumns;
using plan::JoinKind;

struct JoinCase {
  JoinKind kind = JoinKind::kInner;
  std::vector<TypePtr> left_types, right_types;
  std::vector<Batch> left, right;
  std::vector<std::string> left_keys, right_keys;  // "l0", "r1": columns; or set the expressions
  std::vector<expr::NodePtr> left_exprs, right_exprs;
  std::vector<int> output;
  bool nulls_equal = false;
  // Over columns l0, ..., r0, ...; the twin tells of two rows the same.
  expr::NodePtr residual;
  std::function<bool(const Batch&, int64_t, const Batch&, int64_t)> residual_twin;
  std::string left_on, right_on;  // as-of
  AsofSpec asof;
};

struct JoinRun {
  int workers = 1;
  uint64_t seed = 1;  // of the simulated scheduler; 0 = real threads
  bool build_left = false, ordered = true, spill_eagerly = false;
  int64_t batch_rows = 8192, morsel_batches = 1;
  int64_t memory = 0;
  bool filters = true;
};

struct JoinOutcome {
  std::vector<std::string> rows;
  arrow::Status status;
  bool spilled = false;
  int64_t peak = 0;
  std::vector<std::pair<int, std::shared_ptr<plan::RuntimeFilter>>> filters;
};

inline std::shared_ptr<arrow::Schema> named(const std::vector<TypePtr>& types, const char* side) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (size_t i = 0; i < types.size(); ++i) fields.push_back(arrow::field(side + std::to_string(i), types[i]));
  return arrow::schema(fields);
}

// What a residual reads.
inline std::shared_ptr<arrow::Schema> pair_of(const JoinCase& c) {
  auto fields = named(c.left_types, "l")->fields();
  const auto right_fields = named(c.right_types, "r")->fields();
  fields.insert(fields.end(), right_fields.begin(), right_fields.end());
  return arrow::schema(fields);
}

class BatchSource final : public Source {
 public:
  BatchSource(const std::vector<Batch>& batches, int64_t per_morsel, int64_t batch_rows) {
    std::vector<Batch> pieces;
    for (const Batch& b : batches) {
      for (int64_t at = 0; at < b.rows; at += batch_rows) pieces.push_back(column::slice(b, at, std::min(batch_rows, b.rows - at)));
    }
    for (size_t i = 0; i < pieces.size(); i += static_cast<size_t>(per_morsel)) {
      const size_t end = std::min(pieces.size(), i + static_cast<size_t>(per_morsel));
      morsels_.emplace_back(pieces.begin() + static_cast<std::ptrdiff_t>(i), pieces.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }
  std::string name() const override { return "batches"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return static_cast<int64_t>(morsels_.size()); }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext&) override { return std::make_unique<LocalState>(); }
  arrow::Status read(uint64_t seq, LocalState&, const Emit& emit, RowCounts& counts) override {
    for (const Batch& b : morsels_[seq]) {
      counts.in += b.selected();
      ARROW_RETURN_NOT_OK(emit(b));
    }
    return arrow::Status::OK();
  }

 private:
  std::vector<std::vector<Batch>> morsels_;
};

inline std::string row_text(const std::vector<Column>& columns, int64_t row) {
  std::string out;
  for (const Column& c : columns) out += column::value_text(c, row) + "|";
  return out;
}

class TextSink final : public OrderedSink {
 public:
  TextSink(std::vector<TypePtr> types, bool keep) : types_(std::move(types)), keep_(keep) {}
  std::string name() const override { return "text"; }
  arrow::Result<Answer> deliver(uint64_t, std::vector<Batch>& batches) override {
    for (const Batch& b : batches) {
      if (b.columns.size() != types_.size()) return arrow::Status::Invalid("wrong number of columns");
      for (size_t c = 0; c < types_.size(); ++c) {
        if (!b.columns[c].type()->Equals(*types_[c])) return arrow::Status::Invalid("wrong type");
      }
      count += b.selected();
      if (!keep_) continue;
      for (uint16_t i : b.selection.indices(b.rows)) rows.push_back(row_text(b.columns, i));
    }
    return Answer{};
  }
  arrow::Status finalize() override { return arrow::Status::OK(); }
  std::vector<std::string> rows;
  int64_t count = 0;

 private:
  std::vector<TypePtr> types_;
  bool keep_;
};

inline std::vector<expr::BoundPtr> bind_all(const std::vector<std::string>& names, const std::vector<expr::NodePtr>& exprs,
                                            const arrow::Schema& schema) {
  std::vector<expr::BoundPtr> out;
  for (const auto& n : names) out.push_back(ok(expr::bind(expr::column(n), schema)));
  for (const auto& e : exprs) out.push_back(ok(expr::bind(e, schema)));
  return out;
}

inline JoinOutcome run_join(const JoinCase& c, const JoinRun& run) {
  auto context = std::make_shared<QueryContext>();
  context->memory = base::QueryMemory::make(run.memory);
  context->workers = run.workers;
  context->batch_rows = run.batch_rows;
  context->spill_eagerly = run.spill_eagerly;
  auto report = std::make_shared<RunReport>();

  JoinSpec spec;
  spec.kind = c.kind;
  spec.left_types = c.left_types;
  spec.right_types = c.right_types;
  spec.left_keys = bind_all(c.left_keys, c.left_exprs, *named(c.left_types, "l"));
  spec.right_keys = bind_all(c.right_keys, c.right_exprs, *named(c.right_types, "r"));
  spec.output = c.output;
  spec.nulls_equal = c.nulls_equal;
  spec.build_left = run.build_left;
  spec.ordered = run.ordered;
  spec.label = "test";
  if (c.residual) spec.residual = ok(expr::bind(c.residual, *pair_of(c)));
  if (c.kind == JoinKind::kAsof) {
    spec.asof = c.asof;
    spec.asof->left_on = ok(expr::bind(expr::column(c.left_on), *named(c.left_types, "l")));
    spec.asof->right_on = ok(expr::bind(expr::column(c.right_on), *named(c.right_types, "r")));
  }
  std::vector<TypePtr> types;
  for (int o : c.output) {
    const size_t at = static_cast<size_t>(o), width = c.left_types.size();
    types.push_back(at < width ? c.left_types[at] : c.right_types[at - width]);
  }
  std::shared_ptr<Join> join = ok(make_hash_join(spec, *context));
  JoinOutcome out;
  if (run.filters) out.filters = join->runtime_filters();

  const auto left = std::make_shared<BatchSource>(c.left, run.morsel_batches, run.batch_rows);
  const auto right = std::make_shared<BatchSource>(c.right, run.morsel_batches, run.batch_rows);
  const std::shared_ptr<Source> built = run.build_left ? left : right, probed = run.build_left ? right : left;
  sched::Query query;
  const auto add = [&](std::shared_ptr<sched::Task> task) {
    const int n = static_cast<int>(query.nodes.size());
    query.nodes.push_back({std::move(task), n == 0 ? std::vector<int>{} : std::vector<int>{n - 1}});
  };
  const auto from = [](std::shared_ptr<Source> source, std::shared_ptr<const Operator> op = nullptr) {
    Segment s;
    s.branches.push_back(Branch{std::move(source), 1, {}});
    if (op) s.append(std::move(op), 2);
    return s;
  };
  const auto breaker = [&](ResolveSegment resolve, const Breaker& b, std::function<bool()> enabled) {
    PipelineSpec p;
    p.resolve = std::move(resolve);
    p.enabled = enabled;
    p.sink = b.sink;
    add(make_pipeline_task(std::move(p), context, report));
    for (const auto& phase : b.phases) add(make_phase_task(phase, enabled, context, report, 3));
  };
  breaker([=]() -> arrow::Result<Segment> { return from(built); }, join->build(), nullptr);
  const Breaker grace = join->grace();
  breaker([=]() -> arrow::Result<Segment> { return from(probed); }, grace, [join] { return join->spilled(); });
  ResolveSegment last = [=]() -> arrow::Result<Segment> {
    if (join->spilled()) return from(grace.source);
    Segment s = from(probed, join->probe());
    if (auto unmatched = join->unmatched()) {
      const auto gate = std::make_shared<BranchGate>();
      s.branches[0].feeds.push_back(gate);
      s.branches.push_back(Branch{std::move(unmatched), 1, {}, {}, gate});
    }
    return s;
  };
  if (auto reorder = join->reorder()) {
    breaker(std::move(last), *reorder, nullptr);
    last = [=, source = reorder->source]() -> arrow::Result<Segment> { return from(source); };
  }
  auto sink = std::make_shared<TextSink>(types, run.memory == 0);
  PipelineSpec p;
  p.resolve = std::move(last);
  p.ordered = sink;
  add(make_pipeline_task(std::move(p), context, report));

  sched::RunOptions options;
  options.workers = run.workers;
  if (run.seed == 0) {
    out.status = sched::Scheduler::process().run(query, options);
  } else {
    out.status = sched::simulated_scheduler(run.seed)->run(query, options);
  }
  out.rows = std::move(sink->rows);
  out.spilled = join->spilled();
  out.peak = context->memory->peak();
  return out;
}

struct RowAt {
  const Batch* batch;
  int64_t row;
};

inline std::vector<RowAt> live_rows(const std::vector<Batch>& batches) {
  std::vector<RowAt> out;
  for (const Batch& b : batches) {
    for (uint16_t i : b.selection.indices(b.rows)) out.push_back({&b, i});
  }
  return out;
}

inline int column_number(const std::string& name) { return std::stoi(name.substr(1)); }

inline std::string output_text(const JoinCase& c, const RowAt* l, const RowAt* r) {
  const size_t width = c.left_types.size();
  std::string text;
  for (int o : c.output) {
    const size_t at = static_cast<size_t>(o);
    const RowAt* row = at < width ? l : r;
    text += (row ? column::value_text(row->batch->columns[at < width ? at : at - width], row->row) : "null") + "|";
  }
  return text;
}

inline bool pair_matches(const JoinCase& c, const RowAt& l, const RowAt& r) {
  for (size_t k = 0; k < c.left_keys.size(); ++k) {
    const Column &a = l.batch->columns[static_cast<size_t>(column_number(c.left_keys[k]))],
                 &b = r.batch->columns[static_cast<size_t>(column_number(c.right_keys[k]))];
    if (!c.nulls_equal && (column::is_null_at(a, l.row) || column::is_null_at(b, r.row))) return false;
    if (!column::equal_rows(a, l.row, b, r.row)) return false;
  }
  return !c.residual_twin || c.residual_twin(*l.batch, l.row, *r.batch, r.row);
}

// The right rows that a left row goes with, in order. As-of: the one chosen (as_of_test.cc has its own twin).
using Choose = std::function<std::vector<const RowAt*>(const RowAt& left, std::vector<const RowAt*> candidates)>;

inline std::vector<std::string> nested_loops(const JoinCase& c, const Choose& choose = nullptr) {
  std::vector<std::string> out;
  const std::vector<RowAt> right = live_rows(c.right);
  std::vector<bool> matched(right.size(), false);
  const bool pairs = c.kind != JoinKind::kSemi && c.kind != JoinKind::kAnti;
  for (const RowAt& l : live_rows(c.left)) {
    std::vector<const RowAt*> mine;
    for (size_t i = 0; i < right.size(); ++i) {
      if (!pair_matches(c, l, right[i])) continue;
      mine.push_back(&right[i]);
      matched[i] = true;
    }
    if (choose) mine = choose(l, std::move(mine));
    for (const RowAt* r : mine) {
      if (pairs) out.push_back(output_text(c, &l, r));
    }
    const bool alone = c.kind == JoinKind::kLeft || c.kind == JoinKind::kFull || c.kind == JoinKind::kAsof || c.kind == JoinKind::kAnti;
    if ((mine.empty() && alone) || (!mine.empty() && c.kind == JoinKind::kSemi)) out.push_back(output_text(c, &l, nullptr));
  }
  for (size_t i = 0; i < right.size(); ++i) {
    if (!matched[i] && (c.kind == JoinKind::kRight || c.kind == JoinKind::kFull)) out.push_back(output_text(c, nullptr, &right[i]));
  }
  return out;
}

// Of an inner join whose order nobody sees, its left side built: for each right row its left rows.
inline std::vector<std::string> right_rows_first(const JoinCase& c) {
  std::vector<std::string> out;
  const std::vector<RowAt> left = live_rows(c.left);
  for (const RowAt& r : live_rows(c.right)) {
    for (const RowAt& l : left) {
      if (pair_matches(c, l, r)) out.push_back(output_text(c, &l, &r));
    }
  }
  return out;
}

}  // namespace gristmill::exec::testing
