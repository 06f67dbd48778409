// A query of WITH is lowered once, where it stands; whoever names it gets the same plan. Names inside hide those outside.

#include "sql/with_clause.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "sql/recursive.h"
#include "sql/scope.h"

namespace gristmill::sqltext {
namespace {

using Named = std::vector<std::pair<std::string, Query>>;

const Query* find(const Named& named, const std::string& name) {
  for (const bool exact : {true, false}) {
    for (const auto& [known, query] : named) {
      if (exact ? known == name : equal_ignoring_case(known, name)) return &query;
    }
  }
  return nullptr;
}

TableLookup beside(std::shared_ptr<const Named> named, TableLookup outer) {
  return [named = std::move(named), outer = std::move(outer)](const std::string& name) -> arrow::Result<Query> {
    if (const Query* q = find(*named, name)) return *q;
    return outer(name);
  };
}

}  // namespace

arrow::Result<Query> rename_columns(Query query, PgQuery__Node* const* names, size_t n, const std::string& what, const ParsedText& text,
                                    int location) {
  if (n > query.names.size()) {
    return text.error(
        "\"" + what + "\" has " + std::to_string(query.names.size()) + " columns, but " + std::to_string(n) + " names are given", location);
  }
  for (size_t i = 0; i < n; ++i) query.names[i] = names[i]->string->sval;
  return query;
}

arrow::Result<TableLookup> with_tables(const PgQuery__WithClause& with, const ParsedText& text, const TableLookup& outer,
                                       const LowerQuery& lower) {
  auto named = std::make_shared<Named>();
  for (size_t i = 0; i < with.n_ctes; ++i) {
    const PgQuery__CommonTableExpr& cte = *with.ctes[i]->common_table_expr;
    const std::string name = cte.ctename;
    for (const auto& [known, query] : *named) {
      if (known == name) return text.error("WITH names \"" + name + "\" twice", cte.location);
    }
    if (cte.ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
      return text.error("a statement that changes data is not supported inside WITH", cte.location);
    if (cte.search_clause || cte.cycle_clause) return text.error("SEARCH and CYCLE are not supported", cte.location);
    const auto seen = std::make_shared<const Named>(*named);
    const PgQuery__SelectStmt& select = *cte.ctequery->select_stmt;
    Query query;
    if (with.recursive) {
      ARROW_ASSIGN_OR_RAISE(query, lower_recursive(cte, select, text, beside(seen, outer), lower));
    } else {
      ARROW_ASSIGN_OR_RAISE(query, lower(select, beside(seen, outer)));
    }
    ARROW_ASSIGN_OR_RAISE(query, rename_columns(std::move(query), cte.aliascolnames, cte.n_aliascolnames, name, text, cte.location));
    named->emplace_back(name, std::move(query));
  }
  return beside(std::move(named), outer);
}

}  // namespace gristmill::sqltext
