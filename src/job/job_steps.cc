#include "job/job_steps.h"

#include <arrow/type.h>

#include "job/steps/route.h"

namespace gristmill::job {

std::string name_of(const Step& step) {
  return std::visit([](const auto& s) { return s->name(); }, step);
}

arrow::Result<std::vector<Step>> make_steps(const Job& job) {
  std::vector<Step> out;
  for (const auto& make : job.steps) {
    if (const auto* rows = std::get_if<MakeTransform>(&make)) {
      ARROW_ASSIGN_OR_RAISE(auto step, (*rows)());
      out.emplace_back(std::move(step));
    } else {
      ARROW_ASSIGN_OR_RAISE(auto step, std::get<MakeFrameStep>(make)());
      out.emplace_back(std::move(step));
    }
  }
  if (job.sinks.size() > 1 || !job.sinks[0].when.empty()) {
    std::vector<RouteCondition> conditions;
    for (const SinkEntry& s : job.sinks) conditions.push_back({s.when, s.place});
    out.emplace_back(make_route(std::move(conditions)));
  }
  return out;
}

std::shared_ptr<arrow::Schema> without_route(const std::shared_ptr<arrow::Schema>& schema) {
  arrow::FieldVector fields = schema->fields();
  if (!fields.empty() && fields.back()->name() == kRouteColumn) fields.pop_back();
  return arrow::schema(std::move(fields));
}

}  // namespace gristmill::job
