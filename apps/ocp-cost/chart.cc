// A row is 22 units high; names stand left of 200, numbers right of the bar. Colours are classes, so the page decides about dark and light.

#include "chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ocp {

namespace {

constexpr double kLeft = 210, kWidth = 560, kRow = 22, kRight = 190;
constexpr size_t kNameLength = 30;

std::string number(double v) {
  char text[48];
  const double size = std::abs(v);
  std::snprintf(text, sizeof text, size >= 1000 ? "%.0f" : size >= 10 ? "%.1f" : "%.3f", v);
  std::string out = text;
  if (size < 1000) return out;
  for (size_t at = out.size(); at > 3 + (v < 0 ? 1U : 0U);) out.insert(at -= 3, ",");
  return out;
}

// The first characters, whole ones.
std::string shortened(const std::string& name) {
  size_t points = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    if ((static_cast<unsigned char>(name[i]) & 0xC0) == 0x80) continue;
    if (points++ == kNameLength) return name.substr(0, i) + "…";
  }
  return name;
}

std::string rectangle(const char* shape, double y, double height, double width, double x = 0) {
  char text[160];
  std::snprintf(text, sizeof text, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", shape, kLeft + x, y,
                std::max(0.0, width), height);
  return text;
}

std::string label(const char* anchor, double x, double y, const std::string& text) {
  char start[96];
  std::snprintf(start, sizeof start, "<text text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", anchor, x, y);
  return start + html_text(text) + "</text>";
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string bar_chart(const std::vector<Bar>& bars, const std::string& unit) {
  double most = 0;
  for (const Bar& b : bars) most = std::max({most, b.usage, b.request, b.capacity});
  const double scale = most > 0 ? kWidth / most : 0;
  char head[192];
  std::snprintf(head, sizeof head, "<div class=\"wide\"><svg role=\"img\" viewBox=\"0 0 %.0f %.0f\" width=\"100%%\">\n",
                kLeft + kWidth + kRight, kRow * static_cast<double>(bars.size()) + 4);
  std::string out = head;
  double y = 2;
  for (const Bar& b : bars) {
    const std::string said = number(b.usage) + " used, " + number(b.request) + " requested" +
                             (b.capacity > 0 ? ", " + number(b.capacity) + " there" : "") + " " + unit;
    out += "<g><title>" + html_text(b.name + ": " + said) + "</title>" + label("end", kLeft - 8, y + 15, shortened(b.name));
    if (b.capacity > 0) out += rectangle("capacity", y + 3, 16, b.capacity * scale);
    out += rectangle("request", y + 3, 16, b.request * scale) + rectangle("usage", y + 7, 8, b.usage * scale);
    if (b.capacity > 0 && b.capacity < std::max(b.usage, b.request)) out += rectangle("limit", y + 1, 20, 2, b.capacity * scale - 1);
    out += label("start", kLeft + std::max({b.usage, b.request, b.capacity, 0.0}) * scale + 8, y + 15,
                 number(b.usage) + " / " + number(b.request) + (b.capacity > 0 ? " / " + number(b.capacity) : ""));
    out += "</g>\n";
    y += kRow;
  }
  return out + "</svg></div>\n";
}

}  // namespace ocp
