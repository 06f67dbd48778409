// Statements are few and all here. Names are quoted, values are parameters.

#include "summary_table.h"

#include <algorithm>
#include <cstdio>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "log.h"
#include "reference.h"

namespace ocp {

using gristmill::col;
using gristmill::Frame;
using gristmill::PostgresTransaction;

namespace {

// Without these the delete rule has no meaning.
constexpr const char* kNeeded[] = {"usage_start", "report_period_id", "data_source", "uuid"};
constexpr const char* kAlreadyCosted = "infrastructure_raw_cost";

std::string literal(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

std::string month_name(const Month& month) {
  char text[16];
  std::snprintf(text, sizeof text, "%04d_%02d", month.year, month.month);
  return text;
}

int32_t first_of(const Month& month) { return *parse_day(day_text(month.first_day).substr(0, 8) + "01"); }

}  // namespace

SummaryTable::SummaryTable(PostgresTransaction tx, const PostgresSettings& settings, const Job& job)
    : tx_(std::move(tx)),
      schema_(job.schema),
      table_(settings.table),
      source_(job.month.source_uuid),
      month_(job.month),
      report_period_(job.report_period_id),
      lock_timeout_s_(settings.lock_timeout_s) {}

arrow::Result<SummaryTable> SummaryTable::open(const PostgresSettings& settings, const Job& job, bool read_only,
                                               std::function<arrow::Status()> keep_waiting) {
  ARROW_ASSIGN_OR_RAISE(auto tx, PostgresTransaction::open(settings.connection(), std::move(keep_waiting)));
  SummaryTable out(std::move(tx), settings, job);
  ARROW_RETURN_NOT_OK(out.prepare(read_only));
  return out;
}

arrow::Status SummaryTable::prepare(bool read_only) {
  // The transaction waits for the computation between its statements; days are days of UTC.
  ARROW_RETURN_NOT_OK(tx_.execute("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; "
                                  "set local timezone = 'UTC'; set local lock_timeout = " +
                                  std::to_string(lock_timeout_s_ * 1000))
                          .status());
  if (read_only) ARROW_RETURN_NOT_OK(tx_.execute("set transaction read only").status());
  const std::string name = quoted_name(schema_, table_);
  ARROW_ASSIGN_OR_RAISE(const auto found, tx_.execute("select c.oid, c.relkind from pg_class c where c.oid = to_regclass($1)", {name}));
  if (found.rows.empty()) return arrow::Status::IOError("PostgreSQL: there is no table ", name, " (schema, postgres.table)");
  partitioned_ = found.rows[0][1] == "p";
  ARROW_ASSIGN_OR_RAISE(
      const auto columns,
      tx_.execute("select attname from pg_attribute where attrelid = $1::oid and attnum > 0 and not attisdropped order by attnum",
                  {found.rows[0][0]}));
  for (const auto& row : columns.rows) columns_.push_back(*row[0]);
  for (const char* needed : kNeeded) {
    if (std::find(columns_.begin(), columns_.end(), needed) == columns_.end())
      return arrow::Status::IOError("PostgreSQL: the table ", name, " has no column ", needed);
  }
  if (read_only) return arrow::Status::OK();
  return tx_.lock("gristmill-ocp/" + source_ + "/" + month_name(month_));
}

arrow::Result<int64_t> SummaryTable::report_period() {
  if (report_period_) return *report_period_;
  const std::string periods = quoted_name(schema_, "reporting_ocpusagereportperiod");
  ARROW_ASSIGN_OR_RAISE(const auto found,
                        tx_.execute("select id from " + periods + " where provider_id = $1::uuid and report_period_start::date = $2::date",
                                    {source_, day_text(first_of(month_))}));
  if (found.rows.size() == 1) return std::stoll(*found.rows[0][0]);
  return arrow::Status::IOError("PostgreSQL: ", periods, " has ", found.rows.empty() ? "no row" : "several rows", " for the source ",
                                source_, " and the month of ", day_text(first_of(month_)), "; give report_period_id (--report-period-id)");
}

arrow::Result<Frame> SummaryTable::fitting(const Frame& rows) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, rows.schema());
  std::vector<gristmill::Expr> kept;
  counts_.unknown_columns.clear();
  for (const auto& field : schema->fields()) {
    const bool there = std::find(columns_.begin(), columns_.end(), field->name()) != columns_.end();
    if (there) kept.push_back(col(field->name()));
    if (!there) counts_.unknown_columns.push_back(field->name());
  }
  return rows.select(std::move(kept));
}

std::string SummaryTable::old_rows(int64_t report_period_id) const {
  std::string out = quoted_name(schema_, table_) + " where usage_start between " + literal(day_text(month_.first_day)) + " and " +
                    literal(day_text(month_.last_day)) + " and report_period_id = " + std::to_string(report_period_id);
  if (std::find(columns_.begin(), columns_.end(), kAlreadyCosted) != columns_.end())
    out += std::string(" and (") + kAlreadyCosted + " is null or " + kAlreadyCosted + " = 0)";
  return out;
}

arrow::Result<int64_t> SummaryTable::replaceable(int64_t report_period_id) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, tx_.execute("select count(*) from " + old_rows(report_period_id)));
  return std::stoll(*rows.rows[0][0]);
}

