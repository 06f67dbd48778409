// The joins are read as a graph; leaves that trace a key of one class down to one column of one table are reduced together.

#include "plan/shared_scans.h"

#include <algorithm>
#include <map>

#include <arrow/type.h>

#include "plan/digits.h"
#include "plan/rules/join_graph.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;
using joins::Graph;
using joins::Member;

constexpr int64_t kLeastRows = 10'000;  // of a table that is read twice; below, a part costs more than a scan
constexpr int64_t kSmaller = 4;         // as many times the small table is read less, for it is read twice instead
constexpr double kKept = 1.0 / 8;       // part of the rows that may be left: they are kept

struct Reading {
  PlanPtr scan;  // null: no such table
  std::string column;
};

arrow::Result<Reading> reading_of_side(const Plan& join, const std::string& column);

// The column of a scan that `column` of `p` is, when rows of other values may as well not be there.
arrow::Result<Reading> reading(const PlanPtr& p, const std::string& column) {
  const auto below = [&](const std::vector<NamedExpr>& exprs) -> arrow::Result<Reading> {
    for (const NamedExpr& e : exprs) {
      if (e.name == column) return is_column(e) ? reading(p->inputs[0], e.expr->name) : Reading{};
    }
    return Reading{};
  };
  switch (p->kind) {
    case PlanKind::kScan: return p->scan_limit ? Reading{} : Reading{p, column};
    case PlanKind::kFilter: {
      ARROW_ASSIGN_OR_RAISE(const bool fails, fallible(p->predicate, *p->inputs[0]));
      return fails ? Reading{} : reading(p->inputs[0], column);
    }
    case PlanKind::kProject: {
      ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(p->exprs, *p->inputs[0]));
      return fails ? Reading{} : below(p->exprs);
    }
    case PlanKind::kAggregate: {
      ARROW_ASSIGN_OR_RAISE(const bool may_go, groups_may_go(*p));
      return may_go ? below(p->exprs) : Reading{};
    }
    case PlanKind::kJoin: {
      ARROW_ASSIGN_OR_RAISE(const bool fails, join_may_fail(*p));
      return fails ? Reading{} : reading_of_side(*p, column);
    }
    default: return Reading{};
  }
}

// A row leaves a join with its pairs; rows that other sides are only looked at for are not to be missed.
arrow::Result<Reading> reading_of_side(const Plan& join, const std::string& column) {
  const int left = join.inputs[0]->schema->num_fields(), at = join.schema->GetFieldIndex(column);
  if (at < 0 || join.join == JoinKind::kRight || join.join == JoinKind::kFull) return Reading{};
  const int c = join.join_output[static_cast<size_t>(at)];
  const bool from_left = c < left;
  if (!from_left && join.join != JoinKind::kInner) return Reading{};
  const PlanPtr& side = join.inputs[from_left ? 0 : 1];
  const std::string& name = side->schema->field(from_left ? c : c - left)->name();
  return side->schema->GetFieldIndex(name) < 0 ? Reading{} : reading(side, name);  // a name that stands there twice is none
}

bool is_one_table(const Plan& p) {
  if (p.kind == PlanKind::kScan) return p.source->kind() != "shared";
  return (p.kind == PlanKind::kFilter || p.kind == PlanKind::kProject) && is_one_table(*p.inputs[0]);
}

arrow::Result<PlanPtr> replaced(const PlanPtr& p, const std::map<const Plan*, PlanPtr>& by) {
  if (const auto it = by.find(p.get()); it != by.end()) return it->second;
  std::vector<PlanPtr> inputs;
  for (const PlanPtr& in : p->inputs) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, replaced(in, by));
    inputs.push_back(std::move(one));
  }
  return inputs == p->inputs ? arrow::Result<PlanPtr>(p) : with_inputs(*p, std::move(inputs));
}

