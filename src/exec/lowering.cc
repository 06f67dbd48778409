// What a head becomes at each kind of node. Scans and joins, which deal in runtime filters, have files of their own.

#include "exec/lowering.h"

#include <algorithm>
#include <optional>

#include <arrow/type.h>

#include "base/status.h"
#include "exec/aggregate.h"
#include "exec/batch_functions.h"
#include "exec/collect.h"
#include "exec/explode.h"
#include "exec/filter.h"
#include "exec/limit.h"
#include "exec/project.h"
#include "exec/row_index.h"
#include "exec/sort.h"
#include "exec/tail_work.h"
#include "exec/window.h"
#include "plan/digits.h"
#include "plan/rules/may_fail.h"

namespace gristmill::exec {
namespace {

using plan::Plan;
using plan::PlanKind;
using plan::PlanPtr;

column::TypePtr canonical(const arrow::Field& f) { return column::canonical_type(f.type()); }

std::vector<column::TypePtr> canonical_types(const arrow::Schema& s) {
  std::vector<column::TypePtr> out;
  for (const auto& f : s.fields()) out.push_back(canonical(*f));
  return out;
}

std::string label_of(const std::vector<plan::NamedExpr>& exprs) {
  std::string out;
  for (const auto& e : exprs) out += (out.empty() ? "" : ", ") + e.name;
  return out;
}

class SinkTail final : public Phase {
 public:
  explicit SinkTail(std::shared_ptr<TailWork> work) : work_(std::move(work)) {}
  std::string name() const override { return "finish"; }
  arrow::Result<int64_t> start(const QueryContext&) override { return work_->tail_pieces(); }
  arrow::Status run(int64_t) override { return work_->run_piece(); }
  arrow::Status finish() override { return work_->finish_tail(); }

 private:
  const std::shared_ptr<TailWork> work_;
};

}  // namespace

arrow::Status Lowering::number(const Plan& p) {
  if (ids_.emplace(&p, static_cast<int>(ids_.size())).second) {
    for (const auto& in : p.inputs) ARROW_RETURN_NOT_OK(number(*in));
  }
  return arrow::Status::OK();
}

arrow::Status Lowering::finish(const PlanPtr& root, std::shared_ptr<OrderedSink> sink) {
  PlanPtr top = root;
  std::optional<std::pair<int64_t, int64_t>> limit;
  if (top->kind == PlanKind::kLimit) {
    limit = {top->offset, top->count};
    top = top->inputs[0];
  }
  ARROW_ASSIGN_OR_RAISE(Head head, lower(top));
  if (limit) {
    if (limit->second >= 0) head = then(std::move(head), make_morsel_limit(limit->first + limit->second), ids_[root.get()]);
    sink = make_limited_sink(limit->first, limit->second, std::move(sink), context_);
  }
  auto tail = std::dynamic_pointer_cast<TailWork>(sink);
  if (tail && !tail->expect_tail()) tail.reset();
  const int last = add_pipeline("result", std::move(head), nullptr, std::move(sink), ids_[root.get()], nullptr);
  if (tail) add_task(make_phase_task(std::make_shared<SinkTail>(tail), nullptr, context_, report_, ids_[root.get()]), {last});
  return arrow::Status::OK();
}

arrow::Result<ResolveSegment> Lowering::open(const PlanPtr& root) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(root));
  return std::move(head.resolve);
}

arrow::Status Lowering::share(const CommonRows& shared) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(shared.common));
  shared_ = shared;
  fan_out_ = std::make_shared<FanOut>(report_);
  shared_task_ = add_pipeline("shared rows", std::move(head), fan_out_, nullptr, id(shared.common), nullptr);
  return arrow::Status::OK();
}

