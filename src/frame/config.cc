// YAML to a tree of texts, with variables replaced.
//
// Every scalar is taken as text: the table that reads it knows what it should be, so `version: 1.10` stays 1.10.

#include "gristmill/config.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <yaml-cpp/yaml.h>

#include "base/status.h"
#include "frame/config_node.h"

namespace gristmill {
namespace {

using Node = Config::Node;

constexpr int kDeepest = 64;

std::optional<std::string> process_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

arrow::Result<std::string> with_variables(const std::string& text, const Node& at, const Config::Variables& variables) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size() || (text[i + 1] != '{' && text[i + 1] != '$')) {
      out += text[i];
      continue;
    }
    if (text[++i] == '$') {
      out += '$';
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string::npos) return config_error(at, "a ${ without its }", "write $$ for a dollar sign");
    const std::string inside = text.substr(i + 1, end - i - 1);
    const size_t fallback = inside.find(":-");
    const std::string name = inside.substr(0, fallback);
    if (!is_name(name)) return config_error(at, "${" + inside + "} names no variable", "write ${NAME} or ${NAME:-default}");
    const auto value = variables(name);
    if (fallback != std::string::npos) {
      out += value && !value->empty() ? *value : inside.substr(fallback + 2);
    } else if (value) {
      out += *value;
    } else {
      return config_error(at, "the variable " + name + " is not set", "set it, or write ${" + name + ":-default}");
    }
    i = end;
  }
  return out;
}

arrow::Result<Node> to_node(const YAML::Node& from, const std::string& file, const Config::Variables& variables, int depth) {
  Node out;
  out.file = file;
  out.line = from.Mark().line + 1;
  out.column = from.Mark().column + 1;
  if (depth > kDeepest) return config_error(out, "sections lie deeper than " + std::to_string(kDeepest) + " levels");
  switch (from.Type()) {
    case YAML::NodeType::Scalar: {
      out.kind = Node::Kind::kText;
      ARROW_ASSIGN_OR_RAISE(out.text, with_variables(from.Scalar(), out, variables));
      return out;
    }
    case YAML::NodeType::Sequence: {
      out.kind = Node::Kind::kList;
      for (const auto& item : from) {
        ARROW_ASSIGN_OR_RAISE(Node made, to_node(item, file, variables, depth + 1));
        out.items.push_back(std::move(made));
      }
      return out;
    }
    case YAML::NodeType::Map: {
      out.kind = Node::Kind::kSection;
      for (const auto& pair : from) {
        Node key;
        key.file = file;
        key.line = pair.first.Mark().line + 1;
        key.column = pair.first.Mark().column + 1;
        if (!pair.first.IsScalar()) return config_error(key, "a key must be a text");
        for (const auto& [name, before] : out.sections) {
          if (name == pair.first.Scalar())
            return config_error(key, "the key \"" + name + "\" comes twice", "the first one is in line " + std::to_string(before.line));
        }
        ARROW_ASSIGN_OR_RAISE(Node made, to_node(pair.second, file, variables, depth + 1));
        if (made.kind != Node::Kind::kText) {
          made.line = key.line;
          made.column = key.column;
        }
        made.key_line = key.line;
        made.key_column = key.column;
        out.sections.emplace_back(pair.first.Scalar(), std::move(made));
      }
      return out;
    }
    default: return out;
  }
}

}  // namespace

arrow::Status config_error(const Config::Node& at, const std::string& message, const std::string& hint) {
  const std::string line = at.line > 0 ? ", line " + std::to_string(at.line) : "";
  return base::plan_error(at.file + line + ": " + message, hint);
}

arrow::Result<Config> Config::parse(std::string_view yaml, const std::string& name, const Variables& variables) {
  Node at;
  at.file = name;
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    ARROW_ASSIGN_OR_RAISE(Node made, to_node(root, name, variables ? variables : process_variable, 0));
    if (made.kind != Node::Kind::kSection && made.kind != Node::Kind::kNothing)
      return config_error(made, "a configuration is made of keys");
    return Config(std::make_shared<const Node>(std::move(made)));
  } catch (const YAML::Exception& error) {
    at.line = error.mark.is_null() ? 0 : error.mark.line + 1;
    return config_error(at, error.msg);
  }
}

arrow::Result<Config> Config::load(const std::string& file, const Variables& variables) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return base::io_error("cannot read the configuration file " + file, file);
  return parse(text.str(), file, variables);
}

}  // namespace gristmill
