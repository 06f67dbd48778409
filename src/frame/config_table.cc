// The table of keys: reading a tree, the environment and flags by it, and printing what holds.
//
// Invariant: what to_yaml() prints, read again, gives the same values (secrets aside).

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <variant>

#include "base/settings.h"
#include "base/status.h"
#include "frame/config_node.h"
#include "gristmill/config.h"

namespace gristmill {
namespace {

using Node = Config::Node;
using Names = std::map<std::string, std::string>;

struct Bytes {
  int64_t* to;
};
using Target = std::variant<std::string*, std::optional<std::string>*, int64_t*, std::optional<int64_t>*, bool*, Bytes,
                            std::vector<std::string>*, Names*>;

std::string lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

arrow::Result<bool> to_bool(const std::string& text) {
  const std::string low = lowered(text);
  for (const char* yes : {"true", "yes", "on", "1"}) {
    if (low == yes) return true;
  }
  for (const char* no : {"false", "no", "off", "0"}) {
    if (low == no) return false;
  }
  return base::plan_error("\"" + text + "\" is neither true nor false");
}

arrow::Result<int64_t> to_integer(const std::string& text, const ConfigKey& key) {
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool fits = failed == std::errc() && end == text.data() + text.size() && !text.empty() && (!key.least || value >= *key.least) &&
                    (!key.most || value <= *key.most);
  if (fits) return value;
  std::string range;
  if (key.least) range += " from " + std::to_string(*key.least);
  if (key.most) range += " to " + std::to_string(*key.most);
  return base::plan_error("\"" + text + "\" is no whole number" + range);
}

// Quoted where YAML would take it for something else.
std::string shown(const std::string& text, bool key = false) {
  const bool plain = !text.empty() && text.find_first_of(":#{}[],&*!|>'\"%@`\n\t$\\") == std::string::npos && text.front() != ' ' &&
                     text.back() != ' ' && text.front() != '-' && text.front() != '?' && text != "~" && lowered(text) != "null";
  if (plain) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$' && !key) out += '$';  // read again, it is one dollar sign; keys are read as they are
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

const std::string kMasked = "\"***\"";

}  // namespace

struct ConfigTable::Entry {
  std::string name;
  Target target;
  std::string help;
  ConfigKey key;
  std::function<ConfigTable()> make;  // of a list of sections
  std::shared_ptr<std::vector<ConfigTable>> made = std::make_shared<std::vector<ConfigTable>>();
  bool list() const { return make != nullptr; }

  arrow::Status set(const std::string& text) const;
};

struct ConfigTable::State {
  std::vector<Entry> entries;

  const Entry* find(const std::string& name) const {
    const auto at = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.name == name; });
    return at == entries.end() ? nullptr : &*at;
  }
  bool is_section(const std::string& name) const {
    return std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return e.name.starts_with(name + "."); });
  }
  arrow::Status read(const Node& section, const std::string& prefix) const;
  arrow::Status read_entry(const Entry& entry, const Node& value) const;
  arrow::Status unknown(const Node& at, const std::string& prefix, const std::string& name) const;
  void print(std::string& out, const std::string& indent, bool item) const;
};

arrow::Status ConfigTable::Entry::set(const std::string& text) const {
  if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), text) == key.choices.end())
    return base::plan_error("\"" + text + "\" is not among the choices" + base::suggest_name(text, key.choices));
  if (auto* const* to = std::get_if<std::string*>(&target)) **to = text;
  if (auto* const* to = std::get_if<std::optional<std::string>*>(&target)) **to = text;
  if (auto* const* to = std::get_if<std::vector<std::string>*>(&target)) **to = {text};
  if (auto* const* to = std::get_if<bool*>(&target)) {
    ARROW_ASSIGN_OR_RAISE(**to, to_bool(text));
  }
  if (const auto* to = std::get_if<Bytes>(&target)) {
    ARROW_ASSIGN_OR_RAISE(*to->to, base::parse_bytes(text));
  }
  if (auto* const* to = std::get_if<int64_t*>(&target)) {
    ARROW_ASSIGN_OR_RAISE(**to, to_integer(text, key));
  }
  if (auto* const* to = std::get_if<std::optional<int64_t>*>(&target)) {
    ARROW_ASSIGN_OR_RAISE(**to, to_integer(text, key));
  }
  if (std::holds_alternative<Names*>(target)) return base::plan_error("it is a section of names and texts");
  return arrow::Status::OK();
}

