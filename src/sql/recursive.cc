// Which part of the query is which, and the types its rounds have in common.

#include "sql/recursive.h"

#include <memory>

#include <arrow/type.h>

#include "base/status.h"
#include "column/types.h"
#include "plan/expressions.h"
#include "sql/recursive_source.h"
#include "sql/scope.h"
#include "sql/set_operations.h"

namespace gristmill::sqltext {
namespace {

constexpr int kMostWidenings = 6;

// Every column nullable, of its plain border type: what all rounds fit.
std::shared_ptr<arrow::Schema> round_schema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& f : schema.fields()) fields.push_back(arrow::field(f->name(), plan::border_type(column::canonical_type(f->type()))));
  return arrow::schema(std::move(fields));
}

class RecursiveLowering {
 public:
  RecursiveLowering(const PgQuery__CommonTableExpr& cte, const PgQuery__SelectStmt& select, const ParsedText& text,
                    const TableLookup& outer, const LowerQuery& lower)
      : cte_(cte), select_(select), text_(text), outer_(outer), lower_(lower), name_(cte.ctename) {}

  arrow::Result<Query> run() {
    auto plain = lower_(select_, without_itself());
    if (plain.ok() || !*named_itself_) return plain;
    if (select_.op != PG_QUERY__SET_OPERATION__SETOP_UNION) {
      return text_.error("recursive query \"" + name_ + "\" must have the form: first rows UNION [ALL] further rows", cte_.location);
    }
    if (select_.n_sort_clause > 0 || select_.limit_count || select_.limit_offset)
      return text_.error("ORDER BY, LIMIT and OFFSET are not supported in a recursive query; put them around it", cte_.location);
    ARROW_ASSIGN_OR_RAISE(Query first, lower_(*select_.larg, without_itself()));
    ARROW_ASSIGN_OR_RAISE(first, rename_columns(std::move(first), cte_.aliascolnames, cte_.n_aliascolnames, name_, text_, cte_.location));
    for (int i = 0; i < kMostWidenings; ++i) {
      const auto schema = round_schema(*first.plan->schema);
      const auto working = make_working_source(name_, schema);
      ARROW_ASSIGN_OR_RAISE(Query further, lower_(*select_.rarg, with_itself(first, working)));
      auto met = bring_together("UNION", {first, std::move(further)});
      if (!met.ok()) return text_.error(met.status().message(), cte_.location);
      std::vector<Query>& both = *met;
      if (round_schema(*both[0].plan->schema)->Equals(*schema)) {
        ARROW_ASSIGN_OR_RAISE(auto source, make_recursive_source(name_, schema, both[0].plan, both[1].plan, working, select_.all));
        Query out = std::move(first);
        ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_scan(std::move(source)));
        out.unknown.assign(out.names.size(), false);
        return out;
      }
      first.plan = both[0].plan;  // wider: the further rows see these types
      first.unknown.assign(first.names.size(), false);
    }
    return text_.error("the types of recursive query \"" + name_ + "\" grow with every round; cast the columns of its second part",
                       cte_.location);
  }

 private:
  bool is_itself(const std::string& name) const { return equal_ignoring_case(name, name_); }

  TableLookup without_itself() const {
    return [this](const std::string& name) -> arrow::Result<Query> {
      if (!is_itself(name)) return outer_(name);
      *named_itself_ = true;
      return base::plan_error("recursive reference to \"" + name_ + "\" stands where only first rows may");
    };
  }

  TableLookup with_itself(const Query& first, plan::TableSourcePtr working) const {
    return [this, &first, working = std::move(working)](const std::string& name) -> arrow::Result<Query> {
      if (!is_itself(name)) return outer_(name);
      Query out;
      out.names = first.names;
      out.unknown.assign(out.names.size(), false);
      ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_scan(working));
      return out;
    };
  }

  const PgQuery__CommonTableExpr& cte_;
  const PgQuery__SelectStmt& select_;
  const ParsedText& text_;
  const TableLookup& outer_;
  const LowerQuery& lower_;
  const std::string name_;
  const std::shared_ptr<bool> named_itself_ = std::make_shared<bool>(false);
};

}  // namespace

arrow::Result<Query> lower_recursive(const PgQuery__CommonTableExpr& cte, const PgQuery__SelectStmt& select, const ParsedText& text,
                                     const TableLookup& outer, const LowerQuery& lower) {
  return RecursiveLowering(cte, select, text, outer, lower).run();
}

}  // namespace gristmill::sqltext
