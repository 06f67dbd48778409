// A session is a catalog; a statement is lowered against it and run.

#include "gristmill/session.h"
#include "gristmill/stream_sql.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "plan/logical.h"
#include "sql/catalog.h"
#include "sql/lower_select.h"
#include "sql/over_streams.h"
#include "sql/statements.h"

namespace gristmill {

struct Session::State {
  sqltext::Catalog catalog;
};

Session::Session() : state_(std::make_shared<State>()) {}

namespace {

// `each` also hears whether the outcome is the last one.
arrow::Status run_all(sqltext::Catalog& catalog, const std::string& text, const std::function<arrow::Status(Outcome, bool last)>& each,
                      const SqlInput& input, const Cancellation& cancel) {
  ARROW_ASSIGN_OR_RAISE(std::vector<sqltext::ParsedText> statements, sqltext::ParsedText::parse_all(text));
  if (statements.size() == 1 && statements[0].parameters().size() < input.parameters.positional.size()) {
    return base::plan_error("the statement has " + std::to_string(statements[0].parameters().size()) + " parameters, but " +
                            std::to_string(input.parameters.positional.size()) + " values were given");
  }
  for (size_t i = 0; i < statements.size(); ++i) {
    sqltext::Work work{catalog, input, cancel};
    ARROW_ASSIGN_OR_RAISE(Outcome outcome, sqltext::run_statement(std::make_shared<sqltext::ParsedText>(std::move(statements[i])), work));
    ARROW_RETURN_NOT_OK(each(std::move(outcome), i + 1 == statements.size()));
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Status Session::run(const std::string& text, const std::function<arrow::Status(Outcome)>& each, const SqlInput& input,
                           Cancellation cancel) {
  return run_all(state_->catalog, text, [&](Outcome outcome, bool) { return each(std::move(outcome)); }, input, cancel);
}

arrow::Result<Outcome> Session::execute(const std::string& text, const SqlInput& input, Cancellation cancel) {
  std::optional<Outcome> out;
  const auto drop = [](std::shared_ptr<arrow::RecordBatch>) { return arrow::Status::OK(); };
  const auto take = [&](Outcome outcome, bool last) -> arrow::Status {
    if (!last && outcome.command == "SELECT") return outcome.rows->collect_batches(drop, options(), cancel);
    out = std::move(outcome);
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(run_all(state_->catalog, text, take, input, cancel));
  return std::move(*out);
}

Frame Session::sql(const std::string& text, const SqlInput& input) {
  auto parsed = sqltext::ParsedText::parse(text);
  if (!parsed.ok()) return Frame(parsed.status());
  sqltext::Work work{state_->catalog, input, {}, false};
  auto outcome = sqltext::run_statement(std::make_shared<sqltext::ParsedText>(std::move(*parsed)), work);
  if (!outcome.ok()) return Frame(outcome.status());
  return std::move(*outcome->rows);
}

Stream Session::stream(const std::string& text, const SqlInput& input) {
  auto parsed = sqltext::ParsedText::parse(text);
  if (!parsed.ok()) return Stream(parsed.status());
  sqltext::Work work{state_->catalog, input, {}, false};
  auto made = sqltext::stream_of_query(*parsed, work);
  return made.ok() ? *made : Stream(made.status());
}

arrow::Status Session::set_table(const std::string& name, const Stream& stream) {
  return set_table(name, Frame(sqltext::stream_table(name, stream)));
}

arrow::Status Session::set_table(const std::string& name, Frame frame) {
  ARROW_RETURN_NOT_OK(frame.plan().status());
  state_->catalog.views.erase(name);
  state_->catalog.tables.insert_or_assign(name, sqltext::StoredTable::of(std::move(frame)));
  return arrow::Status::OK();
}

arrow::Result<std::vector<Session::Relation>> Session::relations() const {
  std::vector<Relation> out;
  for (const auto& [name, table] : state_->catalog.tables) out.push_back({name, false, table.schema()});
  const SqlInput nothing;
  for (const auto& [name, view] : state_->catalog.views) {
    const auto query = sqltext::lookup_in(state_->catalog, nothing)(name);
    if (!query.ok()) {  // what it reads is gone
      out.push_back({name, true, arrow::schema({})});
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto plan, sqltext::shown(*query));
    out.push_back({name, true, plan->schema});
  }
  std::sort(out.begin(), out.end(), [](const Relation& a, const Relation& b) { return a.name < b.name; });
  return out;
}

const ParallelOptions& Session::options() const { return state_->catalog.options; }
void Session::set_options(ParallelOptions options) { state_->catalog.options = std::move(options); }

Frame sql(const std::string& text, const std::vector<std::pair<std::string, Frame>>& tables, const SqlParameters& parameters) {
  return Session().sql(text, {tables, parameters, {}});
}

Stream sql_stream(const std::string& text, const std::vector<std::pair<std::string, Stream>>& streams,
                  const std::vector<std::pair<std::string, Frame>>& tables, const SqlParameters& parameters) {
  SqlInput input{{}, parameters, tables};
  for (const auto& [name, stream] : streams) input.tables.emplace_back(name, Frame(sqltext::stream_table(name, stream)));
  return Session().stream(text, input);
}

}  // namespace gristmill
