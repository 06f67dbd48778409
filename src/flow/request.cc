#include "flow/request.h"

#include <algorithm>

#include "flow/scope.h"

namespace gristmill::flow {

bool Request::dead() const {
  if (values) return item->dead || values->over;
  return many ? std::all_of(many->begin(), many->end(), [](const ItemPtr& i) { return i->dead.load(); }) : item->dead.load();
}

CallWork work_of(const Request& request) {
  const Step& step = request.called();
  CallWork work{.node = step.node, .told = request.item->told(request.attempt)};
  if (request.values) {
    work.source = request.values->source;
    // Values that a call which takes too long had already got would be lost with it.
    work.most = step.node->rules.timeout.count() > 0 ? 1 : request.values->most;
    return work;
  }
  work.args.reserve(step.args.size());
  for (const int slot : step.args) {
    const auto at = static_cast<size_t>(slot);
    if (!request.many) {
      work.args.push_back(request.item->values[at]);
      continue;
    }
    auto column = std::make_shared<detail::FlowValues>();
    column->reserve(request.many->size());
    for (const ItemPtr& item : *request.many) column->push_back(item->values[at]);
    work.args.push_back(std::move(column));
  }
  return work;
}

}  // namespace gristmill::flow
