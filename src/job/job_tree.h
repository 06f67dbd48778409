// Changes to the tree of a job file before it is read: another source, other sinks. For retries and tests of a job.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "frame/config_node.h"

namespace gristmill::job {

using Node = Config::Node;

Node text_node(const Node& like, std::string text);
Node list_node(const Node& like, const std::vector<std::string>& texts);
Node section_node(const Node& like, std::vector<std::pair<std::string, Node>> keys);
Node names_node(const Node& like, const std::vector<std::pair<std::string, std::string>>& names);
// Null when there is none.
Node* find_key(Node& section, const std::string& name);
void set_key(Node& section, const std::string& name, Node value);
void remove_key(Node& section, const std::string& name);

}  // namespace gristmill::job