arrow::Result<Head> Lowering::lower(const PlanPtr& p) {
  switch (p->kind) {
    case PlanKind::kScan: return lower_scan(p);
    case PlanKind::kFilter: return lower_filter(p);
    case PlanKind::kProject: return lower_project(p);
    case PlanKind::kAggregate: return lower_aggregate(p);
    case PlanKind::kJoin: return lower_join(p);
    case PlanKind::kSort: return lower_sort(p);
    case PlanKind::kLimit: return lower_limit(p);
    case PlanKind::kUnion: return lower_union(p);
    case PlanKind::kWindow: return lower_window(p);
    case PlanKind::kExplode: return lower_explode(p);
    case PlanKind::kRowIndex: return lower_row_index(p);
  }
  return base::internal_error("unknown plan node");
}

Head Lowering::then(Head head, std::shared_ptr<const Operator> op, int node) {
  auto inner = std::move(head.resolve);
  head.resolve = [inner, op, node]() -> arrow::Result<Segment> {
    ARROW_ASSIGN_OR_RAISE(Segment s, inner());
    s.append(op, node);
    return s;
  };
  return head;
}

int Lowering::add_task(std::shared_ptr<sched::Task> task, std::vector<int> after) {
  query_.nodes.push_back({std::move(task), std::move(after)});
  return static_cast<int>(query_.nodes.size()) - 1;
}

int Lowering::add_pipeline(std::string name, Head head, std::shared_ptr<Sink> sink, std::shared_ptr<OrderedSink> ordered, int node,
                           std::function<bool()> enabled) {
  PipelineSpec spec;
  spec.name = std::move(name);
  spec.resolve = std::move(head.resolve);
  spec.enabled = std::move(enabled);
  spec.sink = std::move(sink);
  spec.ordered = std::move(ordered);
  spec.sink_node = node;
  return add_task(make_pipeline_task(std::move(spec), context_, report_), std::move(head.after));
}

int Lowering::add_breaker(const std::string& name, Head head, const Breaker& b, int node, const std::function<bool()>& enabled) {
  int last = 0;
  if (head.handed_on) {
    fan_out_->add(std::move(head.resolve), b.sink, node);
    last = head.after[0];
  } else {
    last = add_pipeline(name, std::move(head), b.sink, nullptr, node, enabled);
  }
  for (const auto& phase : b.phases) last = add_task(make_phase_task(phase, enabled, context_, report_, node), {last});
  return last;
}

ResolveSegment Lowering::from_source(std::shared_ptr<Source> source, int node) {
  return [source, node]() -> arrow::Result<Segment> {
    Segment s;
    s.branches.push_back(Branch{source, node, {}});
    return s;
  };
}

arrow::Result<Head> Lowering::lower_filter(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  ARROW_ASSIGN_OR_RAISE(auto predicate, expr::bind(p->predicate, *p->inputs[0]->schema));
  ARROW_ASSIGN_OR_RAISE(const bool fallible, plan::fallible(p->predicate, *p->inputs[0]));
  if (fallible) head.origins.assign(head.origins.size(), {});
  return then(std::move(head), make_filter(predicate, expr::text(*p->predicate)), id(p));
}

arrow::Result<Head> Lowering::lower_project(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  std::vector<expr::BoundPtr> outputs;
  ARROW_ASSIGN_OR_RAISE(const bool fallible, plan::any_fallible(p->exprs, *p->inputs[0]));
  for (const auto& e : p->exprs) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind(e.expr, *p->inputs[0]->schema));
    outputs.push_back(std::move(b));
  }
  std::vector<Origin> origins;
  for (const auto& b : outputs) {
    origins.push_back(!fallible && b->kind == expr::BoundKind::kInput ? head.origins[static_cast<size_t>(b->input)] : Origin{});
  }
  head.origins = std::move(origins);
  return then(std::move(head), make_project(std::move(outputs), label_of(p->exprs), true), id(p));
}