arrow::Status SummaryTable::replace_rows(int64_t report_period_id) {
  begun_ = true;
  ARROW_ASSIGN_OR_RAISE(const auto deleted, tx_.execute("delete from " + old_rows(report_period_id)));
  counts_.deleted = deleted.affected;
  return arrow::Status::OK();
}

// Attaching a table that is ready takes weaker locks than making it in place; rows of the month that lie in the default partition move.
arrow::Status SummaryTable::make_partition() {
  if (!partitioned_) return arrow::Status::OK();
  const int32_t first = first_of(month_);
  const std::string from = day_text(first), to = day_text(first + month_.days());
  ARROW_RETURN_NOT_OK(tx_.lock("gristmill-ocp/partitions/" + schema_ + "." + table_));  // sources share the month's partition
  const char* covering =
      "select 1 from (select pg_get_expr(c.relpartbound, c.oid) as bound from pg_inherits i join pg_class c on c.oid = i.inhrelid "
      "where i.inhparent = to_regclass($1)) b where bound like 'FOR VALUES FROM%' "
      "and coalesce(substring(bound from 'FROM \\(''([^'']+)''')::date, '-infinity') <= $2::date "
      "and coalesce(substring(bound from 'TO \\(''([^'']+)''')::date, 'infinity') > $2::date limit 1";
  ARROW_ASSIGN_OR_RAISE(const auto there, tx_.execute(covering, {quoted_name(schema_, table_), from}));
  if (!there.rows.empty()) return arrow::Status::OK();
  const std::string name = table_ + "_" + month_name(month_);
  ARROW_RETURN_NOT_OK(fill_partition(name, from, to));
  counts_.partitions.push_back(name);
  return arrow::Status::OK();
}

arrow::Status SummaryTable::fill_partition(const std::string& name, const std::string& from, const std::string& to) {
  const std::string parent = quoted_name(schema_, table_), partition = quoted_name(schema_, name);
  ARROW_RETURN_NOT_OK(tx_.execute("create table " + partition + " (like " + parent + " including all)").status());
  ARROW_ASSIGN_OR_RAISE(const auto fallback,
                        tx_.execute("select c.oid::regclass::text from pg_inherits i join pg_class c on c.oid = i.inhrelid "
                                    "where i.inhparent = to_regclass($1) and pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT'",
                                    {parent}));
  if (!fallback.rows.empty()) {
    std::string list;
    for (const std::string& c : columns_) list += (list.empty() ? "\"" : ", \"") + c + "\"";
    ARROW_RETURN_NOT_OK(tx_.execute("with moved as (delete from " + *fallback.rows[0][0] + " where usage_start >= " + literal(from) +
                                    " and usage_start < " + literal(to) + " returning " + list + ") insert into " + partition + " (" +
                                    list + ") select " + list + " from moved")
                            .status());
  }
  return tx_
      .execute("alter table " + parent + " attach partition " + partition + " for values from (" + literal(from) + ") to (" + literal(to) +
               ")")
      .status();
}

arrow::Status SummaryTable::write(const arrow::RecordBatch& batch, int64_t report_period_id) {
  if (!begun_) {
    ARROW_RETURN_NOT_OK(replace_rows(report_period_id));
    ARROW_RETURN_NOT_OK(make_partition());
    ARROW_ASSIGN_OR_RAISE(schema_of_rows_, batch.schema()->AddField(0, arrow::field("uuid", arrow::utf8())));
    ARROW_RETURN_NOT_OK(tx_.begin_copy(quoted_name(schema_, table_), schema_of_rows_));
  }
  ARROW_ASSIGN_OR_RAISE(const auto uuids, random_uuids(batch.num_rows()));
  arrow::ArrayVector columns = batch.columns();
  columns.insert(columns.begin(), uuids);
  return tx_.write(*arrow::RecordBatch::Make(schema_of_rows_, batch.num_rows(), std::move(columns)));
}

arrow::Status SummaryTable::finish(int64_t report_period_id) {
  if (!begun_) return replace_rows(report_period_id);
  ARROW_ASSIGN_OR_RAISE(counts_.written, tx_.end_copy());
  return arrow::Status::OK();
}

arrow::Status SummaryTable::commit() { return tx_.commit(); }

bool SummaryTable::worth_another_try(const arrow::Status& error) {
  const std::string state = PostgresTransaction::sqlstate(error);
  if (!state.empty()) {
    for (const char* passing : {"40", "53", "55", "57", "08"}) {
      if (state.starts_with(passing)) return true;
    }
    return false;
  }
  // No answer of a server: a connection that could not be made, or that broke.
  const std::string text = error.message();
  for (const char* lasting :
       {"authentication failed", "no password", "does not exist", "no pg_hba", "certificate", "SSL", "not permitted"}) {
    if (text.find(lasting) != std::string::npos) return false;
  }
  for (const char* passing : {"connect", "connection", "server closed", "refused", "timeout", "timed out", "terminat", "no route"}) {
    if (text.find(passing) != std::string::npos) return true;
  }
  return false;
}

}  // namespace ocp
