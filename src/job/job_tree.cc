#include "job/job_tree.h"

#include <algorithm>

namespace gristmill::job {
namespace {

Node at_place_of(const Node& like) {
  Node out;
  out.file = like.file;
  out.line = like.line;
  out.column = like.column;
  out.key_line = like.key_line;
  out.key_column = like.key_column;
  return out;
}

}  // namespace

Node text_node(const Node& like, std::string text) {
  Node out = at_place_of(like);
  out.kind = Node::Kind::kText;
  out.text = std::move(text);
  return out;
}

Node list_node(const Node& like, const std::vector<std::string>& texts) {
  Node out = at_place_of(like);
  out.kind = Node::Kind::kList;
  for (const std::string& t : texts) out.items.push_back(text_node(like, t));
  return out;
}

Node section_node(const Node& like, std::vector<std::pair<std::string, Node>> keys) {
  Node out = at_place_of(like);
  out.kind = Node::Kind::kSection;
  out.sections = std::move(keys);
  return out;
}

Node names_node(const Node& like, const std::vector<std::pair<std::string, std::string>>& names) {
  std::vector<std::pair<std::string, Node>> keys;
  for (const auto& [name, text] : names) keys.emplace_back(name, text_node(like, text));
  return section_node(like, std::move(keys));
}

Node* find_key(Node& section, const std::string& name) {
  for (auto& [key, value] : section.sections) {
    if (key == name) return &value;
  }
  return nullptr;
}

void set_key(Node& section, const std::string& name, Node value) {
  if (Node* there = find_key(section, name)) {
    *there = std::move(value);
  } else {
    section.sections.emplace_back(name, std::move(value));
  }
}

void remove_key(Node& section, const std::string& name) {
  std::erase_if(section.sections, [&](const auto& s) { return s.first == name; });
}

}  // namespace gristmill::job