arrow::Result<Head> Lowering::lower_explode(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  std::vector<int> columns;
  std::string label;
  for (const auto& name : p->explode) {
    columns.push_back(p->inputs[0]->schema->GetFieldIndex(name));
    label += (label.empty() ? "" : ", ") + name;
  }
  head.origins.assign(head.origins.size(), {});
  return then(std::move(head), make_explode(std::move(columns), label), id(p));
}

// Rows of a scan know their numbers; elsewhere the rows before must have been counted, so the pipeline runs on one worker.
arrow::Result<Head> Lowering::lower_row_index(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  head.origins.insert(head.origins.begin(), Origin{});
  if (!p->position_only) head.origins.assign(head.origins.size(), {});
  const Plan& in = *p->inputs[0];
  const bool whole_scan = in.kind == PlanKind::kScan && !in.predicate;
  head.resolve = [inner = std::move(head.resolve), p, whole_scan, node = id(p)]() -> arrow::Result<Segment> {
    ARROW_ASSIGN_OR_RAISE(Segment s, inner());
    if (p->position_only) {
      s.append(make_row_position(p->index_name), node);
    } else if (whole_scan && s.branches[0].source->numbers_rows()) {
      s.append(make_origin_index(p->index_name, p->offset), node);
    } else {
      s.append(make_running_index(p->index_name, p->offset), node);
      s.sequential = true;
    }
    return s;
  };
  return head;
}

arrow::Result<Head> Lowering::after_breaker(const PlanPtr& p, const Breaker& b, int last) {
  Head out;
  out.resolve = from_source(b.source, id(p));
  out.after = {last};
  out.origins.resize(static_cast<size_t>(p->schema->num_fields()));
  return out;
}

arrow::Result<Head> Lowering::lower_aggregate(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  const arrow::Schema& input = *p->inputs[0]->schema;
  AggregateSpec spec;
  for (const auto& k : p->exprs) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind(k.expr, input));
    spec.keys.push_back(std::move(b));
  }
  for (const auto& a : p->aggregates) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind_aggregate(a.expr, input));
    spec.aggregates.push_back(std::move(b));
  }
  spec.ordered = p->ordered;
  spec.label = label_of(p->exprs);
  // A group that no row of a join meets may as well not be made: filters on keys go on to the rows, once the other side is built.
  ARROW_ASSIGN_OR_RAISE(const bool filters, plan::groups_may_go(*p));
  std::vector<Origin> keys;
  for (const auto& k : spec.keys) {
    const bool passes = filters && k->kind == expr::BoundKind::kInput;
    keys.push_back(passes ? head.origins[static_cast<size_t>(k->input)] : Origin{});
  }
  head.after.insert(head.after.end(), built_before_.begin(), built_before_.end());
  ARROW_ASSIGN_OR_RAISE(Breaker b, make_aggregate(std::move(spec), *context_));
  const int last = add_breaker("aggregate", std::move(head), b, id(p));
  ARROW_ASSIGN_OR_RAISE(Head out, after_breaker(p, b, last));
  std::copy(keys.begin(), keys.end(), out.origins.begin());
  return out;
}

arrow::Result<Head> Lowering::lower_sort(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  SortSpec spec;
  for (const auto& k : p->sort) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind(k.expr, *p->inputs[0]->schema));
    spec.keys.push_back(std::move(b));
    spec.order.push_back({k.descending, k.nulls_first});
    spec.label += (spec.label.empty() ? "" : ", ") + expr::text(*k.expr) + (k.descending ? " desc" : "");
  }
  spec.types = canonical_types(*p->schema);
  spec.top = p->top;
  ARROW_ASSIGN_OR_RAISE(Breaker b, make_sort(std::move(spec), *context_));
  const int last = add_breaker("sort", std::move(head), b, id(p));
  return after_breaker(p, b, last);
}

