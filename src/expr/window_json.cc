// {"arguments":1,"partitions":1,"order":[[desc,nulls_first]],"frame":{"mode":"rows","start":{...},"end":{...},"exclude":"ties"},"closed":true}
//
// Enumerators are written by name; defaults are left out, so equal windows give equal bytes.

#include "expr/window_json.h"

#include <arrow/scalar.h>

#include "base/status.h"
#include "expr/json.h"

namespace gristmill::expr {
namespace {

using simdjson::dom::element;

constexpr const char* kModes[] = {"default", "rows", "range", "groups"};
constexpr const char* kEdges[] = {"unbounded_preceding", "preceding", "current_row", "following", "unbounded_following"};
constexpr const char* kExcludes[] = {"nothing", "current_row", "group", "ties"};

arrow::Status malformed(const std::string& what) { return base::plan_error("cannot read the window: " + what); }

std::string bound_to_json(const FrameBound& b) {
  std::string out = std::string("{\"edge\":\"") + kEdges[static_cast<int>(b.edge)] + "\"";
  if (b.number) out += ",\"number\":" + scalar_to_json(*b.number);
  if (b.interval != FrameInterval{}) {
    out += ",\"interval\":[" + std::to_string(b.interval.months) + "," + std::to_string(b.interval.days) + "," +
           std::to_string(b.interval.nanoseconds) + "]";
  }
  return out + (b.open ? ",\"open\":true}" : "}");
}

template <typename E, size_t N>
arrow::Result<E> one_of(const element& e, const char* key, const char* const (&names)[N]) {
  std::string_view given;
  if (e[key].get(given)) return malformed(std::string("\"") + key + "\" is missing");
  for (size_t i = 0; i < N; ++i) {
    if (given == names[i]) return static_cast<E>(i);
  }
  return malformed(std::string("an unknown ") + key);
}

arrow::Result<FrameBound> bound_from_json(const element& frame, const char* key) {
  element e;
  if (frame[key].get(e)) return malformed(std::string("a frame without ") + key);
  FrameBound out;
  ARROW_ASSIGN_OR_RAISE(out.edge, one_of<FrameEdge>(e, "edge", kEdges));
  element number;
  if (!e["number"].get(number)) {
    ARROW_ASSIGN_OR_RAISE(out.number, scalar_from_json(number));
  }
  bool open = false;
  out.open = !e["open"].get(open) && open;
  simdjson::dom::array parts;
  if (!e["interval"].get(parts)) {
    int64_t v[3] = {};
    if (parts.size() != 3) return malformed("an interval has three parts");
    for (size_t i = 0; i < 3; ++i) {
      if (parts.at(i).get(v[i])) return malformed("an interval of other things than numbers");
    }
    out.interval = {v[0], v[1], v[2]};
  }
  return out;
}

arrow::Result<int> count(const element& e, const char* key, size_t most) {
  int64_t n = 0;
  if (e[key].get(n) || n < 0 || static_cast<size_t>(n) > most) return malformed(std::string("\"") + key + "\" does not fit the arguments");
  return static_cast<int>(n);
}

}  // namespace

std::string window_to_json(const Window& w) {
  std::string out = "{\"arguments\":" + std::to_string(w.arguments) + ",\"partitions\":" + std::to_string(w.partitions) + ",\"order\":[";
  for (const WindowOrder& o : w.order) {
    out += std::string(out.back() == '[' ? "" : ",") + "[" + (o.descending ? "true" : "false") + "," + (o.nulls_first ? "true" : "false") +
           "]";
  }
  out += "]";
  if (w.frame.mode != FrameMode::kDefault) {
    out += std::string(",\"frame\":{\"mode\":\"") + kModes[static_cast<int>(w.frame.mode)] +
           "\",\"start\":" + bound_to_json(w.frame.start) + ",\"end\":" + bound_to_json(w.frame.end) + ",\"exclude\":\"" +
           kExcludes[static_cast<int>(w.frame.exclude)] + "\"}";
  }
  return out + (w.closed ? ",\"closed\":true}" : "}");
}

arrow::Result<std::shared_ptr<const Window>> window_from_json(const element& e, size_t args) {
  auto w = std::make_shared<Window>();
  ARROW_ASSIGN_OR_RAISE(w->arguments, count(e, "arguments", args));
  ARROW_ASSIGN_OR_RAISE(w->partitions, count(e, "partitions", args - static_cast<size_t>(w->arguments)));
  simdjson::dom::array order;
  if (e["order"].get(order)) return malformed("\"order\" must be a list");
  for (const element o : order) {
    WindowOrder one;
    simdjson::dom::array flags;
    if (o.get(flags) || flags.size() != 2 || flags.at(0).get(one.descending) || flags.at(1).get(one.nulls_first))
      return malformed("an order is two flags");
    w->order.push_back(std::move(one));
  }
  if (static_cast<size_t>(w->arguments + w->partitions) + w->order.size() != args) return malformed("other arguments than it says");
  element frame;
  if (!e["frame"].get(frame)) {
    ARROW_ASSIGN_OR_RAISE(w->frame.mode, one_of<FrameMode>(frame, "mode", kModes));
    ARROW_ASSIGN_OR_RAISE(w->frame.start, bound_from_json(frame, "start"));
    ARROW_ASSIGN_OR_RAISE(w->frame.end, bound_from_json(frame, "end"));
    ARROW_ASSIGN_OR_RAISE(w->frame.exclude, one_of<FrameExclude>(frame, "exclude", kExcludes));
  }
  bool closed = false;
  w->closed = !e["closed"].get(closed) && closed;
  return w;
}

}  // namespace gristmill::expr
