#include "stream/answers.h"

#include "base/status.h"
#include "plan/nodes.h"

namespace gristmill::stream {
namespace {

using plan::Plan;
using plan::PlanKind;

arrow::Status never(const std::string& what, const std::string& hint) {
  return base::plan_error(what + " over a source that never ends gives nothing", hint);
}

arrow::Status check(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kScan: {
      const auto* table = dynamic_cast<const StreamTable*>(p.source.get());
      if (table == nullptr) return arrow::Status::OK();
      const auto* op = dynamic_cast<const StatefulTable*>(table);
      if (op != nullptr && op->spec().needs_end && endless(p)) return never(op->name(), "put a window before it, or limit() the stream");
      for (const auto& in : table->inputs()) ARROW_RETURN_NOT_OK(check(*in));
      return arrow::Status::OK();
    }
    case PlanKind::kFilter:
    case PlanKind::kProject:
    case PlanKind::kExplode:
    case PlanKind::kRowIndex: return check(*p.inputs[0]);
    case PlanKind::kUnion:
      for (const auto& in : p.inputs) ARROW_RETURN_NOT_OK(check(*in));
      if (endless(p)) return base::internal_error("streams that never end are put together one behind the other");
      return arrow::Status::OK();
    case PlanKind::kJoin:
      if (endless(*p.inputs[1])) return never("a join with the other stream", "give a table, or join within a window of time");
      if (endless(*p.inputs[0]) && plan::keeps_right_rows(p.join))
        return never("a right or full join", "which rows match nothing is only known at the end; use how=\"left\"");
      return check(*p.inputs[0]);
    default: break;
  }
  if (!endless(p)) return arrow::Status::OK();
  if (p.kind == PlanKind::kAggregate) return never("an aggregate without a window", "put a window before it, or limit() the stream");
  if (p.kind == PlanKind::kSort) return never("a sort", "sort within a window, or limit() the stream");
  if (p.kind == PlanKind::kWindow) return never("a window function", "use a window of time, or limit() the stream");
  return never("this step", "limit() the stream");
}

}  // namespace

arrow::Status check_answers(const Plan& plan) { return check(plan); }

const StreamTable* streaming_table(const Plan& p) {
  switch (p.kind) {
    case PlanKind::kScan: {
      const auto* table = dynamic_cast<const StreamTable*>(p.source.get());
      const bool users = dynamic_cast<const UserTable*>(table) != nullptr;
      return users ? streaming_table(*table->inputs()[0]) : table;
    }
    case PlanKind::kFilter:
    case PlanKind::kProject:
    case PlanKind::kExplode: return streaming_table(*p.inputs[0]);
    case PlanKind::kJoin: return plan::keeps_right_rows(p.join) ? nullptr : streaming_table(*p.inputs[0]);
    default: return nullptr;
  }
}

std::vector<const UserTable*> users_on_the_way(const Plan& p) {
  std::vector<const UserTable*> out;
  if (p.kind == PlanKind::kScan) {
    const auto* users = dynamic_cast<const UserTable*>(p.source.get());
    if (users == nullptr) return out;
    out = users_on_the_way(*users->inputs()[0]);
    out.push_back(users);
    return out;
  }
  return p.inputs.empty() ? out : users_on_the_way(*p.inputs[0]);
}

}  // namespace gristmill::stream
