// Scans on the way from plan to tasks, with what joins above will have them drop.
//
// Rows that several plans read are the pipeline of a FanOut: the head of such a plan's scan has its operators alone, and the grouping over
// them adds itself as a consumer.

#include <algorithm>

#include <arrow/type.h>

#include "exec/filter.h"
#include "exec/limit.h"
#include "exec/lowering.h"
#include "exec/project.h"
#include "exec/scan.h"

namespace gristmill::exec {

using plan::PlanPtr;

// Columns and filter of a plan's scan of the shared rows, as operators.
arrow::Result<Head> Lowering::lower_shared(const PlanPtr& p) {
  const arrow::Schema& given = *shared_.common->schema;
  expr::BoundPtr predicate;
  if (p->predicate) {
    ARROW_ASSIGN_OR_RAISE(predicate, expr::bind(p->predicate, given));
  }
  std::vector<expr::BoundPtr> columns;
  for (const auto& field : p->schema->fields()) {
    ARROW_ASSIGN_OR_RAISE(auto b, expr::bind(expr::column(field->name()), given));
    columns.push_back(std::move(b));
  }
  Head head;
  head.handed_on = true;
  head.after = {shared_task_};
  head.origins.resize(columns.size());
  head.resolve = [p, predicate, columns, node = id(p)]() -> arrow::Result<Segment> {
    Segment s;
    s.branches.push_back(Branch{FanOut::nothing(), node, {}});
    if (predicate) s.append(make_filter(predicate, expr::text(*p->predicate)), node);
    s.append(make_project(columns, "columns", false), node);
    return s;
  };
  return head;
}

arrow::Result<Head> Lowering::lower_scan(const PlanPtr& p) {
  if (p->source.get() == shared_.rows) return lower_shared(p);
  std::vector<int> columns = p->columns;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  const auto source_schema = p->source->schema();
  expr::BoundPtr predicate;
  if (p->predicate) {
    std::vector<std::string> names;
    expr::collect_columns(*p->predicate, names);
    for (const auto& n : names) {
      const int f = source_schema->GetFieldIndex(n);
      if (std::find(columns.begin(), columns.end(), f) == columns.end()) columns.push_back(f);
    }
  }
  for (int c : columns) fields.push_back(source_schema->field(c));
  const arrow::Schema scanned(fields);
  if (p->predicate) {
    ARROW_ASSIGN_OR_RAISE(predicate, expr::bind(p->predicate, scanned));
  }
  std::vector<expr::BoundPtr> kept;  // drop what only the predicate needed, be it all
  const bool drops = columns.size() > p->columns.size();
  if (drops) {
    for (size_t i = 0; i < p->columns.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto b, expr::bind(expr::column(scanned.field(static_cast<int>(i))->name()), scanned));
      kept.push_back(std::move(b));
    }
  }
  auto filters = std::make_shared<ScanFilters>();
  Head head;
  for (size_t i = 0; i < p->columns.size(); ++i) head.origins.push_back(p->scan_limit ? Origin{} : Origin{filters, static_cast<int>(i)});
  head.resolve = [this_context = context_, p, columns, predicate, kept, drops, filters, node = id(p)]() -> arrow::Result<Segment> {
    plan::ScanRequest request;
    request.columns = columns;
    request.predicate = predicate;
    request.runtime_filters = filters->filters;
    request.limit = p->scan_limit;
    request.morsel_rows = this_context->morsel_rows;
    request.batch_rows = this_context->scan_batch_rows;
    request.workers = this_context->workers;
    request.memory = this_context->memory;
    request.cancel = this_context->cancel;
    ARROW_ASSIGN_OR_RAISE(auto scan, p->source->open(request));
    const bool exact = scan->filters_exactly();
    Segment s;
    s.branches.push_back(Branch{make_scan_source(scan, "scan " + p->source->name()), node, {}});
    if (predicate && !exact) s.append(make_filter(predicate, expr::text(*p->predicate)), node);
    if (drops) s.append(make_project(kept, "columns", false), node);
    if (p->scan_limit) s.append(make_morsel_limit(*p->scan_limit), node);
    return s;
  };
  return head;
}

}  // namespace gristmill::exec