// Rows of a batch wait for one another, so they come one after the other; the last ones follow when all others are through.
Head Lowering::through_batches(const PlanPtr& p, Head head, std::vector<expr::BoundWindow> functions, std::string label) {
  head.resolve = [inner = std::move(head.resolve), functions = std::move(functions), label = std::move(label),
                  node = id(p)]() -> arrow::Result<Segment> {
    ARROW_ASSIGN_OR_RAISE(Segment s, inner());
    BatchFunctions batches = make_batch_functions(functions, label);
    s.append(std::move(batches.op), node);
    s.sequential = true;
    auto gate = std::make_shared<const BranchGate>();
    for (Branch& b : s.branches) b.feeds.push_back(gate);
    s.branches.push_back(Branch{std::move(batches.rest), node, {}, {}, std::move(gate)});
    return s;
  };
  head.origins.assign(static_cast<size_t>(p->schema->num_fields()), {});
  return head;
}

// Whether the rows went to disk, and so which way they take on, is known when they have been consumed.
arrow::Result<Head> Lowering::lower_window(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  WindowSpec spec;
  for (const auto& w : p->aggregates) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind_window(w.expr, *p->inputs[0]->schema));
    spec.functions.push_back(std::move(b));
  }
  spec.types = canonical_types(*p->inputs[0]->schema);
  spec.label = label_of(p->aggregates);
  if (spec.functions[0].user) return through_batches(p, std::move(head), std::move(spec.functions), spec.label);
  ARROW_ASSIGN_OR_RAISE(auto window, make_window(std::move(spec), *context_));
  const Breaker memory = window->memory();
  int last = add_breaker("window", std::move(head), memory, id(p));
  const auto spilled = [window] { return window->spilled(); };
  for (const WindowPass& pass : window->passes()) {
    Head sorted;
    sorted.resolve = from_source(pass.source, id(p));
    sorted.after = {last};
    last = add_pipeline("window pass", std::move(sorted), nullptr, pass.through, id(p), spilled);
    for (const auto& phase : pass.phases) last = add_task(make_phase_task(phase, spilled, context_, report_, id(p)), {last});
  }
  Head out;
  out.resolve = [window, source = memory.source, node = id(p)] {
    return from_source(window->spilled() ? window->source_from_disk() : source, node)();
  };
  out.after = {last};
  out.origins.resize(static_cast<size_t>(p->schema->num_fields()));
  return out;
}

// A limit in the middle of a plan: its rows are cut in order and kept, then read again.
arrow::Result<Head> Lowering::lower_limit(const PlanPtr& p) {
  ARROW_ASSIGN_OR_RAISE(Head head, lower(p->inputs[0]));
  if (p->count >= 0) head = then(std::move(head), make_morsel_limit(p->offset + p->count), id(p));
  auto buffer = make_buffer_sink();
  const int last =
      add_pipeline("limit", std::move(head), nullptr, make_limited_sink(p->offset, p->count, buffer, context_), id(p), nullptr);
  Head out;
  out.resolve = [buffer, node = id(p)]() -> arrow::Result<Segment> {
    Segment s;
    s.branches.push_back(Branch{buffer->source(), node, {}});
    return s;
  };
  out.after = {last};
  out.origins.resize(static_cast<size_t>(p->schema->num_fields()));
  return out;
}

arrow::Result<Head> Lowering::lower_union(const PlanPtr& p) {
  std::vector<ResolveSegment> parts;
  Head out;
  for (const auto& in : p->inputs) {
    ARROW_ASSIGN_OR_RAISE(Head head, lower(in));
    parts.push_back(std::move(head.resolve));
    out.after.insert(out.after.end(), head.after.begin(), head.after.end());
  }
  out.resolve = [parts]() -> arrow::Result<Segment> {
    Segment all;
    for (const auto& part : parts) {
      ARROW_ASSIGN_OR_RAISE(Segment s, part());
      for (auto& b : s.branches) all.branches.push_back(std::move(b));
      all.sequential |= s.sequential;
    }
    return all;
  };
  out.origins.resize(static_cast<size_t>(p->schema->num_fields()));
  return out;
}

}  // namespace gristmill::exec
