// The module's table behind a session; connection strings; errors.

#include "io/connect/postgres_session.h"

#include <algorithm>
#include <charconv>
#include <regex>

#include "base/status.h"
#include "io/connect/load_module.h"

namespace gristmill::io {
namespace {

constexpr int64_t kMostRows = 1'000'000;  // that a statement may give; more are for a scan

arrow::Result<const GmPgTable*> module_table() {
  static const GmPgTable* table = nullptr;  // the module stays open, so the first answer holds
  if (table != nullptr) return table;
  ARROW_ASSIGN_OR_RAISE(void* entry, load_module("libgristmill_postgres.so", GM_PG_ENTRY));
  const GmPgTable* found = reinterpret_cast<GmPgEntry>(entry)();
  if (found->abi != GM_PG_ABI) return base::io_error("libgristmill_postgres.so belongs to another version of the engine");
  return table = found;
}

struct Settings {
  std::string host, port, database, redacted;
  std::vector<std::string> secrets;
};

std::string keyword_value(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

void take_setting(void* context, const char* key, const char* value, int secret) {
  auto& s = *static_cast<Settings*>(context);
  const std::string_view k = key;
  if (secret != 0 || k.find("password") != std::string_view::npos) {
    if (*value) s.secrets.emplace_back(value);
    return;
  }
  if (k == "host" || (k == "hostaddr" && s.host.empty())) s.host = value;
  if (k == "port") s.port = value;
  if (k == "dbname") s.database = value;
  s.redacted += (s.redacted.empty() ? "" : " ") + std::string(key) + "=" + keyword_value(value);
}

// One @ at most, and that before the first slash: else a part of a password would pass for a host or a database.
bool plain_authority(std::string_view uri) {
  const size_t begin = uri.find("://") + 3;
  const std::string_view rest = uri.substr(begin, uri.find('?', begin) - begin);
  const size_t at = rest.find('@');
  return at == std::string_view::npos || (at < rest.find('/') && rest.find('@', at + 1) == std::string_view::npos);
}

// Rows and columns that a COPY's error speaks of: "COPY t, line 3, column amount".
void read_context(const std::string& context, base::ErrorDetail& d) {
  static const std::regex kPlace("COPY [^]*?, line (\\d+)(?:, column ([^:\\n]+))?[^]*");
  std::smatch m;
  if (!std::regex_match(context, m, kPlace)) return;
  int64_t line = 0;
  const std::string number = m[1];
  std::from_chars(number.data(), number.data() + number.size(), line);
  d.row = line - 1;
  d.column = m[2];
}

}  // namespace

arrow::Result<PostgresAddress> parse_postgres_address(const std::string& text) {
  ARROW_ASSIGN_OR_RAISE(const GmPgTable* table, module_table());
  Settings s;
  char reason[512] = {};
  const bool uri = text.starts_with("postgresql://") || text.starts_with("postgres://");
  const char* form = "write postgresql://user:password@host:port/database, special characters as %XX, or host=... dbname=... user=...";
  if (!uri && text.find("://") != std::string::npos) return base::plan_error("this is no address of a PostgreSQL server", form);
  if (table->parse(text.c_str(), &s, take_setting, reason, sizeof reason) != GM_PG_OK) {
    return base::plan_error("the PostgreSQL connection string cannot be read", form);  // libpq's reason may quote a part of a password
  }
  if (uri && !plain_authority(text)) return base::plan_error("the PostgreSQL connection string holds a bare @, / or :", form);
  if (s.port.find_first_not_of("0123456789,") != std::string::npos)
    return base::plan_error("the port of the PostgreSQL server is no number", form);
  PostgresAddress out;
  out.full = text;
  out.redacted = s.redacted;
  out.shown = (s.host.empty() ? "local" : s.host) + (s.port.empty() ? "" : ":" + s.port) + (s.database.empty() ? "" : "/" + s.database);
  out.secrets = std::move(s.secrets);
  return out;
}

arrow::Result<std::unique_ptr<PostgresSession>> PostgresSession::open(PostgresAddress address, KeepWaiting keep) {
  ARROW_ASSIGN_OR_RAISE(const GmPgTable* table, module_table());
  std::unique_ptr<PostgresSession> out(new PostgresSession(table, std::move(address), std::move(keep)));  // its constructor is private
  int outcome = GM_PG_FAILED;
  out->connection_ = table->connect(out->address_.full.c_str(), out->stop(), &outcome);
  if (out->connection_ == nullptr) return base::memory_error("no memory for a connection to PostgreSQL");
  ARROW_RETURN_NOT_OK(out->check(outcome, "cannot connect to PostgreSQL at " + out->address_.shown));
  return out;
}

PostgresSession::~PostgresSession() { close(); }

void PostgresSession::close() {
  if (connection_ != nullptr) table_->close(connection_);
  connection_ = nullptr;
}

GmPgStop PostgresSession::stop() {
  if (!keep_) return {nullptr, nullptr};
  return {[](void* self) {
            auto& s = *static_cast<PostgresSession*>(self);
            s.stopped_ = s.keep_();
            return s.stopped_.ok() ? 0 : 1;
          },
          this};
}

std::string PostgresSession::without_secrets(std::string text) const {
  for (const std::string& secret : address_.secrets) {
    for (size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) text.replace(at, secret.size(), "***");
  }
  return text;
}

arrow::Status PostgresSession::check(int outcome, std::string_view doing) {
  if (outcome == GM_PG_OK || outcome == GM_PG_END) return arrow::Status::OK();
  if (outcome == GM_PG_STOPPED) return stopped_.ok() ? base::cancelled_error() : stopped_;
  const GmPgError& e = *table_->error(connection_);
  const std::string state = e.sqlstate;
  std::string text = std::string(doing) + ": " + e.message;
  if (*e.detail) text += " (" + std::string(e.detail) + ")";
  if (!state.empty()) text += " (SQLSTATE " + state + ")";
  base::ErrorDetail d;
  d.hint = without_secrets(e.hint);
  read_context(e.context, d);
  // Class 22: a value that does not fit; 23: a constraint. Both are about the data, all else about the connection.
  const bool data = !e.lost && (state.starts_with("22") || state.starts_with("23"));
  d.kind = data ? base::ErrorKind::kData : base::ErrorKind::kIo;
  text = without_secrets(std::move(text));
  return base::with_detail(data ? base::data_error(text) : base::io_error(text), d);
}

arrow::Result<PostgresAnswer> PostgresSession::execute(const std::string& sql, const std::vector<PostgresText>& parameters) {
  std::vector<const char*> values;
  for (const PostgresText& p : parameters) {
    if (p && p->find('\0') != std::string::npos) return base::data_error("a parameter of a statement holds a NUL byte");
    values.push_back(p ? p->c_str() : nullptr);
  }
  if (connection_ == nullptr) return base::io_error("the connection to PostgreSQL is closed");
  const int n = static_cast<int>(values.size());
  ARROW_RETURN_NOT_OK(check(table_->execute(connection_, sql.c_str(), n, values.data(), kMostRows, stop()), "PostgreSQL refused"));
  if (table_->state(connection_) != GM_PG_IDLE) {
    close();
    return base::plan_error("a COPY cannot be run as a plain statement", "use copy() or scan_postgres()");
  }
  PostgresAnswer out;
  for (int i = 0; i < table_->fields(connection_); ++i) {
    const GmPgField f = table_->field(connection_, i);
    out.columns.push_back({f.name, f.type, f.modifier});
  }
  for (int64_t r = 0; r < table_->rows(connection_); ++r) {
    auto& row = out.rows.emplace_back();
    for (int i = 0; i < static_cast<int>(out.columns.size()); ++i) {
      size_t size = 0;
      const char* value = table_->value(connection_, r, i, &size);
      row.push_back(value ? PostgresText(std::string(value, size)) : std::nullopt);
    }
  }
  out.tag = table_->tag(connection_);
  const size_t space = out.tag.find_last_of(' ');
  if (space != std::string::npos) std::from_chars(out.tag.data() + space + 1, out.tag.data() + out.tag.size(), out.affected);
  return out;
}

arrow::Result<std::vector<PostgresColumn>> PostgresSession::describe(const std::string& sql) {
  ARROW_RETURN_NOT_OK(check(table_->describe(connection_, sql.c_str(), stop()), "PostgreSQL refused the query"));
  std::vector<PostgresColumn> out;
  for (int i = 0; i < table_->fields(connection_); ++i) {
    const GmPgField f = table_->field(connection_, i);
    out.push_back({f.name, f.type, f.modifier});
  }
  return out;
}

arrow::Status PostgresSession::begin_copy_out(const std::string& sql) {
  ARROW_RETURN_NOT_OK(check(table_->execute(connection_, sql.c_str(), 0, nullptr, 0, stop()), "PostgreSQL refused the query"));
  if (table_->state(connection_) == GM_PG_COPY_OUT) return arrow::Status::OK();
  return base::internal_error("COPY TO STDOUT gave no rows");
}

arrow::Result<std::optional<std::string_view>> PostgresSession::next_copied() {
  const char* data = nullptr;
  size_t size = 0;
  const int outcome = table_->copy_out(connection_, &data, &size, stop());
  ARROW_RETURN_NOT_OK(check(outcome, "reading from PostgreSQL at " + address_.shown + " failed"));
  if (outcome == GM_PG_END) return std::nullopt;
  return std::string_view(data, size);
}

arrow::Status PostgresSession::begin_copy_in(const std::string& sql) {
  ARROW_RETURN_NOT_OK(check(table_->execute(connection_, sql.c_str(), 0, nullptr, 0, stop()), "PostgreSQL refused the COPY"));
  if (copying_in()) return arrow::Status::OK();
  return base::internal_error("COPY FROM STDIN did not begin");
}

arrow::Status PostgresSession::put(std::string_view bytes) {
  return check(table_->copy_in(connection_, bytes.data(), bytes.size(), stop()), "writing to PostgreSQL at " + address_.shown + " failed");
}

arrow::Result<int64_t> PostgresSession::end_copy_in() {
  ARROW_RETURN_NOT_OK(check(table_->copy_in_end(connection_, nullptr, stop()), "writing to PostgreSQL at " + address_.shown + " failed"));
  const std::string tag = table_->tag(connection_);
  int64_t rows = 0;
  if (tag.starts_with("COPY ")) std::from_chars(tag.data() + 5, tag.data() + tag.size(), rows);
  return rows;
}

arrow::Status PostgresSession::refuse_copy_in() {
  const int outcome = table_->copy_in_end(connection_, "the writer gave up", stop());
  const arrow::Status status = check(outcome, "writing to PostgreSQL at " + address_.shown + " failed");
  const std::string state = sqlstate_of(status);
  return state == "57014" || state.empty() ? arrow::Status::OK() : status;  // 57014: our own refusal
}

arrow::Status PostgresSession::commit(bool* undecided) {
  *undecided = false;
  const auto answer = execute("commit");
  if (answer.ok()) {
    if (answer->tag == "COMMIT") return arrow::Status::OK();
    return base::io_error("PostgreSQL undid the transaction instead of committing it: a statement in it had failed");
  }
  const std::string code = sqlstate_of(answer.status());
  if (code.starts_with("23") || code.starts_with("40")) return answer.status();  // a deferred constraint, a conflict: undone
  *undecided = true;
  return base::io_error(answer.status().message() + "; whether the transaction holds is not known, the commit had been sent");
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string quote_literal(std::string_view text) {
  std::string out = " E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

arrow::Result<std::string> quote_table(const std::string& name) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '"' && quoted && i + 1 < name.size() && name[i + 1] == '"') {
      parts.back() += c;
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  std::string out;
  for (const std::string& p : parts) {
    if (p.empty() || quoted || parts.size() > 3 || p.find('\0') != std::string::npos) {
      return base::plan_error("\"" + name + "\" is no name of a table",
                              "write table or schema.table; a name with a dot stands in double quotes");
    }
    out += (out.empty() ? "" : ".") + quote_identifier(p);
  }
  return out;
}

std::string sqlstate_of(const arrow::Status& error) {
  const std::string& text = error.message();
  constexpr std::string_view kMark = " (SQLSTATE ";
  if (text.size() < kMark.size() + 6 || text.back() != ')') return {};
  const size_t at = text.size() - 6 - kMark.size();
  return std::string_view(text).substr(at, kMark.size()) == kMark ? text.substr(text.size() - 6, 5) : std::string{};
}

bool may_pass(const arrow::Status& error) {
  if (error.ok() || base::error_kind(error) != base::ErrorKind::kIo) return false;
  const std::string state = sqlstate_of(error);
  if (!state.empty()) {  // connection; shutdown; too many connections; conflict; lock
    return state.starts_with("08") || state.starts_with("57P") || state == "53300" || state.starts_with("40") || state == "55P03";
  }
  // Without a state it is about the connection. Of what a server says to one that it refuses, the library gives the words only.
  const std::string& text = error.message();
  if (text.find("FATAL:") == std::string::npos) return true;
  constexpr const char* kPassing[] = {"starting up", "shutting down", "recovery", "not yet accepting", "too many", "connection slots"};
  return std::any_of(std::begin(kPassing), std::end(kPassing), [&](const char* words) { return text.find(words) != std::string::npos; });
}

}  // namespace gristmill::io
