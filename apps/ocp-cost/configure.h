// Settings from a command line: --config, the environment, --set and the short flags, in this order.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "settings.h"

namespace CLI {
class App;
}

namespace ocp {

struct ConfigureFlags {
  std::string file;
  std::vector<std::string> set;                            // key=value
  std::vector<std::pair<std::string, std::string>> given;  // key, value
  std::vector<std::string> payloads;
  bool print = false, dry_run = false;
};

// Adds the flags; `outputs`: also those that say where results go.
void add_configure_flags(CLI::App& command, const std::shared_ptr<ConfigureFlags>& flags, bool outputs);

// What holds, as YAML, in `printed` when asked for.
arrow::Status configure(const ConfigureFlags& flags, Settings& settings, std::string& printed);

int32_t today();  // in UTC

}  // namespace ocp