namespace {

// The reason without the value when that is secret.
arrow::Status refused(const std::string& where, const std::string& name, const ConfigKey& key, const arrow::Status& why) {
  return base::plan_error(where + name + (key.secret ? ": its value does not fit" : ": " + why.message()));
}

std::string place_of(const Node& at) { return at.file + (at.line > 0 ? ", line " + std::to_string(at.line) : "") + ": "; }

}  // namespace

arrow::Status ConfigTable::State::unknown(const Node& at, const std::string& prefix, const std::string& name) const {
  std::vector<std::string> near;
  for (const Entry& e : entries) {
    if (!e.name.starts_with(prefix)) continue;
    const std::string rest = e.name.substr(prefix.size());
    near.push_back(rest.substr(0, rest.find('.')));
  }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::string message = "there is no key \"" + name + "\"";
  if (!prefix.empty()) message += " in \"" + prefix.substr(0, prefix.size() - 1) + "\"";
  message += base::suggest_name(name, near);
  // Perhaps it belongs elsewhere.
  for (const Entry& e : entries) {
    if (e.name.ends_with("." + name) && !e.name.starts_with(prefix + name)) message += "; there is \"" + e.name + "\"";
  }
  return config_error(at, message);
}

arrow::Status ConfigTable::State::read_entry(const Entry& entry, const Node& value) const {
  if (value.kind == Node::Kind::kNothing) return arrow::Status::OK();
  if (entry.list()) {
    if (value.kind != Node::Kind::kList) return config_error(value, "\"" + entry.name + "\" is a list: its items begin with -");
    for (const Node& item : value.items) {
      if (item.kind != Node::Kind::kSection) return config_error(item, "an item of \"" + entry.name + "\" is made of keys");
      entry.made->push_back(entry.make());
      ARROW_RETURN_NOT_OK(entry.made->back().state_->read(item, ""));
    }
    return arrow::Status::OK();
  }
  if (auto* const* to = std::get_if<Names*>(&entry.target); to != nullptr && value.kind == Node::Kind::kSection) {
    for (const auto& [name, text] : value.sections) {
      if (text.kind == Node::Kind::kText) (**to)[name] = text.text;
      if (text.kind == Node::Kind::kList || text.kind == Node::Kind::kSection)
        return config_error(text, "\"" + entry.name + "." + name + "\" must be a text");
    }
    return arrow::Status::OK();
  }
  if (auto* const* to = std::get_if<std::vector<std::string>*>(&entry.target); to != nullptr && value.kind == Node::Kind::kList) {
    (**to).clear();
    for (const Node& item : value.items) {
      if (item.kind != Node::Kind::kText) return config_error(item, "an item of \"" + entry.name + "\" must be a text");
      (**to).push_back(item.text);
    }
    return arrow::Status::OK();
  }
  if (value.kind != Node::Kind::kText) return config_error(value, "\"" + entry.name + "\" takes one value");
  const arrow::Status status = entry.set(value.text);
  return status.ok() ? status : refused(place_of(value), entry.name, entry.key, status);
}

arrow::Status ConfigTable::State::read(const Node& section, const std::string& prefix) const {
  for (const auto& [name, value] : section.sections) {
    const std::string full = prefix + name;
    const bool dotted = name.find('.') != std::string::npos;  // sections are written as sections
    if (const Entry* entry = dotted ? nullptr : find(full)) {
      ARROW_RETURN_NOT_OK(read_entry(*entry, value));
      continue;
    }
    if (!is_section(full) || dotted) return unknown(value, prefix, name);
    if (value.kind == Node::Kind::kNothing) continue;
    if (value.kind != Node::Kind::kSection) return config_error(value, "\"" + full + "\" is a section: its keys stand below it");
    ARROW_RETURN_NOT_OK(read(value, full + "."));
  }
  return arrow::Status::OK();
}

ConfigTable::ConfigTable() : state_(std::make_shared<State>()) {}

