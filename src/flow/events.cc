// Events as lines of a log.

#include "gristmill/flow_events.h"

#include <iterator>

namespace gristmill {
namespace {

constexpr const char* kWhats[] = {"flow_start", "flow_end",   "flow_error", "map_start",  "map_end", "item_start", "item_end",
                                  "item_error", "node_start", "node_end",   "node_error", "cached",  "retry"};
static_assert(std::size(kWhats) == static_cast<size_t>(FlowEvent::What::kRetry) + 1);

}  // namespace

std::string FlowEvent::to_string() const {
  std::string text = kWhats[static_cast<size_t>(what)];
  if (item >= 0) text += " item=" + std::to_string(item);
  for (const int64_t part : parts) text += "." + std::to_string(part);
  if (!node.empty()) text += " node=" + node;
  if (attempt > 1) text += " attempt=" + std::to_string(attempt);
  if (!error.ok()) text += " error=" + error.CodeAsString() + ": " + error.message();
  return text;
}

}  // namespace gristmill