class Readers : public Graph {
 public:
  // The scans to be replaced; by what.
  arrow::Result<std::map<const Plan*, PlanPtr>> reduced() const {
    for (const auto& members : classes_) {
      std::map<std::pair<const TableSource*, std::string>, std::vector<PlanPtr>> tables;
      for (const Member& m : members) {
        ARROW_ASSIGN_OR_RAISE(Reading found, reading(leaves_[static_cast<size_t>(m.leaf)], own_name(m.name)));
        if (found.scan && is_one_table(*found.scan)) tables[{found.scan->source.get(), found.column}].push_back(std::move(found.scan));
      }
      for (const auto& [table, scans] : tables) {
        if (scans.size() < 2) continue;
        ARROW_ASSIGN_OR_RAISE(const Member* small, smallest(members, *scans[0], table.second));
        if (small) return over(scans, table.second, leaves_[static_cast<size_t>(small->leaf)], own_name(small->name));
      }
    }
    return std::map<const Plan*, PlanPtr>{};
  }

 private:
  // The table of the class that leaves few enough of the scan's rows; null: none.
  arrow::Result<const Member*> smallest(const std::vector<Member>& members, const Plan& scan, const std::string& column) const {
    const int64_t rows = source_rows(scan).value_or(0);
    const double values = distinct_values(scan, column).value_or(0);
    const Member* out = nullptr;
    for (const Member& m : members) {
      const Plan& leaf = *leaves_[static_cast<size_t>(m.leaf)];
      const double here = rows_[static_cast<size_t>(m.leaf)];
      if (rows < kLeastRows || !is_one_table(leaf) || source_rows(leaf).value_or(rows) > rows / kSmaller || here > values * kKept) continue;
      ARROW_ASSIGN_OR_RAISE(const bool fails, may_fail(leaf));
      if (!fails && (!out || here < rows_[static_cast<size_t>(out->leaf)])) out = &m;
    }
    return out;
  }

  static arrow::Result<std::map<const Plan*, PlanPtr>> over(const std::vector<PlanPtr>& scans, const std::string& column,
                                                            const PlanPtr& small, const std::string& key) {
    const arrow::Schema& table = *scans[0]->source->schema();
    const auto text = [](const PlanPtr& scan) { return scan->predicate ? expr::text(*scan->predicate) : std::string(); };
    const bool alike = std::all_of(scans.begin(), scans.end(), [&](const PlanPtr& s) { return text(s) == text(scans[0]); });
    NameSet names = {column};
    for (const PlanPtr& s : scans) {
      for (const auto& f : s->schema->fields()) names.insert(f->name());
      if (s->predicate && !alike) add_columns(*s->predicate, names);
    }
    std::vector<int> columns;
    for (int i = 0; i < table.num_fields(); ++i) {
      if (names.contains(table.field(i)->name())) columns.push_back(i);
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr whole, scan_node(scans[0]->source, std::move(columns), alike ? scans[0]->predicate : nullptr));
    ARROW_ASSIGN_OR_RAISE(PlanPtr keys, keep_columns(small, {key}));
    JoinParts parts;
    parts.kind = JoinKind::kSemi;
    parts.left_keys = {expr::column(column)};
    parts.right_keys = {expr::column(key)};
    parts.names = whole->schema->field_names();
    for (int i = 0; i < whole->schema->num_fields(); ++i) parts.output.push_back(i);
    ARROW_ASSIGN_OR_RAISE(const PlanPtr reduced, join_node(whole, std::move(keys), std::move(parts)));
    std::map<const Plan*, PlanPtr> out;
    for (const PlanPtr& s : scans) {
      PlanPtr mine = reduced;
      if (s->predicate && !alike) {
        ARROW_ASSIGN_OR_RAISE(mine, filter_node(mine, s->predicate));
      }
      ARROW_ASSIGN_OR_RAISE(out[s.get()], keep_columns(std::move(mine), s->schema->field_names()));
    }
    return out;
  }
};

}  // namespace

arrow::Result<PlanPtr> share_scans(const PlanPtr& p) {
  if (Graph::over_join(*p)) {
    Readers tree;
    ARROW_ASSIGN_OR_RAISE(const bool free, tree.read(p));
    if (free) {
      ARROW_ASSIGN_OR_RAISE(const auto scans, tree.reduced());
      if (!scans.empty()) return replaced(p, scans);
    }
  }
  std::vector<PlanPtr> inputs;
  for (const PlanPtr& in : p->inputs) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, share_scans(in));
    inputs.push_back(std::move(one));
  }
  return inputs == p->inputs ? arrow::Result<PlanPtr>(p) : with_inputs(*p, std::move(inputs));
}

}  // namespace gristmill::plan
