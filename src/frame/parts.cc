// Frames that leave their process: as a plan alone where it reads files only, or as a plan and the tables in memory it reads.
//
// Invariant: what is written can be read where this process is not; a plan that calls a user's code cannot.

#include <algorithm>
#include <unordered_map>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/user_function.h"
#include "frame/memory_table.h"
#include "gristmill/frame.h"
#include "io/resolve.h"
#include "plan/logical.h"

namespace gristmill {
namespace {

using plan::PlanPtr;

bool calls_user_function(const plan::Plan& p) {
  const auto calls = [](const expr::NodePtr& e) { return e && expr::calls_user_function(*e); };
  const auto named = [&](const plan::NamedExpr& e) { return calls(e.expr); };
  return calls(p.predicate) || calls(p.residual) || std::any_of(p.exprs.begin(), p.exprs.end(), named) ||
         std::any_of(p.aggregates.begin(), p.aggregates.end(), named) || std::any_of(p.left_keys.begin(), p.left_keys.end(), calls) ||
         std::any_of(p.right_keys.begin(), p.right_keys.end(), calls) ||
         std::any_of(p.sort.begin(), p.sort.end(), [&](const plan::SortBy& k) { return calls(k.expr); });
}

// `tables` gets the memory sources by what the plan calls them; without it they are refused.
arrow::Status check_portable(const plan::Plan& p, std::vector<std::pair<std::string, Table>>* tables) {
  if (p.source && p.source->kind() == "held")
    return base::plan_error("a plan over held rows cannot leave its process", "write the rows to a file and scan that");
  if (p.source && p.source->kind() == "memory") {
    if (!tables) {
      return base::plan_error("a plan over a memory source cannot leave its process",
                              "write the data to a file and scan that, or take to_parts()");
    }
    const std::string name = p.source->to_json();
    const auto known = [&](const auto& t) { return t.first == name; };
    if (std::none_of(tables->begin(), tables->end(), known)) {
      const frame::MemoryData data = frame::memory_data(*p.source);
      if (!data.table) return base::plan_error("the memory source \"" + p.source->name() + "\" cannot leave its process");
      tables->emplace_back(name, Table(data.table, data.schema, {}));
    }
  }
  if (calls_user_function(p)) {
    return base::plan_error("a plan that calls a user function cannot leave its process",
                            "the code of the function is not part of the plan");
  }
  for (const PlanPtr& input : p.inputs) ARROW_RETURN_NOT_OK(check_portable(*input, tables));
  return arrow::Status::OK();
}

std::string without_blanks(std::string json) {
  std::erase_if(json, [](unsigned char c) { return std::isspace(c); });
  return json;
}

}  // namespace

arrow::Result<std::string> Frame::serialize() const {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr p, plan());
  ARROW_RETURN_NOT_OK(check_portable(*p, nullptr));
  return plan::serialize(*p);
}

Frame Frame::deserialize(const std::string& text) { return Frame(plan::deserialize(text, io::make_source)); }

arrow::Result<FrameParts> Frame::to_parts() const {
  ARROW_ASSIGN_OR_RAISE(const PlanPtr p, plan());
  FrameParts out;
  ARROW_RETURN_NOT_OK(check_portable(*p, &out.tables));
  out.plan = plan::serialize(*p);
  return out;
}

Frame Frame::from_parts(const FrameParts& parts) {
  std::unordered_map<std::string, plan::TableSourcePtr> sources;
  for (const auto& [name, table] : parts.tables) {
    const Frame scan = table.lazy();
    if (!scan.plan().ok()) return scan;
    sources.emplace(without_blanks(name), (*scan.plan())->source);
  }
  const auto resolve = [&](const std::string& kind, const std::string& json) -> arrow::Result<plan::TableSourcePtr> {
    if (kind != "memory") return io::make_source(kind, json);
    const auto it = sources.find(without_blanks(json));
    if (it == sources.end()) return base::plan_error("the plan reads a table in memory that is not among its parts");
    return it->second;
  };
  return Frame(plan::deserialize(parts.plan, resolve));
}

}  // namespace gristmill