ConfigTable& ConfigTable::add(Entry entry) {
  state_->entries.push_back(std::move(entry));
  return *this;
}
ConfigTable& ConfigTable::text(std::string name, std::string* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::text(std::string name, std::optional<std::string>* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::integer(std::string name, int64_t* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::integer(std::string name, std::optional<int64_t>* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::boolean(std::string name, bool* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::bytes(std::string name, int64_t* to, std::string help, ConfigKey key) {
  return add({std::move(name), Bytes{to}, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::texts(std::string name, std::vector<std::string>* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::names(std::string name, std::map<std::string, std::string>* to, std::string help, ConfigKey key) {
  return add({std::move(name), to, std::move(help), std::move(key), {}});
}
ConfigTable& ConfigTable::list(std::string name, std::function<ConfigTable()> add_one, std::string help) {
  return add({std::move(name), static_cast<std::string*>(nullptr), std::move(help), {}, std::move(add_one)});
}

arrow::Status ConfigTable::read(const Config& config) { return state_->read(config.root(), ""); }

arrow::Status ConfigTable::read_environment(const Config::Variables& variables) {
  for (const Entry& e : state_->entries) {
    if (e.key.environment.empty()) continue;
    const char* own = variables ? nullptr : std::getenv(e.key.environment.c_str());
    const auto value = variables ? variables(e.key.environment) : own ? std::optional<std::string>(own) : std::nullopt;
    if (!value || value->empty()) continue;
    const arrow::Status status = e.set(*value);
    if (!status.ok()) return refused("", e.key.environment, e.key, status);
  }
  return arrow::Status::OK();
}

arrow::Status ConfigTable::set(const std::string& name, const std::string& value, const std::string& where) {
  const Entry* entry = state_->find(name);
  if (entry == nullptr || entry->list()) {
    std::vector<std::string> known;
    for (const Entry& e : state_->entries) {
      if (!e.list()) known.push_back(e.name);
    }
    return base::plan_error(where + ": there is no key \"" + name + "\"" + base::suggest_name(name, known));
  }
  const arrow::Status status = entry->set(value);
  return status.ok() ? status : refused("", where, entry->key, status);
}

namespace {

std::optional<std::string> value_of(const Target& target) {
  if (auto* const* to = std::get_if<std::string*>(&target)) return (*to)->empty() ? std::nullopt : std::optional(shown(**to));
  if (auto* const* to = std::get_if<std::optional<std::string>*>(&target)) return **to ? std::optional(shown(***to)) : std::nullopt;
  if (auto* const* to = std::get_if<int64_t*>(&target)) return std::to_string(**to);
  if (auto* const* to = std::get_if<std::optional<int64_t>*>(&target)) return **to ? std::optional(std::to_string(***to)) : std::nullopt;
  if (auto* const* to = std::get_if<bool*>(&target)) return **to ? "true" : "false";
  if (const auto* to = std::get_if<Bytes>(&target)) return std::to_string(*to->to);
  if (auto* const* to = std::get_if<std::vector<std::string>*>(&target)) {
    if ((*to)->empty()) return std::nullopt;
    std::string out;
    for (const std::string& item : **to) out += (out.empty() ? "[" : ", ") + shown(item);
    return out + "]";
  }
  if (auto* const* to = std::get_if<Names*>(&target)) {
    if ((*to)->empty()) return std::nullopt;
    std::string out;
    for (const auto& [name, item] : **to) out += (out.empty() ? "{" : ", ") + shown(name, true) + ": " + shown(item);
    return out + "}";
  }
  return std::nullopt;
}

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> out;
  std::istringstream in(name);
  for (std::string part; std::getline(in, part, '.');) out.push_back(part);
  return out;
}

}  // namespace

void ConfigTable::State::print(std::string& out, const std::string& indent, bool item) const {
  std::vector<std::string> open;
  const auto begin = [&](size_t depth) {
    const std::string lead = item ? indent.substr(0, indent.size() - 2) + "- " : indent;
    item = false;
    return lead + std::string(2 * depth, ' ');
  };
  for (const Entry& e : entries) {
    const auto value = e.list() ? std::nullopt : value_of(e.target);
    if (e.list() ? e.made->empty() : !value) continue;
    const std::vector<std::string> parts = parts_of(e.name);
    size_t same = 0;
    while (same < open.size() && same + 1 < parts.size() && open[same] == parts[same]) ++same;
    open.resize(same);
    for (; same + 1 < parts.size(); ++same) {
      out += begin(same) + parts[same] + ":\n";
      open.push_back(parts[same]);
    }
    if (!e.list()) {
      out += begin(same) + parts.back() + ": " + (e.key.secret ? kMasked : *value) + "\n";
      continue;
    }
    out += begin(same) + parts.back() + ":\n";
    for (const ConfigTable& one : *e.made) one.state_->print(out, indent + std::string(2 * same + 4, ' '), true);
  }
}

std::string ConfigTable::to_yaml() const {
  std::string out;
  state_->print(out, "", false);
  return out;
}

std::string ConfigTable::help() const {
  size_t widest = 0;
  for (const Entry& e : state_->entries) widest = std::max(widest, e.name.size());
  std::string out;
  for (const Entry& e : state_->entries) {
    out += e.name + std::string(widest - e.name.size() + 2, ' ') + e.help;
    if (!e.key.environment.empty()) out += " [" + e.key.environment + "]";
    out += "\n";
  }
  return out;
}

}  // namespace gristmill
