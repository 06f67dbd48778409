// Strict configuration: one table of keys says what a YAML file, the environment and flags may set, and prints what holds.
//
//   struct Settings { std::string host = "localhost"; int64_t port = 5432; std::string password; } s;
//   ConfigTable table;
//   table.text("database.host", &s.host, "where it runs", {.environment = "DB_HOST"})
//       .integer("database.port", &s.port, "its port", {.least = 1, .most = 65535})
//       .text("database.password", &s.password, "its password", {.environment = "DB_PASSWORD", .secret = true});
//   ARROW_ASSIGN_OR_RAISE(Config file, Config::load("job.yaml"));
//   ARROW_RETURN_NOT_OK(table.read(file));            // the file
//   ARROW_RETURN_NOT_OK(table.read_environment());    // is overruled by the environment,
//   ARROW_RETURN_NOT_OK(table.set("database.host", flag));  // that by a flag
//
// In a file `${NAME}` is a variable that must be there, `${NAME:-text}` one that need not (or may be empty), `$$` a dollar sign. They stand
// in values only and are replaced after the YAML was understood, so a value never becomes structure. A key that the table does not have, a
// key that comes twice and a value that does not fit are errors naming file and line, and the nearest key. Secrets are in no error and in
// no printed text.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

namespace gristmill {

// What a file says: texts, lists and sections, each with its line. Immutable; copies share it.
class Config {
 public:
  using Variables = std::function<std::optional<std::string>(const std::string& name)>;

  // `name` stands for the text in errors. No variables: those of the process.
  static arrow::Result<Config> parse(std::string_view yaml, const std::string& name, const Variables& variables = {});
  static arrow::Result<Config> load(const std::string& file, const Variables& variables = {});

  struct Node;
  const Node& root() const { return *root_; }

 private:
  explicit Config(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
  std::shared_ptr<const Node> root_;
};

// What a key knows besides its name and target.
struct ConfigKey {
  std::string environment = {};  // the variable that sets it
  bool secret = false;           // printed as ***
  std::optional<int64_t> least = {}, most = {};
  std::vector<std::string> choices = {};
};

// Targets are written when a value is read and must outlive the table. What is not read keeps its value: the default.
class ConfigTable {
 public:
  ConfigTable();
  ConfigTable& text(std::string name, std::string* to, std::string help, ConfigKey key = {});
  ConfigTable& text(std::string name, std::optional<std::string>* to, std::string help, ConfigKey key = {});
  ConfigTable& integer(std::string name, int64_t* to, std::string help, ConfigKey key = {});
  ConfigTable& integer(std::string name, std::optional<int64_t>* to, std::string help, ConfigKey key = {});
  ConfigTable& boolean(std::string name, bool* to, std::string help, ConfigKey key = {});
  ConfigTable& bytes(std::string name, int64_t* to, std::string help, ConfigKey key = {});                   // 512MB, 2GiB
  ConfigTable& texts(std::string name, std::vector<std::string>* to, std::string help, ConfigKey key = {});  // a list, or one text
  ConfigTable& names(std::string name, std::map<std::string, std::string>* to, std::string help, ConfigKey key = {});  // any keys, texts
  // A list of sections: `add` makes room for one more and gives its table.
  ConfigTable& list(std::string name, std::function<ConfigTable()> add, std::string help);

  arrow::Status read(const Config& config);
  arrow::Status read_environment(const Config::Variables& variables = {});
  // One key, named in full; `where` begins the error ("--port").
  arrow::Status set(const std::string& name, const std::string& value, const std::string& where);

  // What holds now as YAML that read() would take, secrets masked; targets without a value are left out.
  std::string to_yaml() const;
  // One line a key: name, variable, what it is.
  std::string help() const;

 private:
  struct Entry;
  struct State;
  ConfigTable& add(Entry entry);
  std::shared_ptr<State> state_;
};

}  // namespace gristmill
