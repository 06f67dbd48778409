// Windows over rows that went to disk.
#pragma once

#include <memory>
#include <vector>

#include "exec/window.h"
#include "exec/window_state.h"

namespace gristmill::exec {

struct WindowDisk {
  std::vector<WindowPass> passes;
  std::shared_ptr<Source> source;
};
arrow::Result<std::shared_ptr<WindowDisk>> make_window_disk(const std::shared_ptr<WindowState>& state);

expr::BoundPtr input_column(const WindowLayout& layout, int column);

}  // namespace gristmill::exec
