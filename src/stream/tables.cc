#include "stream/tables.h"

#include <unordered_map>
#include <unordered_set>

#include "plan/nodes.h"
#include "plan/statistics.h"

namespace gristmill::stream {
namespace {

using plan::Plan;
using plan::PlanKind;
using plan::PlanPtr;

void visit_tables(const Plan& p, std::unordered_set<const void*>& seen, const std::function<void(const StreamTable&)>& each) {
  if (!seen.insert(&p).second) return;
  for (const PlanPtr& in : p.inputs) visit_tables(*in, seen, each);
  const auto* table = dynamic_cast<const StreamTable*>(p.source.get());
  if (table == nullptr || !seen.insert(table).second) return;
  for (const PlanPtr& in : table->inputs()) visit_tables(*in, seen, each);
  each(*table);
}

class Replacing {
 public:
  explicit Replacing(const ReplaceTable& replace) : replace_(replace) {}

  arrow::Result<PlanPtr> of(const PlanPtr& p) {
    if (const auto it = done_.find(p.get()); it != done_.end()) return it->second;
    ARROW_ASSIGN_OR_RAISE(PlanPtr out, made(p));
    done_.emplace(p.get(), out);
    return out;
  }

 private:
  arrow::Result<PlanPtr> made(const PlanPtr& p) {
    if (p->kind == PlanKind::kScan) {
      const auto table = std::dynamic_pointer_cast<const StreamTable>(p->source);
      if (!table) return p;
      plan::TableSourcePtr& source = sources_[table.get()];
      if (!source) {
        ARROW_ASSIGN_OR_RAISE(source, replace_(table));
      }
      return plan::scan_node(source, p->columns, p->predicate, p->scan_limit);
    }
    std::vector<PlanPtr> inputs;
    bool changed = false;
    for (const PlanPtr& in : p->inputs) {
      ARROW_ASSIGN_OR_RAISE(PlanPtr one, of(in));
      changed = changed || one != in;
      inputs.push_back(std::move(one));
    }
    return changed ? plan::with_inputs(*p, std::move(inputs)) : arrow::Result<PlanPtr>(p);
  }

  const ReplaceTable& replace_;
  std::unordered_map<const Plan*, PlanPtr> done_;
  std::unordered_map<const StreamTable*, plan::TableSourcePtr> sources_;  // a table that is read twice is one table
};

}  // namespace

plan::TableEstimate UserTable::estimate() const { return {plan::source_rows(*inputs()[0]), false, {}}; }

std::string UserTable::name_of(const std::vector<Op>& ops) {
  std::string out;
  for (const Op& o : ops) out += (out.empty() ? "" : ", ") + o.op->name();
  return out;
}

void for_each_table(const Plan& plan, const std::function<void(const StreamTable&)>& each) {
  std::unordered_set<const void*> seen;
  visit_tables(plan, seen, each);
}

arrow::Result<PlanPtr> replace_tables(const PlanPtr& plan, const ReplaceTable& replace) { return Replacing(replace).of(plan); }

bool has_positions(const Plan& plan) {
  bool out = false;
  for_each_table(plan, [&](const StreamTable& t) { out = out || dynamic_cast<const EndlessTable*>(&t) != nullptr; });
  return out;
}

bool endless(const Plan& plan) {
  bool out = false;
  for_each_table(plan, [&](const StreamTable& t) {
    const auto* source = dynamic_cast<const EndlessTable*>(&t);
    out = out || (source != nullptr && source->spec().endless);
  });
  return out;
}

}  // namespace gristmill::stream
